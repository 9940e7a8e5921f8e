//! Checks for the structure that `docs/architecture.md` describes: the allowed imports, the parts that the
//! protocol may use, and a few habits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::source::{Source, assert_none, sources};

mod circles;
mod functions;
mod paths;
mod prose;
mod source;

/// The floors from the bottom up. A module imports the listed neighbours on its own floor and every module
/// below, never a module above.
const FLOORS: [&[&str]; 8] = [
    &[
        "allocator",
        "backoff",
        "buffers",
        "clock",
        "descriptors",
        "failpoint",
        "holding",
        "peer",
        "pem",
        "presence",
        "random",
        "receiver_client",
        "regular_file",
        "reload",
        "seal",
        "secret",
        "shares",
        "spare",
        "stop",
        "workers",
    ],
    &["protocol"],
    &["call", "headers", "problem"],
    &["store"],
    &["config", "telemetry"],
    &["gateway", "notify", "routes", "settle", "upstream"],
    &["server", "admin", "cli"],
    &["app"],
];

/// The allowed imports within one floor.
const NEIGHBOURS: [(&str, &str); 7] = [
    ("receiver_client", "pem"),
    ("reload", "regular_file"),
    ("seal", "random"),
    ("problem", "headers"),
    ("telemetry", "config"),
    ("gateway", "routes"),
    ("gateway", "settle"),
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Returns the top-level modules that a line names as `crate::…`.
fn imports(line: &str) -> impl Iterator<Item = String> {
    line.match_indices("crate::").map(|(at, name)| {
        let rest = &line[at + name.len()..];
        rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
    })
}

#[test]
fn imports_go_downwards_only() {
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&&*source.module)) {
        let own = floor(&source.module).unwrap_or_else(|| panic!("{} is on no floor", source.module));
        for (number, line) in source.code.iter().enumerate() {
            for imported in imports(line).filter(|imported| *imported != source.module) {
                let Some(other) = floor(&imported) else { continue };
                let neighbour = NEIGHBOURS.contains(&(&source.module, &imported));
                if other > own || (other == own && !neighbour) {
                    violations.push(format!(
                        "{}:{}: {} imports {imported}",
                        source.path.display(),
                        number + 1,
                        source.module
                    ));
                }
            }
        }
    }
    assert_none(violations);
}

/// Returns the names of the stores: each store has its settings in a folder of its own below `src/store`.
fn stores() -> Vec<String> {
    let in_stores = |source: &Source| source.module == "store" && source.path.ends_with("settings.rs");
    let folder = |source: Source| source.path.parent()?.file_name()?.to_str().map(str::to_owned);
    let folders = sources().into_iter().filter(in_stores).filter_map(folder);
    let found: Vec<String> = folders.filter(|folder| folder != "store").collect();
    assert!(found.len() >= 4, "only {found:?}");
    found
}

/// Tells whether a file builds the settings of stores: the registry does, and the rules of each store.
fn builds_settings(path: &Path, stores: &[String]) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_rule = path.parent().is_some_and(|folder| folder.ends_with("config/rules"));
    is_rule && (name == "store" || stores.iter().any(|store| store == name))
}

#[test]
fn only_the_assembly_and_the_registry_name_concrete_back_ends() {
    let stores = stores();
    let mut concrete = vec!["upstream::".to_owned()];
    for store in &stores {
        concrete.push(format!("store::{store}"));
        concrete.push(format!("{}{}Store", store[..1].to_uppercase(), &store[1..]));
    }
    let outside = sources().into_iter().filter(|source| {
        !["app", "store", "upstream"].contains(&&*source.module) && !builds_settings(&source.path, &stores)
    });
    let mut violations = Vec::new();
    for source in outside {
        for (number, line) in source.without_tests().iter().enumerate() {
            if line.contains("cfg(test)") {
                break;
            }
            if concrete.iter().any(|name| line.contains(name.as_str())) {
                violations.push(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
        }
    }
    assert_none(violations);
}

#[test]
fn the_protocol_is_pure() {
    let impure =
        ["async ", ".await", "tokio", "tracing", "Instant", "SystemTime", "std::fs", "std::net", "getrandom"];
    let mut violations = Vec::new();
    for source in sources().into_iter().filter(|source| source.module == "protocol") {
        for (number, line) in source.code.iter().enumerate() {
            if let Some(word) = impure.iter().find(|word| line.contains(**word)) {
                violations.push(format!("{}:{}: {word}", source.path.display(), number + 1));
            }
        }
    }
    assert_none(violations);
}

#[test]
fn nothing_is_silenced_or_nameless() {
    let mut violations = Vec::new();
    for source in sources() {
        let name = source.path.file_stem().expect("a name").to_string_lossy().into_owned();
        if ["util", "utils", "helper", "helpers", "common", "misc"].contains(&&*name) {
            violations.push(format!("{}: a name that says nothing", source.path.display()));
        }
        for (number, line) in source.code.iter().enumerate() {
            if line.contains("#[allow(") || line.contains("#![allow(") || line.contains("todo!(") {
                violations.push(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
        }
    }
    assert_none(violations);
}

/// Half of the files fit on three screens, and very few need more than eight.
#[test]
fn files_stay_small() {
    let mut lengths: BTreeMap<usize, PathBuf> = BTreeMap::new();
    let mut all: Vec<usize> = Vec::new();
    for source in sources() {
        all.push(source.code.len());
        lengths.insert(source.code.len(), source.path);
    }
    all.sort_unstable();
    let (median, ninetieth) = (all[all.len() / 2], all[all.len() * 9 / 10]);
    assert!(median <= 150, "the median file has {median} lines");
    assert!(
        ninetieth <= 350,
        "the 90th percentile has {ninetieth} lines; the longest: {:?}",
        lengths.last_key_value()
    );
}
