//! Reloads of the configuration while a real gateway serves: by SIGHUP, by a change of the file, and by an
//! operator.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod both_files;
mod causes;
mod earlier;
mod evidence;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of other kinds")]
mod harness;
mod limits;
mod load;
mod names;
mod place;
mod refused;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
mod shown;
mod streams;
mod upstreams;
