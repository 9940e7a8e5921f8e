//! The part of a body that counts, and the value that counts as its `Content-Type`.

use std::borrow::Cow;

use super::media_type::essence;
use super::places::Places;
use super::request::RequestParts;
use super::scheme::BodyScheme;
use super::{form, json, multipart};

const FORM: &str = "application/x-www-form-urlencoded";

/// What counts of a body.
pub(super) struct Content<'r> {
    /// The form in which the body counts.
    pub(super) kind: &'static [u8],
    pub(super) body: Cow<'r, [u8]>,
    /// The value that counts instead of the one `Content-Type` that was sent.
    pub(super) content_type: Option<Cow<'r, [u8]>>,
}

impl<'r> Content<'r> {
    /// Reads the body of a request.
    pub(super) fn of(request: &RequestParts<'r>, scheme: &'r BodyScheme) -> Self {
        let content_type = media_type(request, scheme);
        let (kind, meaning): (&[u8], _) = match scheme {
            BodyScheme::Raw => (b"raw", None),
            BodyScheme::Json { ignore } => {
                (b"json", json::canonical(request.body, &Places::of(ignore, false, false)))
            }
            BodyScheme::JsonMembers { members, .. } => {
                (b"json", json::canonical(request.body, members.places()))
            }
            BodyScheme::None => (b"none", Some(Vec::new())),
            BodyScheme::Form { members } if is_form(request) => {
                (b"form", form::canonical(request.body, members.places()))
            }
            BodyScheme::Form { .. } => (b"form", None),
            BodyScheme::Multipart => {
                return Self::of_parts(request).unwrap_or_else(|| Self::raw(request, None));
            }
        };
        match meaning {
            Some(meaning) => Self { kind, body: meaning.into(), content_type },
            None => Self::raw(request, content_type),
        }
    }

    fn of_parts(request: &RequestParts<'r>) -> Option<Self> {
        let content_type = request.content_type().filter(|_| !request.is_coded())?;
        let meaning = multipart::canonical(content_type, request.body)?;
        let content_type = Some(meaning.content_type.into());
        Some(Self { kind: b"multipart", body: meaning.parts.into(), content_type })
    }

    fn raw(request: &RequestParts<'r>, content_type: Option<Cow<'r, [u8]>>) -> Self {
        Self { kind: b"raw", body: request.body.into(), content_type }
    }
}

/// Returns the value that counts as the media type of a body in JSON or of a form: its parameters do not.
fn media_type<'r>(request: &RequestParts<'r>, scheme: &'r BodyScheme) -> Option<Cow<'r, [u8]>> {
    let (BodyScheme::JsonMembers { .. } | BodyScheme::Form { .. }) = scheme else { return None };
    let essence_sent = essence(request.content_type()?)?;
    if let BodyScheme::JsonMembers { sent_as: Some(first), .. } = scheme
        && essence(first).as_ref() == Some(&essence_sent)
    {
        return Some(Cow::Borrowed(first));
    }
    Some(Cow::Owned(essence_sent.into_bytes()))
}

fn is_form(request: &RequestParts<'_>) -> bool {
    let essence = request.content_type().and_then(essence);
    essence.is_some_and(|essence| essence == FORM) && !request.is_coded()
}
