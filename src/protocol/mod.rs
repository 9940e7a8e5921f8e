//! The idempotency protocol: what an operation is, what is remembered of it, and the one function
//! that decides what may happen next.
//!
//! Everything in here is pure. There is no I/O, no clock, no randomness and no async: time and
//! identity come in as arguments, decisions go out as values, and whoever called carries them out.
//!
//! Read in this order: [`key`] and [`scope`] name an operation, [`fingerprint`] says what was
//! asked, [`record`] is what the store keeps, and [`transition`](mod@transition) is the state machine.

pub mod call;
pub mod credential;
pub mod fingerprint;
pub mod header;
pub mod hex;
pub mod id;
pub mod identity;
pub mod key;
pub mod notice;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod readings;
pub mod record;
pub mod response;
pub mod scope;
pub mod transition;

pub use call::{CallError, CallLimit, Deadline, MaySend, Meaning, Outcomes, Reason, Sent, Unusable};
pub use fingerprint::{Asked, BodyScheme, Fingerprint, PathScheme, Scheme};
pub use id::{Owner, RecordId, Revision};
pub use identity::{Entry, EntryName, Identity};
pub use key::{InvalidKey, Key};
pub use notice::Notice;
pub use pattern::Pattern;
pub use policy::{OnUnknown, Policy};
pub use record::{Executed, Record, State};
pub use response::{ResponseRef, StoredResponse};
pub use scope::{Scope, ScopePart, Shown, Told};
pub use transition::{Claim, Event, Next, Refusal, Resolution, Transition, Verdict, transition};
