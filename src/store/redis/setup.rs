//! The settings together with the terms: how the store's connections are opened, and how long they wait.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use crate::secret::Secret;
use crate::store::Terms;

use super::failure::Failure;
use super::settings::{Address, Settings};

/// The settings of a store that is open, and what the gateway asks of it.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) terms: Terms,
}

impl Setup {
    /// Returns the time that the server may wait for its replicas. The answer must still fit into the
    /// deadline.
    pub(super) fn replica_wait(&self) -> Duration {
        self.terms.timeout * 7 / 10
    }

    /// Creates a client for the server at `address`.
    pub(super) fn client(&self, address: &Address) -> Result<Client, Failure> {
        let Settings { username, password, database, .. } = &self.settings;
        let info = RedisConnectionInfo::default().set_db((*database).into());
        self.build(address, as_user(info, username.as_deref(), password.as_ref()))
    }

    /// Creates a client for the sentinel at `address`.
    pub(super) fn sentinel(&self, address: &Address) -> Result<Client, Failure> {
        let Settings { sentinel_username, sentinel_password, .. } = &self.settings;
        let info = RedisConnectionInfo::default();
        self.build(address, as_user(info, sentinel_username.as_deref(), sentinel_password.as_ref()))
    }

    fn build(&self, address: &Address, info: RedisConnectionInfo) -> Result<Client, Failure> {
        let (Settings { tls, ca, .. }, timeout) = (&self.settings, self.terms.timeout);
        let info = info.set_protocol(ProtocolVersion::RESP3);
        let failed = |error: redis::RedisError| Failure::wrong(format!("{address}: {error}"));
        let addr = match address.clone() {
            Address::Unix(path) => ConnectionAddr::Unix(path),
            Address::Tcp(host, port) if *tls => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            Address::Tcp(host, port) => ConnectionAddr::Tcp(host, port),
        };
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(timeout.max(Duration::from_secs(1))));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(timeout);
        let info =
            addr.into_connection_info().map_err(failed)?.set_redis_settings(info).set_tcp_settings(tcp);
        match ca {
            Some(ca) if *tls => {
                let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
                Client::build_with_tls(info, certificates).map_err(failed)
            }
            _ => Client::open(info).map_err(failed),
        }
    }
}

fn as_user(
    mut info: RedisConnectionInfo,
    username: Option<&str>,
    password: Option<&Secret>,
) -> RedisConnectionInfo {
    if let Some(username) = username {
        info = info.set_username(username);
    }
    if let Some(Secret(password)) = password {
        info = info.set_password(password);
    }
    info
}
