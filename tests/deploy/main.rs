//! What one deploys by: the gateway accepts the configuration under the environment that each overlay
//! sets, and what has to fit each other across files does. That the manifests are valid by themselves
//! is for `scripts/lint-deploy`.

mod agreement;
mod checked;
mod environment;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Value {
    serde_yaml_ng::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the base says of its pods.
fn pod() -> Value {
    yaml("k8s/base/deployment.yaml")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

/// The value that a JSON patch of the embedded overlay puts at `place`.
fn patched(place: &str) -> Value {
    let patch = yaml("k8s/overlays/embedded/store.yaml");
    let found = patch.as_array().and_then(|all| all.iter().find(|operation| operation["path"] == place));
    found.unwrap_or_else(|| panic!("nothing is put at {place}"))["value"].clone()
}
