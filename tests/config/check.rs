//! What `oncegate check` prints, and what it ends with.

use oncegate::cli::check::{BAD_CONFIGURATION, FINE, report, run};
use oncegate::config::Environment;

use super::{SMALL, parsed};

/// The report of a file with its line breaks taken out, as words are what is pinned here.
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
            "method, path, query, content-type and every byte of the body",
            "waits up to 10s for the answer, then gets 409 in-flight",
            "replayed for 24h, then refused for 30d (410 key-expired), then a new operation",
            "504 outcome-unknown, then 409 for 24h and 30d more",
            "unknown once it was silent for 10s; an operator can declare one not executed 31s after that",
            "401, 403, 407, 421, 425, 429: the key is free again",
            "408, 502, 503, 504: passed on once, then held as unknown",
            "drops set-cookie, www-authenticate, authentication-info and the hop-by-hop headers",
            "connections 10000 × (64KiB headers + 256KiB unprotected, streaming) = 3.1 GiB",
            "executions 1024 × (1MiB request + 1MiB response + 256KiB its head) = 2.3 GiB",
            "answers 1024 × 1MiB that clients have yet to read = 1.0 GiB",
            "together 6.4 GiB",
            "30s to answer; a head of 256KiB at most; idle connections are kept 4s",
            "404 no-route",
            "No warnings.",
        ],
    );
    assert!(!words(SMALL).to_lowercase().contains("exactly once"));
}

#[test]
fn settings_change_what_is_said() {
    let text = format!(
        "{SMALL}key = {{ required = true }}\nscope = ['x-tenant']\nin_flight = 'reject'\n\
         tombstone_ttl = '0s'\nttl = '2h'\nnamespace = 'money'\n\
         replay_headers = ['set-cookie', 'www-authenticate', 'authentication-info']\n\
         fingerprint = {{ body = 'json', headers = [], ignore = ['/sent_at'] }}\n\
         outcomes = {{ release = [], unknown = [500] }}\n\
         [fallback]\nupstream = 'payments'\n[store]\nurl = 'memory:'\n[server]\nmax_in_flight = 10\n"
    );
    assert_says(
        &text,
        &[
            "memory: has acknowledged them: NOT durable",
            "streams to payments, unprotected and of any size",
            "required: a request without it is answered 400 key-missing",
            "shared with every route of namespace \"money\"",
            "told by x-tenant",
            "method, path, query and the meaning of the JSON body without /sent_at",
            "gets 409 in-flight at once",
            "replayed for 2h, then RUNS AGAIN as a new operation (no tombstone)",
            "409 for 2h and 30d more",
            "no status of the upstream says so",
            "500: passed on once",
            "drops no header but the hop-by-hop ones",
            "executions 10 × (1MiB request + 1MiB response + 256KiB its head) = 22.5 MiB",
            "Warnings (2)",
            "! store: memory: keeps nothing when the process ends",
            "! route \"charges\": tombstone_ttl is 0s: a retry later than 2h after completion runs the operation again",
        ],
    );
    assert!(!words(&text).contains("refreshed token"));
}

/// Of every store: what a crash and a failover may lose, what follows, and what narrows it.
#[test]
fn each_store_says_what_it_may_lose() {
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
fn what_is_probably_not_meant_is_warned_of() {
    let route = |line: &str| format!("{SMALL}{line}\n");
    let section = |line: &str| format!("{line}\n{SMALL}");
    for (text, warning) in [
        (route("ttl = '5s'\nlease = '20s'"), "ttl 5s is shorter than a call to the upstream may take (31s)"),
        (route("ttl = '50s'\nlease = '1m'"), "ttl 50s is shorter than the lease (1m)"),
        (route("tombstone_ttl = '0s'"), "tombstone_ttl is 0s"),
        (
            route("wait_timeout = '1m'"),
            "wait_timeout 1m is longer than a call to the upstream may take (31s)",
        ),
        (route("scope = []"), "all callers share their keys"),
        (
            SMALL.replace("[[routes]]", "preserve_host = true\n[[routes]]"),
            "one host's answer may be replayed to",
        ),
        (section("store.url = 'memory:'"), "after a restart every retry runs its operation again"),
        (section("admin.listen = '0.0.0.0:9464'"), "records and the console are off there"),
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

#[test]
fn the_report_fits_a_terminal() {
    let text = report(&parsed(SMALL));
    for line in text.lines() {
        assert!(line.chars().count() <= 96, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_exit_code_says_whether_the_file_is_valid() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gate.toml");
    let checked = || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&file, &Environment::default(), &mut out, &mut err).expect("writing to memory");
        (code, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
    };
    let (code, out, err) = checked();
    assert_eq!((code, out.as_str()), (BAD_CONFIGURATION, ""));
    assert!(err.starts_with(&format!("{}: cannot be read", file.display())), "{err}");

    std::fs::write(&file, "[server]\nlisten = 1\n").expect("a writable directory");
    let (code, out, err) = checked();
    assert_eq!((code, out.as_str()), (BAD_CONFIGURATION, ""));
    assert!(err.contains("gate.toml:2:1: server.listen"), "{err}");

    std::fs::write(&file, SMALL).expect("a writable directory");
    let (code, out, err) = checked();
    assert_eq!((code, err.as_str()), (FINE, ""));
    assert!(out.contains("gate.toml is valid.\n\nSetup\n  listens on "), "{out}");
}
