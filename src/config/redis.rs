//! Settings from a `redis:` URL and the keys beside it.

use std::fmt;
use std::path::PathBuf;

use super::Secret;

/// Redis as the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Addresses of the servers.
    pub servers: RedisServers,
    /// True if TLS is used.
    pub tls: bool,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// Username on the servers.
    pub username: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// Username on the sentinels.
    pub sentinel_username: Option<String>,
    /// Password of that user.
    pub sentinel_password: Option<Secret>,
    /// Number of the database.
    pub database: u16,
    /// Prefix of every key.
    pub prefix: String,
    /// Number of replicas that must have a write before it counts.
    pub wait_replicas: u32,
    /// True if claims go on after a restart of Redis that lost data.
    pub accept_lost: bool,
}

/// A host and a port.
pub type HostPort = (String, u16);

/// The arrangement of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// A single server.
    One(HostPort),
    /// A single server, on a socket in the file system.
    Socket(PathBuf),
    /// Some nodes of a cluster.
    Cluster(Vec<HostPort>),
    /// Sentinels, and the name of the primary that they watch.
    Sentinels(Vec<HostPort>, String),
}

impl fmt::Display for Redis {
    /// Writes the URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (scheme, addresses, path) = match &self.servers {
            RedisServers::Socket(path) => return write!(f, "unix:{}", path.display()),
            RedisServers::One(address) => (scheme.to_owned(), std::slice::from_ref(address), String::new()),
            RedisServers::Cluster(nodes) => (format!("{scheme}+cluster"), nodes.as_slice(), String::new()),
            RedisServers::Sentinels(all, name) => {
                (format!("{scheme}+sentinel"), all.as_slice(), format!("/{name}"))
            }
        };
        let one = |(host, port): &HostPort| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let addresses: Vec<String> = addresses.iter().map(one).collect();
        write!(f, "{scheme}://{}{path}", addresses.join(","))?;
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}
