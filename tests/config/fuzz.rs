//! Reading ends for every input: with a configuration that can be explained, or with mistakes at positions
//! inside the text.

use std::ffi::OsString;

use oncegate::cli::check::report;
use oncegate::config::{Config, Environment, Place};
use proptest::prelude::*;

const EXAMPLES: [&str; 3] = [
    include_str!("../../config/oncegate.toml"),
    include_str!("../../config/minimal.toml"),
    include_str!("../../config/settling.toml"),
];

/// Pieces of text that have a meaning for the reader.
const PIECES: [&str; 24] = [
    "${",
    "$${X}",
    "${HOME}",
    "}",
    "'",
    "\"\"\"",
    "[[routes]]\n",
    "[server]\n",
    "[",
    "]",
    "{",
    "=",
    "\n",
    ".",
    "routes",
    "upstreams",
    "é",
    "\u{0}",
    "-1",
    "99999999999999999999",
    "1e400",
    "'0s'",
    "'1GiB'",
    "true",
];

fn read(text: &str, environment: &Environment) {
    match Config::parse(text, "fuzz.toml", environment) {
        Ok(config) => assert!(!report(&config).is_empty()),
        Err(errors) => {
            assert!(errors.iter().count() > 0);
            for error in errors.iter() {
                assert!(!error.message.is_empty());
                if let Place::Line { line, .. } = &error.place {
                    assert!(*line <= text.matches('\n').count() + 1, "{error}");
                }
            }
        }
    }
}

/// Replaces some characters of `text` by `piece`.
fn edited(text: &str, at: prop::sample::Index, length: usize, piece: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = at.index(characters.len() + 1);
    let end = (at + length).min(characters.len());
    characters[..at].iter().copied().chain(piece.chars()).chain(characters[end..].iter().copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_to_an_end(text in any::<String>()) {
        read(&text, &Environment::default());
    }

    #[test]
    fn any_row_of_pieces_is_read_to_an_end(pieces in prop::collection::vec(prop::sample::select(&PIECES), 0..40)) {
        read(&pieces.concat(), &Environment::from([("HOME", "/home"), ("X", "")]));
    }

    #[test]
    fn a_damaged_example_is_read_to_an_end(
        example in prop::sample::select(&EXAMPLES),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, prop::sample::select(&PIECES)), 1..6),
    ) {
        let damaged = edits.into_iter().fold(example.to_owned(), |text, (at, length, piece)| {
            edited(&text, at, length, piece)
        });
        let seal = "c2VhbHNlYWxzZWFsc2VhbHNlYWxzZWFsc2VhbHNlYWw=";
        let variables = [("ONCEGATE_SEAL", seal), ("LEDGER_TOKEN", "token"), ("PGPASSWORD", "password")];
        read(&damaged, &Environment::from(variables));
    }

    #[test]
    fn any_environment_is_read_to_an_end(
        keys in prop::collection::vec("(SERVER|STORE|UPSTREAMS|PAYMENTS|LISTEN|URL|[A-Z_]{0,6})", 0..4),
        value in any::<String>(),
    ) {
        let variable = OsString::from(format!("ONCEGATE__{}", keys.join("__")));
        let environment: Environment = [(variable, OsString::from(value))].into_iter().collect();
        read(EXAMPLES[1], &environment);
    }
}
