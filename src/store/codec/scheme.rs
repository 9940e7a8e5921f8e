//! The scheme of a fingerprint.
//!
//! A record whose JSON counts without the parameters of its media type keeps the digest that older gateways
//! compute, and says in fields that they skip what a newer gateway needs to know beyond that.

use super::parts::{Undecodable, refused};
use super::wire;
use crate::protocol::path::Template;
use crate::protocol::{BodyScheme, MemberChoice, PathScheme, Scheme};

pub(super) fn scheme_to_wire(scheme: &Scheme) -> wire::Scheme {
    let template = match &scheme.path {
        PathScheme::AsSent => String::new(),
        PathScheme::Equivalent(template) => template.to_string(),
    };
    let body = match &scheme.body {
        BodyScheme::Raw => wire::Scheme { body: wire::Body::Raw.into(), ..Default::default() },
        BodyScheme::Json { ignore } => {
            wire::Scheme { body: wire::Body::Json.into(), ignore: ignore.clone(), ..Default::default() }
        }
        BodyScheme::JsonMembers { members, sent_as } => wire::Scheme {
            any_parameters: true,
            sent_as: sent_as.as_deref().map(<[u8]>::to_vec),
            ..members_to_wire(wire::Body::Json, members)
        },
        BodyScheme::None => wire::Scheme { body: wire::Body::None.into(), ..Default::default() },
        BodyScheme::Form { members } => members_to_wire(wire::Body::Form, members),
        BodyScheme::Multipart => wire::Scheme { body: wire::Body::Multipart.into(), ..Default::default() },
    };
    wire::Scheme { headers: scheme.headers.clone(), template, ..body }
}

fn members_to_wire(body: wire::Body, members: &MemberChoice) -> wire::Scheme {
    let pointers = members.pointers().to_vec();
    let (ignore, only) = if members.is_only() { (Vec::new(), pointers) } else { (pointers, Vec::new()) };
    wire::Scheme { body: body.into(), ignore, only, wildcards: members.has_wildcards(), ..Default::default() }
}

pub(super) fn scheme_from_wire(wire: wire::Scheme) -> Result<Scheme, Undecodable> {
    let wire::Scheme { ignore, only, wildcards, .. } = wire;
    if !ignore.is_empty() && !only.is_empty() {
        return Err(Undecodable("the fingerprint scheme has two lists of members".into()));
    }
    let is_choice = wire.any_parameters || wildcards || !only.is_empty();
    let members = |ignore| match only.is_empty() {
        true => MemberChoice::except(ignore, wildcards),
        false => MemberChoice::only(only, wildcards),
    };
    let body = match wire::Body::try_from(wire.body) {
        Ok(wire::Body::Raw) => BodyScheme::Raw,
        Ok(wire::Body::Json) if is_choice => {
            BodyScheme::JsonMembers { members: members(ignore), sent_as: wire.sent_as.map(Into::into) }
        }
        Ok(wire::Body::Json) => BodyScheme::Json { ignore },
        Ok(wire::Body::None) => BodyScheme::None,
        Ok(wire::Body::Form) => BodyScheme::Form { members: members(ignore) },
        Ok(wire::Body::Multipart) => BodyScheme::Multipart,
        Ok(wire::Body::Unspecified) | Err(_) => return Err(refused("body scheme", wire.body)),
    };
    let path = match &*wire.template {
        "" => PathScheme::AsSent,
        template => PathScheme::Equivalent(Template::new(template)),
    };
    Ok(Scheme { body, headers: wire.headers, path })
}
