//! The parts by which people see what gateways do: alert rules, dashboard, runbooks and the request log, held
//! to what real gateways show. `scripts/test` installs Prometheus, which evaluates the rules here.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod added;
mod alerts;
mod exemplars;
mod fleet;
mod following;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of other things")]
mod harness;
#[path = "../logs/process.rs"]
#[expect(dead_code, reason = "it also serves the tests of the log")]
mod process;
mod prometheus;
mod queries;
mod runbooks;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// An alert rule of `config/prometheus/alerts.yml`.
#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
struct Annotations {
    runbook_url: String,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns all alert rules.
fn rules() -> Vec<Rule> {
    let groups: Groups = yaml_serde::from_str(&text("config/prometheus/alerts.yml")).expect("rules");
    groups.groups.into_iter().flat_map(|group| group.rules).collect()
}
