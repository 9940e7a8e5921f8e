//! The request of each command to the admin API.

use std::env::VarError;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::arguments::{Command, List, Lookup, Order, Resolve, Response, YesNo};

/// A request, relative to the admin listener.
#[derive(Debug)]
pub(super) struct AdminRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// Makes the request of `command`. Fails if a file that the command names cannot be read.
pub(super) fn of(command: &Command) -> Result<AdminRequest, String> {
    let (method, path, body) = match command {
        Command::List(list) => (Method::GET, format!("/v1/records?{}", query(list)), None),
        Command::Show(show) if show.response => {
            (Method::GET, format!("/v1/records/{}?response=true", encoded(&show.id)), None)
        }
        Command::Show(show) => (Method::GET, format!("/v1/records/{}", encoded(&show.id)), None),
        Command::Delete(delete) => (Method::DELETE, format!("/v1/records/{}", encoded(&delete.id)), None),
        Command::Lookup(lookup) => (Method::POST, "/v1/lookup".into(), Some(lookup_body(lookup)?)),
        Command::Resolve(resolve) => {
            let id = resolve.id.as_deref().ok_or("name a record by its id")?;
            let path = format!("/v1/records/{}/resolve", encoded(id));
            (Method::POST, path, Some(resolve_body(resolve)?))
        }
        Command::Reopen(reopen) => {
            let path = format!("/v1/records/{}/reopen", encoded(&reopen.id));
            (Method::POST, path, Some(json!({ "note": reopen.note })))
        }
        Command::Reconcile(_) => return Err("this command is not a single request".into()),
    };
    Ok(AdminRequest { method, path, body })
}

fn query(list: &List) -> String {
    let mut query = format!("limit={}", list.limit);
    let parameters = [
        ("state", list.state.as_deref()),
        ("route", list.route.as_deref()),
        ("reason", list.reason.as_deref()),
        ("label", list.label.as_deref()),
        ("older_than", list.older_than.as_deref()),
        ("order", list.order.map(Order::parameter)),
        ("cursor", list.cursor.as_deref()),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    query
}

fn lookup_body(lookup: &Lookup) -> Result<Value, String> {
    let key = match (&lookup.key, &lookup.key_env) {
        (Some(key), _) => key.clone(),
        (None, Some(name)) => variable("--key-env", name)?,
        (None, None) => return Err("name the key with --key or --key-env".into()),
    };
    let mut headers = lookup.headers.clone();
    for (header, name) in &lookup.header_envs {
        let value = HeaderValue::try_from(variable("--header-env", name)?)
            .map_err(|_| format!("--header-env: the value of {name} is not a header value"))?;
        headers.push((header.clone(), value));
    }
    let mut body = json!({ "route": lookup.route, "key": key, "headers": pairs(&headers) });
    if let Some(path) = &lookup.path {
        body["path"] = path.as_str().into();
    }
    if let Some(file) = &lookup.certificate {
        let pem = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        body["certificate"] = pem.into();
    }
    Ok(body)
}

/// Returns the value of an environment variable that an option names. The error never repeats the value.
fn variable(option: &str, name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Err(format!("{option}: the environment variable {name} is empty")),
        Ok(value) => Ok(value),
        Err(VarError::NotPresent) => Err(format!("{option}: the environment variable {name} is not set")),
        Err(VarError::NotUnicode(_)) => {
            Err(format!("{option}: the environment variable {name} is not UTF-8"))
        }
    }
}

fn resolve_body(resolve: &Resolve) -> Result<Value, String> {
    let executed = resolve.executed == YesNo::Yes;
    let mut body = json!({ "executed": executed, "note": resolve.note, "force": resolve.force });
    if let Some(status) = resolve.response.status {
        body["response"] = response_body(status, &resolve.response)?;
    }
    Ok(body)
}

fn response_body(status: u16, response: &Response) -> Result<Value, String> {
    let body = match &response.body_file {
        Some(file) => fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => Vec::new(),
    };
    Ok(json!({
        "status": status,
        "headers": pairs(&response.headers),
        "body_base64": STANDARD.encode(body),
    }))
}

fn pairs(headers: &[(HeaderName, HeaderValue)]) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
}

/// Encodes `text` as one part of a path or a query (RFC 3986: all characters except the unreserved ones are
/// encoded).
fn encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match unreserved(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_url_stays_one_part() {
        assert_eq!(encoded("a b/é?&=.."), "a%20b%2F%C3%A9%3F%26%3D..");
    }
}
