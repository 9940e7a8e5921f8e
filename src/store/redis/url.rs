//! A URL of Redis: where the servers are, and the user that the gateway is there.

use crate::secret::Secret;

use super::settings::{Address, Sentinels, Servers};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// The form of a URL, for operators.
pub const FORM: &str = "write redis://HOST[:PORT][/DATABASE], rediss:// for TLS, unix:PATH, \
                        redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME[/DATABASE], \
                        with USER:PASSWORD@ before the first host (sentinels have keys of their own)";

/// The settings that a URL holds.
#[derive(Debug)]
pub struct Url {
    /// The servers, and how they belong together.
    pub servers: Servers,
    /// True if all connections use TLS, also those to sentinels.
    pub tls: bool,
    /// The ACL user on data nodes.
    pub username: Option<String>,
    /// The password of that user.
    pub password: Option<Secret>,
    /// Number of the database.
    pub database: u16,
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
    let (scheme, rest) = text.split_once(':').ok_or("has no scheme")?;
    if scheme == "unix" {
        return socket(rest);
    }
    let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
        ("redis", kind) => (false, kind),
        ("rediss", kind) => (true, kind),
        _ => return Err(format!("has the scheme {scheme:?}, which is not known")),
    };
    let rest = rest.strip_prefix("//").ok_or("has no // behind its scheme")?;
    if rest.contains(['?', '#']) {
        return Err("takes no ? and no # (written as %3F and %23 in a password)".into());
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') {
        // The part of a password behind the `/` would count as a name, and be shown.
        return Err("has an @ behind the first / (a / in a password is written as %2F)".into());
    }
    let (user, hosts) =
        authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let (servers, database) = match kind {
        "" => (Servers::One(host(hosts, PORT)?), path),
        "cluster" => (Servers::Cluster(all(hosts, PORT)?), path),
        "sentinel" => {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err("does not name the primary that the sentinels watch".into());
            }
            (
                Servers::Sentinels(Sentinels {
                    addresses: all(hosts, SENTINEL_PORT)?,
                    primary: decoded(name)?,
                }),
                database,
            )
        }
        _ => return Err(format!("has the scheme {scheme:?}, which is not known")),
    };
    let database = self::database(database)?;
    if database != 0 && kind == "cluster" {
        return Err("names a database, and a cluster has only database 0".into());
    }
    let (username, password) = credentials(user)?;
    Ok(Url { servers, tls, username, password, database })
}

/// Reads the path in `unix:PATH` or `unix://PATH`.
fn socket(rest: &str) -> Result<Url, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("needs the absolute path of a socket".into());
    }
    let servers = Servers::One(Address::Unix(decoded(path)?.into()));
    Ok(Url { servers, tls: false, username: None, password: None, database: 0 })
}

fn credentials(user: Option<&str>) -> Result<(Option<String>, Option<Secret>), String> {
    let Some((name, password)) = user.map(|user| user.split_once(':').unwrap_or((user, ""))) else {
        return Ok((None, None));
    };
    let given = |text: &str| if text.is_empty() { Ok(None) } else { decoded(text).map(Some) };
    Ok((given(name)?, given(password)?.map(Secret)))
}

fn database(text: &str) -> Result<u16, String> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        number => number.parse().map_err(|_| "has a database that is not a number".into()),
    }
}

fn all(hosts: &str, port: u16) -> Result<Vec<Address>, String> {
    hosts.split(',').map(|text| host(text, port)).collect()
}

fn host(text: &str, default: u16) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, port))) => (host, port.strip_prefix(':')),
        Some(None) => return Err("has a bracket that is not closed".into()),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(valid) {
        return Err("has no host, or one with odd characters".into());
    }
    let port =
        port.map_or(Ok(default), |port| port.parse().map_err(|_| "has a port that is none".to_owned()))?;
    Ok(Address::Tcp(host.to_owned(), port))
}

/// Decodes the percent signs of the text.
fn decoded(text: &str) -> Result<String, String> {
    let broken = || "has a % that is not followed by two hexadecimal digits of UTF-8".to_owned();
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(broken)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.into(), port)
    }

    #[test]
    fn urls_name_servers() {
        let servers = |text: &str| url(text).map(|url| (url.servers, url.tls, url.database));
        let one = |host, port| Servers::One(tcp(host, port));
        assert_eq!(servers("redis://cache"), Ok((one("cache", 6379), false, 0)));
        assert_eq!(servers("rediss://[::1]:7000/3"), Ok((one("::1", 7000), true, 3)));
        for text in ["unix:/run/redis.sock", "unix:///run/redis.sock"] {
            assert_eq!(servers(text), Ok((Servers::One(Address::Unix("/run/redis.sock".into())), false, 0)));
        }
        let nodes = Servers::Cluster(vec![tcp("a", 1), tcp("b", 6379)]);
        assert_eq!(servers("redis+cluster://a:1,b"), Ok((nodes, false, 0)));
        let sentinels = Servers::Sentinels(Sentinels {
            addresses: vec![tcp("a", 26_379), tcp("b", 2)],
            primary: "main".into(),
        });
        assert_eq!(servers("rediss+sentinel://a,b:2/main/4"), Ok((sentinels, true, 4)));
    }

    #[test]
    fn credentials_stand_before_the_first_host() {
        let who = |text: &str| url(text).map(|url| (url.username, url.password.map(|secret| secret.0)));
        assert_eq!(who("redis://me:p%40ss%3f@h"), Ok((Some("me".into()), Some("p@ss?".into()))));
        assert_eq!(who("redis://:pass@h"), Ok((None, Some("pass".into()))));
        assert_eq!(who("redis+cluster://me:a@h,i"), Ok((Some("me".into()), Some("a".into()))));
    }

    #[test]
    fn what_is_no_url_is_refused_with_a_reason() {
        for (text, why) in [
            ("redis:h", "no //"),
            ("redis://", "no host"),
            ("redis://h/x", "not a number"),
            ("redis://h:x", "port"),
            ("redis://[::1", "bracket"),
            ("redis://:%zz@h", "%"),
            ("redis://h?db=1", "no ?"),
            ("redis+sentinel://me:12/ss@h/main", "%2F"),
            ("unix:run", "absolute"),
            ("redis+ring://h", "not known"),
            ("redis+sentinel://h", "does not name"),
            ("redis+cluster://h/1", "only database 0"),
            ("redissss://h", "not known"),
        ] {
            let refused = url(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
