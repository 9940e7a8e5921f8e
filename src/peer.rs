//! The other end of a connection, as the server that accepted it knows it.

use std::net::IpAddr;
use std::sync::Arc;

/// Address and transport of a request's connection. The server puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Address at the other end of the connection.
    pub address: IpAddr,
    /// True if the connection speaks TLS.
    pub secure: bool,
}

/// Issuer and subject, in DER, of the certificate that the peer of a connection showed. The server puts it
/// into the extensions of the connection's requests.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Arc<[u8]>);
