//! Rules for the tokens of the admin listener.

use super::secret_variable::{self, SecretVariable};
use crate::config::environment::Environment;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{AdminToken, Role};
use crate::secret::Secret;

/// Longest name of a token, in characters.
const LONGEST_NAME: usize = 64;
/// Name of the token that `token_env` names.
const ADMIN: &str = "admin";
/// Names that audit lines and the histories of records carry for other authors than the holder of a token:
/// requests without a token, gateways, and evidence.
const OTHER_AUTHORS: [&str; 4] = ["loopback", "gateway", "probe", "marker"];

/// Checks all tokens: first that of `token_env`, then the others in the order of the file. The result is
/// empty for an admin listener without a token.
pub fn all(at: &KeyCursor<'_>, file: &file::Admin, environment: &Environment) -> Option<Vec<AdminToken>> {
    let mut found: Vec<Option<AdminToken>> = Vec::new();
    if let Some(variable) = &file.token_env {
        let secret = secret(&at.key("token_env"), variable, environment);
        found.push(secret.map(|secret| AdminToken { name: ADMIN.into(), role: Role::Settle, secret }));
    }
    let mut names: Vec<&str> = file.token_env.iter().map(|_| ADMIN).collect();
    for (index, file) in file.tokens.iter().enumerate() {
        let at = at.key("tokens").item(index);
        let token = token(&at, file, &names, environment);
        names.extend(file.name.as_deref());
        let earlier = found
            .iter()
            .flatten()
            .find(|earlier| token.as_ref().is_some_and(|token| token.secret == earlier.secret));
        let token = match earlier {
            Some(earlier) => at.key("env").refuse(format!(
                "the environment variable that it names holds the token of {:?}, too; give each a token of its own",
                earlier.name
            )),
            None => token,
        };
        found.push(token);
    }
    found.into_iter().collect()
}

/// Checks one token. `names` are those of the tokens before it.
fn token(
    at: &KeyCursor<'_>,
    file: &file::AdminToken,
    names: &[&str],
    environment: &Environment,
) -> Option<AdminToken> {
    let (name, env, role) = (at.key("name"), at.key("env"), at.key("role"));
    let text = name.require(file.name.as_deref(), "a name for the token, like \"ops-1\"");
    let checked = text.and_then(|text| self::name(&name, text, names));
    let variable = env
        .require(file.env.as_deref(), "the environment variable that holds the token, like \"OPS_1_TOKEN\"");
    let secret = variable.and_then(|variable| secret(&env, variable, environment));
    let text =
        role.require(file.role.as_deref(), "\"read\", or \"settle\" for a token that may change records");
    let permitted = text.and_then(|text| self::role(&role, text));
    Some(AdminToken { name: checked?.into(), role: permitted?, secret: secret? })
}

fn role(at: &KeyCursor<'_>, text: &str) -> Option<Role> {
    match text {
        "read" => Some(Role::Read),
        "settle" => Some(Role::Settle),
        // The text may be the token itself.
        _ => at.refuse("is not a role; allowed: \"read\" or \"settle\""),
    }
}

fn name<'t>(at: &KeyCursor<'_>, text: &'t str, names: &[&str]) -> Option<&'t str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.chars().all(fits) {
        // The text may be the token itself, written in place of its name.
        return at.refuse(format!(
            "is not the name of a token; allowed: 1 to {LONGEST_NAME} letters, digits, - _ and ."
        ));
    }
    if OTHER_AUTHORS.contains(&text) {
        return at.refuse("is the name of another author in audit lines and histories; choose another one");
    }
    if names.contains(&text) {
        return at.refuse("is the name of an earlier token, too; the token of token_env is named \"admin\"");
    }
    Some(text)
}

/// Reads a token from the environment.
fn secret(at: &KeyCursor<'_>, variable: &str, environment: &Environment) -> Option<Secret> {
    let SecretVariable { value, named } = secret_variable::read(at, variable, "token", environment)?;
    match value {
        "" => at.refuse(format!("{named} is empty; it must hold the token")),
        token if !token.chars().all(|c| c.is_ascii_graphic()) => at.refuse(format!(
            "the token in {named} cannot be sent as a bearer token; allowed: printable ASCII characters without \
             spaces"
        )),
        token => Some(Secret(token.to_owned())),
    }
}
