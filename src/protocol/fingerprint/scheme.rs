//! The rules by which a fingerprint is made.

use std::sync::Arc;

use super::choice::MemberChoice;
use super::media_type::essence;
use super::request::RequestParts;
use crate::protocol::path::Template;

/// Longest `Content-Type` that a scheme keeps, in bytes.
const LONGEST_TYPE: usize = 256;

/// The rules by which a fingerprint is made. They are stored with every record, so that a gateway with
/// another configuration compares a retry by the rules of the first attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The part of the body that counts.
    pub body: BodyScheme,
    /// The lower-case names of the request headers that count, in the order they are hashed.
    pub headers: Vec<String>,
    /// The spellings of the path that count as equal.
    pub path: PathScheme,
}

/// The spellings of a path that count as equal in the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathScheme {
    /// No two spellings: the path counts as it was sent.
    AsSent,
    /// Spellings that this template treats as equal ([`Template::form`]). The template is that of the first
    /// attempt's route. A retry may take another route and is still the same request.
    Equivalent(Template),
}

/// The part of a body that goes into the fingerprint.
///
/// Two different amounts must never look the same. Therefore a body that has no clear meaning in the expected
/// form is taken as [`BodyScheme::Raw`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyScheme {
    /// Every byte.
    Raw,
    /// The meaning of the JSON document, in the scheme of the first releases: the parameters of the media
    /// type count. Otherwise the same as [`BodyScheme::JsonMembers`].
    Json {
        /// JSON pointers (RFC 6901) of members that do not count. No step is a wildcard.
        ignore: Vec<String>,
    },
    /// The meaning of the JSON document: member order, white space, escapes, the spelling of a number and the
    /// parameters of the media type do not count (RFC 8785).
    ///
    /// Some bodies are taken raw: a body that is not JSON, that names a member twice, or that holds a number
    /// which a double might not distinguish from its neighbours. Such a number has more than 15 significant
    /// digits in any spelling, or is at least 10^15 (so every integer beyond 2^53 is taken raw), or is below
    /// about 10^-290.
    JsonMembers {
        /// The members that count.
        members: MemberChoice,
        /// `Content-Type` of the first attempt, where it has parameters or capital letters. A retry of the
        /// same media type counts as if it had this value, so that gateways of the first releases, which
        /// compare the value as it was sent, make and read the same digest.
        sent_as: Option<Box<[u8]>>,
    },
    /// Nothing of the body.
    None,
    /// The meaning of a form (`application/x-www-form-urlencoded`). The order of members and the spelling of
    /// their characters do not count. The order of the values of one member does.
    Form {
        /// The members that count.
        members: MemberChoice,
    },
    /// The parts of a multipart body. The boundary, the spelling of part headers and the order of members
    /// with different names do not count.
    Multipart,
}

impl Scheme {
    /// Tells whether gateways of the first releases can compute digests under this scheme.
    #[must_use]
    pub fn is_first_releases(&self) -> bool {
        match &self.body {
            BodyScheme::Raw | BodyScheme::Json { .. } => true,
            BodyScheme::JsonMembers { members, .. } => members.literal_exceptions().is_some(),
            BodyScheme::None | BodyScheme::Form { .. } | BodyScheme::Multipart => false,
        }
    }

    /// Returns the scheme of a record that this request makes on a route with the scheme `self`.
    pub(super) fn of_first(self: &Arc<Self>, request: &RequestParts<'_>) -> Arc<Self> {
        let BodyScheme::JsonMembers { members, sent_as: None } = &self.body else { return Arc::clone(self) };
        let Some(sent) = request.content_type().filter(|_| self.counts("content-type")) else {
            return Arc::clone(self);
        };
        let has_usual_spelling = essence(sent).is_none_or(|essence| essence.as_bytes() == sent);
        let Some(ignore) = members.literal_exceptions().filter(|_| !has_usual_spelling) else {
            return Arc::clone(self);
        };
        let body = match sent.len() <= LONGEST_TYPE {
            true => BodyScheme::JsonMembers { members: members.clone(), sent_as: Some(sent.into()) },
            false => BodyScheme::Json { ignore: ignore.to_vec() },
        };
        Arc::new(Self { body, headers: self.headers.clone(), path: self.path.clone() })
    }

    fn counts(&self, header: &str) -> bool {
        self.headers.iter().any(|name| name == header)
    }
}
