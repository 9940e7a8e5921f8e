//! Rolling restarts of gateways under load, as a deployment does them: each payment is answered, and none
//! runs twice.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod balancer;
mod fleet;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of other kinds")]
mod harness;
mod line;
mod load;
#[path = "../reload/place.rs"]
#[expect(dead_code, reason = "it also serves the tests of reloads")]
mod place;
#[path = "../settle/random.rs"]
#[expect(dead_code, reason = "it also serves tests of other kinds")]
mod random;
mod restarts;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
