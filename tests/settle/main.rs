//! Settling of unknown outcomes over real processes: gateways that are killed and stopped at every step, a
//! payment API that loses answers and acts late, and stores that lose replies or everything.
//!
//! `cargo test --test settle` runs a few seeded rounds of each policy. By hand:
//!
//! ```text
//! ONCEGATE_ROUNDS=300 ONCEGATE_SEED=1 cargo test --test settle -- --ignored campaign --nocapture
//! ONCEGATE_UNKNOWNS=1000 cargo test --test settle -- --ignored thousand --nocapture
//! ```

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod api;
mod api_itself;
mod campaign;
mod canaries;
mod cases;
mod check;
mod client;
mod policy;
mod random;
mod round;
mod store;
mod thousand;
mod window;
mod world;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of a single gateway")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
