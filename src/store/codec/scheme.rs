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
    let headers = scheme.headers.clone();
    let plain = |body: wire::Body| wire::Scheme {
        body: body.into(),
        headers: headers.clone(),
        template: template.clone(),
        ..Default::default()
    };
    let with_members = |body, members: &MemberChoice| {
        let pointers = members.pointers().to_vec();
        let (ignore, only) = if members.is_only() { (Vec::new(), pointers) } else { (pointers, Vec::new()) };
        wire::Scheme { ignore, only, wildcards: members.has_wildcards(), ..plain(body) }
    };
    match &scheme.body {
        BodyScheme::Raw => plain(wire::Body::Raw),
        BodyScheme::Json { ignore } => wire::Scheme { ignore: ignore.clone(), ..plain(wire::Body::Json) },
        BodyScheme::JsonMembers { members, sent_as } => wire::Scheme {
            any_parameters: true,
            sent_as: sent_as.as_deref().map(<[u8]>::to_vec),
            ..with_members(wire::Body::Json, members)
        },
        BodyScheme::None => plain(wire::Body::None),
        BodyScheme::Form { members } => with_members(wire::Body::Form, members),
        BodyScheme::Multipart => plain(wire::Body::Multipart),
    }
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
