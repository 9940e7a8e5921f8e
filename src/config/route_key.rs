//! The key of a route: where requests carry it, and how it is sent to the upstream.

use http::{HeaderMap, HeaderName};

use crate::headers::forward_key;
use crate::protocol::{Key, KeyForm, KeySource, PlaceNumber};

/// The settings for the key of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteKey {
    /// The place of the key in requests.
    pub source: KeySource,
    /// True if a request without a key is refused.
    pub required: bool,
    /// The way of the key to the upstream. `None` sends no header with the key.
    pub forward: Option<KeyForwarding>,
    /// The headers that may carry the key here or at the upstream, each once.
    headers: Vec<HeaderName>,
}

/// The way of a key to the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForwarding {
    /// Form of the key.
    pub form: KeyForm,
    /// Request header that carries it.
    pub name: HeaderName,
}

impl RouteKey {
    /// Returns the settings for a key.
    #[must_use]
    pub fn new(source: KeySource, required: bool, forward: Option<KeyForwarding>) -> Self {
        let mut headers: Vec<HeaderName> = source.headers().cloned().collect();
        let sent = forward.as_ref().map(|forward| &forward.name);
        headers.extend(sent.filter(|name| !headers.contains(name)).cloned());
        Self { source, required, forward, headers }
    }

    /// Returns the settings for a key in a header, which is sent to the upstream in the same header.
    #[must_use]
    pub fn in_header(name: HeaderName, required: bool) -> Self {
        let forward = KeyForwarding { form: KeyForm::Bare, name: name.clone() };
        Self::new(KeySource::header(name), required, Some(forward))
    }

    /// Puts the key of a request, which was read from `place`, into the headers that are sent to the upstream.
    pub fn send(&self, key: &Key, place: PlaceNumber, headers: &mut HeaderMap) {
        let to = self.forward.as_ref().map(|forward| (forward.form, &forward.name));
        forward_key(headers, key, self.source.header_at(place), to);
    }

    /// Returns the headers that may carry the key here or at the upstream.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }
}
