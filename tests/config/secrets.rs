//! No error, warning or report repeats a secret, in whichever place of the file it was written.

use oncegate::cli::check::report;
use oncegate::config::{Config, Environment, schema};
use serde_json::Value;

use super::SMALL;

/// A value that looks like a token. It contains no character that would end a string.
const CANARY: &str = "sk_live_51CANARYh8Qz";

/// Returns every text that the program prints about a file.
fn said(text: &str, environment: &Environment) -> String {
    match Config::parse(text, "test.toml", environment) {
        Ok(config) => {
            let warnings: String = config.warnings().iter().map(ToString::to_string).collect();
            format!("{}{warnings}{config:?}", report(&config))
        }
        Err(errors) => errors.to_string(),
    }
}

fn assert_hidden(text: &str) {
    let said = said(text, &Environment::default());
    assert!(!said.contains("CANARY"), "a secret is repeated in\n{said}\nabout\n{text}");
}

/// Returns the same value under one key, in each form that a file can give it.
fn forms(secret: &str) -> Vec<String> {
    let quoted = format!("'{secret}'");
    vec![quoted.clone(), format!("[{quoted}]"), format!("{{ value = {quoted} }}"), format!("[[{quoted}]]")]
}

#[test]
fn urls_are_not_repeated() {
    let urls = [
        format!("http://127.0.0.1:9000/v1?token={CANARY}"),
        format!("http://127.0.0.1:9000/{CANARY}"),
        format!("http://127.0.0.1:9000#{CANARY}"),
        format!("http://me:{CANARY}@127.0.0.1:9000"),
        format!("http://{CANARY}@127.0.0.1:99999"),
        format!("ftp://127.0.0.1/{CANARY}"),
        format!("https://127.0.0.1:9000:{CANARY}"),
        format!("{CANARY}@127.0.0.1"),
        format!("http://127.0.0.1:9000/ {CANARY}"),
    ];
    for url in urls {
        for url in forms(&url) {
            assert_hidden(&SMALL.replace("\"http://127.0.0.1:9000\"", &url));
            assert_hidden(&format!("upstreams.other = {url}\n{SMALL}"));
            assert_hidden(&format!("[fallback]\nupstream = {url}\n{SMALL}"));
        }
    }
}

/// A URL is easily written in a place that needs another value.
#[test]
fn urls_in_other_places_are_not_repeated() {
    let url = format!("'https://me:{CANARY}@api.example.com/v1/charges'");
    assert_hidden(&SMALL.replace("\"/v1/charges\"", &url));
    assert_hidden(&SMALL.replace("upstream = \"payments\"", &format!("upstream = {url}")));
    for section in ["server", "admin"] {
        assert_hidden(&format!("[{section}]\nlisten = {url}\n{SMALL}"));
    }
}

/// A valid address is shown to every client; an invalid one must not be repeated.
#[test]
fn an_invalid_page_address_is_not_repeated() {
    for url in [format!("ftp://h/{CANARY}"), format!("https://me:{CANARY}@h/#x"), CANARY.to_owned()] {
        for url in forms(&url) {
            assert_hidden(&format!("[server]\nproblem_docs = {url}\n{SMALL}"));
        }
    }
}

#[test]
fn stores_are_not_repeated() {
    let urls = [
        format!("mysql://me:{CANARY}@h/db"),
        format!("redis://:{CANARY}@h:x"),
        format!("redis://:a/{CANARY}@h"),
        format!("redis://me:12/{CANARY}@h"),
        format!("redis+sentinel://me:12/{CANARY}@h/main"),
        format!("redis://:{CANARY}?x@h"),
        format!("redis:{CANARY}@h"),
        format!("rediss://me:{CANARY}@h"),
        format!("postgres://me:{CANARY}@h/db"),
        format!("postgres://me:{CANARY}@h:x/db"),
        format!("postgres://me:12/{CANARY}@h/db"),
        format!("postgres://me:12?{CANARY}@h/db"),
        format!("postgres://me:12?{CANARY}=1@h/db"),
        format!("postgres:me:{CANARY}@h"),
        format!("postgres://me:{CANARY}#x@h/db"),
        format!("postgres://h/db?password={CANARY}"),
        format!("memory:{CANARY}"),
        CANARY.into(),
    ];
    for url in urls {
        for url in forms(&url) {
            assert_hidden(&format!("[store]\nurl = {url}\n{SMALL}"));
            assert_hidden(&format!("store = {url}\n{SMALL}"));
        }
    }
    for value in forms(CANARY) {
        for url in ["redis://h", "redis+sentinel://h/main", "memory:", "nonsense"] {
            assert_hidden(&format!("[store]\nurl = '{url}'\nsentinel_password = {value}\n{SMALL}"));
        }
    }
}

/// The path and the query of a webhook may be its credential.
#[test]
fn webhooks_are_not_repeated() {
    let urls = [
        format!("https://hooks.example.com/{CANARY}?token={CANARY}"),
        format!("http://hooks.example.com/{CANARY}"),
        format!("https://me:{CANARY}@hooks.example.com/"),
        format!("https://hooks.example.com:{CANARY}/"),
        format!("https://hooks.example.com/#{CANARY}"),
        format!("ftp://hooks.example.com/{CANARY}"),
        format!("{CANARY}/x"),
    ];
    let canary = "whsec_Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ";
    let environment = Environment::from([("ONCEGATE_NOTIFY_SECRET", canary), ("BAD_TOKEN", CANARY)]);
    for url in urls {
        for variable in ["ONCEGATE_NOTIFY_SECRET", "BAD_TOKEN", CANARY] {
            let text = format!("[admin]\nnotify = {{ url = '{url}', secret_env = '{variable}' }}\n{SMALL}");
            let said = said(&text, &environment);
            for secret in ["CANARY", "Q0FOQVJZ", "[67, 65"] {
                assert!(!said.contains(secret), "{secret} is repeated in\n{said}\nabout\n{text}");
            }
        }
    }
}

#[test]
fn tokens_keys_and_credentials_are_not_repeated() {
    let pem = format!("-----BEGIN PRIVATE KEY-----{CANARY}-----END PRIVATE KEY-----");
    for value in forms(CANARY).into_iter().chain(forms(&pem)) {
        assert_hidden(&format!("[admin]\ntoken_env = {value}\n{SMALL}"));
        assert_hidden(&format!("[admin]\ntoken = {value}\n{SMALL}"));
        for token in ["name", "env", "role", "token"].map(|key| format!("[{{ {key} = {value} }}]")) {
            assert_hidden(&format!("[admin]\ntokens = {token}\n{SMALL}"));
        }
        assert_hidden(&format!("[admin]\ntokens = {value}\n{SMALL}"));
        for key in ["url", "secret_env", "secret"] {
            assert_hidden(&format!("[admin]\nnotify = {{ {key} = {value} }}\n{SMALL}"));
        }
        assert_hidden(&format!("[admin]\nnotify = {value}\n{SMALL}"));
        assert_hidden(&format!("admin = {value}\n{SMALL}"));
        assert_hidden(&format!("[server]\ntls = {{ cert = 'Cargo.toml', key = {value} }}\n{SMALL}"));
        assert_hidden(&format!("[server]\ntls = {value}\n{SMALL}"));
        let upstream = "[upstreams.payments]\nurl = 'https://h'\nidentity";
        let rest = SMALL.split_once("[[routes]]").expect("a route").1;
        assert_hidden(&format!("{upstream} = {{ cert = 'Cargo.toml', key = {value} }}\n[[routes]]{rest}"));
    }
    for header in
        [format!("Authorization: Bearer {CANARY}"), format!("Bearer {CANARY}"), format!("token={CANARY}")]
    {
        assert_hidden(&format!("{SMALL}scope = ['{header}']\n"));
        assert_hidden(&format!("{SMALL}key = {{ header = '{header}' }}\n"));
        assert_hidden(&format!("{SMALL}fingerprint = {{ headers = ['{header}'] }}\n"));
        for label in [header.clone(), format!("header:{header}"), format!("json:{header}")] {
            assert_hidden(&format!("{SMALL}label = ['{label}']\n"));
        }
    }
}

/// The keys about unknown outcomes: URLs with passwords, headers with tokens, and keys in place of their
/// names.
#[test]
fn what_settles_an_outcome_is_not_repeated() {
    let route = |policy: &str, line: &str| format!("{SMALL}on_unknown = '{policy}'\n{line}\n");
    for value in forms(CANARY) {
        for policy in ["hold", "retry", "probe", "marker"] {
            for key in ["upstream_keys", "probe", "marker", "keep_request", "retry_horizon", "label"] {
                assert_hidden(&route(policy, &format!("{key} = {value}")));
            }
        }
        for key in ["seal", "seal[0]"] {
            assert_hidden(&format!("[store]\n{key} = {value}\n{SMALL}"));
        }
        for seal in
            [format!("id = {value}, env = 'X'"), format!("id = 'a', env = {value}"), format!("key = {value}")]
        {
            assert_hidden(&format!("[store]\nseal = [{{ {seal} }}]\n{SMALL}"));
        }
        for key in ["headers", "headers.x-a", "executed", "when", "when.pointer", "response"] {
            let probe = format!("probe = {{ url = 'http://h/{{key}}', executed = [200], {key} = {value} }}");
            assert_hidden(&route("probe", &probe));
        }
    }
    for url in [
        format!("http://h/{{key}}?token={CANARY}"),
        format!("http://h/{CANARY}/{{key}}"),
        format!("http://me:{CANARY}@h/{{key}}"),
        format!("http://{CANARY} /{{key}}"),
        format!("http://h/{{{CANARY}}}"),
        format!("http://h/{{body:{CANARY}}}"),
        format!("http://h/{CANARY}"),
        format!("ftp://h/{CANARY}/{{key}}"),
        format!("https://h/{{key}}#{CANARY}"),
        CANARY.to_owned(),
    ] {
        for url in forms(&url) {
            assert_hidden(&route("probe", &format!("probe = {{ url = {url}, executed = [200] }}")));
        }
    }
    for url in [
        format!("postgres://me:{CANARY}@h/db"),
        format!("postgres://me:{CANARY}@h:x/db"),
        format!("postgres://me:12/{CANARY}@h/db"),
        format!("mysql://me:{CANARY}@h/db"),
        CANARY.to_owned(),
    ] {
        for url in forms(&url) {
            assert_hidden(&route("marker", &format!("marker = {{ url = {url} }}")));
            assert_hidden(&route("marker", &format!("marker = {{ url = 'postgres://h/x', table = {url} }}")));
        }
    }
}

/// A password may also be pasted in the place of a number or a boolean, where it has the wrong type.
#[test]
fn a_value_of_the_wrong_type_is_not_repeated() {
    let mut paths = Vec::new();
    keys(&schema(), "", &mut paths);
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert_hidden(&format!("{path} = '{CANARY}'\n{}", SMALL.replace("payments", "x")));
    }
}

/// Collects the keys of tables that take no string.
fn keys(table: &Value, path: &str, found: &mut Vec<String>) {
    for (name, property) in table["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if name != "routes" && property["type"].is_string() && property["type"] != "string" {
            found.push(path.clone());
        }
        keys(property, &path, found);
    }
}

#[test]
fn a_syntax_error_repeats_nothing() {
    for line in [
        format!("url = redis://:{CANARY}@h"),
        format!("url = 'redis://:{CANARY}@h"),
        format!("url = \"redis://:\\{CANARY}@h\""),
        format!("url = 'x'\nurl = 'redis://:{CANARY}@h'"),
        format!("url 'redis://:{CANARY}@h'"),
    ] {
        assert_hidden(&format!("[store]\n{line}\n{SMALL}"));
    }
}

#[test]
fn values_of_the_environment_are_not_repeated() {
    for (variable, value) in [
        ("ONCEGATE__STORE__URL", format!("mysql://:{CANARY}@h")),
        ("ONCEGATE__STORE", format!("redis://:{CANARY}@h")),
        ("ONCEGATE__STORE__TIMEOUTS", CANARY.into()),
        ("ONCEGATE__STORE__WAIT_REPLICAS", CANARY.into()),
        ("ONCEGATE_STORE_URL", format!("redis://:{CANARY}@h")),
        ("ONCEGATE__ADMIN__TOKEN_ENV", CANARY.into()),
        ("ONCEGATE__UPSTREAMS__PAYMENTS__URL", format!("http://h/?token={CANARY}")),
        ("ONCEGATE__UPSTREAMS__PAYMENTS", format!("http://h/?token={CANARY}")),
        ("ONCEGATE__SERVER__MAX_CONNECTIONS", CANARY.into()),
    ] {
        let environment: Environment = [(variable.into(), value.into())].into_iter().collect();
        let said = said(SMALL, &environment);
        assert!(!said.contains("CANARY") && said.contains(variable), "{variable}:\n{said}");
    }
}
