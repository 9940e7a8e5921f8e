//! The comments: each names its subject.

use std::fs;
use std::path::Path;

use super::source::rust_files;

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

/// Returns the words of one comment line, in lower case.
fn words(comment: &str) -> impl Iterator<Item = String> {
    comment
        .split(|char: char| !char.is_alphanumeric() && char != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Returns the start of a comment line (`//`, `///` or `//!`) and its text.
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
