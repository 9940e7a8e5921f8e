//! Accepted input, and the checked value that it becomes.

use std::time::Duration;

use http::HeaderName;
use oncegate::config::{InFlight, LogFormat, Match, OnStoreError, RouteKey, UnknownAnswers};
use oncegate::protocol::{BodyScheme, KeyForm, Meaning, MemberChoice, PathScheme, ScopePart, Statuses};
use oncegate::store::redis::{Address, Servers};
use oncegate::store::{memory, postgres, redis};

use super::{SMALL, parsed};

fn with_route(lines: &str) -> oncegate::config::Config {
    parsed(&format!("{SMALL}{lines}"))
}

fn written(scope: &[ScopePart]) -> Vec<String> {
    scope.iter().map(ToString::to_string).collect()
}

#[test]
fn routes_become_checked_types() {
    let config = with_route(
        "key = { header = 'X-Request-Key', required = true }\nscope = ['X-Tenant', 'Authorization']\n\
         fingerprint = { body = 'json', headers = ['Content-Type', 'X-Version'], ignore = ['/a~1b'] }\n\
         ttl = '90m'\ntombstone_ttl = '0s'\nlease = '1500ms'\nin_flight = 'reject'\n\
         replay_headers = ['Set-Cookie']\nmax_response_body = 65536\nnamespace = 'orders:v2'\n\
         methods = ['PUT', 'VERSION-CONTROL']\noutcomes = { release = [] }\n\
         on_unknown = 'hold'\non_store_error = 'reject'\n",
    );
    let route = &config.routes[0];
    assert_eq!(route.key, RouteKey::in_header(HeaderName::from_static("x-request-key"), true));
    assert_eq!(written(&route.scope), ["x-tenant", "authorization"]);
    let overrides = ["x-http-method-override", "x-http-method", "x-method-override"];
    assert_eq!(route.fingerprint.headers, [&["content-type", "x-version"][..], &overrides].concat());
    let members = MemberChoice::except(vec!["/a~1b".into()], false);
    assert_eq!(route.fingerprint.body, BodyScheme::JsonMembers { members, sent_as: None });
    assert_eq!(route.policy.ttl, Duration::from_secs(5400));
    assert_eq!(route.policy.tombstone_ttl, Duration::ZERO);
    assert_eq!(route.policy.lease, Duration::from_millis(1500));
    assert_eq!(route.policy.response_timeout, Duration::from_secs(31));
    assert_eq!(route.in_flight, InFlight::Reject);
    assert_eq!(route.replay_headers, ["set-cookie"]);
    assert_eq!(route.max_response_body, 65_536);
    assert_eq!((&*route.name, &*route.namespace), ("charges", "orders:v2"));
    assert_eq!(
        route.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
        ["PUT", "VERSION-CONTROL"]
    );
    assert_eq!(route.outcomes.release(), []);
    assert_eq!(route.outcomes.unknown(), [408, 502, 503, 504].map(Statuses::One));
}

#[test]
fn places_of_keys_become_checked_types() {
    let key = |lines: &str| {
        let key = with_route(&format!("{lines}\n")).routes[0].key.clone();
        let sent = key.forward.map(|forward| (forward.form, forward.name.to_string()));
        (key.source.to_string(), key.required, sent)
    };
    let usual = |form| Some((form, "idempotency-key".to_owned()));
    let json = "{ json = \"/id\" }".to_owned();
    for (lines, source, required, sent) in [
        ("key = { json = '/id' }", json.clone(), false, usual(KeyForm::Bare)),
        ("key = { json = ['/id'], required = true }", json.clone(), true, usual(KeyForm::Bare)),
        ("key = { first = [{ json = '/id' }], forward = 'none' }", json.clone(), false, None),
        (
            "key = { json = '/id', forward = 'as-sent' }\non_unknown = 'retry'",
            json,
            false,
            usual(KeyForm::AsSent),
        ),
        (
            "key = { json = ['/m', '/a~1b/0'], forward = 'quoted', forward_as = 'X-Key' }\non_unknown = 'retry'",
            "{ json = [\"/m\", \"/a~1b/0\"] }".to_owned(),
            false,
            Some((KeyForm::Quoted, "x-key".to_owned())),
        ),
        (
            "key = { first = [{ json = ['/m', '/o'] }, { header = 'X-Event-Id' }] }",
            "{ first = [{ json = [\"/m\", \"/o\"] }, { header = \"x-event-id\" }] }".to_owned(),
            false,
            Some((KeyForm::Bare, "x-event-id".to_owned())),
        ),
    ] {
        assert_eq!(key(lines), (source, required, sent), "{lines}");
    }
}

#[test]
fn each_form_of_a_body_becomes_a_scheme() {
    let pointers = |pointers: &[&str]| pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
    let json = |members| BodyScheme::JsonMembers { members, sent_as: None };
    let form = |members| BodyScheme::Form { members };
    for (written, expected) in [
        ("body = 'raw'", BodyScheme::Raw),
        ("body = 'none'", BodyScheme::None),
        ("body = 'multipart', ignore = [], only = []", BodyScheme::Multipart),
        ("body = 'json'", json(MemberChoice::except(Vec::new(), false))),
        (
            "body = 'json', ignore = ['/i/*/at', '/a*']",
            json(MemberChoice::except(pointers(&["/i/*/at", "/a*"]), true)),
        ),
        (
            "body = 'json', only = ['/amount', '/~01']",
            json(MemberChoice::only(pointers(&["/amount", "/~01"]), false)),
        ),
        ("body = 'form', ignore = ['/m/at']", form(MemberChoice::except(pointers(&["/m/at"]), false))),
        ("body = 'form', only = ['/*']", form(MemberChoice::only(pointers(&["/*"]), true))),
    ] {
        let config = with_route(&format!("fingerprint = {{ {written} }}\n"));
        assert_eq!(config.routes[0].fingerprint.body, expected, "{written}");
        assert_eq!(config.routes[0].fingerprint.headers[..2], ["content-type", "content-encoding"]);
    }
}

#[test]
fn callers_and_covered_paths_become_checked_types() {
    let config = with_route(
        "match = 'exact'\nscope = ['X-Tenant', { path = true }]\nanonymous = 'one'\nreplay_drop = ['X-Request-Id']\n\
         unknown_answers = 'problem'\n[fallback]\nupstream = 'payments'\nkeyed = 'refuse'\n",
    );
    let route = &config.routes[0];
    assert_eq!((route.matching, &route.fingerprint.path), (Match::Exact, &PathScheme::AsSent));
    assert_eq!(written(&route.scope), ["x-tenant", "{ path = true }"]);
    assert!(route.anonymous);
    assert_eq!(route.replay_drop, ["x-request-id"]);
    assert_eq!(route.unknown_answers, UnknownAnswers::Problem);
    assert!(config.fallback.is_some_and(|fallback| fallback.refuses_keyed));

    let usual = &parsed(SMALL).routes[0];
    let parts = ["authorization", "x-api-key", "api-key", "stripe-account", "{ path = true }"];
    assert_eq!(written(&usual.scope), parts);
    assert_eq!((usual.matching, usual.anonymous), (Match::Equivalent, false));
    assert_eq!((&*usual.namespace, usual.unknown_answers), ("default", UnknownAnswers::Pass));
}

/// A listener that asks for client certificates tells callers apart by them, whether or not the scope names
/// the certificate.
#[test]
fn certificates_that_are_asked_for_tell_callers_apart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a writable directory");
        path.display().to_string()
    };
    let (cert, key) = (file("cert", made.cert.pem()), file("key", made.signing_key.serialize_pem()));
    let tls = format!("[server]\ntls = {{ cert = '{cert}', key = '{key}', client_ca = '{cert}' }}\n");
    let scope = |line: &str| written(&parsed(&format!("{tls}{SMALL}{line}")).routes[0].scope);
    let certificate = "{ client_certificate = \"issuer-subject\" }";
    assert_eq!(scope("scope = ['x-tenant']"), ["x-tenant", certificate]);
    let named = "scope = [{ client_certificate = 'issuer-subject' }, { path = true }]";
    assert_eq!(scope(named), [certificate, "{ path = true }"]);
}

#[test]
fn sections_become_checked_types() {
    let config = parsed(&format!(
        "[server]\nlisten = '[::1]:0'\nhttp2 = true\nrequest_body_limit = '10MB'\n\
         trusted_proxies = ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']\n\
         problem_docs = 'https://docs.example.com/problems'\n\
         [store]\nurl = 'memory:'\ntimeout = '250ms'\n[log]\nformat = 'json'\nlevel = 'trace'\n{SMALL}"
    ));
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    assert!(config.server.http2);
    assert_eq!(config.server.request_body_limit, 10_000_000);
    let proxies: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
    assert_eq!(config.server.problem_docs.as_deref(), Some("https://docs.example.com/problems"));
    assert_eq!(config.store.settings.of_kind(), Some(&memory::Settings));
    assert_eq!(config.store.timeout, Duration::from_millis(250));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level, tracing::Level::TRACE);
}

#[test]
fn redis_is_a_store_and_its_password_is_never_shown() {
    let config = parsed(&format!(
        "[store]\nurl = 'rediss://me:hush@cache:7000/2'\nprefix = 'pay:'\nwait_replicas = 1\naccept_lost = true\n{SMALL}"
    ));
    let redis: &redis::Settings = config.store.settings.of_kind().expect("it is Redis");
    assert_eq!(redis.servers, Servers::One(Address::Tcp("cache".into(), 7000)));
    assert_eq!((redis.tls, redis.database, redis.wait_replicas, redis.accept_lost), (true, 2, 1, true));
    assert_eq!((redis.prefix.as_str(), redis.username.as_deref()), ("pay:", Some("me")));
    assert_eq!(redis.to_string(), "rediss://cache:7000/2");
    assert!(!format!("{config:?}").contains("hush"));
    let report = oncegate::cli::check::report(&config);
    assert!(report.contains("rediss://cache:7000/2") && report.contains("GO ON") && !report.contains("hush"));
}

#[test]
fn postgres_is_a_store_and_its_password_is_never_shown() {
    let config =
        parsed(&format!("[store]\nurl = 'postgres://me:hush@db1,db2:7000/pay'\nschema = 'charges'\n{SMALL}"));
    let postgres: &postgres::Settings = config.store.settings.of_kind().expect("it is Postgres");
    assert_eq!((postgres.servers.len(), postgres.schema.as_str()), (2, "charges"));
    assert!(!format!("{config:?}").contains("hush"));
    let report = oncegate::cli::check::report(&config);
    assert!(report.contains("postgres://db1,db2:7000/pay, schema charges") && !report.contains("hush"));
    assert!(report.contains("synchronous_standby_names") && report.contains("no sslmode=verify-full"));
    let here = parsed(&format!("[store]\nurl = 'postgres://localhost/pay'\n{SMALL}"));
    assert!(!oncegate::cli::check::report(&here).contains("verify-full"));
}

#[test]
fn a_bypass_that_was_accepted_is_taken_and_never_passed_over_in_silence() {
    let accepted = "on_store_error = 'bypass'\ni_accept_duplicates = true\n";
    let config = parsed(&format!("{SMALL}{accepted}"));
    assert_eq!(config.routes[0].on_store_error, OnStoreError::Bypass);
    let report = oncegate::cli::check::report(&config);
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["NONE of this holds while the store does not answer", "UNPROTECTED", "is \"bypass\""] {
        assert!(words.contains(said), "{report}");
    }
    assert!(!oncegate::cli::check::report(&parsed(SMALL)).contains("bypass"));
}

#[test]
fn sentinels_have_a_user_of_their_own() {
    let config = parsed(&format!(
        "[store]\nurl = 'redis+sentinel://a:hush@h/main'\nsentinel_username = 'me'\n\
         sentinel_password = 'secret-too'\n{SMALL}"
    ));
    let redis: &redis::Settings = config.store.settings.of_kind().expect("it is Redis");
    assert_eq!((redis.username.as_deref(), redis.sentinel_username.as_deref()), (Some("a"), Some("me")));
    assert_eq!(redis.sentinel_password.as_ref().map(|secret| &*secret.0), Some("secret-too"));
    assert!(!format!("{config:?}").contains("secret-too"));
}

#[test]
fn upstream_urls_keep_scheme_and_authority() {
    for (url, shown) in [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("https://api.example.com/", "https://api.example.com/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ] {
        let config = parsed(&SMALL.replace("http://127.0.0.1:9000", url));
        let upstream = &config.upstreams[&config.routes[0].upstream];
        assert_eq!(upstream.url.to_string(), shown);
    }
}

#[test]
fn a_status_counts_before_its_class() {
    let config = with_route(
        "outcomes = { release = ['4xx', 503], unknown = [408, '5xx'] }\n\
         release_when = [{ header = 'Stripe-Should-Retry', value = 'true' }, { header = 'x-b', value = 'No way' }]\n",
    );
    let route = &config.routes[0];
    for (status, meaning) in [
        (200, Meaning::Completed),
        (303, Meaning::Completed),
        (404, Meaning::Released),
        (408, Meaning::Unknown),
        (500, Meaning::Unknown),
        (503, Meaning::Released),
    ] {
        assert_eq!(route.outcomes.meaning(status), meaning, "{status}");
    }
    let words: Vec<String> = route.release_when.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["stripe-should-retry: true", "x-b: No way"]);
    assert!(with_route("").routes[0].release_when.is_empty(), "off unless written");
}
