//! Checks for the structure that `docs/architecture.md` describes: the allowed imports, the parts that the
//! protocol may use, and a few habits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the bottom up. A module imports the listed neighbours on its own floor and every module
/// below, never a module above.
const FLOORS: [&[&str]; 6] = [
    &[
        "allocator",
        "clock",
        "descriptors",
        "failpoint",
        "holding",
        "pem",
        "random",
        "reload",
        "shares",
        "workers",
    ],
    &["protocol"],
    &["config", "store", "telemetry"],
    &["gateway", "routes", "upstream"],
    &["server", "admin", "cli"],
    &["app"],
];

/// The allowed imports within one floor.
const NEIGHBOURS: [(&str, &str); 3] =
    [("telemetry", "store"), ("telemetry", "config"), ("gateway", "routes")];

/// A source file and its top-level module.
struct Source {
    path: PathBuf,
    module: String,
    /// The lines without comments. Line numbers are kept.
    code: Vec<String>,
}

/// Every `.rs` file below a folder.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is readable") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: Vec<Source> = rust_files(&root).into_iter().map(|path| read(&root, path)).collect();
    assert!(found.len() > 40, "the walk found only {} files", found.len());
    found
}

fn read(root: &Path, path: PathBuf) -> Source {
    let inner = path.strip_prefix(root).expect("below src");
    let first = inner.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(&path).expect("source is text");
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect();
    Source { path, module, code }
}

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

fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
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

#[test]
fn only_the_assembly_names_concrete_back_ends() {
    let concrete = [
        "store::embedded",
        "store::memory",
        "store::postgres",
        "store::redis",
        "EmbeddedStore",
        "MemoryStore",
        "PostgresStore",
        "RedisStore",
        "upstream::",
    ];
    let outside =
        sources().into_iter().filter(|source| !["app", "store", "upstream"].contains(&&*source.module));
    let mut violations = Vec::new();
    for source in outside {
        for (number, line) in source.code.iter().enumerate() {
            if line.contains("cfg(test)") {
                break;
            }
            if concrete.iter().any(|name| line.contains(name)) {
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

/// Openings of a doc comment that hide its subject: pronouns and relatives. A function's opens with a verb,
/// a type's with a noun.
const VAGUE_OPENINGS: [&str; 29] = [
    "all",
    "and",
    "as",
    "everything",
    "how",
    "it",
    "its",
    "nobody",
    "nothing",
    "of",
    "one",
    "same",
    "so",
    "some",
    "somebody",
    "such",
    "that",
    "they",
    "this",
    "those",
    "these",
    "until",
    "what",
    "whatever",
    "where",
    "whether",
    "who",
    "whoever",
    "why",
];

/// Words that stand for a client, a caller, an operator or a connection without saying which.
const VAGUE_WORDS: [&str; 9] =
    ["anybody", "everybody", "nobody", "somebody", "someone", "whatever", "whichever", "whoever", "whose"];

/// The words of one comment line, in lower case.
fn words(comment: &str) -> impl Iterator<Item = String> {
    comment
        .split(|char: char| !char.is_alphanumeric() && char != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// The text of a comment line, with how it began: `//`, `///` or `//!`.
fn comment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    ["///", "//!", "//"].into_iter().find_map(|mark| Some((mark, line.strip_prefix(mark)?)))
}

#[test]
fn comments_name_their_subject() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        files.extend(rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)));
    }
    let (mut docs, mut all_words) = (0, 0);
    let (mut vague_docs, mut vague_words) = (Vec::new(), Vec::new());
    for path in files {
        let text = fs::read_to_string(&path).expect("source is text");
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let (mark, rest) = comment(line).unwrap_or_default();
            let place = || format!("{}:{}: {}", path.display(), number + 1, rest.trim());
            if mark == "///" && before != "///" {
                docs += 1;
                let first = words(rest).find(|word| word != "the");
                if first.is_some_and(|word| VAGUE_OPENINGS.contains(&&*word)) {
                    vague_docs.push(place());
                }
            }
            for word in words(rest) {
                all_words += 1;
                if VAGUE_WORDS.contains(&&*word) {
                    vague_words.push(place());
                }
            }
            before = mark;
        }
    }
    assert!(docs > 3000 && all_words > 50_000, "the walk found {docs} doc comments, {all_words} words");
    assert!(vague_docs.len() * 100 <= docs * 2, "of {docs} doc comments:\n{}", vague_docs.join("\n"));
    assert!(vague_words.len() * 1000 <= all_words, "of {all_words} words:\n{}", vague_words.join("\n"));
}
