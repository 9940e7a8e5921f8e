//! Failed TLS handshakes: counted, and logged within a limit.
//!
//! A client with an expired certificate is shut out without a message that its operators would read.
//! Therefore the reason is logged here as a warning, a limited number of times, and counted in a metric.
//! A client that only connects and goes away, as load balancers do to see whether something listens,
//! causes no warning.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};
use tracing::{debug, warn};

use crate::telemetry::{ErrorChain, Limited, Metrics};

/// Maximum number of warnings in one [`PERIOD`].
const MAX_WARNINGS: u32 = 5;
const PERIOD: Duration = Duration::from_secs(10);

/// The failed handshakes of one listener.
pub(super) struct Handshakes {
    metrics: Metrics,
    lines: Limited,
}

impl Handshakes {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, lines: Limited::new(MAX_WARNINGS, PERIOD) }
    }

    /// Counts a failed handshake, and logs it.
    pub(super) fn failed(&self, peer: SocketAddr, error: &io::Error) {
        let reason = reason(error);
        self.metrics.tls_failure(reason);
        if reason == CLOSED {
            return debug!(%peer, "a client went away before the TLS handshake was over");
        }
        if let Some(held_back) = self.lines.ask() {
            let held_back = (held_back > 0).then_some(held_back);
            let (client, words) = (peer.ip().to_canonical(), describe(reason));
            warn!(%client, reason, held_back, cause = %ErrorChain(error), "no TLS handshake with a client: {words}");
        }
    }
}

const CLOSED: &str = "closed";

fn describe(reason: &str) -> &'static str {
    match reason {
        "expired" => "its certificate has expired",
        "unknown-ca" => "client_ca does not vouch for its certificate",
        "bad-certificate" => "its certificate is not usable",
        "no-certificate" => "it shows no certificate, and client_ca asks for one",
        "not-tls" => "it does not speak TLS, and this listener speaks nothing else",
        "refused-by-client" => "it refuses this listener's certificate, or the protocols that it offers",
        "protocol" => "it shares no version or cipher with this listener, or breaks the protocol",
        "timeout" => "it did not finish within header_read_timeout",
        _ => "it failed",
    }
}

/// Returns the reason of a failed handshake, from a fixed set of labels.
fn reason(error: &io::Error) -> &'static str {
    let source = error.get_ref().map(|source| source as &(dyn Error + 'static));
    match source.and_then(|source| source.downcast_ref::<TlsError>()) {
        Some(error) => tls_reason(error),
        None => match error.kind() {
            io::ErrorKind::TimedOut => "timeout",
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => CLOSED,
            _ => "other",
        },
    }
}

fn tls_reason(error: &TlsError) -> &'static str {
    use CertificateError as C;
    match error {
        TlsError::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "expired",
        // `BadSignature` comes from an authority that has the same name and another key.
        TlsError::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => "unknown-ca",
        TlsError::InvalidCertificate(_) => "bad-certificate",
        TlsError::NoCertificatesPresented => "no-certificate",
        // Bytes that are no TLS are read as a record of a type, a version or a length that does not
        // exist.
        TlsError::InvalidMessage(message) => match message {
            rustls::InvalidMessage::InvalidContentType
            | rustls::InvalidMessage::UnknownProtocolVersion
            | rustls::InvalidMessage::MessageTooLarge => "not-tls",
            _ => "protocol",
        },
        TlsError::AlertReceived(_) => "refused-by-client",
        TlsError::PeerIncompatible(_)
        | TlsError::PeerMisbehaved(_)
        | TlsError::InappropriateMessage { .. }
        | TlsError::InappropriateHandshakeMessage { .. }
        | TlsError::DecryptError
        | TlsError::NoApplicationProtocol => "protocol",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_word_of_its_own() {
        let of = |error: TlsError| reason(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(of(TlsError::InvalidCertificate(CertificateError::Expired)), "expired");
        assert_eq!(of(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)), "unknown-ca");
        assert_eq!(of(TlsError::InvalidCertificate(CertificateError::NotValidYet)), "bad-certificate");
        assert_eq!(of(TlsError::NoCertificatesPresented), "no-certificate");
        assert_eq!(of(TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType)), "not-tls");
        assert_eq!(of(TlsError::NoApplicationProtocol), "protocol");
        assert_eq!(of(TlsError::AlertReceived(rustls::AlertDescription::UnknownCA)), "refused-by-client");
        assert_eq!(reason(&io::ErrorKind::TimedOut.into()), "timeout");
        assert_eq!(reason(&io::ErrorKind::UnexpectedEof.into()), "closed");
        assert_eq!(reason(&io::Error::other("?")), "other");
    }
}
