//! A secret that a key of the file takes from an environment variable. No message repeats a value, nor a text
//! that may be the secret itself, written in place of a name.

use crate::config::environment::Environment;
use crate::config::mistakes::KeyCursor;

/// The value of a variable, with the name for messages.
pub struct SecretVariable<'e> {
    /// The value.
    pub value: &'e str,
    /// The words `the environment variable … that it names`. The name stands in them if it is plainly a name.
    pub named: String,
}

/// Reads the variable that a key names. `what` is the kind of secret, such as `token`.
pub fn read<'e>(
    at: &KeyCursor<'_>,
    variable: &str,
    what: &str,
    environment: &'e Environment,
) -> Option<SecretVariable<'e>> {
    let name = if is_plainly_a_name(variable) { format!(" {variable}") } else { String::new() };
    let named = format!("the environment variable{name} that it names");
    match environment.value(variable) {
        Some(value) => Some(SecretVariable { value, named }),
        None => at.refuse(format!(
            "{named} is not set; write the name of one that holds the {what}, not the {what} itself"
        )),
    }
}

/// Tells whether a text is the name of a variable and not a secret: a name of this gateway's own, or a name
/// that says that it holds a token.
fn is_plainly_a_name(text: &str) -> bool {
    let name = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    name && text.len() <= 64 && (text.starts_with("ONCEGATE_") || text.ends_with("_TOKEN"))
}
