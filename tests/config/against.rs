//! `check --against`: what each kind of change does to keys in flight.

use oncegate::cli::check::against::{Effect, effects, report};
use oncegate::config::{Config, Environment};

/// A file with a route, an upstream and a fallback that refuses keys.
const OLD: &str = r#"
[store]
url = "memory:"
[upstreams.a]
url = "http://127.0.0.1:9000"
[upstreams.b]
url = "http://127.0.0.1:9001"
[fallback]
upstream = "a"
keyed = "refuse"
[[routes]]
name = "charges"
path = "/v1/charges"
methods = ["POST", "PATCH"]
upstream = "a"
"#;

fn config(text: &str) -> Config {
    Config::parse(text, "a file", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn between(old: &str, new: &str) -> Vec<Effect> {
    effects(&config(old), &config(new))
}

/// A kind of change: the lines of the route before, those after, whether it is dangerous, and a part of its
/// text.
type Case = (&'static str, &'static str, bool, &'static str);

#[track_caller]
fn judge(cases: &[Case]) {
    for (before, after, is_dangerous, says) in cases {
        let found = between(&format!("{OLD}{before}\n"), &format!("{OLD}{after}\n"));
        let listed = report(&found);
        assert_eq!(found.iter().any(|effect| effect.is_dangerous), *is_dangerous, "{after}:\n{listed}");
        let is_said = found.iter().any(|effect| !says.is_empty() && effect.text.contains(says));
        assert_eq!(is_said, !found.is_empty(), "{before} → {after}:\n{listed}");
        assert_eq!(found.is_empty(), says.is_empty(), "{before} → {after}:\n{listed}");
        assert!(between(&format!("{OLD}{after}\n"), &format!("{OLD}{after}\n")).is_empty(), "no change");
    }
}

#[test]
fn names_of_operations() {
    judge(&[
        ("", "namespace = \"other\"", true, "runs again"),
        ("", "scope = [\"authorization\"]", true, "runs again"),
        ("scope = [\"x-a\", \"x-b\"]", "scope = [\"x-b\", \"x-a\"]", true, "runs again"),
        ("", "key = { header = \"X-Key\" }", true, "runs again"),
        ("", "key = { json = \"/id\" }", true, "runs again"),
        ("", "key = { first = [{ header = \"Idempotency-Key\" }, { json = \"/id\" }] }", true, "runs again"),
        ("anonymous = \"one\"", "", false, "caller-unknown"),
        ("", "match = \"exact\"", false, "fingerprint"),
    ]);
}

#[test]
fn fingerprints() {
    judge(&[
        ("", "fingerprint = { body = \"json\" }", false, "compared by the scheme of its record"),
        ("", "fingerprint = { headers = [\"content-type\"] }", false, "compared by the scheme of its record"),
        ("", "fingerprint = { body = \"none\" }", false, "earlier release cannot compute"),
        ("", "fingerprint = { body = \"form\" }", false, "earlier release cannot compute"),
    ]);
}

#[test]
fn times() {
    judge(&[
        ("ttl = \"24h\"", "ttl = \"48h\"", false, "ttl: 2d, before 24h"),
        (
            "ttl = \"24h\"\ntombstone_ttl = \"10d\"",
            "ttl = \"12h\"\ntombstone_ttl = \"11d\"",
            false,
            "ttl: 12h",
        ),
        ("ttl = \"24h\"", "ttl = \"1h\"", true, "a retry that comes later runs again"),
        ("", "tombstone_ttl = \"0s\"", true, "a retry that comes later runs again"),
        ("", "lease = \"20s\"", false, "running executions keep the times"),
    ]);
}

#[test]
fn outcomes() {
    let released = "outcomes = { release = [409, 429], unknown = [502, 503, 504] }";
    judge(&[
        (
            "outcomes = { release = [429] }",
            "outcomes = { release = [429, 409] }",
            true,
            "409 release the key",
        ),
        ("outcomes = { release = [429, 409] }", "outcomes = { release = [429] }", false, "409 are stored"),
        (
            "outcomes = { unknown = [503] }",
            "outcomes = { unknown = [503, 500] }",
            false,
            "500 leave the outcome",
        ),
        ("outcomes = { unknown = [503, 500] }", "outcomes = { unknown = [503] }", false, "whether or not"),
        (
            "outcomes = { unknown = [503] }",
            "outcomes = { release = [503], unknown = [] }",
            true,
            "503 release",
        ),
        (released, "outcomes = { release = [\"4xx\"], unknown = [502, 503, 504] }", true, "and 86 more"),
        ("", "release_when = [{ header = \"stripe-should-retry\", value = \"true\" }]", true, "release_when"),
        ("release_when = [{ header = \"x-a\", value = \"b\" }]", "", false, "fewer headers release"),
    ]);
}

#[test]
fn policies() {
    let probe = |url: &str, not_before: &str| -> &'static str {
        let lines = format!(
            "on_unknown = \"probe\"\nprobe = {{ url = \"http://127.0.0.1:9000/{url}?k={{key}}\", not_before = \
             \"{not_before}\", executed = [200], not_executed = [404] }}"
        );
        lines.leak()
    };
    let keys = |window: &str| -> &'static str {
        format!("on_unknown = \"retry\"\nupstream_keys = {{ window = \"{window}\" }}").leak()
    };
    let marker = |table: &str| -> &'static str {
        format!(
            "on_unknown = \"marker\"\nmarker = {{ url = \"postgres://u@127.0.0.1/db\", table = \"{table}\" }}"
        )
        .leak()
    };
    judge(&[
        ("", keys("2h"), true, "\"hold\" became \"retry\""),
        (keys("2h"), "", false, "\"retry\" became \"hold\""),
        (keys("2h"), keys("1h"), false, "keep the window"),
        (keys("1h"), keys("2h"), true, "forgotten its key"),
        ("", probe("a", "1m"), true, "\"hold\" became \"probe\""),
        (probe("a", "1m"), "", false, "held until an operator"),
        (probe("a", "1m"), probe("b", "1m"), true, "another question"),
        (probe("a", "2m"), probe("a", "1m"), true, "acts late"),
        (probe("a", "1m"), probe("a", "2m"), false, ""),
        ("", marker("m"), false, "\"hold\" became \"marker\""),
        (marker("m"), "", false, "held until an operator"),
        (marker("m"), marker("n"), true, "Settle all unknown outcomes first"),
        (
            keys("2h"),
            "on_unknown = \"retry\"\nkey = { header = \"Idempotency-Key\", forward = \"quoted\" }\nupstream_keys = { window = \"2h\" }",
            true,
            "does not recognise",
        ),
        ("", "key = { header = \"Idempotency-Key\", forward = \"quoted\" }", false, "another form"),
        ("", "on_store_error = \"bypass\"\ni_accept_duplicates = true", true, "bypass"),
        ("key = { header = \"Idempotency-Key\", required = true }", "", false, "no longer required"),
        ("", "max_response_body = \"1KiB\"", false, "max_response_body: 1KiB"),
    ]);
}

/// A change of the text outside the route: what is replaced, by what, and the verdict.
#[test]
fn the_rest_of_the_file() {
    let retry = format!("{OLD}on_unknown = \"retry\"\n");
    for (old, from, to, is_dangerous, says) in [
        (OLD, "path = \"/v1/charges\"", "path = \"/v2/charges\"", true, "no route covers it any more"),
        (OLD, "path = \"/v1/charges\"", "path = \"/V1/Charges/\"", false, "compared by the scheme"),
        (OLD, "methods = [\"POST\", \"PATCH\"]", "methods = [\"POST\"]", true, "no route covers it"),
        (OLD, "name = \"charges\"", "name = \"payments\"", false, ""),
        (OLD, "keyed = \"refuse\"", "keyed = \"pass\"", true, "streams through unprotected"),
        (OLD, "keyed = \"refuse\"\n", "", true, "streams through unprotected"),
        (OLD, "url = \"memory:\"", "url = \"embedded:./x\"", true, "it knows no key in flight"),
        (OLD, "url = \"http://127.0.0.1:9000\"", "url = \"http://127.0.0.1:9005\"", false, "another address"),
        (
            &retry,
            "url = \"http://127.0.0.1:9000\"",
            "url = \"http://127.0.0.1:9005\"",
            true,
            "another address",
        ),
        (&retry, "upstream = \"a\"\non", "upstream = \"b\"\non", true, "another address"),
        (OLD, "[store]", "[server]\nhttp2 = true\n[store]", false, "server.http2"),
        (OLD, "[store]", "[server]\nmax_in_flight = 7\n[store]", false, ""),
    ] {
        let new = old.replacen(from, to, 1);
        assert_ne!(old, new, "{from}");
        let found = between(old, &new);
        assert_eq!(found.iter().any(|effect| effect.is_dangerous), is_dangerous, "{to}:\n{}", report(&found));
        match says {
            "" => assert!(found.is_empty(), "{to}:\n{}", report(&found)),
            says => {
                assert!(found.iter().any(|effect| effect.text.contains(says)), "{to}:\n{}", report(&found))
            }
        }
    }
}

#[test]
fn a_more_exact_route_with_other_names_takes_paths_away() {
    let old = OLD.replace("/v1/charges", "/v1/{*rest}");
    let route = |lines: &str| {
        format!("{old}[[routes]]\nname = \"refunds\"\npath = \"/v1/refunds\"\nupstream = \"a\"\n{lines}\n")
    };
    assert!(between(&old, &route("")).is_empty(), "the same names");
    let found = between(&old, &route("namespace = \"refunds\""));
    assert!(found.iter().any(|effect| effect.is_dangerous), "{}", report(&found));
}

#[test]
fn an_accepted_change_of_names_is_still_dangerous() {
    let other = OLD.replace("upstream = \"a\"\n", "upstream = \"a\"\nnamespace = \"other\"\n");
    let other =
        other.replace("[fallback]\nupstream = \"a\"\nnamespace = \"other\"", "[fallback]\nupstream = \"a\"");
    let found = between(OLD, &other);
    let names: Vec<String> =
        found.iter().filter(|one| one.is_dangerous).map(|one| one.about.clone()).collect();
    assert_eq!(names.len(), 2, "{}", report(&found));
    let listed = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let accepted = other.replace("[store]", &format!("[store]\naccept_identity_change = [{listed}]"));
    let found = between(OLD, &accepted);
    let dangerous: Vec<&Effect> = found.iter().filter(|one| one.is_dangerous).collect();
    assert_eq!(dangerous.len(), 2, "{}", report(&found));
    assert!(dangerous.iter().all(|one| one.text.contains("while no gateway serves")), "{}", report(&found));
}

#[test]
fn the_report_puts_dangerous_changes_first_and_fits_a_terminal() {
    let new = format!("{OLD}ttl = \"1h\"\nlease = \"20s\"\nfingerprint = {{ body = \"json\" }}\n");
    let text = report(&between(OLD, &new));
    let (dangerous, other) =
        (text.find("  ! route \"charges\"").expect("one"), text.find("  - ").expect("others"));
    assert!(dangerous < other && text.contains("Dangerous for keys in flight (1)"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 96), "{text}");
    assert_eq!(report(&[]).trim(), "No change concerns keys in flight.");
}
