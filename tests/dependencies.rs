//! Holds the packages that Cargo.lock names to the rules of `deny.toml`: licences, bans and sources.
//! `scripts/deny` runs cargo-deny itself, which also knows the advisories; it has to be installed and
//! needs a database that is not reachable from everywhere.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use spdx::{Expression, LicenseReq, ParseMode};

#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Registry that every package but our own comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn rules() -> Rules {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml is readable");
    toml::from_str(&text).expect("deny.toml has the tables that this test reads")
}

/// Returns every package of Cargo.lock, for all platforms and features.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--all-features", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo prints its metadata");
    assert!(metadata.packages.len() > 100, "only {} packages", metadata.packages.len());
    metadata.packages
}

/// Tells whether a package with this licence may be used: some choice that the expression leaves
/// consists of allowed licences. Exceptions, such as LLVM's, only grant more.
fn allowed(licence: &str, allow: &BTreeSet<String>) -> bool {
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else { return false };
    expression.evaluate(|asked: &LicenseReq| asked.license.id().is_some_and(|id| allow.contains(id.name)))
}

/// Names of the packages that break a rule; the message says which.
fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let allow = rules().licenses.allow;
    assert_none(
        packages()
            .into_iter()
            .filter(|package| !package.license.as_deref().is_some_and(|licence| allowed(licence, &allow)))
            .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
            .collect(),
    );
}

#[test]
fn a_licence_that_is_not_listed_is_refused() {
    let allow = rules().licenses.allow;
    assert!(allowed("MIT OR GPL-3.0-only", &allow));
    assert!(allowed("Apache-2.0 WITH LLVM-exception", &allow));
    assert!(allowed("MIT/Apache-2.0", &allow));
    for licence in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "AGPL-3.0-or-later", "no licence at all", ""] {
        assert!(!allowed(licence, &allow), "{licence:?}");
    }
}

#[test]
fn no_banned_package_is_used() {
    let bans = rules().bans.deny;
    assert!(!bans.is_empty());
    let used = packages();
    assert_none(
        bans.iter()
            .filter(|ban| used.iter().any(|package| package.name == ban.name))
            .map(|ban| format!("{}: {}", ban.name, ban.reason))
            .collect(),
    );
}

#[test]
fn every_package_comes_from_the_registry() {
    assert_none(
        packages()
            .into_iter()
            .filter(|package| package.name != "oncegate" && package.source.as_deref() != Some(REGISTRY))
            .map(|package| format!("{} {}: {:?}", package.name, package.version, package.source))
            .collect(),
    );
}

/// The files of the console that come from npm, as their package has them. A newer version replaces the files,
/// their licence and these digests.
#[test]
fn vendored_files_are_those_of_their_package_and_their_licence_is_allowed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/console");
    let file =
        |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).expect("a file of the console");
    for (name, digest) in [
        ("uplot.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        ("uplot.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ] {
        let found = Sha256::digest(file(name).as_bytes());
        let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, digest, "{name} is not that of uplot 1.6.32");
    }
    assert!(file("uplot.js").starts_with("/*! https://github.com/leeoniya/uPlot (v1.6.32) */"));
    assert!(file("uplot.LICENSE").starts_with("The MIT License (MIT)"));
    assert!(allowed("MIT", &rules().licenses.allow));
}
