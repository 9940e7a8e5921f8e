//! What names the operations of a route and tells its requests apart: namespace, key, scope, fingerprint and
//! labels.

use std::sync::Arc;

use super::fingerprint::fingerprint;
use super::key::key;
use super::label::{Hidden, labels};
use super::scope::scope;
use crate::config::RouteKey;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::limits;
use crate::protocol::{LabelSource, PathScheme, Pointer, Scheme, ScopePart};

/// The checked naming of a route. Each field is the field of [`crate::config::Route`] with its name.
pub struct Naming {
    pub namespace: Arc<str>,
    pub key: RouteKey,
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
    let key = key(at, file);
    let key_headers = key.as_ref().map(RouteKey::headers).unwrap_or_default();
    let scope = scope(at, file, key_headers, certificates);
    let fingerprint = fingerprint(&at.key("fingerprint"), &file.fingerprint, key_headers);
    let key_members: Vec<&Pointer> = key.iter().flat_map(|key| key.source.members()).collect();
    let hidden = Hidden { key_headers, key_members: &key_members, scope: scope.as_deref().unwrap_or(&[]) };
    let labels = labels(&at.key("label"), &file.label, hidden);
    Some(Naming {
        namespace: namespace?.into(),
        key: key?,
        scope: scope?,
        fingerprint: Scheme { path: path?, ..fingerprint? },
        labels: labels?,
    })
}
