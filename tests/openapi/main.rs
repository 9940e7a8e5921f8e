//! `oncegate openapi --annotate`: the real command over documents, and a validator of OpenAPI over its results.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use yaml_serde::{Mapping, Value};

mod mistakes;
mod results;

const PAYMENTS: &str = include_str!("payments.yaml");

/// Two routes that cover operations of `payments.yaml`, one that covers a part of one, and one that covers
/// none.
const ROUTES: &str = "[upstreams.payments]\nurl = \"http://127.0.0.1:9000\"\n\
    [[routes]]\nname = \"charges\"\npath = \"/v1/charges\"\nupstream = \"payments\"\nttl = \"90m\"\n\
    key = { required = true }\n\
    [[routes]]\nname = \"capture\"\npath = \"/V1/charges/{id}/capture\"\nupstream = \"payments\"\nanonymous = \"one\"\n\
    [[routes]]\nname = \"refunds\"\npath = \"/v2/{*rest}\"\nmethods = [\"POST\"]\nupstream = \"payments\"\n\
    key = { header = \"x-request-id\" }\n\
    [[routes]]\nname = \"customers\"\npath = \"/v1/customers/search\"\nupstream = \"payments\"\n\
    [[routes]]\nname = \"payouts\"\npath = \"/v1/payouts\"\nupstream = \"payments\"\n";

/// A route that covers no operation of `payments.yaml`.
const ELSEWHERE: &str = "[upstreams.payments]\nurl = \"http://127.0.0.1:9000\"\n\
    [[routes]]\nname = \"other\"\npath = \"/other\"\nupstream = \"payments\"\n";

/// A directory with documents and a configuration.
struct World {
    directory: TempDir,
}

/// The end of a run of the command.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    fn new(routes: &str) -> Self {
        let world = Self { directory: TempDir::new().expect("a temporary directory") };
        world.write("oncegate.toml", routes);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        let Output { status, stdout, stderr } = command
            .current_dir(self.directory.path())
            .env_clear()
            .arg("openapi")
            .args(arguments)
            .output()
            .expect("the command runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Run { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Annotates a document with the routes of the world. Returns the result, and the lines for the author.
    fn annotate(&self, name: &str) -> (String, String) {
        let run = self.run(&["--annotate", name, "--config", "oncegate.toml"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        (run.out, run.err)
    }
}

fn read(text: &str) -> Value {
    yaml_serde::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn json_of(text: &str) -> String {
    serde_json::to_string_pretty(&read(text)).expect("JSON")
}

fn members(value: &Value) -> &Mapping {
    value.as_mapping().unwrap_or_else(|| panic!("no object: {value:?}"))
}

/// Validates documents with the validator that `scripts/test` installs.
fn validate(documents: &[&Path]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/clients/python/bin/python");
    assert!(python.exists(), "{} is missing: run ./scripts/test", python.display());
    let script = root.join("tests/openapi/validate.py");
    let run = Command::new(python).arg(script).args(documents).output().expect("python runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), documents.len());
}
