//! The keys about unknown outcomes: refused input, accepted input, and what `check` says about them.

use std::time::Duration;

use oncegate::cli::check::report;
use oncegate::config::{Config, Environment, OnStoreError, Settling, UpstreamName};
use oncegate::protocol::OnUnknown;
use oncegate::protocol::probe::{Rules, When};

use super::SMALL;

/// 32 bytes in base64.
const KEY: &str = "c2VhbHNlYWxzZWFsc2VhbHNlYWxzZWFsc2VhbHNlYWw=";
const SEAL: &str = "[store]\nseal = [{ id = '2026-11', env = 'ONCEGATE_SEAL' }]\n";
const PROBE: &str = "on_unknown = 'probe'\nprobe = { url = 'http://127.0.0.1:9000/c?k={key}', executed = [200], \
                     not_executed = [404] }\n";
const MARKER: &str = "on_unknown = 'marker'\nmarker = { url = 'postgres://me:hush@localhost/pay' }\n";

fn environment() -> Environment {
    Environment::from([
        ("ONCEGATE_SEAL", KEY),
        ("OLD_SEAL_TOKEN", KEY.trim_end_matches('=')),
        ("SHORT_TOKEN", "aHVzaA=="),
        ("LONG_TOKEN", "aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2hodXNo"),
        ("TEXT_TOKEN", "hush, this is no base64"),
        ("EMPTY_TOKEN", ""),
        ("PROBE_TOKEN", "hush"),
    ])
}

fn read(text: &str) -> Result<Config, String> {
    Config::parse(text, "test.toml", &environment()).map_err(|errors| errors.to_string())
}

fn parsed(text: &str) -> Config {
    read(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

fn with_route(lines: &str) -> Config {
    parsed(&format!("{SMALL}{lines}"))
}

/// Returns a file that has the line under test as its second line.
fn file(section: &str, line: &str) -> String {
    let route = "name = 'charges'\npath = '/v1/charges'\nupstream = 'payments'\n";
    let upstream = "[upstreams.payments]\nurl = 'http://127.0.0.1:9000'\n";
    match section {
        "route" => format!("[[routes]]\n{line}\n{route}{upstream}"),
        "keys" => {
            format!("[[routes]]\nupstream_keys = {{ {line} }}\non_unknown = 'retry'\n{route}{upstream}")
        }
        "probe" => {
            let url = if line.contains("url =") { "" } else { "url = 'http://h/{key}', " };
            let executed = if line.contains("executed =") { "" } else { "executed = [200], " };
            format!(
                "[[routes]]\nprobe = {{ {url}{executed}{line} }}\non_unknown = 'probe'\n{route}{upstream}"
            )
        }
        "marker" => format!("[[routes]]\nmarker = {{ {line} }}\non_unknown = 'marker'\n{route}{upstream}"),
        section => format!("[{section}]\n{line}\n{SMALL}"),
    }
}

/// Section, line, the key that the error names, and a part of the text that says what is allowed.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (
        "route",
        "upstream_keys = { window = '23h' }",
        "routes[0].upstream_keys",
        "only for on_unknown = \"retry\"",
    ),
    ("route", "probe = { url = 'http://h/{key}' }", "routes[0].probe", "only for on_unknown = \"probe\""),
    ("route", "marker = { url = 'postgres://h/x' }", "routes[0].marker", "only for on_unknown = \"marker\""),
    ("route", "keep_request = true", "routes[0].keep_request", "\"retry\", \"probe\" or \"marker\""),
    ("route", "keep_request = 'yes'", "routes[0].keep_request", "a boolean"),
    ("route", "probe = 'http://h/{key}'", "routes[0].probe", "a table like { url = "),
    ("route", "marker = 'postgres://me:hush@h/x'", "routes[0].marker", "a table like { url = "),
    ("route", "upstream_keys = true", "routes[0].upstream_keys", "a table like { window = \"23h\" }"),
    ("route", "retry_horizon = '1h'", "routes[0].retry_horizon", "a table like { client_retries = \"10m\" }"),
    ("route", "retry_horizon = { failover = 'soon' }", "routes[0].retry_horizon.failover", "\"24h\""),
    ("route", "retry_horizon = { failover = '11y' }", "routes[0].retry_horizon.failover", "0s to 3650d"),
    (
        "route",
        "retry_horizon = { failovers = '1h' }",
        "routes[0].retry_horizon.failovers",
        "`operator_replay`",
    ),
    ("keys", "", "routes[0].upstream_keys.window", "is missing: the time for which the upstream"),
    ("keys", "window = 23", "routes[0].upstream_keys.window", "a string"),
    ("keys", "window = '30s'", "routes[0].upstream_keys.window", "is not longer than a call"),
    ("keys", "window = '31s'", "routes[0].upstream_keys.window", "(31s, connecting included)"),
    ("keys", "window = '11y'", "routes[0].upstream_keys.window", "100ms to 3650d"),
    ("keys", "window = '1h', undecided = [99]", "routes[0].upstream_keys.undecided[0]", "200 to 599"),
    ("keys", "window = '1h', undecided = 409", "routes[0].upstream_keys.undecided", "an array"),
    ("keys", "window = '1h', forward = 'x'", "routes[0].upstream_keys.forward", "`window` or `undecided`"),
    ("probe", "url = 'ftp://hush/{key}'", "routes[0].probe.url", "http:// or https://"),
    ("probe", "url = 'http://me:hush@h/{key}'", "routes[0].probe.url", "names a user"),
    ("probe", "url = 'http://h{key}/x'", "routes[0].probe.url", "allowed: {key}, {execution}"),
    ("probe", "url = 'http://h/{hush}'", "routes[0].probe.url", "allowed: {key}, {execution}"),
    ("probe", "url = 'http://h/{body:hush}'", "routes[0].probe.url", "without the / in front"),
    ("probe", "url = 'http://h/hush'", "routes[0].probe.url", "each question would be the same"),
    ("probe", "url = 'http://h/{key}#hush'", "routes[0].probe.url", "a fragment"),
    ("probe", "headers = { host = 'h' }", "routes[0].probe.headers.host", "by the gateway itself"),
    (
        "probe",
        "headers = { content-length = '0' }",
        "routes[0].probe.headers.content-length",
        "other headers",
    ),
    ("probe", "headers = { connection = 'x' }", "routes[0].probe.headers.connection", "one connection"),
    ("probe", "headers = { 'x y' = 'hush' }", "routes[0].probe.headers.\"x y\"", "letters, digits"),
    ("probe", "headers = { x-a = '1', X-A = '2' }", "routes[0].probe.headers.x-a", "named twice"),
    ("probe", "headers = { x-a = \"hush\\n\" }", "routes[0].probe.headers.x-a", "printable ASCII"),
    ("probe", "headers = { x-a = 5 }", "routes[0].probe.headers.x-a", "a string"),
    ("probe", "timeout = '0s'", "routes[0].probe.timeout", "10ms to 5m"),
    ("probe", "not_before = '31d'", "routes[0].probe.not_before", "0s to 30d"),
    ("probe", "executed = [1000]", "routes[0].probe.executed[0]", "200 to 599"),
    ("probe", "executed = [], not_executed = [404, 6]", "routes[0].probe.not_executed[1]", "200 to 599"),
    ("probe", "executed = [200], not_executed = [200]", "routes[0].probe", "one meaning for a status"),
    ("probe", "executed = []", "routes[0].probe", "decides nothing"),
    ("probe", "response = 'data'", "routes[0].probe.response", "\"/data/0/status\""),
    ("probe", "response = '/data/*'", "routes[0].probe.response", "no one value"),
    ("probe", "when = { executed = ['x'] }", "routes[0].probe.when.pointer", "is missing"),
    ("probe", "when = { pointer = '/a' }", "routes[0].probe.when", "decides nothing"),
    ("probe", "when = { pointer = '', executed = ['x'] }", "routes[0].probe.when.pointer", "the whole body"),
    (
        "probe",
        "when = { pointer = '/a/-', executed = ['x'] }",
        "routes[0].probe.when.pointer",
        "no one value",
    ),
    (
        "probe",
        "when = { pointer = '/a', executed = ['x'], not_executed = ['x'] }",
        "routes[0].probe.when",
        "one meaning for a value",
    ),
    ("probe", "when = { pointer = '/a', executed = [1] }", "routes[0].probe.when.executed[0]", "a string"),
    ("probe", "method = 'POST'", "routes[0].probe.method", "`not_before`"),
    ("marker", "", "routes[0].marker.url", "is missing"),
    ("marker", "url = 'mysql://me:hush@h/x'", "routes[0].marker.url", "write postgres://USER"),
    ("marker", "url = 'postgres://me:hush@h:x/db'", "routes[0].marker.url", "write postgres://USER"),
    ("marker", "url = 'postgres://h/x', table = 'Marks'", "routes[0].marker.table", "lower-case letters"),
    (
        "marker",
        "url = 'postgres://h/x', table = 'a.b.c'",
        "routes[0].marker.table",
        "\"payments.oncegate_marker\"",
    ),
    ("marker", "url = 'postgres://h/x', table = 'a b'", "routes[0].marker.table", "lower-case letters"),
    ("marker", "url = 'postgres://h/x', table = '.marks'", "routes[0].marker.table", "lower-case letters"),
    ("marker", "url = 'postgres://h/x', table = ''", "routes[0].marker.table", "lower-case letters"),
    ("marker", "url = 'postgres://h/x', table = 'a\"; drop'", "routes[0].marker.table", "lower-case letters"),
    ("marker", "url = 'postgres://h/x', schema = 'a'", "routes[0].marker.schema", "`url` or `table`"),
    ("store", "seal = 'hush'", "store.seal", "an array"),
    ("store", "seal = [{ env = 'ONCEGATE_SEAL' }]", "store.seal[0].id", "like \"2026-11\""),
    ("store", "seal = [{ id = 'a' }]", "store.seal[0].env", "like \"ONCEGATE_SEAL\""),
    ("store", "seal = [{ id = 'a', env = 'hush' }]", "store.seal[0].env", "is not set"),
    (
        "store",
        "seal = [{ id = 'a', env = 'NO_TOKEN' }]",
        "store.seal[0].env",
        "variable NO_TOKEN that it names",
    ),
    ("store", "seal = [{ id = 'a', env = 'SHORT_TOKEN' }]", "store.seal[0].env", "32 bytes in base64"),
    ("store", "seal = [{ id = 'a', env = 'LONG_TOKEN' }]", "store.seal[0].env", "32 bytes in base64"),
    ("store", "seal = [{ id = 'a', env = 'TEXT_TOKEN' }]", "store.seal[0].env", "32 bytes in base64"),
    ("store", "seal = [{ id = 'a', env = 'EMPTY_TOKEN' }]", "store.seal[0].env", "32 bytes in base64"),
    ("store", "seal = [{ id = '', env = 'ONCEGATE_SEAL' }]", "store.seal[0].id", "1 to 32 letters"),
    ("store", "seal = [{ id = 'hush hush', env = 'ONCEGATE_SEAL' }]", "store.seal[0].id", "1 to 32 letters"),
    (
        "store",
        "seal = [{ id = '123456789012345678901234567890123', env = 'ONCEGATE_SEAL' }]",
        "store.seal[0].id",
        "1 to 32 letters",
    ),
    (
        "store",
        "seal = [{ id = 'a', env = 'ONCEGATE_SEAL' }, { id = 'a', env = 'OLD_SEAL_TOKEN' }]",
        "store.seal[1].id",
        "an earlier key",
    ),
    ("store", "seal = [{ id = 'a', key = 'hush' }]", "store.seal[0].key", "`id` or `env`"),
];

#[test]
fn every_mistake_names_its_line_its_key_and_the_allowed_values() {
    for (section, line, key, allowed) in MISTAKES {
        let text = file(section, line);
        let errors = read(&text).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
        let is_it = |error: &&str| error.contains(&format!(" {key}")) && error.contains(allowed);
        let error = errors
            .lines()
            .find(is_it)
            .unwrap_or_else(|| panic!("{line}: no error names {key} and says {allowed}, but:\n{errors}"));
        assert!(error.starts_with("test.toml:2:"), "{line}: {error}");
        // A line that names its word as a key repeats it as a key only.
        assert!(!errors.replace(key, "").contains("hush") || key.contains("hush"), "{line}: {errors}");
    }
}

#[test]
fn a_policy_needs_its_own_settings() {
    for (policy, key) in [("probe", "routes[0].probe"), ("marker", "routes[0].marker")] {
        let errors = read(&format!("{SMALL}on_unknown = '{policy}'\n")).expect_err(policy);
        assert!(errors.contains(&format!("{key} (route \"charges\"): is missing")), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    // A policy with a mistake in its name is one mistake, not two.
    let errors = read(&format!("{SMALL}{}", PROBE.replace("'probe'", "'prob'"))).expect_err("no policy");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_kept_request_is_sealed_or_refused() {
    for policy in ["on_unknown = 'retry'\n", PROBE, MARKER] {
        let route = format!("{SMALL}{policy}keep_request = true\n");
        let errors = read(&route).expect_err("there is no key");
        for line in
            ["below [store]", "seal = [{ id = \"2026-11\", env = \"ONCEGATE_SEAL\" }]", "openssl rand"]
        {
            assert!(errors.contains(line) && errors.contains("routes[0].keep_request"), "{errors}");
        }
        assert!(parsed(&format!("{SEAL}{route}")).routes[0].keep_request);
    }
    // A key with a mistake is one mistake, not two.
    let errors = read(&format!("store.seal = 'x'\n{SMALL}on_unknown = 'retry'\nkeep_request = true\n"));
    assert_eq!(errors.expect_err("no key").lines().count(), 1);
}

#[test]
fn keys_seal_in_their_order_and_are_never_shown() {
    let seal = "[{ id = '2026-11', env = 'ONCEGATE_SEAL' }, { id = 'old', env = 'OLD_SEAL_TOKEN' }]";
    let config = parsed(&format!("[store]\nseal = {seal}\n{SMALL}"));
    let keys: Vec<(&str, &[u8])> = config.store.seal.iter().map(|key| (&*key.id, &key.key[..])).collect();
    let bytes = b"sealsealsealsealsealsealsealseal".as_slice();
    assert_eq!(keys, [("2026-11", bytes), ("old", bytes)]);
    let shown = format!("{config:?}{}", report(&config));
    assert!(shown.contains("2026-11") && !shown.contains(KEY) && !shown.contains("115, 101, 97"), "{shown}");
    let words = report(&config).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("key 2026-11 seals what records keep of requests; old opens what is older"));
}

#[test]
fn policies_become_checked_types() {
    assert!(matches!(with_route("").routes[0].settling, Settling::Hold));
    let plain = with_route("on_unknown = 'retry'");
    assert!(matches!(plain.routes[0].settling, Settling::Retry(None)));
    assert_eq!(plain.routes[0].policy.on_unknown, OnUnknown::Retry { window: None });

    let keys = with_route("on_unknown = 'retry'\nupstream_keys = { window = '23h' }");
    let Settling::Retry(Some(found)) = &keys.routes[0].settling else { panic!("{:?}", keys.routes[0]) };
    let window = Duration::from_secs(23 * 60 * 60);
    assert_eq!((found.window, &found.undecided[..]), (window, &[400, 401, 403, 404, 409, 422, 425, 429][..]));
    assert_eq!(keys.routes[0].policy.on_unknown, OnUnknown::Retry { window: Some(window) });
    let own = with_route("on_unknown = 'retry'\nupstream_keys = { window = '32s', undecided = [409] }");
    let Settling::Retry(Some(found)) = &own.routes[0].settling else { panic!("{:?}", own.routes[0]) };
    assert_eq!(found.undecided, [409]);
    let own = &own.routes[0].outcomes;
    assert!(
        own.may_be_about_key(409) && !own.may_be_about_key(422),
        "its executions are judged by this list"
    );

    let marker = with_route(MARKER);
    let Settling::Marker(found) = &marker.routes[0].settling else { panic!("{:?}", marker.routes[0]) };
    assert_eq!((&*found.url.0, &*found.table), ("postgres://me:hush@localhost/pay", "oncegate_marker"));
    assert_eq!((&*found.shown, found.is_verified), ("postgres://localhost/pay", true));
    assert_eq!(marker.routes[0].policy.on_unknown, OnUnknown::Marker);
    let named = with_route(&MARKER.replace(" }", ", table = 'pay_2.marks' }"));
    assert!(matches!(&named.routes[0].settling, Settling::Marker(found) if found.table == "pay_2.marks"));

    let horizon = with_route("retry_horizon = { client_retries = '10m', operator_replay = '24h' }");
    let sum = horizon.routes[0].retry_horizon.expect("a horizon").sum();
    assert_eq!(sum, Duration::from_secs(24 * 60 * 60 + 600));
}

#[test]
fn a_probe_becomes_checked_types() {
    let config = with_route(
        "on_unknown = 'probe'\nprobe = { url = 'http://127.0.0.1:9000/c?k={key}&o={body:/order}', headers = { \
         Authorization = 'Bearer ${PROBE_TOKEN}' }, timeout = '3s', not_before = '0s', executed = [200], not_executed \
         = [404], when = { pointer = '/data/0/status', executed = ['paid'], not_executed = ['absent'] }, response = '' }",
    );
    let Settling::Probe(probe) = &config.routes[0].settling else { panic!("{:?}", config.routes[0]) };
    assert_eq!((probe.timeout, probe.not_before), (Duration::from_secs(3), Duration::ZERO));
    assert_eq!(probe.template.placeholders(), ["body:/order", "key"]);
    let Rules { executed, not_executed, when: Some(when), response: Some(response) } = &probe.rules else {
        panic!("{:?}", probe.rules);
    };
    assert_eq!((&executed[..], &not_executed[..], response.as_str()), (&[200][..], &[404][..], ""));
    let When { pointer, executed, not_executed } = when;
    assert_eq!(
        (pointer.as_str(), &executed[..], &not_executed[..]),
        ("/data/0/status", &["paid".into()][..], &["absent".into()][..])
    );
    let [(name, value)] = &probe.headers[..] else { panic!("{:?}", probe.headers) };
    assert_eq!(
        (name.as_str(), value.as_bytes(), value.is_sensitive()),
        ("authorization", &b"Bearer hush"[..], true)
    );
    assert!(!format!("{config:?}").contains("hush"));

    let usual = with_route(PROBE);
    let Settling::Probe(probe) = &usual.routes[0].settling else { panic!("{:?}", usual.routes[0]) };
    assert_eq!((probe.timeout, probe.not_before), (Duration::from_secs(5), Duration::from_secs(60)));
}

#[test]
fn a_probe_has_a_hidden_upstream_of_its_own() {
    let text = SMALL.replace(
        "url = \"http://127.0.0.1:9000\"",
        "url = 'http://Pay.internal'\nhttp2 = true\nconnect_timeout = '9s'\nresponse_timeout = '20s'\n\
         idle_timeout = '7s'\npreserve_host = true\nresponse_head_limit = '2KiB'",
    );
    let upstream = |url: &str, timeout: &str| {
        let probe = format!(
            "on_unknown = 'probe'\nprobe = {{ url = '{url}', executed = [200], timeout = '{timeout}' }}\n"
        );
        let config = parsed(&format!("{text}{probe}"));
        let name = UpstreamName::new("probe:charges");
        let Settling::Probe(probe) = &config.routes[0].settling else { panic!("{:?}", config.routes[0]) };
        assert_eq!((&probe.upstream, name.is_of_probe()), (&name, true));
        assert_eq!(config.upstreams.len(), 2);
        let report = report(&config);
        assert!(
            !report.contains("probe:charges") && report.contains("upstream            payments at"),
            "{report}"
        );
        config.upstreams[&name].clone()
    };
    let same = upstream("http://pay.internal:80/x?k={key}", "5s");
    assert_eq!((same.url.to_string(), same.http2), ("http://Pay.internal/".into(), true));
    assert_eq!(
        (same.connect_timeout, same.response_timeout),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert_eq!(same.idle_timeout, Duration::from_secs(7));
    assert!(!same.preserve_host && !same.rewrite_location);
    for url in ["http://pay.internal:81/x?k={key}", "https://pay.internal/{key}", "http://other/{key}"] {
        let other = upstream(url, "50ms");
        assert!(!other.http2 && url.starts_with(other.url.to_string().trim_end_matches('/')), "{url}");
        let times = (other.connect_timeout, other.response_timeout, other.idle_timeout);
        assert_eq!(times, (Duration::from_millis(50), Duration::from_millis(50), Duration::from_secs(4)));
        assert_eq!(other.response_head_limit, 2048);
        assert!(!other.preserve_host && !other.rewrite_location);
    }
    assert_eq!(upstream("http://other/{key}", "3s").connect_timeout, Duration::from_secs(1));
}

#[test]
fn no_operator_can_name_a_hidden_upstream() {
    let hidden = "[upstreams.'probe:charges']\nurl = 'http://127.0.0.1:1'\n";
    let errors = read(&format!("{hidden}{SMALL}")).expect_err("a hidden name");
    assert!(errors.contains("begins with \"probe:\""), "{errors}");
    let other = "[[routes]]\nname = 'b'\npath = '/b'\nupstream = 'probe:charges'\n";
    let errors = read(&format!("{SMALL}{PROBE}{other}")).expect_err("a hidden upstream");
    assert!(errors.contains("there is no upstream \"probe:charges\"; defined: \"payments\""), "{errors}");
}

#[test]
fn a_bypass_breaks_what_a_policy_promises() {
    for policy in ["on_unknown = 'hold'\n", PROBE, MARKER] {
        let errors = read(&format!("{SMALL}{policy}on_store_error = 'bypass'\n")).expect_err(policy);
        let name = policy.split('\'').nth(1).expect("a name");
        let told = format!("on_unknown = \"{name}\" promises never to do");
        assert!(
            errors.contains("i_accept_duplicates = true beside it") && errors.contains(&told),
            "{errors}"
        );
        let accepted =
            with_route(&format!("{policy}on_store_error = 'bypass'\ni_accept_duplicates = true\n"));
        assert_eq!(accepted.routes[0].on_store_error, OnStoreError::Bypass);
    }
    for line in ["", "i_accept_duplicates = true\n"] {
        let config = with_route(&format!("on_unknown = 'retry'\non_store_error = 'bypass'\n{line}"));
        assert_eq!(config.routes[0].on_store_error, OnStoreError::Bypass);
    }
}

#[test]
fn the_promise_of_each_policy_is_said_with_its_conditions() {
    let route = |name: &str, lines: &str| {
        format!("[[routes]]\nname = '{name}'\npath = '/{name}'\nupstream = 'payments'\n{lines}\n")
    };
    let keys = "on_unknown = 'retry'\nupstream_keys = { window = '23h' }\nkeep_request = true";
    let text = [
        SEAL,
        SMALL,
        &route("again", "on_unknown = 'retry'"),
        &route("marked", MARKER),
        &route("asked", PROBE),
        &route("keyed", keys),
        &route("keyed-too", keys),
        &route("other-keys", "on_unknown = 'retry'\nupstream_keys = { window = '2d', undecided = [] }"),
    ]
    .concat();
    let config = parsed(&text);
    let report = report(&config);
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "\"hold\": at most once per operation until its tombstone ends, provided",
        "shown. An operator who declares \"not executed\" steps outside this promise. (routes: charges)",
        "\"retry\": may run more than once, with the same key forwarded; at least once only if a client keeps retrying \
         until it gets an answer. (routes: again)",
        "\"retry\" with upstream_keys: at most once, provided the upstream honours its keys for 23h; after that held",
        "apply, too. (routes: keyed, keyed-too)",
        "provided the upstream honours its keys for 2d; after that held",
        "\"probe\": the upstream is asked what happened before anything runs again; a request still in flight can \
         execute after it answered. (routes: asked)",
        "\"marker\": at most one committed effect, and exactly one once a stored success was answered, for what the \
         upstream's own transaction covers, while the marker table is durable, its rows are kept, and the upstream \
         fails on a conflict. (routes: marked)",
        "RUNS THE OPERATION AGAIN, with the same key forwarded",
        "for 23h from the first attempt, less the 31s that a call may take, an attempt with the same bytes",
        "400, 401, 403, 404, 409, 422, 425, 429: may be the upstream's word about its key",
        "every status but those of outcomes is taken for the operation's own, even 409",
        "credentials included, is stored with the record until its operation is settled, sealed under [store] seal",
        "31s after the lease ended, when no call can be under way any more, the upstream is asked",
        "GET at http://127.0.0.1:9000/, 5s to answer. 404: not executed; 200: executed; any other answer leaves it \
         unknown. The response stays unknown: 409 outcome-settled",
        "keeps for it key, with the record until it is settled, sealed under [store] seal",
        "if told no believed only 1m after that time (not_before), because a search may not find yet",
        "A request that is still in flight can execute even later",
        "table oncegate_marker at postgres://localhost/pay. The upstream inserts the Idempotency-Execution value",
        "in the transaction of the operation itself, and fails if that row is there: no ON CONFLICT DO NOTHING",
        "keeps its rows longer than 31d (ttl and tombstone_ttl)",
        "After that held: 409 for 24h and 30d more, unless a late answer or an operator decides it",
        "Anything else: 409 for 24h and 30d more",
        "A row that is not committed yet, or no answer: 409 for 24h and 30d more",
        "429: fenced at once, and if the fence is first the key is free again for a retry",
        "408, 502, 503, 504: passed on once, then treated as a lost answer",
        "408, 502, 503, 504: passed on once, then held as unknown",
        "`oncegate check --print-marker-schema`",
    ] {
        assert!(words.contains(part), "{part:?} is not in\n{report}");
    }
    assert!(!report.contains("hush"));
    for line in report.lines() {
        assert!(line.chars().count() <= 96, "{line}");
    }
}

#[test]
fn the_meaning_of_answers_is_said() {
    let report = report(&with_route(
        "on_unknown = 'probe'\nprobe = { url = 'http://h/{execution}', headers = { x-a = '1' }, not_executed = [404], \
         executed = [200, 303], when = { pointer = '/s', executed = ['paid'], not_executed = ['absent'] }, response = '/r' }",
    ));
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "GET at http://h/, 5s to answer, with x-a. 404: not executed; /s alone decides another 2xx; \"paid\": executed; \
         \"absent\": not executed; 303: executed; any other answer leaves it unknown. /r is stored as the response, with \
         status 200",
        "nothing of the request: the URL names only the execution",
    ] {
        assert!(words.contains(part), "{part:?} is not in\n{report}");
    }
}

#[test]
fn probable_mistakes_are_warned_of() {
    let probe = |url: &str, rest: &str| {
        format!("{SEAL}{SMALL}on_unknown = 'probe'\nprobe = {{ url = '{url}', executed = [200]{rest} }}\n")
    };
    let token = ", headers = { authorization = 'Bearer ${PROBE_TOKEN}' }";
    let horizon =
        |sum: &str| format!("{SMALL}retry_horizon = {{ operator_replay = '{sum}', failover = '1h' }}\n");
    for (text, warning) in [
        (
            format!("{SMALL}on_unknown = 'retry'\n"),
            Some("without upstream_keys: an operation with an unknown outcome may"),
        ),
        (format!("{SMALL}on_unknown = 'retry'\nupstream_keys = {{ window = '1h' }}\n"), None),
        (
            format!(
                "{SMALL}on_unknown = 'retry'\nupstream_keys = {{ window = '1h', undecided = [409, 201] }}\n"
            ),
            Some(
                "upstream_keys.undecided has 201: where a repeated execution answers 201, its outcome stays",
            ),
        ),
        (
            format!(
                "{SMALL}on_unknown = 'retry'\nupstream_keys = {{ window = '1h', undecided = [409, 202] }}\n"
            ),
            None,
        ),
        (
            format!("{SMALL}{PROBE}"),
            Some("keeps key of each request readable in the store until its operation"),
        ),
        (format!("{SMALL}{}", PROBE.replace("{key}", "{execution}")), None),
        (format!("{SEAL}{SMALL}{PROBE}"), None),
        (
            probe("http://pay.internal/{key}", token),
            Some("sends authorization to http://pay.internal/ without TLS"),
        ),
        (
            probe("http://10.0.0.1/{key}", ", headers = { x-api-key = 'x' }"),
            Some("sends x-api-key to http://10.0.0.1/"),
        ),
        (probe("http://pay.internal/{key}", ", headers = { accept = 'x' }"), None),
        (probe("https://pay.internal/{key}", token), None),
        (probe("http://127.0.0.1:1/{key}", token), None),
        (probe("http://[::1]:1/{key}", token), None),
        (probe("http://localhost/{key}", token), None),
        (
            probe("http://h/{key}", ", not_executed = [404, 403, 503]"),
            Some("has 403, 503, with which an upstream refuses"),
        ),
        (probe("http://h/{key}", ", not_executed = [404, 410]"), None),
        (format!("{SMALL}{MARKER}"), None),
        (
            format!("{SMALL}{}", MARKER.replace("localhost", "db.internal")),
            Some("no sslmode=verify-full, so anyone on the network to that Postgres"),
        ),
        (format!("{SMALL}{}", MARKER.replace("localhost/pay", "db.internal/pay?sslmode=verify-full")), None),
        (horizon("371h"), None),
        (horizon("372h"), Some("are 31d together, less than twice the retry_horizon of 373h")),
    ] {
        let warnings: Vec<String> = parsed(&text).warnings().iter().map(ToString::to_string).collect();
        match warning {
            None => assert!(warnings.is_empty(), "{text}: {warnings:?}"),
            Some(said) => {
                assert!(matches!(&warnings[..], [one] if one.contains(said)), "{said}: {warnings:?}\n{text}");
            }
        }
        assert!(!warnings.concat().contains("hush"), "{warnings:?}");
    }
}
