//! Traces in the configuration of a build that makes none. `tests/otel` has the checks of the other build.

use oncegate::config::{Config, Environment};

use super::{SMALL, refused};

#[test]
fn a_build_without_traces_says_where_they_are_asked_for_and_how_to_get_them() {
    for section in ["[otel]\nendpoint = \"http://127.0.0.1:4318\"", "[otel]", "otel.endpoint = 'x'"] {
        let refusal = refused(&format!("# a comment\n{section}\n{SMALL}"));
        let why = "this build makes no traces; build with --features otel, or leave it out";
        assert!(refusal.starts_with("test.toml:2:"), "{section}: {refusal}");
        assert!(refusal.ends_with(&format!(": otel: {why}")), "{section}: {refusal}");
    }
    let environment = Environment::from([("ONCEGATE__OTEL__ENDPOINT", "http://127.0.0.1:4318")]);
    let refusal =
        Config::parse(SMALL, "test.toml", &environment).expect_err("it asks for traces").to_string();
    assert!(refusal.contains("ONCEGATE__OTEL") && refusal.contains("--features otel"), "{refusal}");
}
