//! Rules for the webhook for unknown outcomes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::Uri;

use super::secret_variable::{self, SecretVariable};
use crate::config::environment::Environment;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{Notify, WebhookSecret, WebhookUrl};

/// Beginning of a secret in the notation of Standard Webhooks.
const PREFIX: &str = "whsec_";
/// Smallest and largest secret, in bytes.
const SECRET: std::ops::RangeInclusive<usize> = 24..=64;
/// Longest URL, in bytes.
const LONGEST_URL: usize = 2048;
const URL_EXAMPLE: &str = "\"https://hooks.example.com/oncegate\"";

/// Checks the webhook. `Some(None)` is a configuration without one.
pub fn notify(
    at: &KeyCursor<'_>,
    file: Option<&file::Notify>,
    environment: &Environment,
) -> Option<Option<Notify>> {
    let Some(file) = file else {
        return Some(None);
    };
    let url = url(&at.key("url"), file.url.as_deref());
    let secret = secret(&at.key("secret_env"), file.secret_env.as_deref(), environment);
    Some(Some(Notify { url: url?, secret: secret? }))
}

/// Checks the address. It may hold a credential, so no message repeats it.
fn url(at: &KeyCursor<'_>, text: Option<&str>) -> Option<WebhookUrl> {
    let text = at.require(text, &format!("the address of the webhook, like {URL_EXAMPLE}"))?;
    match parsed(text) {
        Ok(url) => Some(WebhookUrl(url)),
        Err(why) => {
            at.refuse(format!("is not the address of a webhook: {why}; write one like {URL_EXAMPLE}"))
        }
    }
}

fn parsed(text: &str) -> Result<Uri, &'static str> {
    if text.len() > LONGEST_URL {
        return Err("it is longer than 2048 bytes");
    }
    // The parser drops a fragment silently.
    if text.contains('#') {
        return Err("it has a fragment, which no request carries");
    }
    let url: Uri = text.parse().map_err(|_| "it is not a URL")?;
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err("it does not start with http:// or https://");
    };
    if authority.as_str().contains('@') {
        return Err("it names a user; the signature is what the receiver checks");
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let port_fits = port.is_empty()
        || port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0);
    if authority.host().is_empty() || !port_fits {
        return Err("its host or port is not valid");
    }
    Ok(url)
}

/// Reads the secret from the environment.
fn secret(at: &KeyCursor<'_>, variable: Option<&str>, environment: &Environment) -> Option<WebhookSecret> {
    let variable = at.require(
        variable,
        "the environment variable that holds the secret, like \"ONCEGATE_NOTIFY_SECRET\"",
    )?;
    let SecretVariable { value, named } = secret_variable::read(at, variable, "secret", environment)?;
    let bytes = value.trim().strip_prefix(PREFIX).and_then(|text| BASE64.decode(text).ok());
    match bytes.filter(|bytes| SECRET.contains(&bytes.len())) {
        Some(bytes) => Some(WebhookSecret(bytes)),
        None => at.refuse(format!(
            "{named} does not hold a secret of Standard Webhooks; it must hold {PREFIX} and {} to {} bytes in \
             base64, as `echo \"{PREFIX}$(openssl rand -base64 32)\"` prints them",
            SECRET.start(),
            SECRET.end()
        )),
    }
}
