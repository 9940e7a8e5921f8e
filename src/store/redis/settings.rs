//! The settings of a Redis store.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use crate::workers::Workers;

use super::failure::Failure;

/// The addresses of the servers, and how to speak to them.
#[derive(Clone)]
pub struct RedisSettings {
    /// The way the servers belong together.
    pub topology: Topology,
    /// The server, some nodes of the cluster, or the sentinels.
    pub addresses: Vec<Address>,
    /// True if all connections use TLS, also those to sentinels.
    pub tls: bool,
    /// PEM certificates to trust instead of the machine's roots.
    pub ca: Option<Vec<u8>>,
    /// User name on the servers, not on sentinels.
    pub username: Option<String>,
    /// Password for `username`.
    pub password: Option<String>,
    /// User name on sentinels.
    pub sentinel_username: Option<String>,
    /// Password for `sentinel_username`.
    pub sentinel_password: Option<String>,
    /// The number of the database; zero in a cluster.
    pub database: i64,
    /// Prefix of every key; contains no braces.
    pub prefix: String,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// Number of replicas that must have a write before it counts.
    pub wait_replicas: u32,
    /// Time for which claims are refused after a restart that lost data.
    pub longest_ttl: Duration,
    /// Maximum size of a response, head and body, in bytes.
    pub largest_response: u64,
    /// True if claims are taken even after a restart that lost data.
    pub accept_lost: bool,
    /// The workers that send requests; each has a connection of its own.
    pub workers: Workers,
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisSettings({:?} at {:?}, prefix {:?})", self.topology, self.addresses, self.prefix)
    }
}

/// The way servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A single server, or one address behind which the primary is.
    Single,
    /// A Redis Cluster.
    Cluster,
    /// Sentinels that know where the primary of this name is.
    Sentinel(String),
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

impl RedisSettings {
    /// Returns the settings for one server without passwords, with a day as the longest ttl.
    #[must_use]
    pub fn single(address: Address, timeout: Duration) -> Self {
        Self {
            topology: Topology::Single,
            addresses: vec![address],
            tls: false,
            ca: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: 0,
            prefix: "oncegate:".into(),
            timeout,
            wait_replicas: 0,
            longest_ttl: Duration::from_hours(24),
            largest_response: 1280 * 1024,
            accept_lost: false,
            workers: Workers::default(),
        }
    }

    /// Returns the time that a command may take. It is shorter than the time that callers of the store wait:
    /// a command is given up here, where that counts against its connection.
    pub(super) fn deadline(&self) -> Duration {
        self.timeout * 9 / 10
    }

    /// Returns the time that the server may wait for its replicas. The answer must still fit into the
    /// deadline.
    pub(super) fn replica_wait(&self) -> Duration {
        self.timeout * 7 / 10
    }

    /// Creates a client for the server at `address`.
    pub(super) fn client(&self, address: &Address) -> Result<Client, Failure> {
        let info = RedisConnectionInfo::default().set_db(self.database);
        self.build(address, as_user(info, self.username.as_deref(), self.password.as_deref()))
    }

    /// Creates a client for the sentinel at `address`.
    pub(super) fn sentinel(&self, address: &Address) -> Result<Client, Failure> {
        let info = RedisConnectionInfo::default();
        self.build(
            address,
            as_user(info, self.sentinel_username.as_deref(), self.sentinel_password.as_deref()),
        )
    }

    fn build(&self, address: &Address, info: RedisConnectionInfo) -> Result<Client, Failure> {
        let info = info.set_protocol(ProtocolVersion::RESP3);
        let failed = |error: redis::RedisError| Failure::wrong(format!("{address}: {error}"));
        let addr = match address.clone() {
            Address::Unix(path) => ConnectionAddr::Unix(path),
            Address::Tcp(host, port) if self.tls => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            Address::Tcp(host, port) => ConnectionAddr::Tcp(host, port),
        };
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(self.timeout.max(Duration::from_secs(1))));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(self.timeout);
        let info =
            addr.into_connection_info().map_err(failed)?.set_redis_settings(info).set_tcp_settings(tcp);
        match (&self.ca, self.tls) {
            (Some(ca), true) => {
                let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) };
                Client::build_with_tls(info, certificates).map_err(failed)
            }
            _ => Client::open(info).map_err(failed),
        }
    }
}

fn as_user(
    mut info: RedisConnectionInfo,
    username: Option<&str>,
    password: Option<&str>,
) -> RedisConnectionInfo {
    if let Some(username) = username {
        info = info.set_username(username);
    }
    if let Some(password) = password {
        info = info.set_password(password);
    }
    info
}
