//! The deployment files. The gateway accepts the configuration under the environment of each overlay, and
//! values that stand in several files agree. `scripts/lint-deploy` checks that each manifest is valid by
//! itself.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

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
    yaml_serde::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the pod's specification in the base.
fn pod() -> Value {
    yaml("k8s/base/deployment.yaml")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

/// Returns the value that a JSON patch of the embedded overlay sets at `place`.
fn patched(place: &str) -> Value {
    let patch = yaml("k8s/overlays/embedded/store.yaml");
    let found = patch.as_array().and_then(|all| all.iter().find(|operation| operation["path"] == place));
    found.unwrap_or_else(|| panic!("nothing is put at {place}"))["value"].clone()
}
