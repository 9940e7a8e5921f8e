//! The idempotency protocol: the definition of an operation, the record of it, and the one function that
//! decides what may happen next.
//!
//! This module is pure. It has no I/O, no clock, no randomness and no async. Time and identity come in as
//! arguments, decisions go out as values, and the caller carries them out.
//!
//! Read in this order: [`key`] and [`scope`] name an operation, [`fingerprint`] digests the request,
//! [`record`] is the stored state, and [`transition`](mod@transition) is the state machine.

pub mod call;
pub mod credential;
mod entry;
pub mod finding;
pub mod fingerprint;
pub mod form;
pub mod hex;
pub mod history;
pub mod id;
pub mod identity;
pub mod key;
pub mod key_source;
pub mod labels;
pub mod members;
pub mod notice;
pub mod outcomes;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod probe;
pub mod readings;
pub mod record;
pub mod response;
pub mod scope;
pub mod step;
pub mod transition;
pub mod verdict;

pub use call::{Reason, Sent};
pub use finding::{Called, Finding, finding, refused};
pub use fingerprint::{BodyScheme, Fingerprint, MemberChoice, PathScheme, RequestParts, Scheme};
pub use history::{History, Signature};
pub use id::{Owner, RecordId, Revision};
pub use identity::{Entry, EntryName, Identity};
pub use key::{InvalidKey, Key, KeyForm};
pub use key_source::{FoundKey, KeyPlace, KeyRefusal, KeySearch, KeySource, PlaceNumber};
pub use labels::{LabelSource, Labels};
pub use members::Pointer;
pub use notice::Notice;
pub use outcomes::{Meaning, Outcomes, StatusClass, Statuses};
pub use pattern::Pattern;
pub use policy::{OnUnknown, Policy};
pub use record::{Doubt, Executed, Record, State};
pub use response::{ResponseRef, StoredResponse};
pub use scope::{CallerIdentity, CallerParts, Scope, ScopePart};
pub use step::{
    Claim, Delete, Evidence, Renew, Reopen, Report, Resolution, Settle, Signed, StepKind, Sweep, TakeOver,
};
pub use transition::{Step, Transition, transition};
pub use verdict::{
    ClaimVerdict, OperatorVerdict, OwnerVerdict, Refusal, RenewVerdict, SettleVerdict, Standing,
    SweepVerdict, TakeOverVerdict,
};

// Some tests go through steps of every kind.
#[cfg(test)]
#[path = "../../tests/events/mod.rs"]
mod events;
