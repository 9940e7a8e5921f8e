//! `oncegate check` on each recipe as it stands, and on each line that its comments offer.

use std::process::{Command, Output};

use serde_json::Value;

use crate::recipe::{NAMES, changed, offers, path, text};

/// Runs `oncegate check` without any variable of the environment.
fn check(file: &std::path::Path, option: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    command.args(["check", option, "--config"]).arg(file).env_clear();
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Checks a file, and returns its warnings.
fn warnings(file: &std::path::Path) -> Vec<String> {
    let (code, report, mistakes) = check(file, "--short");
    assert_eq!((code, &*mistakes), (Some(0), ""), "{}", file.display());
    report.lines().filter_map(|line| Some(line.split_once(": warning: ")?.1.to_owned())).collect()
}

/// Returns the beginnings of the warnings of a recipe.
fn expected(name: &str) -> Vec<&'static str> {
    match name {
        "adyen" => vec!["route \"adyen\": release_when believes transient-error: true"],
        _ => Vec::new(),
    }
}

fn assert_begins(found: &[String], expected: &[&str], of: &str) {
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "{of}: {found:#?}, not {expected:#?}");
}

#[test]
fn each_file_is_valid_as_it_stands() {
    let mut files: Vec<String> = std::fs::read_dir(path("acp").parent().expect("a folder"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    files.sort();
    assert_eq!(files, NAMES.map(|name| format!("{name}.toml")), "each recipe has its test");
    for name in NAMES {
        assert_begins(&warnings(&path(name)), &expected(name), name);
    }
}

/// The lines that a recipe offers, and what `check` says of each group beside the recipe's own warnings.
#[test]
fn each_offered_line_is_valid() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut offered = Vec::new();
    for name in NAMES {
        for lines in offers(&text(name)) {
            let file = directory.path().join("changed.toml");
            std::fs::write(&file, changed(&text(name), &lines)).expect("a writable directory");
            let all = warnings(&file);
            let own = expected(name);
            let more = all.iter().filter(|warning| !own.iter().any(|own| warning.starts_with(own)));
            offered.push((name, lines.join("; "), more.cloned().collect::<Vec<_>>()));
        }
    }
    for name in NAMES {
        assert!(offered.iter().any(|(of, ..)| *of == name), "{name} offers nothing");
    }
    let warned: Vec<(&str, &str)> = offered
        .iter()
        .flat_map(|(name, _, warnings)| warnings.iter().map(|warning| (*name, &**warning)))
        .collect();
    let expected = [
        ("acp", "route \"checkout\": outcomes.release has 5xx, which may come after"),
        ("acp", "route \"checkout\": release_when believes x-executed: no"),
        ("acp", "route \"checkout\": tombstone_ttl is 0s: a retry later than 24h"),
        ("paypal", "routes \"orders\", \"payments\": anonymous is \"one\": callers that"),
    ];
    let is_expected = |(found, expected): (&(&str, &str), (&str, &str))| {
        found.0 == expected.0 && found.1.starts_with(expected.1)
    };
    let fits = warned.len() == expected.len() && warned.iter().zip(expected).all(is_expected);
    assert!(fits, "{warned:#?}, not {expected:#?}");
}

/// Each problem is worded in the API's own form, none in the gateway's.
#[test]
fn no_problem_has_the_usual_words() {
    for name in NAMES {
        let (code, report, mistakes) = check(&path(name), "--problems");
        assert_eq!((code, &*mistakes), (Some(0), ""), "{name}");
        let bodies: Vec<&str> = report.lines().filter(|line| line.trim_start().starts_with('{')).collect();
        assert!(bodies.len() >= 16, "{name}: {report}");
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        let own = words.matches("; transient-error: true").count();
        assert_eq!(own, if name == "adyen" { 6 } else { 0 }, "{name}: {report}");
        for word in ["urn:oncegate", "about:blank", "problem+json"] {
            assert!(!report.contains(word), "{name}: {word} is in\n{report}");
        }
        if !["stripe", "adyen"].contains(&name) {
            let slugs = ["outcome-unknown\"", "in-flight\"", "key-expired\"", "http-error\""];
            assert!(slugs.iter().all(|slug| !report.contains(slug)), "{name}:\n{report}");
        }
        // A body of one line is JSON by itself.
        for body in bodies.iter().filter(|body| body.trim_end().ends_with('}')) {
            assert!(serde_json::from_str::<Value>(body).is_ok(), "{name}: {body}");
        }
    }
}
