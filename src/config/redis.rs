//! What a `redis:` URL and the keys beside it name.

use std::fmt;
use std::path::PathBuf;

use super::Secret;

/// Redis as the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Where the servers are.
    pub servers: RedisServers,
    /// Whether to speak TLS.
    pub tls: bool,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// Who to be there.
    pub username: Option<String>,
    /// The password for that.
    pub password: Option<Secret>,
    /// Who to be on sentinels.
    pub sentinel_username: Option<String>,
    /// The password for that.
    pub sentinel_password: Option<Secret>,
    /// The number of the database.
    pub database: u16,
    /// What every key starts with.
    pub prefix: String,
    /// How many replicas must have a write before it counts.
    pub wait_replicas: u32,
    /// Whether claims go on after a restart of Redis that lost data.
    pub accept_lost: bool,
}

/// A host and a port.
pub type HostPort = (String, u16);

/// How many servers there are and how they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One address.
    One(HostPort),
    /// A socket in the file system.
    Socket(PathBuf),
    /// Some nodes of a cluster.
    Cluster(Vec<HostPort>),
    /// Sentinels, and the name of the primary that they watch.
    Sentinels(Vec<HostPort>, String),
}

impl fmt::Display for Redis {
    /// The URL without its password.
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
