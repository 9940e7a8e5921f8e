//! Runs every target on its corpus, and on random changes of the corpus.
//!
//! A failing input is printed and kept in a file. `scripts/fuzz TARGET FILE` runs it again. Once it is
//! understood, it belongs in the corpus.

use std::path::{Path, PathBuf};
use std::{fs, panic};

use crate::mutation::{Random, mutated};
use crate::targets::{self, Target};

/// Chosen once and never changed. New inputs are the task of the guided driver, which never runs the same
/// inputs twice.
const SEED: u64 = 0x6f6e_6365_6761_7465;

#[test]
fn key() {
    run("key", 30_000);
}

#[test]
fn config() {
    run("config", 400);
}

#[test]
fn record() {
    run("record", 50_000);
}

#[test]
fn json() {
    run("json", 6_000);
}

#[test]
fn form() {
    run("form", 10_000);
}

#[test]
fn multipart() {
    run("multipart", 10_000);
}

#[test]
fn head() {
    run("head", 1_500);
}

#[test]
fn chunked() {
    run("chunked", 10_000);
}

#[test]
fn answer() {
    run("answer", 3_000);
}

fn run(name: &str, mutations: usize) {
    let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).expect("a target");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = files(&root.join("tests/fuzz/corpus").join(name));
    assert!(seeds.len() > 4, "only {} files in the corpus of {name}", seeds.len());
    if name == "config" {
        seeds.extend(files(&root.join("config")));
        seeds.extend(files(&root.join("config/dialects")));
    }
    for seed in &seeds {
        check(name, target, seed);
    }
    let mut random = Random(SEED);
    for _ in 0..mutations {
        check(name, target, &mutated(&seeds, &mut random));
    }
}

/// Returns the files of a folder, without those of its folders, in an order that does not depend on the file
/// system.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

fn check(name: &str, target: Target, input: &[u8]) {
    if let Err(cause) = panic::catch_unwind(|| target(input)) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-failure"));
        fs::write(&kept, input).expect("a file for the input");
        eprintln!("{name} fails on b\"{}\"", input.escape_ascii());
        eprintln!("To run it again: scripts/fuzz {name} {}", kept.display());
        panic::resume_unwind(cause);
    }
}
