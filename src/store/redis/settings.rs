//! The settings of a Redis store.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::secret::Secret;
/// The addresses of the servers, and how to speak to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The servers, and how they belong together.
    pub servers: Servers,
    /// True if all connections use TLS, also those to sentinels.
    pub tls: bool,
    /// PEM certificates to trust instead of the machine's roots.
    pub ca: Option<Bytes>,
    /// The ACL user on data nodes; sentinels have their own.
    pub username: Option<String>,
    /// The password of that user.
    pub password: Option<Secret>,
    /// The ACL user on sentinels.
    pub sentinel_username: Option<String>,
    /// The password of that user.
    pub sentinel_password: Option<Secret>,
    /// The number of the database; zero in a cluster.
    pub database: u16,
    /// Prefix of every key; contains no braces.
    pub prefix: String,
    /// Number of replicas that must have a write before it counts.
    pub wait_replicas: u32,
    /// True if claims go on after a restart that lost data.
    pub accept_lost: bool,
}

/// The arrangement of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// A single server, or one address behind which the primary is.
    One(Address),
    /// Some nodes of a Redis Cluster.
    Cluster(Vec<Address>),
    /// Sentinels, which know where the primary is.
    Sentinels(Sentinels),
}

impl Servers {
    /// Tells whether the servers are the nodes of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// The sentinels of one primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    /// Addresses of the sentinels.
    pub addresses: Vec<Address>,
    /// The name under which they watch the primary.
    pub primary: String,
}

/// The address at which a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Settings {
    /// Returns the settings for `servers` without TLS, secrets and further keys.
    #[must_use]
    pub fn of(servers: Servers) -> Self {
        Self {
            servers,
            tls: false,
            ca: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: 0,
            prefix: "oncegate:".into(),
            wait_replicas: 0,
            accept_lost: false,
        }
    }
}

impl fmt::Display for Settings {
    /// Writes the URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (kind, addresses, path) = match &self.servers {
            Servers::One(Address::Unix(path)) => return write!(f, "unix:{}", path.display()),
            Servers::One(address) => ("", std::slice::from_ref(address), String::new()),
            Servers::Cluster(nodes) => ("+cluster", nodes.as_slice(), String::new()),
            Servers::Sentinels(Sentinels { addresses, primary }) => {
                ("+sentinel", addresses.as_slice(), format!("/{primary}"))
            }
        };
        let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
        write!(f, "{scheme}{kind}://{}{path}", addresses.join(","))?;
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}
