//! The example files contain every key and the right defaults, as they claim.

use std::path::Path;
use std::time::Duration;

use oncegate::config::{Config, Environment, schema};
use oncegate::protocol::OnUnknown;
use oncegate::store::{postgres, redis};
use serde_json::Value;

use super::{SMALL, parsed};

fn load(file: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(file);
    Config::load(&path, &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_full_example_holds_the_defaults() {
    assert_eq!(format!("{:#?}", load("oncegate.toml")), format!("{:#?}", load("minimal.toml")));
}

#[test]
fn the_redis_example_holds_the_defaults_of_its_keys() {
    let config = load("redis.toml");
    let redis: &redis::Settings = config.store.settings.of_kind().expect("it is Redis");
    assert_eq!(redis.to_string(), "redis://127.0.0.1:6379");
    let keys = (redis.prefix.as_str(), redis.wait_replicas, redis.accept_lost, &redis.ca);
    assert_eq!(keys, ("oncegate:", 0, false, &None));
}

#[test]
fn the_postgres_example_holds_the_defaults_of_its_keys() {
    let config = load("postgres.toml");
    let postgres: &postgres::Settings = config.store.settings.of_kind().expect("it is Postgres");
    assert_eq!(postgres.to_string(), "postgres://127.0.0.1:5432/payments");
    assert_eq!((postgres.schema.as_str(), &postgres.ca, config.warnings().len()), ("oncegate", &None, 0));
}

/// One route for each policy, and no warning about any of them.
#[test]
fn the_settling_example_has_a_route_for_each_policy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/settling.toml");
    let key = "c2VhbHNlYWxzZWFsc2VhbHNlYWxzZWFsc2VhbHNlYWw=";
    let environment =
        Environment::from([("ONCEGATE_SEAL", key), ("LEDGER_TOKEN", "token"), ("PGPASSWORD", "password")]);
    let config = Config::load(&path, &environment).unwrap_or_else(|errors| panic!("{errors}"));
    let policies: Vec<OnUnknown> = config.routes.iter().map(|route| route.policy.on_unknown).collect();
    let window = Some(Duration::from_secs(23 * 60 * 60));
    let all = [OnUnknown::Hold, OnUnknown::Retry { window }, OnUnknown::Probe, OnUnknown::Marker];
    assert_eq!(policies, all);
    assert_eq!(config.warnings(), []);
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let shown = format!("{:?}", load("minimal.toml"));
    for default in [
        "listen: 127.0.0.1:8080, drain_timeout: 30s, shutdown_delay: 0ns, max_connections: 10000, max_in_flight: 1024",
        "header_read_timeout: 10s, keep_alive_timeout: 75s, body_read_timeout: 30s, request_body_limit: 1048576",
        "listen: 127.0.0.1:9464",
        "settings: Settings { directory: \"./oncegate-data\" }, timeout: 1s, start_timeout: 30s, accept_identity_change: [], retired: [], seal: []",
        "connect_timeout: 1s, response_timeout: 30s, idle_timeout: 4s, response_head_limit: 262144",
        "preserve_host: false, rewrite_location: true",
        "refuses_keyed: false",
        "lookup: Lookup { enabled: false }",
        "methods: [POST, PATCH]",
        "matching: Equivalent",
        "namespace: \"default\", key: RouteKey { source: KeySource([Header(\"idempotency-key\")]), required: false, forward: Some(KeyForwarding { form: Bare, name: \"idempotency-key\" })",
        "scope: [Header(\"authorization\"), Header(\"x-api-key\"), Header(\"api-key\"), \
         Header(\"stripe-account\"), Path], anonymous: false",
        "body: Raw, headers: [\"content-type\", \"content-encoding\", \"x-http-method-override\", \
         \"x-http-method\", \"x-method-override\"], path: Equivalent(Template([Literal(\"v1\"), Literal(\"charges\")]))",
        "labels: []",
        "on_unknown: Hold, lease: 10s, response_timeout: 31s, ttl: 86400s, tombstone_ttl: 2592000s",
        "settling: Hold, keep_request: false, retry_horizon: None",
        "replay_headers: [], replay_drop: [], in_flight: Wait(10s), max_response_body: 1048576",
        "release: [307, 308, 401, 403, 407, 421, 425, 429], unknown: [408, 502, 503, 504]",
        "problems: Rfc9457, release_when: [], unknown_answers: Pass",
    ] {
        assert!(shown.contains(default), "{default} is not in {shown}");
    }
}

#[test]
fn the_places_of_keys_on_their_page_are_valid() {
    let page = include_str!("../../docs/keys.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("key = {")).collect();
    assert_eq!(lines.len(), 4);
    for line in lines {
        let warnings: Vec<String> =
            parsed(&format!("{SMALL}{line}\n")).warnings().iter().map(ToString::to_string).collect();
        let is_told = warnings.iter().all(|warning| warning.contains("key.first has several places"));
        assert!(is_told && warnings.len() == usize::from(line.contains("first")), "{line} {warnings:?}");
    }
}

#[test]
fn the_full_example_names_every_key() {
    let text = include_str!("../../config/oncegate.toml");
    let mut keys = Vec::new();
    keys_of(&schema(), &mut keys);
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        let named = text.contains(&format!("{key} =")) || text.contains(&format!("{key}]"));
        assert!(named || key == "upstreams", "{key} is not in config/oncegate.toml");
    }
}

#[test]
fn the_schema_describes_each_key_and_its_values() {
    let schema = schema();
    let route = &schema["properties"]["routes"]["items"];
    assert_eq!(route["required"], serde_json::json!(["name", "path", "upstream"]));
    assert_eq!(route["additionalProperties"], false);
    assert_eq!(route["properties"]["ttl"]["default"], "24h");
    assert_eq!(
        route["properties"]["on_unknown"]["enum"],
        serde_json::json!(["hold", "retry", "probe", "marker"])
    );
    assert_eq!(route["properties"]["upstream_keys"]["required"], serde_json::json!(["window"]));
    assert_eq!(route["properties"]["probe"]["properties"]["not_before"]["default"], "1m");
    assert_eq!(route["properties"]["probe"]["properties"]["timeout"]["default"], "5s");
    assert_eq!(route["properties"]["marker"]["properties"]["table"]["default"], "oncegate_marker");
    assert_eq!(schema["properties"]["server"]["properties"]["max_in_flight"]["default"], 1024);
    assert_eq!(route["properties"]["match"]["enum"], serde_json::json!(["equivalent", "exact"]));
    let key = &route["properties"]["key"]["properties"];
    assert_eq!(key["forward"]["enum"], serde_json::json!(["bare", "as-sent", "quoted", "none"]));
    assert_eq!(key["json"]["anyOf"][1]["type"], "array");
    assert_eq!(key["first"]["items"]["additionalProperties"], false);
    assert_eq!(route["properties"]["anonymous"]["default"], "refuse");
    assert_eq!(route["properties"]["unknown_answers"]["enum"], serde_json::json!(["pass", "problem"]));
    assert_eq!(route["properties"]["problems"]["default"], "rfc9457");
    let shape = &schema["properties"]["problems"]["additionalProperties"];
    assert_eq!(shape["additionalProperties"], false);
    assert_eq!(shape["properties"]["status"]["additionalProperties"]["type"], "integer");
    let outcomes = &route["properties"]["outcomes"]["properties"]["release"];
    assert_eq!(outcomes["items"]["anyOf"][1]["enum"], serde_json::json!(["2xx", "4xx", "5xx"]));
    assert_eq!(outcomes["default"][0], 307);
    let word = &route["properties"]["release_when"]["items"];
    assert_eq!(word["required"], serde_json::json!(["header", "value"]));
    assert_eq!(route["properties"]["scope"]["default"][4], serde_json::json!({ "path": true }));
    let parts = route["properties"]["scope"]["items"]["anyOf"].as_array().map(Vec::len);
    assert_eq!(parts, Some(3), "a header, the path, a certificate");
    let fallback = &schema["properties"]["fallback"]["properties"]["keyed"];
    assert_eq!((&fallback["default"], &fallback["enum"][1]), (&"pass".into(), &"refuse".into()));
    let upstream = &schema["properties"]["upstreams"]["additionalProperties"]["properties"];
    assert_eq!(upstream["rewrite_location"]["default"], true);
    let mut undescribed = Vec::new();
    undescribed_keys("", &schema, &mut undescribed);
    assert_eq!(undescribed, Vec::<String>::new());
    let text = oncegate::cli::schema::text();
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), schema);
    assert!(!text.contains("null") && !text.contains("$ref"), "{text}");
}

/// Collects the names of all keys under a schema.
fn keys_of(schema: &Value, keys: &mut Vec<String>) {
    each_table(schema, &mut |name, property| {
        keys.push(name.to_owned());
        keys_of(property, keys);
    });
}

fn undescribed_keys(path: &str, schema: &Value, found: &mut Vec<String>) {
    each_table(schema, &mut |name, property| {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            found.push(path.clone());
        }
        undescribed_keys(&path, property, found);
    });
}

/// Calls `visit` for each key of a table, of an array's items, or of the tables that an operator names.
fn each_table(schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    for table in [schema, &schema["items"], &schema["additionalProperties"]] {
        for (name, property) in table["properties"].as_object().into_iter().flatten() {
            visit(name, property);
        }
    }
}
