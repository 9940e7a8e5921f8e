//! `${VAR}` in the file, `ONCEGATE__SECTION__KEY` that overrides the file, the token, and `--upstream`.

use std::path::Path;
use std::time::Duration;

use oncegate::config::{Config, Environment, Role};
use oncegate::store::embedded;

use super::SMALL;

fn under<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Result<Config, String> {
    Config::parse(text, "test.toml", &Environment::from(variables)).map_err(|errors| errors.to_string())
}

/// Returns the directory of the embedded store.
fn directory(config: &Config) -> &Path {
    let settings: &embedded::Settings = config.store.settings.of_kind().expect("it is embedded");
    &settings.directory
}

#[test]
fn variables_stand_for_their_values_in_every_string() {
    let text = format!("[store]\nurl = 'embedded:${{HOME}}/$$x'\n{}", SMALL.replace("/v1/", "/${V}/"));
    let config = under(&text, [("HOME", "/data"), ("V", "v9")]).expect("valid");
    assert_eq!(directory(&config), Path::new("/data/$x"));
    assert_eq!(config.routes[0].path, "/v9/charges");
}

#[test]
fn a_value_in_the_environment_replaces_the_one_in_the_file() {
    let config = under(
        &format!("[server]\nlisten = 'nonsense'\n[store]\nurl = '${{NOT_SET}}'\n{SMALL}"),
        [
            ("ONCEGATE__SERVER__LISTEN", "0.0.0.0:1"),
            ("ONCEGATE__server__Max_Connections", "7"),
            ("ONCEGATE__SERVER__REQUEST_BODY_LIMIT", "2048"),
            ("ONCEGATE__SERVER__TRUSTED_PROXIES", "['10.0.0.0/8', '::1']"),
            ("ONCEGATE__STORE__URL", "embedded:/${literal}"),
            ("ONCEGATE__UPSTREAMS__PAYMENTS__URL", "https://api.example.com/"),
            ("ONCEGATE__UPSTREAMS__PAYMENTS__PRESERVE_HOST", "true"),
            ("ONCEGATE__UPSTREAMS__OTHER__URL", "http://other"),
            ("ONCEGATE__FALLBACK__UPSTREAM", "other"),
            ("ONCEGATE__FALLBACK__KEYED", "refuse"),
            ("ONCEGATE__UPSTREAMS__PAYMENTS__REWRITE_LOCATION", "false"),
            ("ONCEGATE_ADMIN_TOKEN", "not a setting"),
        ],
    )
    .expect("valid");
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.server.max_connections, 7);
    assert_eq!(config.server.request_body_limit, 2048);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(directory(&config), Path::new("/${literal}"));
    let upstream = &config.upstreams[&config.routes[0].upstream];
    assert_eq!(upstream.url.to_string(), "https://api.example.com/");
    assert!(upstream.preserve_host);
    assert!(!upstream.rewrite_location);
    let fallback = config.fallback.map(|fallback| (fallback.upstream.to_string(), fallback.refuses_keyed));
    assert_eq!(fallback, Some(("other".into(), true)));
}

#[test]
fn an_upstream_is_found_by_its_name_in_the_file() {
    let text = SMALL.replace("payments", "Card-Api");
    let variables = [("ONCEGATE__UPSTREAMS__CARD_API__CONNECT_TIMEOUT", "5s")];
    let config = under(&text, variables).expect("valid");
    assert_eq!(config.upstreams.len(), 1);
    assert_eq!(config.upstreams[&config.routes[0].upstream].connect_timeout, Duration::from_secs(5));
}

/// A variable with a single underscore in place of two sets nothing. Without a warning, the mistake would
/// stay hidden.
#[test]
fn variables_that_look_like_values_and_are_none_are_warned_of() {
    for (variable, meant) in [
        ("ONCEGATE_SERVER_LISTEN", Some("ONCEGATE__SERVER__LISTEN sets server.listen")),
        ("ONCEGATE_SERVER__LISTEN", Some("ONCEGATE__SERVER__LISTEN")),
        ("oncegate__server__listen", Some("ONCEGATE__SERVER__LISTEN")),
        ("ONCEGATE_SERVER_MAX_IN_FLIGHT", Some("ONCEGATE__SERVER__MAX_IN_FLIGHT")),
        ("ONCEGATE_SERVER_MAXINFLIGHT", Some("ONCEGATE__SERVER__MAX_IN_FLIGHT")),
        ("ONCEGATE_SERVER_TLS_CERT", Some("ONCEGATE__SERVER__TLS__CERT")),
        ("ONCEGATE_STORE_URL", Some("ONCEGATE__STORE__URL")),
        ("ONCEGATE_FALLBACK_KEYED", Some("ONCEGATE__FALLBACK__KEYED")),
        (
            "ONCEGATE_UPSTREAMS_CARD_API_URL",
            Some("ONCEGATE__UPSTREAMS__CARD_API__URL sets upstreams.card_api.url"),
        ),
        // The variables that the program reads, and those that a cluster sets for a service of this name.
        ("ONCEGATE_ADMIN_TOKEN", None),
        ("ONCEGATE_ADMIN_URL", None),
        ("ONCEGATE_ADMIN_CA", None),
        ("ONCEGATE_NOT_BEFORE", None),
        ("ONCEGATE_FAILPOINT", None),
        ("ONCEGATE_SERVICE_HOST", None),
        ("ONCEGATE_PORT_80_TCP_ADDR", None),
        ("ONCEGATE_ADMIN_PORT", None),
        ("ONCEGATE_ADMIN_SERVICE_PORT", None),
        ("SERVER_LISTEN", None),
    ] {
        let config =
            under(&SMALL.replace("payments", "card-api"), [(variable, "127.0.0.1:1")]).expect("valid");
        let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
        match (meant, &warnings[..]) {
            (None, []) => {}
            (Some(meant), [one]) => {
                let start = format!("environment: {variable} is read by nothing; ");
                assert!(one.starts_with(&start) && one.contains(meant), "{one}");
            }
            _ => panic!("{variable}: {warnings:?}"),
        }
        assert_eq!(config.server.listen.port(), 8080);
    }
    // A variable that the file names is read.
    let text = format!("[store]\nurl = '${{ONCEGATE_STORE_URL}}'\n{SMALL}");
    let config = under(&text, [("ONCEGATE_STORE_URL", "redis://h")]).expect("valid");
    assert_eq!(config.warnings(), []);
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (variable, value, part) in [
        ("ONCEGATE__SERVER__LISTEN", "x", "server.listen: \"x\" is not an address"),
        (
            "ONCEGATE__SERVER__MAX_IN_FLIGHT",
            "lots",
            "server.max_in_flight: is a string; allowed: a whole number",
        ),
        ("ONCEGATE__SERVER__MAX_IN_FLIGHT", "0", "1 to 1000000"),
        ("ONCEGATE__SERVER__TRUSTED_PROXIES", "['x']", "server.trusted_proxies[0]: \"x\""),
        ("ONCEGATE__SERVER__NOPE", "1", "there is no key `nope` here; allowed: `body_read_timeout`"),
        ("ONCEGATE__SERVER__LISTEN__DEEP", "1", "there is no key `deep` here; allowed: none"),
        ("ONCEGATE__SERVER_LISTEN", "1", "allowed: `admin`, `fallback`"),
        ("ONCEGATE__SERVER_LISTEN", "1", "ONCEGATE__SERVER__LISTEN sets server.listen"),
        ("ONCEGATE__SERVICE__LISTEN", "1", "there is no key `service` here; allowed: `admin`"),
        ("ONCEGATE__SERVER", "1", "is a table; set one of its keys"),
        ("ONCEGATE__UPSTREAMS__PAYMENTS__PORT", "1", "there is no key `port` here; allowed: `ca`"),
        ("ONCEGATE__UPSTREAMS__NEW__CA", "x", "upstreams.new.url: is missing"),
        (
            "ONCEGATE__FALLBACK__KEYED",
            "deny",
            "fallback.keyed: unknown value `deny`; allowed: `pass` or `refuse`",
        ),
        ("ONCEGATE__ROUTES__0__TTL", "1h", "routes are set in the file only"),
        ("ONCEGATE__", "", "there is no key `` here"),
    ] {
        let error = under(SMALL, [(variable, value)]).expect_err(variable);
        let place = format!("environment variable {variable}: ");
        assert!(error.lines().any(|line| line.starts_with(&place) && line.contains(part)), "{error}");
    }
}

#[test]
fn a_variable_over_something_that_is_no_table_says_so() {
    let error = under(&format!("server = 1\n{SMALL}"), [("ONCEGATE__SERVER__LISTEN", "1.1.1.1:1")])
        .expect_err("server is no table");
    assert!(error.contains("ONCEGATE__SERVER__LISTEN: cannot set server.listen"), "{error}");
    assert!(error.contains("test.toml:1:1: server: is a number; allowed: a table"), "{error}");
}

#[test]
fn the_token_comes_from_the_variable_that_is_named() {
    let text = format!("[admin]\ntoken_env = 'TOKEN'\n{SMALL}");
    let config = under(&text, [("TOKEN", "s3cret")]).expect("valid");
    let tokens: Vec<_> =
        config.admin.tokens.iter().map(|token| (&*token.name, token.role, token.secret.0.as_str())).collect();
    assert_eq!(tokens, [("admin", Role::Settle, "s3cret")]);
    assert!(!format!("{config:?}").contains("s3cret"));
    for (value, part) in [("", "is empty"), ("two words", "cannot be sent as a bearer token")] {
        let error = under(&text, [("TOKEN", value)]).expect_err(part);
        assert!(error.starts_with("test.toml:2:1: admin.token_env: ") && error.contains(part), "{error}");
        assert!(!error.contains("two words"));
    }
}

#[test]
fn each_token_has_a_name_and_a_role() {
    let text = format!(
        "[admin]\ntoken_env = 'TOKEN'\ntokens = [{{ name = 'ops-1', env = 'OPS_1', role = 'settle' }}, \
         {{ name = 'viewer', env = 'VIEWER', role = 'read' }}]\n{SMALL}"
    );
    let config = under(&text, [("TOKEN", "s3cret"), ("OPS_1", "s3cret-1"), ("VIEWER", "s3cret-2")]);
    let config = config.expect("valid");
    let tokens: Vec<_> = config.admin.tokens.iter().map(|token| (&*token.name, token.role)).collect();
    assert_eq!(tokens, [("admin", Role::Settle), ("ops-1", Role::Settle), ("viewer", Role::Read)]);
    assert!(!format!("{config:?}").contains("s3cret"));
    let report = oncegate::cli::check::report(&config);
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("admin (settle), ops-1 (settle), viewer (read)"), "{report}");
    assert!(!report.contains("s3cret"), "{report}");

    for (values, key, part) in [
        (["a", "a", "b"], "admin.tokens[0].env", "holds the token of \"admin\", too"),
        (["a", "b", "b"], "admin.tokens[1].env", "holds the token of \"ops-1\", too"),
        (["a", "b", ""], "admin.tokens[1].env", "is empty"),
        (["a", "two words", "b"], "admin.tokens[0].env", "cannot be sent as a bearer token"),
    ] {
        let [token, one, viewer] = values;
        let error = under(&text, [("TOKEN", token), ("OPS_1", one), ("VIEWER", viewer)]).expect_err(part);
        assert!(error.contains(&format!("{key}: ")) && error.contains(part), "{error}");
        assert!(!error.contains("two words"), "{error}");
    }
}

#[test]
fn a_mistake_in_a_token_names_its_key() {
    let long = format!("name = '{}', env = 'ONE', role = 'read'", "a".repeat(65));
    for (token, key, part) in [
        ("env = 'ONE', role = 'read'", "tokens[0].name", "is missing"),
        ("name = 'a', role = 'read'", "tokens[0].env", "is missing"),
        ("name = 'a', env = 'ONE'", "tokens[0].role", "is missing"),
        ("name = 'a', env = 'NOT_SET', role = 'read'", "tokens[0].env", "is not set"),
        ("name = 'a', env = 'ONE', role = 'root'", "tokens[0].role", "\"settle\""),
        ("name = '', env = 'ONE', role = 'read'", "tokens[0].name", "1 to 64 letters"),
        ("name = 'a b', env = 'ONE', role = 'read'", "tokens[0].name", "1 to 64 letters"),
        (long.as_str(), "tokens[0].name", "1 to 64 letters"),
        ("name = 'loopback', env = 'ONE', role = 'read'", "tokens[0].name", "another author"),
        ("name = 'probe', env = 'ONE', role = 'read'", "tokens[0].name", "another author"),
        ("name = 'admin', env = 'ONE', role = 'read'", "tokens[0].name", "an earlier token"),
        (
            "name = 'a', env = 'ONE', role = 'read' }, { name = 'a', env = 'TWO', role = 'read'",
            "tokens[1].name",
            "an earlier token",
        ),
    ] {
        let text = format!("[admin]\ntoken_env = 'TOKEN'\ntokens = [{{ {token} }}]\n{SMALL}");
        let error = under(&text, [("TOKEN", "t-0"), ("ONE", "t-1"), ("TWO", "t-2")]).expect_err(part);
        assert_eq!(error.lines().count(), 1, "{token}: {error}");
        assert!(error.contains(&format!("admin.{key}: ")) && error.contains(part), "{token}: {error}");
    }
}

#[test]
fn a_webhook_has_an_address_and_a_secret_in_the_environment() {
    let notify = |url: &str| {
        format!("[admin]\nnotify = {{ url = '{url}', secret_env = 'ONCEGATE_NOTIFY_SECRET' }}\n{SMALL}")
    };
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let under = |url: &str, secret: &str| under(&notify(url), [("ONCEGATE_NOTIFY_SECRET", secret)]);
    for (url, shown, warns) in [
        ("https://hooks.example.com/a?b=c", "https://hooks.example.com", false),
        ("http://127.0.0.1:9100/", "http://127.0.0.1:9100", false),
        ("http://[::1]:9100", "http://[::1]:9100", false),
        ("http://localhost/x", "http://localhost", false),
        ("http://hooks.internal/x", "http://hooks.internal", true),
    ] {
        let config = under(url, secret).expect(url);
        let notify = config.admin.notify.as_ref().expect("a webhook");
        assert_eq!(
            (notify.secret.0.len(), notify.url.0.to_string().trim_end_matches('/')),
            (24, url.trim_end_matches('/'))
        );
        let report = oncegate::cli::check::report(&config);
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("webhook {shown} is told of each new unknown outcome")), "{report}");
        assert_eq!(words.contains("without encryption"), warns, "{report}");
    }
    for url in [
        "hooks.example.com",
        "ftp://h/x",
        "https:///x",
        "https://me@h/x",
        "https://h:0/",
        "https://h:x/",
        "https://h/#x",
        "",
    ] {
        let error = under(url, secret).expect_err(url);
        assert!(error.starts_with("test.toml:2:12: admin.notify.url: is not the address"), "{url}: {error}");
    }
    let text = format!("[admin]\nnotify = {{ secret_env = 'ONCEGATE_NOTIFY_SECRET' }}\n{SMALL}");
    let error = self::under(&text, [("ONCEGATE_NOTIFY_SECRET", secret)]).expect_err("no URL");
    assert!(error.contains("admin.notify.url: is missing: the address of the webhook"), "{error}");
    let long = format!("whsec_{}", "AAAA".repeat(22));
    for bad in
        ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!!!", long.as_str()]
    {
        let error = under("https://h/x", bad).expect_err(bad);
        assert!(
            error.contains("admin.notify.secret_env: the environment variable ONCEGATE_NOTIFY_SECRET"),
            "{error}"
        );
        assert!(error.contains("24 to 64 bytes in base64") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn one_url_is_a_whole_configuration() {
    let environment = Environment::from([("ONCEGATE__SERVER__LISTEN", "127.0.0.1:0")]);
    let config = Config::for_upstream("http://127.0.0.1:9000", &environment).expect("valid");
    assert_eq!(config.server.listen.port(), 0);
    assert_eq!(directory(&config), Path::new("./oncegate-data"));
    let fallback = config.fallback.as_ref().map(|fallback| (&fallback.upstream, fallback.refuses_keyed));
    assert_eq!(fallback, config.upstreams.keys().next().map(|only| (only, false)));
    let paths: Vec<&str> = config.routes.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(paths, ["/{*rest}", "/"]);
    for route in &config.routes {
        assert_eq!(&*route.namespace, "default");
        assert_eq!(route.methods, [http::Method::POST, http::Method::PATCH]);
    }
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert!(
        matches!(&warnings[..], [one] if one.starts_with("routes \"default\", \"default-root\": anonymous is \"one\"")),
        "{warnings:?}"
    );
}

/// Beyond loopback, unrelated callers would share their keys, so the gateway does not choose `anonymous`
/// there.
#[test]
fn one_url_beyond_loopback_refuses_callers_that_nothing_tells_apart() {
    let environment = Environment::from([("ONCEGATE__SERVER__LISTEN", "0.0.0.0:8080")]);
    let config = Config::for_upstream("http://127.0.0.1:9000", &environment).expect("valid");
    assert!(config.routes.iter().all(|route| !route.anonymous));
    assert_eq!(config.warnings(), []);
}

#[test]
fn a_bad_url_on_the_command_line_names_the_argument() {
    let errors = Config::for_upstream("127.0.0.1:9000", &Environment::default()).expect_err("no scheme");
    assert!(errors.to_string().starts_with("--upstream: upstreams.default.url: "), "{errors}");
    assert_eq!(errors.iter().count(), 1, "{errors}");
}
