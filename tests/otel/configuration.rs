//! `[otel]` in a configuration.

use oncegate::config::{Config, Environment};

use crate::harness::{Gateway, Settings, Upstream};
use crate::receiver;

const UPSTREAM: &str = "\n[upstreams.payments]\nurl = \"http://127.0.0.1:9000\"\n\
                        [fallback]\nupstream = \"payments\"\n";

/// Returns the mistakes of a file with this section, as text.
fn refused(section: &str, environment: &Environment) -> String {
    let text = format!("# a comment\n[otel]\n{section}{UPSTREAM}");
    let parsed = Config::parse(&text, "test.toml", environment);
    parsed.map_or_else(|errors| errors.to_string(), |_| panic!("accepted:\n{text}"))
}

#[test]
fn a_mistake_is_named_with_its_line_its_key_and_what_to_write() {
    for (line, key, allowed) in [
        ("", "otel.endpoint", "like \"http://127.0.0.1:4318\""),
        ("endpoint = \"127.0.0.1:4318\"", "otel.endpoint", "write one like \"http://127.0.0.1:4318\""),
        ("endpoint = \"grpc://127.0.0.1:4317\"", "otel.endpoint", "http:// or https://"),
        ("endpoint = \"http://\"", "otel.endpoint", "write one like"),
        ("endpoint = \"http://user:word@host\"", "otel.endpoint", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("endpoint = \"http://host:4318/?a=1\"", "otel.endpoint", "a query"),
        ("endpoint = \"http://host:4318/#a\"", "otel.endpoint", "a fragment"),
        ("endpoint = \"http://host:4318/v1/traces\"", "otel.endpoint", "which the gateway adds"),
        ("endpoint = \"http://host:4318/v1/traces/\"", "otel.endpoint", "which the gateway adds"),
        ("endpoint = 4318", "otel.endpoint", "a string"),
        ("url = \"http://127.0.0.1:4318\"", "otel.url", "endpoint"),
    ] {
        let mistakes = refused(line, &Environment::default());
        let told = mistakes.lines().any(|mistake| {
            let place = mistake.strip_prefix("test.toml:").and_then(|rest| rest.split(':').next());
            let line = place.and_then(|line| line.parse::<u32>().ok());
            matches!(line, Some(2 | 3)) && mistake.contains(&format!("{key}: ")) && mistake.contains(allowed)
        });
        assert!(told, "{line}: {mistakes}");
        assert!(!mistakes.contains("word@"), "{mistakes}");
    }
}

/// The library would take every trace, and say nothing.
#[test]
fn a_sampler_that_is_not_there_is_refused() {
    let endpoint = "endpoint = \"http://127.0.0.1:4318\"";
    let variables = |sampler, argument| {
        Environment::from([("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)])
    };
    for (sampler, argument, allowed) in [
        ("parentbased", "", "parentbased_traceidratio"),
        ("jaeger_remote", "", "always_on"),
        ("traceidratio", "10%", "from 0 to 1"),
        ("parentbased_traceidratio", "2", "from 0 to 1"),
    ] {
        let mistakes = refused(endpoint, &variables(sampler, argument));
        assert!(mistakes.contains("otel: OTEL_TRACES_SAMPLER") && mistakes.contains(allowed), "{mistakes}");
    }
    for (sampler, argument) in [("", ""), ("parentbased_always_off", "x"), ("traceidratio", "0.1")] {
        let text = format!("[otel]\n{endpoint}{UPSTREAM}");
        let parsed = Config::parse(&text, "test.toml", &variables(sampler, argument));
        assert!(parsed.is_ok_and(|config| config.otel.is_some()), "{sampler} {argument}");
    }
}

#[test]
fn spans_go_below_the_address() {
    for (endpoint, traces) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector.example/tenant/7/", "https://collector.example/tenant/7/v1/traces"),
    ] {
        let text = format!("[otel]\nendpoint = \"{endpoint}\"{UPSTREAM}");
        let config = Config::parse(&text, "test.toml", &Environment::default()).expect("a configuration");
        assert_eq!(config.otel.expect("a receiver").traces(), traces);
    }
}

#[tokio::test]
async fn a_receiver_is_found_at_the_start_only() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let section = format!("[otel]\nendpoint = \"http://{}\"\n", receiver.address);
    gateway.rewrite(|text| format!("{text}\n{section}"));
    let answer = gateway.admin_post("/v1/reload", &serde_json::json!({})).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.json()["restart"], serde_json::json!(["otel.endpoint"]), "{answer:?}");
}
