//! Reading a configuration: what is refused and how it is said, what the environment changes, what
//! the example files hold, and what `check` and `schema` print.

mod bad_input;
mod check;
mod command;
mod environment;
mod examples;
mod fuzz;
mod good_input;
mod secrets;

use oncegate::config::{Config, ConfigErrors, Environment};

/// A file that is valid and as short as can be.
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

/// The mistakes as text, one a line.
fn refused(text: &str) -> String {
    parse(text).map_or_else(|errors| errors.to_string(), |_| panic!("accepted:\n{text}"))
}
