//! The output and the exit code of `oncegate check`.

use oncegate::cli::check::{report, run};
use oncegate::config::Environment;

use super::{SMALL, parsed};

/// Returns the report of a file without its line breaks, because these tests compare words only.
fn words(text: &str) -> String {
    report(&parsed(text)).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(text: &str, parts: &[&str]) {
    let words = words(text);
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in\n{}", report(&parsed(text)));
    }
}

#[test]
fn the_defaults_are_explained() {
    assert_says(
        SMALL,
        &[
            "Delivery is at-least-once",
            "One atomic claim per operation, as long as the store keeps what it acknowledged.",
            "survive a crash of the gateway and of the machine, not the loss of the disk",
            "on_unknown = \"hold\": at most once per operation until its tombstone ends, provided",
            "(routes: charges)",
            "covers POST, PATCH /v1/charges → payments",
            "idempotency-key, optional: a request without it passes UNPROTECTED",
            "A refreshed token is a new caller: a retry that sends it is a new operation and runs again.",
            "its clock makes no jump of a ttl or more, the gateways of one store name operations alike",
            "in every spelling that usual servers take for the same",
            "its keys belong to namespace \"default\"",
            "told by authorization, x-api-key, api-key, stripe-account and the path",
            "A keyed request that shows none of it but the path is answered 400 caller-unknown.",
            "if it writes absolute URLs into bodies, set preserve_host = true",
            "Location and Content-Location that name it name what the client asked.",
            "method and its overrides, path, query, content-type, content-encoding and every byte of the body",
            "waits up to 10s for the answer, then gets 409 in-flight",
            "replayed for 24h, then refused for 30d (410 key-expired), then a new operation",
            "504 outcome-unknown, then 409 for 24h and 30d more",
            "unknown once it was silent for 10s; an operator can declare one not executed 31s after that",
            "307, 308, 401, 403, 407, 421, 425, 429: the key is free again",
            "408, 502, 503, 504: passed on once, then held as unknown",
            "drops set-cookie, www-authenticate, authentication-info, retry-after, server-timing, traceresponse, \
             clear-site-data, ratelimit*, x-ratelimit-* and the hop-by-hop headers",
            "connections 10000 × (64KiB headers + 256KiB unprotected, streaming) = 3.1 GiB",
            "executions 1024 × (1MiB request + 1MiB response + 256KiB its head) = 2.3 GiB",
            "answers 1024 × 1MiB that clients have yet to read = 1.0 GiB",
            "together 6.4 GiB",
            "30s to answer; a head of 256KiB at most; idle connections are kept 4s",
            "404 no-route",
            "At a start, more than 31d (the shortest ttl and tombstone_ttl together) ahead of what was last noted",
            "More than 24h (the shortest ttl) warns. While the gateway runs no jump counts.",
            "No warnings.",
        ],
    );
    assert!(!words(SMALL).to_lowercase().contains("exactly once"));
}

#[test]
fn settings_change_the_report() {
    let text = format!(
        "{SMALL}key = {{ required = true }}\nscope = ['x-tenant']\nin_flight = 'reject'\n\
         tombstone_ttl = '0s'\nttl = '2h'\nnamespace = 'money'\n\
         replay_headers = ['set-cookie', 'www-authenticate', 'authentication-info']\n\
         match = 'exact'\nanonymous = 'one'\nreplay_drop = ['x-request-id']\nunknown_answers = 'problem'\n\
         fingerprint = {{ body = 'json', headers = [], ignore = ['/sent_at'] }}\n\
         outcomes = {{ release = [], unknown = [500] }}\n\
         [fallback]\nupstream = 'payments'\nkeyed = 'refuse'\n[lookup]\nenabled = true\n[store]\nurl = 'memory:'\n[server]\nmax_in_flight = 10\n"
    );
    assert_says(
        &text,
        &[
            "lookups GET /.well-known/idempotency/record says what became of a key, without the response",
            "GET /.well-known/idempotency publishes path, methods, key, lifetime and problems of each route.",
            "memory: has acknowledged them: NOT durable",
            "streams to payments, unprotected and of any size",
            "required: a request without it is answered 400 key-missing",
            "with a key 404 no-route. Another path or method than those of charges reaches the same API unprotected",
            "compared exactly: another spelling of the path is NOT protected",
            "its keys belong to namespace \"money\"",
            "told by x-tenant: the same key",
            "The path does not count: the same key on another path of this namespace is answered 422.",
            "Callers that show none of it but the path count as ONE caller (anonymous = \"one\").",
            "method and its overrides, path, query and the meaning of the JSON body without /sent_at",
            "gets 409 in-flight at once",
            "replayed for 2h, then RUNS AGAIN as a new operation (no tombstone)",
            "409 for 2h and 30d more",
            "no status of the upstream says so",
            "500: answered outcome-unknown, and held as unknown",
            "drops retry-after, server-timing, traceresponse, clear-site-data, x-request-id, ratelimit*",
            "executions 10 × (1MiB request + 1MiB response + 256KiB its head) = 22.5 MiB",
            "Warnings (6)",
            "! route \"charges\": no credential stands in scope (x-tenant)",
            "! route \"charges\": outcomes.unknown lacks 408, 502, 503 and 504",
            "! route \"charges\": anonymous is \"one\"",
            "! route \"charges\": [lookup] is enabled, and anonymous is \"one\": any client that knows a key",
            "! store: memory: keeps nothing when the process ends",
            "! route \"charges\": tombstone_ttl is 0s: a retry later than 2h after completion runs the operation again",
        ],
    );
    assert!(!words(&text).contains("refreshed token"));
    assert!(!words(SMALL).contains("lookups"));
}

#[test]
fn a_key_in_the_body_is_explained() {
    assert_says(
        &format!("{SMALL}key = {{ json = ['/merchant', '/metadata/order'], forward = 'quoted' }}\n"),
        &[
            "the members /merchant and /metadata/order of the body, optional: a request without it passes UNPROTECTED",
            "sent quoted in idempotency-key, in place of a header of this name that the client sent",
            "key in the body each body is read whole to find it. With or without a key,",
            "one of more than 1MiB is answered 413 request-too-large",
            "neither JSON nor a form, or that has a content coding, 400 key-invalid",
            "a second payment of it gets the first answer, or 422 payload-mismatch, after a decline too",
            "No warnings.",
        ],
    );
    let first =
        "key = { first = [{ header = 'X-Event-Id' }, { json = '/id' }], required = true, forward = 'none' }";
    assert_says(
        &format!("{SMALL}{first}\n"),
        &[
            "the x-event-id header or the member /id of the body, required",
            "no header is sent with it",
            "without a key in x-event-id, each body is read whole to find it. One of more than 1MiB",
        ],
    );
    assert!(!words(SMALL).contains("key upstream") && !words(SMALL).contains("key in the body"));
    let probe = "on_unknown = 'probe'\nprobe = { url = 'http://127.0.0.1:9/?k={key}', executed = [200], not_executed = [404] }";
    let unseen = "the upstream never gets this text";
    for (key, warns) in [
        ("json = '/id', forward = 'none'", false),
        ("json = ['/m', '/id'], forward = 'none'", true),
        ("forward = 'none'", true),
        ("json = ['/m', '/id']", false),
    ] {
        assert_eq!(words(&format!("{SMALL}key = {{ {key} }}\n{probe}\n")).contains(unseen), warns, "{key}");
    }
    for shared in ["'/customer'", "['/amount', '/metadata/Merchant-Id']"] {
        let text = format!("{SMALL}key = {{ json = {shared} }}\n");
        assert_says(&text, &["! route \"charges\": the key is { json = ", "which usual requests share"]);
    }
}

/// The statuses are those that the route's problems have.
#[test]
fn a_key_in_the_body_is_explained_with_the_routes_own_statuses() {
    let text = format!(
        "{SMALL}key = {{ json = '/customer' }}\nproblems = 'own'\n[problems.own]\n\
         status = {{ payload-mismatch = 409, request-too-large = 400, key-invalid = 422 }}\n"
    );
    assert_says(
        &text,
        &[
            "is answered 400 request-too-large",
            "a content coding, 422 key-invalid",
            "gets the first answer, or 409 payload-mismatch, after a decline too",
            "gets the first one's answer, or 409 payload-mismatch. Add a member",
        ],
    );
}

/// For every form of a body: what makes a request the same, and what that means for payments.
#[test]
fn each_form_of_a_body_is_explained() {
    let parts = "method and its overrides, path, query";
    let elsewhere = "A request in which any other member has changed is answered with the first one's response. One that \
                     has none of the named members counts whole";
    for (fingerprint, says) in [
        ("body = 'raw'", vec![format!("{parts}, content-type, content-encoding and every byte of the body; a key")]),
        (
            "body = 'json'",
            vec![format!("{parts}, content-type without its parameters, content-encoding and the meaning of the JSON body; a key")],
        ),
        ("body = 'json', ignore = ['/i/*/at', '/b']", vec!["the meaning of the JSON body without /i/*/at, /b; a key".into()]),
        ("body = 'json', only = ['/amount', '/to']", vec!["and of the JSON body ONLY /amount, /to; a key".into(), elsewhere.into()]),
        (
            "body = 'form'",
            vec![format!(
                "{parts}, content-type without its parameters, content-encoding and the meaning of the form, in which the \
                 order of members does not count; a key"
            )],
        ),
        ("body = 'form', ignore = ['/m/at']", vec!["the meaning of the form without /m/at, in which".into()]),
        ("body = 'form', only = ['/amount']", vec!["and of the form ONLY /amount, in which".into(), elsewhere.into()]),
        (
            "body = 'multipart'",
            vec![format!(
                "{parts}, content-type without its boundary, content-encoding and the parts of the multipart body (names, \
                 filenames, part headers, content), but not the order of different fields; a key"
            )],
        ),
        (
            "body = 'none'",
            vec![
                format!("{parts}, content-type, content-encoding; a key with any other is answered 422"),
                "The body does NOT count: a request with another one, such as another amount, is answered with the first \
                 one's response".into(),
                "! route \"charges\": fingerprint.body is \"none\": a request with the same key and another body, such as \
                 another amount".into(),
            ],
        ),
        ("body = 'json', headers = ['x-a']", vec![format!("{parts}, x-a and the meaning of the JSON body; a key")]),
    ] {
        let says: Vec<&str> = says.iter().map(String::as_str).collect();
        let text = format!("{SMALL}fingerprint = {{ {fingerprint} }}\n");
        assert_says(&text, &says);
        assert_eq!(words(&text).contains("No warnings."), !fingerprint.contains("none"), "{fingerprint}");
    }
}

/// For every store: the loss that a crash and a failover may cause, its consequence, and the setting that
/// limits it.
#[test]
fn the_report_lists_the_losses_of_each_store() {
    let with_store = |lines: &str| format!("[store]\n{lines}\n{SMALL}");
    let stores: [(&str, &[&str]); 9] = [
        (
            "url = 'memory:'",
            &[
                "end of the process Everything, and every retry after it runs its operation again.",
                "store.url = \"embedded:DIR\" keeps what was acknowledged",
                "a failover There is none: gateways share nothing",
            ],
        ),
        (
            "url = 'embedded:x'",
            &[
                "embedded:x has acknowledged them: they are synced to disk first.",
                "a crash Nothing that was acknowledged",
                "a failover There is none: one gateway process at a time.",
                "a volume that is replicated before it acknowledges a sync narrows that",
            ],
        ),
        (
            "url = 'postgres://localhost/db'",
            &[
                "schema oncegate has acknowledged them: they are committed first.",
                "a crash of Postgres Nothing that was acknowledged, unless fsync",
                "Where this address leads to another server then: nothing with synchronous_standby_names",
                "without its standby it commits nothing",
            ],
        ),
        ("url = 'postgres://a,b/db'", &["a failover nothing with synchronous_standby_names"]),
        (
            "url = 'redis://h'",
            &[
                "with appendonly yes up to a second, with appendfsync always nothing",
                "where that is noticed, claims are refused for one ttl",
                "a failover Where this address leads to another server then: best effort.",
                "while a gateway runs, more than 24h (the shortest ttl) off, forwards or back: nothing begins",
                "wait_replicas = 1 (or more) narrows that",
                "a partition A primary that is cut off goes on taking claims",
                "min-replicas-to-write in Redis narrows that",
            ],
        ),
        (
            "url = 'redis://h'\naccept_lost = true",
            &["claims GO ON (accept_lost), and what was lost may run again"],
        ),
        (
            "url = 'redis+cluster://h'",
            &["a failover best effort. What the promoted replica did not have yet is lost"],
        ),
        ("url = 'unix:/run/redis.sock'", &["Where this address leads to another server then"]),
        (
            "url = 'redis+sentinel://h/main'\nwait_replicas = 2",
            &[
                "counts once 2 replicas have it in memory (wait_replicas); lost is what the promoted one lacks",
            ],
        ),
    ];
    for (store, parts) in stores {
        let text = with_store(store);
        assert_says(&text, parts);
        assert_says(
            &text,
            &[
                "What the store may lose: such a key looks new, and at most once does not hold for it",
                "serve --not-before TIME refuses new operations for one ttl",
            ],
        );
    }
}

#[test]
fn probable_mistakes_are_warned_of() {
    let route = |line: &str| format!("{SMALL}{line}\n");
    let section = |line: &str| format!("{line}\n{SMALL}");
    for (text, warning) in [
        (route("ttl = '5s'\nlease = '20s'"), "ttl 5s is shorter than a call to the upstream may take (31s)"),
        (route("ttl = '50s'\nlease = '1m'"), "ttl 50s is shorter than the lease (1m)"),
        (route("tombstone_ttl = '0s'"), "tombstone_ttl is 0s"),
        (
            route("key = { first = [{ header = 'X-Event-Id' }, { json = '/id' }] }"),
            "an attempt that lacks the first of them is another operation",
        ),
        (
            route("key = { first = [{ header = 'X-A' }, { header = 'X-B' }] }"),
            "Every attempt has to carry the same place, or the same text in all of them",
        ),
        (
            route("wait_timeout = '1m'"),
            "wait_timeout 1m is longer than a call to the upstream may take (31s)",
        ),
        (route("scope = []\nanonymous = 'one'"), "anonymous is \"one\": callers that show none"),
        (route("anonymous = 'one'"), "route \"charges\": anonymous is \"one\""),
        (
            route("scope = ['x-merchant', 'stripe-account', { path = true }]"),
            "(x-merchant, stripe-account): a replay is given without the upstream seeing who asks",
        ),
        (route("outcomes.release = [200, 500]"), "outcomes.release has 200 and 500, which may come after"),
        (
            route("outcomes = { release = [401, 503], unknown = [408, 502, 504] }"),
            "outcomes.release has 503, which may come after the upstream acted: the key is free again",
        ),
        (route("outcomes.release = [303, 402, 409, 429, 499]"), "has 303, 402, 409 and 499, which may"),
        (route("outcomes.unknown = [408, 504]"), "outcomes.unknown lacks 502 and 503"),
        (route("outcomes.release = ['5xx']"), "outcomes.release has 5xx, which may come after"),
        (route("outcomes.release = ['4xx', 501]"), "outcomes.release has 4xx and 501, which may come after"),
        (route("outcomes.release = ['2xx']"), "outcomes.release has 2xx: a success is not stored"),
        (route("outcomes.unknown = ['2xx', 408, '5xx']"), "outcomes.unknown has 2xx: no success is stored"),
        (
            route(
                "release_when = [{ header = 'Stripe-Should-Retry', value = 'true' }, { header = 'x-a', value = 'b' }]",
            ),
            "release_when believes stripe-should-retry: true and x-a: b: the key is free again",
        ),
        (
            SMALL.replace("[[routes]]", "preserve_host = true\n[[routes]]"),
            "one host's answer may be replayed to",
        ),
        (section("store.url = 'memory:'"), "after a restart every retry runs its operation again"),
        (section("server.trusted_proxies = ['10.0.0.0/8', '::/0']"), "has ::/0, which is every address"),
        (section("admin.listen = '0.0.0.0:9464'"), "records are off there"),
        (
            section("server.drain_timeout = '29s'"),
            "shorter than the response_timeout 30s of upstream payments",
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\n[fallback]\nupstream = 'a'".into(),
            "everything streams to the fallback unprotected",
        ),
    ] {
        let warnings: Vec<String> = parsed(&text).warnings().iter().map(ToString::to_string).collect();
        assert!(matches!(&warnings[..], [one] if one.contains(warning)), "{warning}: {warnings:?}");
    }
}

/// A scope with a credential in it is no reason for a warning, whichever header the API uses.
#[test]
fn usual_credentials_are_recognised() {
    for scope in [
        "['authorization']",
        "['x-merchant', 'X-Api-Key']",
        "['cookie', { path = true }]",
        "['x-merchant-key']",
    ] {
        assert_eq!(parsed(&format!("{SMALL}scope = {scope}\n")).warnings(), [], "{scope}");
    }
}

#[test]
fn statuses_that_prove_that_nothing_was_done_may_be_released() {
    let config = parsed(&format!(
        "{SMALL}outcomes.release = [307, 308, 400, 401, 403, 404, 405, 415, 422, 425, 429]\n"
    ));
    assert_eq!(config.warnings(), []);
    // All statuses of the class that may come after the upstream acted have an entry of their own.
    let doubtful = "[402, 408, 409, 460, 499, 502, 503, 504]";
    let config =
        parsed(&format!("{SMALL}outcomes = {{ release = ['4xx', 307, 308], unknown = {doubtful} }}\n"));
    assert_eq!(config.warnings(), []);
}

#[test]
fn the_report_says_what_answers_mean() {
    assert_says(SMALL, &["any other status stored and replayed, 500 included"]);
    let text = format!(
        "{SMALL}outcomes = {{ release = ['5xx', 429], unknown = [503, 408] }}\n\
         release_when = [{{ header = 'x-executed', value = 'no' }}]\n"
    );
    assert_says(
        &text,
        &[
            "its own word x-executed: no, with any status: the key is free again for a retry",
            "not executed 5xx, 429: the key is free again for a retry",
            "unknown 503, 408: passed on once, then held as unknown",
            "any other status stored and replayed A status that is listed itself counts before its class.",
        ],
    );
}

#[test]
fn a_multipart_body_without_a_key_in_a_header_is_warned_of() {
    let warned = |key: &str| {
        let text = format!("{SMALL}key = {key}\nfingerprint.body = 'multipart'\n");
        let warnings = parsed(&text).warnings();
        warnings.iter().any(|warning| warning.to_string().contains("it is answered 400 key-invalid"))
    };
    assert!(warned("{ first = [{ header = 'X-Event-Id' }, { json = '/id' }] }"));
    assert!(!warned("{ first = [{ header = 'X-A' }, { header = 'X-B' }] }"));
    assert!(!warned("{ header = 'X-A' }"));
}

#[test]
fn equal_warnings_are_given_once() {
    let route = |name: &str| {
        format!(
            "[[routes]]\nname = '{name}'\npath = '/{name}'\nupstream = 'payments'\nscope = ['x-merchant']\n"
        )
    };
    let warnings = parsed(&format!("{SMALL}{}{}", route("a"), route("b"))).warnings();
    assert_eq!(warnings.iter().map(|warning| &*warning.about).collect::<Vec<_>>(), ["routes \"a\", \"b\""]);
}

#[test]
fn the_report_fits_a_terminal() {
    let text = report(&parsed(SMALL));
    for line in text.lines() {
        assert!(line.chars().count() <= 96, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_report_is_of_a_valid_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gate.toml");
    let checked = || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config =
            run(&file, &Environment::default(), false, &mut out, &mut err).expect("writing to memory");
        (config.is_some(), String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
    };
    let (valid, out, err) = checked();
    assert_eq!((valid, out.as_str()), (false, ""));
    assert!(err.starts_with(&format!("{}: cannot be read", file.display())), "{err}");

    std::fs::write(&file, "[server]\nlisten = 1\n").expect("a writable directory");
    let (valid, out, err) = checked();
    assert_eq!((valid, out.as_str()), (false, ""));
    assert!(err.contains("gate.toml:2:1: server.listen"), "{err}");

    std::fs::write(&file, SMALL).expect("a writable directory");
    let (valid, out, err) = checked();
    assert_eq!((valid, err.as_str()), (true, ""));
    assert!(out.contains("gate.toml is valid.\n\nSetup\n  listens on "), "{out}");
}
