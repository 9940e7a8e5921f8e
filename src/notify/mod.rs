//! The notifier: tells a webhook of each outcome that becomes unknown, until it answers with a 2xx status.
//!
//! The unknown records themselves are the queue. Each pass lists them, oldest first, and tells those that
//! were not told before. What was told is listed in shared documents of the store and not in the records,
//! because a write to a record would change its age. An outcome that is decided before it was told is not
//! told any more.
//!
//! Every gateway of a fleet runs a notifier, and one of them at a time tells, under a lease. Each event is
//! told at least once. After a crash between a delivery and its note, or at the end of a lease that was lost,
//! an event is told again, with the same id.

mod event;
mod lease;
mod notifier;
mod signature;
mod told;
mod webhook;

pub use notifier::{Notifier, notify_unknown};
