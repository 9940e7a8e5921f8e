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
use crate::protocol::{BodyScheme, LabelSource, PathScheme, Pointer, Scheme, ScopePart};

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
    let fingerprint = fingerprint.filter(|scheme| beside(at, scheme, key.as_ref()).is_some());
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

/// Checks that a body of the form that the fingerprint reads may have the key.
fn beside(at: &KeyCursor<'_>, scheme: &Scheme, key: Option<&RouteKey>) -> Option<()> {
    let first = key.and_then(|key| key.source.places().first());
    if scheme.body == BodyScheme::Multipart && first.is_some_and(|place| place.as_header().is_none()) {
        return at.key("fingerprint").key("body").refuse(
            "\"multipart\" stands beside a key in the body, and keys are read from JSON and forms alone: each \
             multipart body would be refused. Write a key with a header, like { header = \"X-Event-Id\" }, or first \
             with the header in front; or body = \"json\", \"form\" or \"raw\"",
        );
    }
    Some(())
}
