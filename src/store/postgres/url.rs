//! A URL of Postgres: one server or several, of which one is the primary.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The form of a URL, for operators.
pub const FORM: &str = "write postgres://USER:PASSWORD@HOST[:PORT]/DATABASE, several HOST[:PORT] with commas between \
                        them, parameters behind a ?, and %XX for special characters";
/// Parameters of the URL that have a meaning here.
const PARAMETERS: [&str; 7] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "host", "options"];

/// The settings that a URL holds.
pub struct Url {
    /// The servers, each with credentials, database and parameters.
    pub servers: Vec<PgConnectOptions>,
    /// The URL without credentials and parameters.
    pub shown: String,
    /// True if the servers' names are verified over TLS, or if there is no network in between.
    pub is_verified: bool,
    /// True if the URL names certificates to trust.
    pub has_roots: bool,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// The reason, which repeats nothing of the text: a password may stand in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        url(text)
    }
}

fn url(text: &str) -> Result<Url, String> {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or("has no postgres:// in front")?;
    if rest.contains('#') {
        return Err("takes no # (written as %23 in a password)".into());
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    if database.contains('@') || query.contains('@') {
        // The part of a password behind the `/` or `?` would count as a database or a parameter, and be
        // shown.
        return Err("has an @ behind the host (a / or ? in a password is written as %2F or %3F)".into());
    }
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let parameters = parameters(query)?;
    let servers = hosts.split(',').map(|host| {
        let at = if user.is_empty() { "" } else { "@" };
        let url = format!("postgres://{user}{at}{host}/{database}?{query}");
        match PgConnectOptions::from_str(&url) {
            Ok(_) if host.is_empty() && !parameters.contains(&"host") => Err("names no host".into()),
            Ok(server) => Ok(server),
            Err(error) => Err(format!("is not understood ({})", cause(&error))),
        }
    });
    let servers = servers.collect::<Result<_, String>>()?;
    let is_verified = query.contains("sslmode=verify-full") || hosts.split(',').all(is_here);
    let has_roots = parameters.contains(&"sslrootcert");
    Ok(Url { servers, shown: format!("postgres://{hosts}/{database}"), is_verified, has_roots })
}

fn parameters(query: &str) -> Result<Vec<&str>, String> {
    let names = query.split('&').filter(|part| !part.is_empty());
    let names: Vec<&str> = names.map(|part| part.split_once('=').map_or(part, |(name, _)| name)).collect();
    match names.iter().find(|name| !PARAMETERS.contains(name)) {
        Some(name) => Err(format!("has the parameter {name:?}; known are {}", PARAMETERS.join(", "))),
        None => Ok(names),
    }
}

/// Returns the cause without the surrounding words, which speak of a configuration that the operator does not
/// know.
fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

fn is_here(host: &str) -> bool {
    let name = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(|| host.split_once(':').map_or(host, |(name, _)| name), |(name, _)| name);
    ["", "localhost", "::1"].contains(&name) || name.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::postgres::PgSslMode;

    use super::*;

    #[test]
    fn a_url_names_one_or_more_servers() {
        let servers = |text: &str| {
            url(text).map(|url| {
                let servers = url.servers.iter();
                servers.map(|one| (one.get_host().to_owned(), one.get_port())).collect::<Vec<_>>()
            })
        };
        let taken = |text: &str| servers(text).expect("taken");
        assert_eq!(taken("postgres://me:a%40b@db/pay"), [("db".to_owned(), 5432)]);
        assert_eq!(taken("postgresql://a:1,b/pay?sslmode=require"), [("a".into(), 1), ("b".into(), 5432)]);
    }

    #[test]
    fn credentials_are_for_every_server_and_shown_to_nobody() {
        let url = url("postgres://me:geheim@a,b:2/pay?sslmode=verify-full").expect("taken");
        assert_eq!(url.shown, "postgres://a,b:2/pay");
        for server in &url.servers {
            let text = server.to_url_lossy();
            assert_eq!((text.username(), text.password()), ("me", Some("geheim")));
            assert!(matches!(server.get_ssl_mode(), PgSslMode::VerifyFull));
        }
    }

    #[test]
    fn what_is_not_verified_is_known() {
        let verified = |text: &str| url(text).expect("taken").is_verified;
        assert!(verified("postgres://db/pay?sslmode=verify-full"));
        assert!(verified("postgres://127.0.0.1:5433/pay") && verified("postgres://[::1]/pay"));
        assert!(verified("postgres:///pay?host=/run/postgresql"));
        assert!(!verified("postgres://db/pay") && !verified("postgres://localhost,db/pay?sslmode=require"));
    }

    #[test]
    fn what_is_no_url_is_refused_with_a_reason() {
        for (text, why) in [
            ("postgres:db", "no postgres://"),
            ("postgress://db", "no postgres://"),
            ("postgres:///pay", "no host"),
            ("postgres://a,,b/pay", "no host"),
            ("postgres://db:x/pay", "port"),
            ("postgres://db/pay?sslmode=maybe", "ssl_mode"),
            ("postgres://db/pay?connect_timeout=3", "known are"),
            ("postgres://db/pay#x", "no #"),
            ("postgres://me:pa/ss@db/pay", "%2F"),
            ("postgres://me:12/ss@db/pay", "%2F"),
            ("postgres://me:pa?sslmode=ss@db/pay", "%3F"),
        ] {
            let refused = url(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
