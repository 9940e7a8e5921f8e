//! The protocol buffers. Tags and enumeration values never change: add new ones, and never reuse one.
//!
//! Zero is never a valid enumeration value, because a missing field must not read as a decision.

use bytes::Bytes;
use prost::{Enumeration, Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(fixed64, tag = "1")]
    pub(super) revision: u64,
    #[prost(string, tag = "2")]
    pub(super) namespace: String,
    #[prost(string, tag = "3")]
    pub(super) route: String,
    #[prost(message, optional, tag = "4")]
    pub(super) scheme: Option<Scheme>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) digest: Vec<u8>,
    #[prost(message, optional, tag = "6")]
    pub(super) policy: Option<Policy>,
    #[prost(uint64, tag = "7")]
    pub(super) created_at: u64,
    #[prost(uint64, tag = "8")]
    pub(super) updated_at: u64,
    /// Only in records of version 3.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(super) kept: Option<Vec<u8>>,
    /// The history, the oldest entry first.
    #[prost(message, repeated, tag = "11")]
    pub(super) history: Vec<Entry>,
    /// Number of entries that were left out of the history.
    #[prost(uint32, tag = "12")]
    pub(super) left_out: u32,
    /// Only in a cleared or settled record.
    #[prost(message, optional, tag = "13")]
    pub(super) doubt: Option<Doubt>,
    /// A gateway that does not know labels skips them.
    #[prost(message, repeated, tag = "10")]
    pub(super) labels: Vec<Label>,
    #[prost(oneof = "State", tags = "16, 17, 18, 19, 20, 21")]
    pub(super) state: Option<State>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Scheme {
    #[prost(enumeration = "Body", tag = "1")]
    pub(super) body: i32,
    #[prost(string, repeated, tag = "2")]
    pub(super) ignore: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) headers: Vec<String>,
    /// The template that makes spellings of the path equal. Only in records of version 2.
    #[prost(string, tag = "4")]
    pub(super) template: String,
    /// The members that count. Only in records of version 4.
    #[prost(string, repeated, tag = "5")]
    pub(super) only: Vec<String>,
    /// Whether the step `*` is any member. Only in records of version 4.
    #[prost(bool, tag = "6")]
    pub(super) wildcards: bool,
    /// Whether the parameters of the media type do not count. A gateway that does not know it compares them.
    #[prost(bool, tag = "7")]
    pub(super) any_parameters: bool,
    /// The `Content-Type` that the digest was made with. Only beside `any_parameters`.
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) sent_as: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum Body {
    Unspecified = 0,
    Raw = 1,
    Json = 2,
    /// This value and those below it: only in records of version 4.
    None = 3,
    Form = 4,
    Multipart = 5,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Policy {
    #[prost(enumeration = "OnUnknown", tag = "1")]
    pub(super) on_unknown: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) lease: Option<Span>,
    #[prost(message, optional, tag = "3")]
    pub(super) response_timeout: Option<Span>,
    #[prost(message, optional, tag = "4")]
    pub(super) ttl: Option<Span>,
    #[prost(message, optional, tag = "5")]
    pub(super) tombstone_ttl: Option<Span>,
    /// Only beside `Retry`.
    #[prost(message, optional, tag = "6")]
    pub(super) window: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Span {
    #[prost(uint64, tag = "1")]
    pub(super) seconds: u64,
    #[prost(uint32, tag = "2")]
    pub(super) nanoseconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum OnUnknown {
    Unspecified = 0,
    Hold = 1,
    Retry = 2,
    Probe = 3,
    Marker = 4,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum State {
    #[prost(message, tag = "16")]
    Running(Running),
    #[prost(message, tag = "17")]
    Completed(Completed),
    #[prost(message, tag = "18")]
    Settled(Held),
    #[prost(message, tag = "19")]
    Unknown(Unknown),
    #[prost(message, tag = "20")]
    Cleared(Held),
    #[prost(message, tag = "21")]
    Expired(Expired),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Running {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) n: u32,
    #[prost(bool, tag = "3")]
    pub(super) undecided: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Completed {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) n: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) response_id: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub(super) status: u32,
    #[prost(bool, tag = "5")]
    pub(super) retained: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Held {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) n: u32,
    /// Only in a cleared record of version 3.
    #[prost(bool, tag = "3")]
    pub(super) undecided: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Unknown {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) n: u32,
    #[prost(bool, tag = "3")]
    pub(super) undecided: bool,
    #[prost(enumeration = "Reason", tag = "4")]
    pub(super) reason: i32,
    #[prost(uint32, tag = "5")]
    pub(super) status: u32,
    #[prost(uint64, tag = "6")]
    pub(super) quiet_at: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Expired {
    #[prost(uint32, tag = "1")]
    pub(super) n: u32,
    #[prost(enumeration = "Executed", tag = "2")]
    pub(super) executed: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Doubt {
    #[prost(bool, tag = "1")]
    pub(super) undecided: bool,
    #[prost(enumeration = "Reason", tag = "2")]
    pub(super) reason: i32,
    #[prost(uint32, tag = "3")]
    pub(super) status: u32,
    #[prost(uint64, tag = "4")]
    pub(super) quiet_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    /// Absent in an entry that has the record's `updated_at`.
    #[prost(uint64, optional, tag = "1")]
    pub(super) at: Option<u64>,
    #[prost(uint32, tag = "2")]
    pub(super) n: u32,
    #[prost(enumeration = "Event", tag = "3")]
    pub(super) event: i32,
    #[prost(enumeration = "By", tag = "4")]
    pub(super) by: i32,
    /// Only beside `Operator`.
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(string, optional, tag = "6")]
    pub(super) note: Option<String>,
    /// Only in an entry of an outcome that became unknown.
    #[prost(enumeration = "Reason", tag = "7")]
    pub(super) reason: i32,
    /// Only beside a completion, or a reason with a status.
    #[prost(uint32, tag = "8")]
    pub(super) status: u32,
    /// Only in an entry of a decision.
    #[prost(bool, tag = "9")]
    pub(super) executed: bool,
    /// Only in an entry of an operator's decision.
    #[prost(bool, tag = "10")]
    pub(super) forced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum Event {
    Unspecified = 0,
    Claimed = 1,
    Unknown = 2,
    Released = 3,
    Completed = 4,
    Settled = 5,
    Resolved = 6,
    Reopened = 7,
    Deleted = 8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum By {
    Unspecified = 0,
    Gateway = 1,
    Probe = 2,
    Marker = 3,
    Operator = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum Executed {
    Unspecified = 0,
    Yes = 1,
    NeverKnown = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum Reason {
    Unspecified = 0,
    Unreachable = 1,
    ResponseTimeout = 2,
    ConnectionLost = 3,
    BrokenAnswer = 4,
    Status = 5,
    Shutdown = 6,
    LeaseOver = 7,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(uint32, tag = "1")]
    pub(super) status: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<Header>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}
