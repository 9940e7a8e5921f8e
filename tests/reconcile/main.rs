//! The closing of books: a gateway with many records, a ledger with as many lines, and `oncegate records
//! reconcile` between both.
//!
//! `cargo test --test reconcile` does so with a few thousand. The figures of `docs/settling.md` come from:
//!
//! ```text
//! ONCEGATE_RECORDS=1000000 cargo test --release --test reconcile -- --ignored million --nocapture
//! ```

#![cfg(all(feature = "redis", feature = "postgres"))]

mod books;
mod loader;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores")]
mod servers;
