//! Records and responses as bytes, for every store that keeps bytes.
//!
//! The encoding is one version byte, then a protocol buffer (`wire`). A newer gateway may add fields to the
//! messages, and an older one in the same fleet skips them. A change that an older gateway must not skip
//! takes a new version byte, which the older one refuses. Version 4 marks a record with a fingerprint of a
//! body form, or of a choice of members, that an older gateway cannot compute. Version 3 marks any other
//! record with another policy than `hold`: an older gateway would drop what settles it. Version 2 marks any
//! other record with a fingerprint that treats equivalent spellings of a path as one. All other records, and
//! responses, are written as version 1.
//!
//! Decoding never panics and never guesses: bytes that are not exactly a record or a response are an
//! [`Undecodable`] that says why. Field numbers never change.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use prost::Message;

use crate::clock::Timestamp;
use crate::protocol::{
    Executed, Fingerprint, Labels, OnUnknown, Owner, PathScheme, Policy, Record, ResponseRef, Revision,
    Scheme, State, StoredResponse,
};

mod history;
mod parts;
mod scheme;
mod wire;

pub use parts::Undecodable;

use parts::{present, reason_from_wire, reason_to_wire, refused, sized, status, status_of, token};
use scheme::{scheme_from_wire, scheme_to_wire};

/// The version of all data that the first release can read.
const VERSION: u8 = 1;
/// The version of a record with [`PathScheme::Equivalent`]: a gateway that does not know it would compare
/// fingerprints wrongly.
const VERSION_OF_EQUIVALENT: u8 = 2;
/// The version of a record with a policy that settles unknown outcomes: a gateway that does not know it would
/// drop the window and the kept parts of the request.
const VERSION_OF_SETTLING: u8 = 3;
/// The version of a record with a scheme that is not [`Scheme::is_first_releases`]: a gateway that does not
/// know it would compare fingerprints wrongly.
const VERSION_OF_BODY_FORMS: u8 = 4;

/// Encodes `record`.
#[must_use]
pub fn encode_record(record: &Record) -> Vec<u8> {
    let version = version_of(&record.policy, &record.fingerprint.scheme);
    let message = wire::Record {
        revision: record.revision.0,
        namespace: record.namespace.as_ref().to_owned(),
        route: record.route.as_ref().to_owned(),
        scheme: Some(scheme_to_wire(&record.fingerprint.scheme)),
        digest: record.fingerprint.digest.to_vec(),
        policy: Some(policy_to_wire(&record.policy)),
        created_at: record.created_at.0,
        updated_at: record.updated_at.0,
        state: Some(state_to_wire(&record.state)),
        kept: record.kept.as_deref().map(Into::into),
        history: record.history.entries().iter().map(history::entry_to_wire).collect(),
        left_out: record.history.left_out(),
        doubt: record.doubt.as_deref().map(history::doubt_to_wire),
        labels: record.labels.iter().map(label_to_wire).collect(),
    };
    versioned(version, &message)
}

fn label_to_wire((name, value): (&str, &str)) -> wire::Label {
    wire::Label { name: name.to_owned(), value: value.to_owned() }
}

fn version_of(policy: &Policy, scheme: &Scheme) -> u8 {
    match (policy.on_unknown, &scheme.path) {
        _ if !scheme.is_first_releases() => VERSION_OF_BODY_FORMS,
        (OnUnknown::Retry { .. } | OnUnknown::Probe | OnUnknown::Marker, _) => VERSION_OF_SETTLING,
        (OnUnknown::Hold, PathScheme::Equivalent(_)) => VERSION_OF_EQUIVALENT,
        (OnUnknown::Hold, PathScheme::AsSent) => VERSION,
    }
}

/// Tells whether a record with this scheme may have this version. The first versions could hold any policy.
fn is_version_of(scheme: &Scheme, version: u8) -> bool {
    match version {
        VERSION_OF_BODY_FORMS => !scheme.is_first_releases(),
        VERSION_OF_SETTLING => scheme.is_first_releases(),
        VERSION_OF_EQUIVALENT => scheme.is_first_releases() && scheme.path != PathScheme::AsSent,
        _ => scheme.is_first_releases() && scheme.path == PathScheme::AsSent,
    }
}

/// Decodes a record.
///
/// # Errors
/// The reason why `bytes` are not a record.
pub fn decode_record(bytes: &[u8]) -> Result<Record, Undecodable> {
    let (version, wire): (u8, wire::Record) = unversioned(bytes, VERSION_OF_BODY_FORMS)?;
    let scheme = scheme_from_wire(present(wire.scheme, "fingerprint scheme")?)?;
    let policy = policy_from_wire(present(wire.policy, "policy")?)?;
    if !is_version_of(&scheme, version) {
        return Err(refused("encoding version", version));
    }
    Ok(Record {
        revision: Revision(wire.revision),
        namespace: wire.namespace.into(),
        route: wire.route.into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: sized(&wire.digest, "fingerprint")? },
        policy,
        created_at: Timestamp(wire.created_at),
        updated_at: Timestamp(wire.updated_at),
        state: state_from_wire(present(wire.state, "state")?)?,
        kept: wire.kept.map(Into::into),
        doubt: wire.doubt.map(history::doubt_from_wire).transpose()?.map(Box::new),
        history: history::from_wire(wire.history, wire.left_out),
        labels: Labels::stored(wire.labels.iter().map(|label| (&*label.name, &*label.value))),
    })
}

/// Encodes `response`.
#[must_use]
pub fn encode_response(response: &StoredResponse) -> Vec<u8> {
    let header = |(name, value): &(HeaderName, HeaderValue)| wire::Header {
        name: name.as_str().to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    let message = wire::Response {
        status: u32::from(response.status.as_u16()),
        headers: response.headers.iter().map(header).collect(),
        body: response.body.clone(),
    };
    versioned(VERSION, &message)
}

/// Decodes a response.
///
/// # Errors
/// The reason why `bytes` are not a response.
pub fn decode_response(bytes: &[u8]) -> Result<StoredResponse, Undecodable> {
    let (_, wire): (u8, wire::Response) = unversioned(bytes, VERSION)?;
    let headers = wire.headers.into_iter().map(header_from_wire);
    Ok(StoredResponse {
        status: StatusCode::from_u16(status(wire.status)?).map_err(|_| refused("status", wire.status))?,
        headers: headers.collect::<Result<_, _>>()?,
        body: wire.body,
    })
}

fn versioned(version: u8, message: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + message.encoded_len());
    bytes.push(version);
    message.encode_raw(&mut bytes);
    bytes
}

/// Splits off the version and decodes the message after it. Versions after `newest` are refused.
fn unversioned<M: Message + Default>(bytes: &[u8], newest: u8) -> Result<(u8, M), Undecodable> {
    match bytes.split_first() {
        None => Err(Undecodable("it is empty".into())),
        Some((&version, message)) if (VERSION..=newest).contains(&version) => {
            let message = M::decode(message).map_err(|error| Undecodable(error.to_string()))?;
            Ok((version, message))
        }
        Some((version, _)) => Err(refused("encoding version", version)),
    }
}

fn header_from_wire(header: wire::Header) -> Result<(HeaderName, HeaderValue), Undecodable> {
    // Stored names are lower-case. A name that is not was not written by a gateway.
    let name = HeaderName::from_lowercase(header.name.as_bytes());
    let name = name.map_err(|_| Undecodable("a header name is invalid".into()))?;
    let value = HeaderValue::from_maybe_shared(header.value);
    Ok((name, value.map_err(|_| Undecodable("a header value is invalid".into()))?))
}

fn policy_to_wire(policy: &Policy) -> wire::Policy {
    let (on_unknown, window) = match policy.on_unknown {
        OnUnknown::Hold => (wire::OnUnknown::Hold, None),
        OnUnknown::Retry { window } => (wire::OnUnknown::Retry, window),
        OnUnknown::Probe => (wire::OnUnknown::Probe, None),
        OnUnknown::Marker => (wire::OnUnknown::Marker, None),
    };
    let span = |duration: Duration| {
        Some(wire::Span { seconds: duration.as_secs(), nanoseconds: duration.subsec_nanos() })
    };
    wire::Policy {
        on_unknown: on_unknown.into(),
        lease: span(policy.lease),
        response_timeout: span(policy.response_timeout),
        ttl: span(policy.ttl),
        tombstone_ttl: span(policy.tombstone_ttl),
        window: window.and_then(span),
    }
}

fn policy_from_wire(wire: wire::Policy) -> Result<Policy, Undecodable> {
    let window = |span| span_from_wire(Some(span), "window");
    let on_unknown = match wire::OnUnknown::try_from(wire.on_unknown) {
        Ok(wire::OnUnknown::Hold) => OnUnknown::Hold,
        Ok(wire::OnUnknown::Retry) => OnUnknown::Retry { window: wire.window.map(window).transpose()? },
        Ok(wire::OnUnknown::Probe) => OnUnknown::Probe,
        Ok(wire::OnUnknown::Marker) => OnUnknown::Marker,
        Ok(wire::OnUnknown::Unspecified) | Err(_) => return Err(refused("policy", wire.on_unknown)),
    };
    Ok(Policy {
        on_unknown,
        lease: span_from_wire(wire.lease, "lease")?,
        response_timeout: span_from_wire(wire.response_timeout, "response timeout")?,
        ttl: span_from_wire(wire.ttl, "ttl")?,
        tombstone_ttl: span_from_wire(wire.tombstone_ttl, "tombstone ttl")?,
    })
}

fn span_from_wire(span: Option<wire::Span>, what: &str) -> Result<Duration, Undecodable> {
    match present(span, what)? {
        span if span.nanoseconds < 1_000_000_000 => Ok(Duration::new(span.seconds, span.nanoseconds)),
        span => Err(refused(what, format_args!("{} nanoseconds", span.nanoseconds))),
    }
}

fn state_to_wire(state: &State) -> wire::State {
    let held = |owner: Owner, n, undecided| wire::Held { owner: owner.0.to_vec(), n, undecided };
    match *state {
        State::Running { owner, n, undecided } => {
            wire::State::Running(wire::Running { owner: owner.0.to_vec(), n, undecided })
        }
        State::Completed { owner, n, response } => wire::State::Completed(wire::Completed {
            owner: owner.0.to_vec(),
            n,
            response_id: response.id.0.to_vec(),
            status: u32::from(response.status),
            retained: response.retained,
        }),
        State::Settled { owner, n } => wire::State::Settled(held(owner, n, false)),
        State::Cleared { owner, n, undecided } => wire::State::Cleared(held(owner, n, undecided)),
        State::Unknown { owner, n, undecided, reason, quiet_at } => wire::State::Unknown(wire::Unknown {
            owner: owner.0.to_vec(),
            n,
            undecided,
            reason: reason_to_wire(reason).into(),
            status: status_of(reason),
            quiet_at: quiet_at.0,
        }),
        State::Expired { n, executed } => {
            let executed = match executed {
                Executed::Yes => wire::Executed::Yes,
                Executed::Unknown => wire::Executed::NeverKnown,
            };
            wire::State::Expired(wire::Expired { n, executed: executed.into() })
        }
    }
}

fn state_from_wire(state: wire::State) -> Result<State, Undecodable> {
    Ok(match state {
        wire::State::Running(wire::Running { owner, n, undecided }) => {
            State::Running { owner: token(&owner)?, n, undecided }
        }
        wire::State::Completed(wire) => State::Completed {
            owner: token(&wire.owner)?,
            n: wire.n,
            response: ResponseRef {
                id: token(&wire.response_id)?,
                status: status(wire.status)?,
                retained: wire.retained,
            },
        },
        wire::State::Settled(wire) => State::Settled { owner: token(&wire.owner)?, n: wire.n },
        wire::State::Cleared(wire) => {
            State::Cleared { owner: token(&wire.owner)?, n: wire.n, undecided: wire.undecided }
        }
        wire::State::Unknown(wire) => State::Unknown {
            owner: token(&wire.owner)?,
            n: wire.n,
            undecided: wire.undecided,
            reason: reason_from_wire(wire.reason, wire.status)?,
            quiet_at: Timestamp(wire.quiet_at),
        },
        wire::State::Expired(wire) => match wire::Executed::try_from(wire.executed) {
            Ok(wire::Executed::Yes) => State::Expired { n: wire.n, executed: Executed::Yes },
            Ok(wire::Executed::NeverKnown) => State::Expired { n: wire.n, executed: Executed::Unknown },
            Ok(wire::Executed::Unspecified) | Err(_) => return Err(refused("tombstone", wire.executed)),
        },
    })
}

#[cfg(test)]
mod tests;
