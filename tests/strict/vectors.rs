//! Public test vectors, from the folder that `ONCEGATE_VECTORS` names. The gateway must refuse every request
//! that a strict parser refuses. `docs/http.md` lists the further requests that it refuses, with the reasons.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oncegate::protocol::Key;
use tokio::time::timeout;

use crate::Bench;
use crate::harness::Connection;

/// A request of the vectors.
struct Case {
    name: String,
    request: Vec<u8>,
    /// True if a strict parser accepts the request.
    taken: bool,
}

fn folder(part: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ONCEGATE_VECTORS") else {
        eprintln!("SKIPPED: set ONCEGATE_VECTORS to the folder of the public vectors to run them");
        return None;
    };
    Some(Path::new(&folder).join(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_requests() {
    let Some(folder) = folder("http1-requests") else { return };
    let bench = Bench::start().await;
    let documented = include_str!("../../docs/http.md");
    let (mut count, mut lenient, mut undocumented) = (0, Vec::new(), BTreeSet::new());
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for case in cases(&std::fs::read_to_string(&path).expect("text")) {
            count += 1;
            let taken = is_taken(&bench, &case.request).await;
            let explained = documented.contains(&format!("| {} |", case.name));
            match (case.taken, taken) {
                (false, true) if !explained => lenient.push(case.name),
                (true, false) if !explained => drop(undocumented.insert(case.name)),
                _ => {}
            }
        }
    }
    println!("{count} cases");
    assert!(count > 100, "only {count} cases");
    assert_eq!(lenient, Vec::<String>::new(), "taken, though a strict parser refuses them");
    assert_eq!(undocumented, BTreeSet::new(), "refused, and not in docs/http.md");
}

/// Tells whether no part of the sent bytes is refused.
async fn is_taken(bench: &Bench, request: &[u8]) -> bool {
    const A_MOMENT: Duration = Duration::from_millis(150);
    let mut connection = Connection::open(bench.gateway.address).await;
    connection.send(request).await;
    // Some cases end where a parser that looks at every byte has seen enough. This parser looks at whole
    // heads.
    let (mut rest, mut answered) = (Some("\r\n\r\n"), false);
    loop {
        match timeout(A_MOMENT, connection.try_answer()).await {
            Err(_) => match rest.take() {
                Some(rest) => connection.send(rest).await,
                // The gateway waits for more of a body.
                None => return true,
            },
            Ok(Some(answer)) if answer.text().contains("about:blank") => return false,
            Ok(Some(answer)) if answer.header("connection") == Some("close") => return true,
            Ok(Some(_)) => answered = true,
            // HTTP/1.0 ends with the response.
            Ok(None) => return answered,
        }
    }
}

/// Returns the cases of one file that are about strict parsing.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for section in text.split("\n#").skip(1) {
        let name = section.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned();
        let kind = section.split("\"type\":").nth(1).and_then(|rest| rest.split('"').nth(1));
        let (Some("request"), Some(request), Some(log)) =
            (kind, block(section, "http"), block(section, "log"))
        else {
            continue;
        };
        let taken = !log.contains(" error code=");
        cases.push(Case { name, request: hosted(bytes(request)), taken });
    }
    cases
}

/// Adds a host to the request. Most cases have none, and would be refused for that alone.
fn hosted(request: Vec<u8>) -> Vec<u8> {
    let head = request.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(request.len());
    let head = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let line = request.windows(2).skip(2).position(|end| end == b"\r\n");
    match line {
        Some(end) if !head.contains("\r\nhost") => {
            let (line, rest) = request.split_at(end + 2);
            [line, b"\r\nHost: a", rest].concat()
        }
        _ => request,
    }
}

fn block<'a>(section: &'a str, kind: &str) -> Option<&'a str> {
    let (_, rest) = section.split_once(&format!("```{kind}\n"))?;
    rest.split_once("\n```").map(|(block, _)| block)
}

/// Returns the bytes of a block: lines end with CR LF, a backslash at the end of a line joins it to the next,
/// and the escapes of control characters are those of C.
fn bytes(block: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = block.chars().peekable();
    while let Some(char) = left.next() {
        match char {
            '\n' => bytes.extend(b"\r\n"),
            '\\' => match left.next() {
                Some('\n') | None => {}
                Some('r') => bytes.push(b'\r'),
                Some('n') => bytes.push(b'\n'),
                Some('t') => bytes.push(b'\t'),
                Some('f') => bytes.push(0x0c),
                Some('x') => {
                    let digits: String = left.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).expect("two digits"));
                }
                Some(digit @ '0'..='3') => {
                    let mut number = digit.to_digit(8).expect("a digit");
                    while let Some(next) =
                        left.peek().and_then(|next| next.to_digit(8)).filter(|_| number < 32)
                    {
                        number = number * 8 + next;
                        left.next();
                    }
                    bytes.push(number as u8);
                }
                Some(other) => bytes.extend(format!("\\{other}").bytes()),
            },
            other => bytes.extend(other.to_string().bytes()),
        }
    }
    bytes
}

/// Strings of structured fields, as the key header accepts them.
#[test]
fn structured_field_strings() {
    let Some(folder) = folder("structured-fields") else { return };
    let mut count = 0;
    for file in ["string.json", "string-generated.json", "item.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("the file");
        let cases: Vec<serde_json::Value> = serde_json::from_str(&text).expect("cases");
        for case in cases {
            let lines = case["raw"].as_array().expect("lines");
            let [line] = &lines[..] else { continue };
            let line = line.as_str().expect("text");
            if !line.trim().starts_with('"') {
                continue;
            }
            count += 1;
            let key = Key::parse(line.as_bytes());
            let expected = case["expected"][0].as_str().filter(|_| case["must_fail"] != true);
            match expected {
                Some(text) if has_bare_form(text) => {
                    let parameters = case["expected"][1].as_array().is_some_and(|list| !list.is_empty());
                    assert_eq!(
                        key.as_ref().map(Key::as_str).ok(),
                        Some(text).filter(|_| !parameters),
                        "{case}"
                    );
                }
                _ => assert!(key.is_err(), "{case}: {key:?}"),
            }
        }
    }
    println!("{count} cases");
    assert!(count > 200, "only {count} cases");
}

/// Tells whether the string has the further properties of a key in `docs/http.md`.
fn has_bare_form(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.starts_with(['"', ' ']) && !text.ends_with(' ')
}
