//! A configuration file.

use oncegate::cli::check::report;
use oncegate::config::{Config, Environment, Place};

/// Checks that reading ends. One end is a configuration that can be explained and that reads the same again,
/// also with the line ends of another system. The other end is a list of mistakes. Each mistake says what is
/// wrong, and names a key, an existing line, or the source of the value.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // Reading a configuration also reads its certificate files. A file that never ends is not the subject of
    // this target.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let environment = Environment::from([("HOST", "127.0.0.1"), ("TOKEN", "secret"), ("EMPTY", "")]);
    let read = |text: &str| Config::parse(text, "fuzz.toml", &environment);
    match read(text) {
        Ok(config) => {
            assert!(!report(&config).is_empty());
            assert!(config.warnings().iter().all(|warning| !warning.to_string().is_empty()));
            let shown = format!("{config:?}");
            let again = read(&format!("{text}\n# the end")).expect("a comment changes nothing");
            assert_eq!(shown, format!("{again:?}"));
            let multiline = text.contains("\"\"\"") || text.contains("'''");
            if !multiline && !text.contains('\r') {
                let again = read(&text.replace('\n', "\r\n")).expect("line ends change nothing");
                assert_eq!(shown, format!("{again:?}"));
            }
        }
        Err(errors) => {
            assert!(errors.iter().len() > 0);
            for error in errors.iter() {
                assert!(!error.message.trim().is_empty() && !error.to_string().contains('\n'), "{error}");
                match &error.place {
                    Place::Line { line, column, .. } => {
                        let line = line.checked_sub(1).and_then(|before| text.split('\n').nth(before));
                        let line = line.unwrap_or_else(|| panic!("no such line: {error}"));
                        let columns = 1..=line.chars().count() + 1;
                        assert!(columns.contains(column), "no such column: {error}");
                    }
                    Place::Override(by) => assert!(!by.is_empty()),
                    Place::File(_) => assert!(!error.key.is_empty() || text.len() > 1 << 20, "{error}"),
                }
            }
        }
    }
}
