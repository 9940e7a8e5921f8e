//! `check --against` knows every key of the file: each one has an effect on keys in flight that is told, or is in
//! the list of those that have none.

use std::collections::BTreeSet;
use std::path::PathBuf;

use oncegate::cli::check::against::{Effect, effects, report};
use oncegate::config::{Config, Environment, IdentityFiles, schema};
use serde_json::Value;

/// Lines of a section.
type Lines = (&'static str, &'static str);
/// A key with an effect: the lines before, those after, whether the change is dangerous, and a part of its text.
type Case = (&'static str, &'static [Lines], &'static [Lines], bool, &'static str);

const RETRY: &str = "on_unknown = \"retry\"";
const KEYS: &str = "on_unknown = \"retry\"\nupstream_keys = { window = \"2h\" }";
const PROBE: &str = "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], \
                     not_executed = [404] }";
const WHEN: &str = "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", when = { pointer = \
                    \"/a\", executed = [\"yes\"], not_executed = [\"no\"] } }";
const MARKER: &str =
    "on_unknown = \"marker\"\nmarker = { url = \"postgres://u@127.0.0.1/db\", table = \"m\" }";
const REDIS: Lines = ("store", "url = \"redis://127.0.0.1\"");
const POSTGRES: Lines = ("store", "url = \"postgres://u@127.0.0.1/db\"");
const JSON: &str = "fingerprint = { body = \"json\" }";
const SEALED: Lines = ("store", "seal = [{ id = \"k\", env = \"SEAL\" }]");
const KEPT: &str = "on_unknown = \"retry\"\nkeep_request = true";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("routes.anonymous", &[], &[("route", "anonymous = \"one\"")], true, "anonymous"),
    ("routes.fingerprint.body", &[], &[("route", JSON)], false, "fingerprint"),
    ("routes.fingerprint.headers", &[], &[("route", "fingerprint = { headers = [] }")], false, "fingerprint"),
    ("routes.fingerprint.ignore", &[("route", JSON)], &[("route", "fingerprint = { body = \"json\", ignore = [\"/a\"] }")], false, "fingerprint"),
    ("routes.fingerprint.only", &[("route", JSON)], &[("route", "fingerprint = { body = \"json\", only = [\"/a\"] }")], false, "fingerprint"),
    ("routes.keep_request", &[SEALED, ("route", KEPT)], &[SEALED, ("route", RETRY)], false, "keep_request"),
    ("routes.key.first", &[], &[("route", "key = { first = [{ header = \"X-Key\" }, { json = \"/id\" }] }")], true, "key = { first"),
    ("routes.key.forward", &[("route", RETRY)], &[("route", "on_unknown = \"retry\"\nkey = { forward = \"quoted\" }")], true, "key"),
    ("routes.key.forward_as", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nkey = { forward_as = \"X-Key\" }\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404] }")], true, "still asks for the key itself"),
    ("routes.key.header", &[], &[("route", "key = { header = \"X-Key\" }")], true, "key = { header"),
    ("routes.key.json", &[], &[("route", "key = { json = \"/id\" }")], true, "key = { json"),
    ("routes.key.required", &[("route", "key = { required = true }")], &[], false, "key.required"),
    ("routes.lease", &[], &[("route", "lease = \"20s\"")], false, "lease"),
    ("routes.marker.table", &[("route", MARKER)], &[("route", "on_unknown = \"marker\"\nmarker = { url = \"postgres://u@127.0.0.1/db\", table = \"n\" }")], true, "marker: another"),
    ("routes.marker.url", &[("route", MARKER)], &[("route", "on_unknown = \"marker\"\nmarker = { url = \"postgres://u@127.0.0.1/other\", table = \"m\" }")], true, "marker: another"),
    ("routes.match", &[], &[("route", "match = \"exact\"")], false, "match"),
    ("routes.max_response_body", &[], &[("route", "max_response_body = \"1KiB\"")], false, "max_response_body"),
    ("routes.methods", &[], &[("route", "methods = [\"POST\"]")], true, "no route covers it any more"),
    ("routes.name", &[], &[("name", "other")], false, "name"),
    ("routes.namespace", &[], &[("route", "namespace = \"other\"")], true, "namespace"),
    ("routes.on_store_error", &[], &[("route", "on_store_error = \"bypass\"\ni_accept_duplicates = true")], true, "on_store_error"),
    ("routes.on_unknown", &[], &[("route", RETRY)], true, "on_unknown"),
    ("routes.outcomes.release", &[], &[("route", "outcomes = { release = [500] }")], true, "outcomes: 500"),
    ("routes.outcomes.unknown", &[], &[("route", "outcomes = { unknown = [500] }")], true, "outcomes: 408, 502, 503, 504"),
    ("routes.path", &[], &[("path", "/v1/other")], true, "no route covers it any more"),
    ("routes.probe.executed", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200, 202], not_executed = [404] }")], true, "probe: other headers of the question, or another reading"),
    ("routes.probe.headers", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404], headers = { x-a = \"b\" } }")], true, "probe: other headers"),
    ("routes.probe.not_before", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404], not_before = \"1s\" }")], true, "probe.not_before: 1s, before 1m"),
    ("routes.probe.not_executed", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404, 410] }")], true, "probe: other headers of the question, or another reading"),
    ("routes.probe.response", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404], response = \"/a\" }")], false, "probe.response"),
    ("routes.probe.timeout", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", executed = [200], not_executed = [404], timeout = \"1s\" }")], false, "probe.timeout: 1s, before 5s"),
    ("routes.probe.url", &[("route", PROBE)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/b?k={key}\", executed = [200], not_executed = [404] }")], true, "probe.url"),
    ("routes.probe.when.executed", &[("route", WHEN)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", when = { pointer = \"/a\", executed = [\"y\"], not_executed = [\"no\"] } }")], true, "another reading"),
    ("routes.probe.when.not_executed", &[("route", WHEN)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", when = { pointer = \"/a\", executed = [\"yes\"], not_executed = [\"absent\"] } }")], true, "another reading"),
    ("routes.probe.when.pointer", &[("route", WHEN)], &[("route", "on_unknown = \"probe\"\nprobe = { url = \"http://127.0.0.1:9000/a?k={key}\", when = { pointer = \"/b\", executed = [\"yes\"], not_executed = [\"no\"] } }")], true, "another reading"),
    ("routes.release_when", &[], &[("route", "release_when = [{ header = \"x-a\", value = \"b\" }]")], true, "release_when"),
    ("routes.replay_drop", &[], &[("route", "replay_drop = [\"x-a\"]")], false, "replay_drop"),
    ("routes.replay_headers", &[], &[("route", "replay_headers = [\"set-cookie\"]")], false, "replay_headers"),
    ("routes.scope", &[], &[("route", "scope = [\"authorization\"]")], true, "scope"),
    ("routes.tombstone_ttl", &[], &[("route", "tombstone_ttl = \"0s\"")], true, "tombstone_ttl 0s"),
    ("routes.ttl", &[], &[("route", "ttl = \"1h\"")], true, "ttl 1h"),
    ("routes.unknown_answers", &[("route", "unknown_answers = \"problem\"")], &[], true, "unknown_answers"),
    ("routes.upstream", &[], &[("upstream", "b")], false, "upstream: \"b\", before \"a\""),
    ("routes.upstream_keys.undecided", &[("route", KEYS)], &[("route", "on_unknown = \"retry\"\nupstream_keys = { window = \"2h\", undecided = [401] }")], true, "upstream_keys.undecided: without 400, 403, 404, 409"),
    ("routes.upstream_keys.window", &[("route", KEYS)], &[("route", "on_unknown = \"retry\"\nupstream_keys = { window = \"3h\" }")], true, "upstream_keys: window 3h, before 2h"),
    ("server.request_body_limit", &[], &[("server", "request_body_limit = \"1KiB\"")], true, "1KiB, before 1MiB"),
    ("store.accept_identity_change", &[], &[("store", "accept_identity_change = [\"POST /x#123456\"]")], true, "POST /x#123456 is new"),
    ("store.accept_lost", &[REDIS], &[REDIS, ("store", "accept_lost = true")], true, "a retry of a lost key runs again"),
    ("store.prefix", &[REDIS], &[REDIS, ("store", "prefix = \"x:\"")], true, "\"x:\", before \"oncegate:\""),
    ("store.retired", &[], &[("store", "retired = [\"POST /x#123456\"]")], true, "POST /x#123456 is new"),
    ("store.schema", &[POSTGRES], &[POSTGRES, ("store", "schema = \"x\"")], true, "\"x\", before \"oncegate\""),
    ("store.seal", &[SEALED], &[], false, "without the key k"),
    ("store.url", &[], &[REDIS], true, "redis://127.0.0.1:6379, before memory:"),
    ("store.wait_replicas", &[REDIS, ("store", "wait_replicas = 2")], &[REDIS, ("store", "wait_replicas = 1")], true, "1, before 2"),
    ("upstreams.connect_timeout", &[], &[("a", "connect_timeout = \"2s\"")], false, "connect_timeout"),
    ("upstreams.preserve_host", &[("route", RETRY)], &[("route", RETRY), ("a", "preserve_host = true")], true, "upstreams.a.preserve_host"),
    ("upstreams.response_head_limit", &[], &[("a", "response_head_limit = \"16KiB\"")], false, "upstreams.a.response_head_limit"),
    ("upstreams.response_timeout", &[], &[("a", "response_timeout = \"9s\"")], false, "response_timeout"),
    ("upstreams.rewrite_location", &[], &[("a", "rewrite_location = false")], false, "upstreams.a.rewrite_location"),
    ("upstreams.url", &[("route", RETRY)], &[("route", RETRY), ("a url", "http://127.0.0.1:9009")], true, "upstreams.a.url"),
    ("fallback.keyed", &[], &[("fallback", "keyed = \"pass\"")], true, "streams through unprotected"),
    ("lookup.enabled", &[("lookup", "enabled = true")], &[], false, "no longer ask"),
];

/// Keys that concern no key in flight: the key, lines that change it, and the reason. Keys of files of
/// certificates have no lines, because these files would have to be there.
#[rustfmt::skip]
const NO_EFFECT: &[(&str, &[Lines], &str)] = &[
    ("routes.i_accept_duplicates", &[], "a confirmation; on_store_error has the effect"),
    ("routes.in_flight", &[("route", "in_flight = \"reject\"")], "a duplicate that does not wait does not run either"),
    ("routes.label", &[("route", "label = [\"header:x-a\"]")], "for people"),
    ("routes.problems", &[("problems", "[problems.own]\nstatus = { payload-mismatch = 409 }"), ("route", "problems = \"own\"")], "the form of a refusal"),
    ("routes.retry_horizon.client_retries", &[("route", "retry_horizon = { client_retries = \"1h\" }")], "only check reads it"),
    ("routes.retry_horizon.failover", &[("route", "retry_horizon = { failover = \"1h\" }")], "only check reads it"),
    ("routes.retry_horizon.operator_replay", &[("route", "retry_horizon = { operator_replay = \"1h\" }")], "only check reads it"),
    ("routes.wait_timeout", &[("route", "wait_timeout = \"1s\"")], "a duplicate that does not wait does not run either"),
    ("upstreams.ca", &[], "trust in the upstream: a call that fails sends nothing"),
    ("upstreams.http2", &[("a", "http2 = true")], "the protocol of the same requests"),
    ("upstreams.idle_timeout", &[("a", "idle_timeout = \"1s\"")], "idle connections"),
    ("fallback.upstream", &[("fallback upstream", "b")], "unprotected requests have no record"),
    ("server.body_read_timeout", &[("server", "body_read_timeout = \"1s\"")], "a refusal before the claim"),
    ("server.cors.credentials", &[("server", "cors = { origins = [\"https://a.example\"], credentials = true }")], "what pages may read"),
    ("server.cors.max_age", &[("server", "cors = { origins = [\"*\"], max_age = \"1m\" }")], "what pages may read"),
    ("server.cors.origins", &[("server", "cors = { origins = [\"*\"] }")], "what pages may read"),
    ("server.drain_timeout", &[("server", "drain_timeout = \"1s\"")], "the end of the process"),
    ("server.header_read_timeout", &[("server", "header_read_timeout = \"1s\"")], "a refusal before the claim"),
    ("server.http2", &[("server", "http2 = true")], "the protocol of the same requests"),
    ("server.keep_alive_timeout", &[("server", "keep_alive_timeout = \"1s\"")], "idle connections"),
    ("server.listen", &[("server", "listen = \"127.0.0.1:8099\"")], "where clients connect"),
    ("server.max_connections", &[("server", "max_connections = 99")], "a refusal before the claim"),
    ("server.max_in_flight", &[("server", "max_in_flight = 9")], "a refusal before the claim"),
    ("server.problem_docs", &[("server", "problem_docs = \"https://a.example/x\"")], "the form of a refusal"),
    ("server.shutdown_delay", &[("server", "shutdown_delay = \"1s\"")], "the end of the process"),
    ("server.tls.cert", &[], "where clients connect"),
    ("server.tls.client_ca", &[], "a part of every scope: the names of operations tell it"),
    ("server.tls.key", &[], "where clients connect"),
    ("server.trusted_proxies", &[("server", "trusted_proxies = [\"10.0.0.0/8\"]")], "what the upstream is told of the client"),
    ("store.ca", &[], "trust in the store: a claim that fails sends nothing"),
    ("store.sentinel_password", &[], "access to the same store"),
    ("store.sentinel_username", &[], "access to the same store"),
    ("store.start_timeout", &[("store", "start_timeout = \"1s\"")], "the start"),
    ("store.timeout", &[("store", "timeout = \"2s\"")], "a claim that fails sends nothing"),
];
/// Tables without a key that concerns a key in flight: how problems look, who may ask, and what is
/// logged and traced.
const NO_EFFECT_BELOW: &[&str] = &["admin.", "log.", "otel.", "problems."];
/// Keys that have tests of their own.
const TESTED_APART: &[&str] = &["upstreams.identity.cert", "upstreams.identity.key"];

/// Returns a file with these lines in their sections. `name`, `path`, `upstream`, `a url` and `fallback upstream`
/// are values instead.
fn file(lines: &[Lines]) -> String {
    let value = |of: &str, usual: &'static str| {
        lines.iter().find(|(section, _)| *section == of).map_or(usual, |(_, value)| value)
    };
    let of = |section: &str| -> String {
        let own = lines.iter().filter(|(of, _)| *of == section);
        own.map(|(_, line)| format!("{line}\n")).collect()
    };
    let own_url = lines.iter().any(|(section, line)| *section == "store" && line.starts_with("url"));
    let url = if own_url { "" } else { "url = \"memory:\"\n" };
    let keyed =
        if lines.iter().any(|(section, _)| *section == "fallback") { "" } else { "keyed = \"refuse\"\n" };
    format!(
        "[server]\n{}[lookup]\n{}[store]\n{url}{}[upstreams.a]\nurl = \"{}\"\n{}[upstreams.b]\nurl = \
         \"http://127.0.0.1:9001\"\n[fallback]\nupstream = \"{}\"\n{keyed}{}{}[[routes]]\nname = \"{}\"\npath = \
         \"{}\"\nupstream = \"{}\"\n{}",
        of("server"),
        of("lookup"),
        of("store"),
        value("a url", "http://127.0.0.1:9000"),
        of("a"),
        value("fallback upstream", "a"),
        of("fallback"),
        of("problems"),
        value("name", "charges"),
        value("path", "/v1/charges"),
        value("upstream", "a"),
        of("route"),
    )
}

fn config(lines: &[Lines]) -> Config {
    let (text, seal) = (file(lines), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let config = Config::parse(&text, "a file", &Environment::from([("SEAL", seal)]));
    config.unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

#[test]
fn each_change_of_a_key_is_told() {
    for (key, before, after, is_dangerous, says) in CASES {
        let found = effects(&config(before), &config(after));
        let listed = report(&found, false);
        let is_it = |effect: &Effect| effect.is_dangerous == *is_dangerous && effect.text.contains(says);
        assert!(found.iter().any(is_it), "{key}: {says}\n{listed}");
        assert_eq!(found.iter().any(|effect| effect.is_dangerous), *is_dangerous, "{key}:\n{listed}");
    }
}

#[test]
fn a_key_without_effect_says_nothing() {
    for (key, lines, reason) in NO_EFFECT {
        let mut found = effects(&config(&[]), &config(lines));
        found.retain(|effect| effect.about != "restart");
        assert!(found.is_empty(), "{key}, {reason}:\n{}", report(&found, false));
    }
}

/// Adds the paths of the keys of a table, without the names of its items.
fn add_keys(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    if let Value::Object(properties) = &schema["properties"] {
        for (name, property) in properties {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            add_keys(property, &below, keys);
        }
    } else if schema["additionalProperties"]["properties"].is_object() {
        add_keys(&schema["additionalProperties"], path, keys);
    } else if path == "routes" {
        add_keys(&schema["items"], path, keys);
    } else {
        keys.insert(path.to_owned());
    }
}

#[test]
fn every_key_of_the_file_is_told_or_has_no_effect() {
    let mut keys = BTreeSet::new();
    add_keys(&schema(), "", &mut keys);
    assert!(keys.contains("routes.upstream_keys.undecided") && keys.contains("upstreams.url"), "{keys:?}");
    let told = CASES.iter().map(|(key, ..)| *key);
    let silent = NO_EFFECT.iter().map(|(key, ..)| *key);
    let mut known = BTreeSet::new();
    for key in told.chain(silent).chain(TESTED_APART.iter().copied()) {
        assert!(keys.contains(key), "there is no key {key}");
        assert!(known.insert(key), "{key} stands in two lists");
    }
    let is_new = |key: &&String| {
        !known.contains(key.as_str()) && !NO_EFFECT_BELOW.iter().any(|below| key.starts_with(below))
    };
    let new: Vec<&String> = keys.iter().filter(is_new).collect();
    assert!(
        new.is_empty(),
        "say in src/cli/check/against what a change of these does, or list them here: {new:?}"
    );
}

#[test]
fn another_certificate_of_the_gateway_matters_where_executions_are_repeated() {
    for (policy, is_told) in [(RETRY, true), ("", false)] {
        let old = config(&[("route", policy)]);
        let mut new = old.clone();
        let file = |name: &str| PathBuf::from(name);
        for upstream in new.upstreams.values_mut() {
            upstream.identity = Some(IdentityFiles { cert: file("cert.pem"), key: file("key.pem") });
        }
        let found = effects(&old, &new);
        let is_it = |effect: &Effect| effect.is_dangerous && effect.text.contains("upstreams.a.identity");
        assert_eq!(found.iter().any(is_it), is_told, "{}", report(&found, false));
    }
}
