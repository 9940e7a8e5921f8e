//! The recipes of `config/dialects/`: each with the real gateway, in front of a small fake of its API. Clients
//! of that API get the statuses and bodies that they read, also where the recipe says that the gateway differs.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod acp;
mod adyen;
mod check;
mod checkout_com;
mod dialect;
mod fake;
mod modern_treasury;
mod paypal;
mod recipe;
mod sdks;
mod square;
mod stripe;
mod ucp;
mod world;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of frameworks")]
mod clients;
#[path = "../sdks/driver.rs"]
#[expect(dead_code, reason = "it also serves tests of other clients")]
mod driver;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
