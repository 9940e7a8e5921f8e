//! Reading a configuration: refused input and its error texts, the effect of the environment, the contents of
//! the example files, and the output of `check` and `schema`.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod against;
mod against_keys;
mod bad_input;
mod check;
mod command;
mod environment;
mod examples;
mod fuzz;
mod good_input;
#[cfg(not(feature = "otel"))]
mod otel;
mod problems;
mod secrets;
mod settling;

use oncegate::config::{Config, ConfigErrors, Environment};

/// The shortest valid file.
const SMALL: &str = r#"
[upstreams.payments]
url = "http://127.0.0.1:9000"

[[routes]]
name = "charges"
path = "/v1/charges"
upstream = "payments"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, "test.toml", &Environment::default())
}

fn parsed(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// Returns the mistakes as text, one in each line.
fn refused(text: &str) -> String {
    parse(text).map_or_else(|errors| errors.to_string(), |_| panic!("accepted:\n{text}"))
}
