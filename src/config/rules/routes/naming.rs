//! What names the operations of a route and tells its requests apart: namespace, key, scope, fingerprint and
//! labels.

use std::sync::Arc;

use http::HeaderName;

use super::fingerprint::fingerprint;
use super::label::{Hidden, labels};
use super::scope::scope;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, limits};
use crate::protocol::{LabelSource, PathScheme, Scheme, ScopePart};

/// The checked naming of a route. Each field is the field of [`crate::config::Route`] with its name.
pub struct Naming {
    pub namespace: Arc<str>,
    pub key_header: HeaderName,
    pub scope: Vec<ScopePart>,
    pub fingerprint: Scheme,
    pub labels: Vec<LabelSource>,
}

/// Checks the naming of a route. `certificates` is true if clients present a certificate, and `path` says which
/// spellings of a path are one.
pub fn naming(
    at: &KeyCursor<'_>,
    file: &file::Route,
    certificates: bool,
    path: Option<PathScheme>,
) -> Option<Naming> {
    let namespace = limits::name(&at.key("namespace"), &file.namespace);
    let key_header = headers::key(&at.key("key").key("header"), &file.key.header);
    let scope = scope(at, file, key_header.as_ref(), certificates);
    let fingerprint = fingerprint(&at.key("fingerprint"), &file.fingerprint, key_header.as_ref());
    let hidden = Hidden { key: key_header.as_ref(), scope: scope.as_deref().unwrap_or(&[]) };
    let labels = labels(&at.key("label"), &file.label, hidden);
    Some(Naming {
        namespace: namespace?.into(),
        key_header: key_header?,
        scope: scope?,
        fingerprint: Scheme { path: path?, ..fingerprint? },
        labels: labels?,
    })
}
