//! `check --against`: what each kind of change does to keys in flight.

use oncegate::cli::check::against::{Effect, effects, report};
use oncegate::clock::Timestamp;
use oncegate::config::{Config, Environment};
use oncegate::routes::identity::review;

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
        let listed = report(&found, false);
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
        ("", "anonymous = \"one\"", true, "the answer of another caller"),
        ("", "match = \"exact\"", false, "/V1/CHARGES/ have no route any more"),
        ("match = \"exact\"", "", false, "other spellings of the path are the same request"),
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
        ("ttl = \"24h\"", "ttl = \"48h\"", false, "ttl 2d and tombstone_ttl 30d, before 24h and 30d"),
        (
            "ttl = \"24h\"\ntombstone_ttl = \"10d\"",
            "ttl = \"12h\"\ntombstone_ttl = \"11d\"",
            false,
            "it does not run again either",
        ),
        ("ttl = \"24h\"", "ttl = \"1h\"", true, "a retry that comes later runs again"),
        ("", "tombstone_ttl = \"0s\"", true, "a retry that comes later runs again"),
        ("", "lease = \"20s\"", false, "Running executions keep the times"),
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
            "409 releases the key",
        ),
        (
            "outcomes = { release = [429, 409] }",
            "outcomes = { release = [429] }",
            false,
            "409 is stored and replayed, and released the key before",
        ),
        (
            "outcomes = { unknown = [503] }",
            "outcomes = { unknown = [503, 500] }",
            false,
            "500 leaves the outcome",
        ),
        ("outcomes = { unknown = [503, 500] }", "outcomes = { unknown = [503] }", true, "whether or not"),
        (
            "outcomes = { unknown = [503] }",
            "outcomes = { release = [503], unknown = [] }",
            true,
            "503 releases the key, and left the outcome unknown before",
        ),
        (
            released,
            "outcomes = { release = [\"4xx\"], unknown = [502, 503, 504] }",
            true,
            "and 86 more release the key",
        ),
        (
            "",
            "outcomes = { release = [500], unknown = [] }",
            true,
            "Running executions keep the earlier meaning",
        ),
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
        ("", keys("2h"), true, "more than once. An unknown outcome of a key in flight waits for an operator"),
        (keys("2h"), "", false, "\"retry\" became \"hold\", for new keys. An unknown outcome"),
        (keys("2h"), probe("a", "1m"), true, "may run twice. An unknown outcome of a key in flight waits"),
        (
            "on_unknown = \"retry\"",
            probe("a", "1m"),
            false,
            "for new keys. An unknown outcome of a key in flight waits",
        ),
        (keys("2h"), keys("1h"), false, "keep the window"),
        (keys("2h"), "on_unknown = \"retry\"", true, "window none, before 2h"),
        (keys("2h"), marker("m"), false, "for new keys. An unknown outcome of a key in flight waits"),
        (keys("1h"), keys("2h"), true, "forgotten its key"),
        ("", probe("a", "1m"), true, "\"hold\" became \"probe\""),
        (probe("a", "1m"), "", false, "waits for an operator"),
        (probe("a", "1m"), marker("m"), false, "waits for an operator"),
        (probe("a", "1m"), probe("b", "1m"), true, "another question"),
        (probe("a", "2m"), probe("a", "1m"), true, "acts late"),
        (probe("a", "1m"), probe("a", "2m"), false, ""),
        (
            "",
            marker("m"),
            false,
            "another marker table in a still earlier file, settle the outcomes of that time first",
        ),
        (marker("m"), "", false, "waits for an operator"),
        (marker("m"), marker("n"), true, "settle such unknown outcomes first"),
        (marker("m"), keys("2h"), true, "waits for an operator"),
        (
            keys("2h"),
            "on_unknown = \"retry\"\nkey = { header = \"Idempotency-Key\", forward = \"quoted\" }\nupstream_keys = { window = \"2h\" }",
            true,
            "does not recognise a repeated execution",
        ),
        ("", "key = { header = \"Idempotency-Key\", forward = \"quoted\" }", false, "another form"),
        ("", "on_store_error = \"bypass\"\ni_accept_duplicates = true", true, "bypass"),
        (
            "key = { header = \"Idempotency-Key\", required = true }",
            "",
            false,
            "A request without a key runs unprotected",
        ),
        ("", "max_response_body = \"1KiB\"", false, "max_response_body: 1KiB"),
    ]);
}

/// A change of the text outside the route: what is replaced, by what, and the verdict.
#[test]
fn the_rest_of_the_file() {
    let retry = format!("{OLD}on_unknown = \"retry\"\n");
    for (old, from, to, is_dangerous, says) in [
        (OLD, "path = \"/v1/charges\"", "path = \"/v2/charges\"", true, "no route covers it any more"),
        (OLD, "path = \"/v1/charges\"", "path = \"/V1/Charges/\"", false, ""),
        (OLD, "methods = [\"POST\", \"PATCH\"]", "methods = [\"POST\"]", true, "no route covers it"),
        (OLD, "name = \"charges\"", "name = \"payments\"", false, "records keep the earlier name"),
        (
            OLD,
            "url = \"memory:\"",
            "url = \"memory:\"\nretired = [\"POST /x#123456\"]",
            true,
            "POST /x#123456 is new",
        ),
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
        (&retry, "upstream = \"a\"\non", "upstream = \"b\"\non", true, "upstream: \"b\", before \"a\""),
        (OLD, "[store]", "[server]\nhttp2 = true\n[store]", false, "server.http2"),
        (OLD, "[store]", "[server]\nmax_in_flight = 7\n[store]", false, ""),
    ] {
        let new = old.replacen(from, to, 1);
        assert_ne!(old, new, "{from}");
        let found = between(old, &new);
        assert_eq!(
            found.iter().any(|effect| effect.is_dangerous),
            is_dangerous,
            "{to}:\n{}",
            report(&found, false)
        );
        match says {
            "" => assert!(found.is_empty(), "{to}:\n{}", report(&found, false)),
            says => {
                assert!(
                    found.iter().any(|effect| effect.text.contains(says)),
                    "{to}:\n{}",
                    report(&found, false)
                )
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
    assert!(found.iter().any(|effect| effect.is_dangerous), "{}", report(&found, false));
}

/// Returns a file with these routes: names, paths and further lines.
fn routes(listed: &[(&str, &str, &str)]) -> String {
    let head = OLD.split("[[routes]]").next().unwrap_or_default();
    let route = |(name, path, lines): &(&str, &str, &str)| {
        let upstream = if lines.contains("upstream = ") { "" } else { "upstream = \"a\"\n" };
        format!("[[routes]]\nname = \"{name}\"\npath = \"{path}\"\n{upstream}{lines}\n")
    };
    listed.iter().map(route).fold(head.to_owned(), |file, route| file + &route)
}

#[track_caller]
fn assert_told(old: &str, new: &str, told: &[(bool, &str, &str)]) {
    let found = between(old, new);
    for (is_dangerous, about, text) in told {
        let is_it = |effect: &Effect| {
            effect.is_dangerous == *is_dangerous && effect.about == *about && effect.text.contains(text)
        };
        assert!(found.iter().any(is_it), "{is_dangerous} {about}: {text}\n{}", report(&found, false));
    }
    assert_eq!(found.is_empty(), told.is_empty(), "{}", report(&found, false));
    let is_dangerous = told.iter().any(|(is_dangerous, ..)| *is_dangerous);
    assert_eq!(found.iter().any(|one| one.is_dangerous), is_dangerous, "{}", report(&found, false));
}

#[test]
fn a_route_is_compared_with_each_route_that_takes_a_part_of_its_requests() {
    const RETRY: &str = "on_unknown = \"retry\"";
    let other = format!("upstream = \"b\"\n{RETRY}");
    let about = "route \"one\", now \"s\" for POST, PATCH /v1/charges";
    let wide = routes(&[("one", "/v1/{x}", RETRY)]);
    assert_told(
        &wide,
        &routes(&[("one", "/v1/{x}", RETRY), ("s", "/v1/charges", &other)]),
        &[(true, about, "upstream: \"b\", before \"a\"")],
    );
    // The other way round: a route goes away, and a wider one takes its requests.
    assert_told(
        &routes(&[("one", "/v1/{x}", RETRY), ("s", "/v1/charges", &other)]),
        &wide,
        &[
            (true, "route \"s\", now \"one\"", "upstream: \"a\", before \"b\""),
            (false, "route \"s\"", "name: \"one\" from now on"),
        ],
    );
    let lines = "outcomes = { release = [500] }\nttl = \"1m\"\ntombstone_ttl = \"0s\"\nkeep_request = false";
    assert_told(
        &routes(&[("one", "/v1/{*x}", "")]),
        &routes(&[("one", "/v1/{*x}", ""), ("s", "/v1/charges", lines)]),
        &[(true, about, "500 releases the key"), (true, about, "a retry that comes later runs again")],
    );
    assert_told(
        &routes(&[("one", "/v1/x", "")]),
        &routes(&[
            ("one", "/v1/x", "methods = [\"POST\"]"),
            ("s", "/v1/x", "methods = [\"PATCH\"]\non_unknown = \"retry\""),
        ]),
        &[(true, "route \"one\", now \"s\" for PATCH /v1/x", "\"hold\" became \"retry\"")],
    );
    // The more exact route took these requests before, too.
    let both = [("one", "/v1/{x}", ""), ("s", "/v1/charges", &*other)];
    let wider = [("one", "/v1/{x}", "label = [\"header:x-a\"]"), ("s", "/v1/charges", &*other)];
    assert_told(&routes(&both), &routes(&wider), &[]);
}

const PROBE: &str = "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/NAME?k={key}\", executed = [200], \
                     not_executed = [404] }";

#[test]
fn names_of_routes() {
    let (a, b) = (PROBE.replace("NAME", "a"), PROBE.replace("NAME", "b"));
    let old = routes(&[("one", "/1", &a), ("two", "/2", &b)]);
    // A new name: the outcomes of the earlier one have lost their evidence.
    assert_told(
        &old,
        &routes(&[("new", "/1", &a), ("two", "/2", &b)]),
        &[(
            false,
            "route \"one\"",
            "name: \"new\" from now on. Unknown outcomes of keys in flight are no longer settled",
        )],
    );
    // Two routes change their names.
    assert_told(
        &old,
        &routes(&[("two", "/1", &a), ("one", "/2", &b)]),
        &[
            (true, "route \"one\"", "it is now that of /2, and was that of /1"),
            (true, "route \"two\"", "it is now that of /1, and was that of /2"),
        ],
    );
    // Another route has the name, but no evidence that could be taken for that of the first one.
    assert_told(
        &old,
        &routes(&[("new", "/1", &a), ("two", "/2", &b), ("one", "/3", "")]),
        &[(false, "route \"one\"", "it is now that of /3, and was that of /1")],
    );
    // A name may go to a wider path of the same route.
    assert_told(&routes(&[("one", "/v1/a", &a)]), &routes(&[("one", "/v1/{x}", &a)]), &[]);
    // The evidence stays with the route that has the name, whichever route takes the requests.
    assert_told(
        &routes(&[("one", "/v1/{x}", &a)]),
        &routes(&[("one", "/v1/{x}", &a), ("s", "/v1/s", "")]),
        &[(
            false,
            "route \"one\", now \"s\" for POST, PATCH /v1/s",
            "An unknown outcome of a key in flight is settled as before",
        )],
    );
}

#[test]
fn paths_that_lose_their_route() {
    let (wide, narrow) = (routes(&[("one", "/v1/{x}", "")]), routes(&[("one", "/v1/charges", "")]));
    let passes = |file: &str| file.replace("keyed = \"refuse\"\n", "");
    let such = "requests such as POST, PATCH /v1/{…} have no route any more";
    assert_told(
        &wide,
        &narrow,
        &[(false, "route \"one\"", &format!("{such}: a retry of a key in flight gets no-route"))],
    );
    let unprotected =
        format!("{such} and stream to the fallback: a retry of a key in flight runs again, unprotected");
    assert_told(&passes(&wide), &passes(&narrow), &[(true, "route \"one\"", &unprotected)]);
    assert_told(&passes(&narrow), &passes(&wide), &[(false, "route \"one\"", "is protected now")]);
    // A fallback that refuses keys sees none in a body.
    for key in ["key = { json = \"/id\" }", "key = { first = [{ header = \"x-key\" }, { json = \"/id\" }] }"]
    {
        let (wide, narrow) = (routes(&[("one", "/v1/{x}", key)]), routes(&[("one", "/v1/charges", key)]));
        assert_told(&wide, &narrow, &[(true, "route \"one\"", &unprotected)]);
    }
    let header = "key = { header = \"x-key\" }";
    let (wide_header, narrow_header) =
        (routes(&[("one", "/v1/{x}", header)]), routes(&[("one", "/v1/charges", header)]));
    assert_told(&wide_header, &narrow_header, &[(false, "route \"one\"", "gets no-route")]);
    // The rest of a path is of any length.
    let (rest, two) = (routes(&[("one", "/v1/{*x}", "")]), routes(&[("one", "/v1/{x}", "")]));
    assert_told(&passes(&rest), &passes(&two), &[(true, "route \"one\"", "stream to the fallback")]);
    // An exact route leaves the other spellings of its path to the fallback.
    let exact = routes(&[("one", "/v1/charges", "match = \"exact\"")]);
    assert_told(
        &passes(&narrow),
        &passes(&exact),
        &[(true, "route \"one\"", "such as POST, PATCH /V1/CHARGES/ have no route")],
    );
}

/// Files that differ in their names of operations, routes and paths.
fn files() -> Vec<String> {
    let other = "namespace = \"other\"";
    let lists: &[&[(&str, &str, &str)]] = &[
        &[("one", "/v1/charges", "")],
        &[("one", "/v1/charges", other)],
        &[("one", "/v1/charges", "scope = [\"authorization\"]")],
        &[("one", "/v1/charges", "key = { json = \"/id\" }")],
        &[("one", "/v1/charges", "methods = [\"PUT\"]")],
        &[("one", "/v1/charges", "match = \"exact\"")],
        &[("one", "/V1/Charges", "match = \"exact\"")],
        &[("one", "/v1/{x}", "")],
        &[("one", "/v1/{x}", ""), ("two", "/v1/charges", other)],
        &[("one", "/v1/{x}", "match = \"exact\""), ("two", "/v1/charges", "")],
        &[("one", "/v1/{x}", other), ("two", "/v1/charges", "match = \"exact\"")],
        &[("one", "/{*x}", "")],
        &[
            ("one", "/{*x}", other),
            ("two", "/v1/{x}", ""),
            ("three", "/v1/charges", "on_unknown = \"retry\""),
        ],
        &[("two", "/v1/charges", ""), ("one", "/v1/refunds", "")],
    ];
    let fallbacks =
        [("keyed = \"refuse\"", "keyed = \"refuse\""), ("keyed = \"refuse\"", "keyed = \"pass\"")];
    let file = |(from, to): (&str, &str)| {
        lists.iter().map(move |list| routes(list).replace(from, to)).collect::<Vec<_>>()
    };
    fallbacks.into_iter().flat_map(file).collect()
}

#[test]
fn a_file_against_itself_says_nothing() {
    for file in files() {
        assert_told(&file, &file, &[]);
    }
}

#[test]
fn a_change_that_a_start_refuses_or_that_exposes_keys_is_dangerous() {
    let configs: Vec<Config> = files().iter().map(|file| config(file)).collect();
    let mut refused = 0;
    for old in &configs[..configs.len() / 2] {
        for new in &configs {
            let known = review(old, &[], Timestamp(0)).entries;
            let review = review(new, &known, Timestamp(0));
            let found = effects(old, new);
            let is_dangerous = found.iter().any(|one| one.is_dangerous);
            if review.refusal(new, false).is_some() || !review.unprotected.is_empty() {
                refused += 1;
                assert!(is_dangerous, "{:?}\n{:?}\n{}", old.routes, new.routes, report(&found, false));
            }
        }
    }
    assert!(refused > configs.len(), "{refused}");
}

#[test]
fn an_accepted_change_of_names_is_still_dangerous() {
    let other = OLD.replace("upstream = \"a\"\n", "upstream = \"a\"\nnamespace = \"other\"\n");
    let other =
        other.replace("[fallback]\nupstream = \"a\"\nnamespace = \"other\"", "[fallback]\nupstream = \"a\"");
    let found = between(OLD, &other);
    let dangerous = found.iter().filter(|one| one.is_dangerous);
    let names: Vec<&str> = dangerous.flat_map(|one| one.about.split("; ")).collect();
    assert_eq!(names.len(), 2, "{}", report(&found, false));
    let listed = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let accepted = other.replace("[store]", &format!("[store]\naccept_identity_change = [{listed}]"));
    let found = between(OLD, &accepted);
    let dangerous: Vec<&Effect> = found.iter().filter(|one| one.is_dangerous).collect();
    assert_eq!(dangerous.len(), 1, "{}", report(&found, false));
    assert!(
        dangerous.iter().all(|one| one.text.contains("while no gateway serves")),
        "{}",
        report(&found, false)
    );
}

#[test]
fn the_report_puts_dangerous_changes_first_and_fits_a_terminal() {
    let new = format!("{OLD}ttl = \"1h\"\nlease = \"20s\"\nfingerprint = {{ body = \"json\" }}\n");
    let text = report(&between(OLD, &new), false);
    let (dangerous, other) =
        (text.find("  ! route \"charges\"").expect("one"), text.find("  - ").expect("others"));
    assert!(dangerous < other && text.contains("Dangerous for keys in flight (1)"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 96), "{text}");
    let short = report(&between(OLD, &new), true);
    assert!(short.contains("  ! route") && !short.contains("  - "), "{short}");
    assert_eq!(report(&[], false).trim(), "No change concerns keys in flight.");
    assert_eq!(report(&[], true).trim(), "No change concerns keys in flight.");
    let safe = between(OLD, &format!("{OLD}lease = \"20s\"\n"));
    assert_eq!(report(&safe, true).trim(), "No dangerous change.");
}
