//! Settings for operations with an unknown outcome: the evidence that settles them, and the keys that seal
//! kept requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use sha2::{Digest, Sha256};

use super::upstream_name::UpstreamName;
use crate::protocol::probe::{Rules, UrlTemplate};
use crate::secret::Secret;

/// The evidence that settles an unknown outcome on a route.
#[derive(Clone, Debug)]
pub enum Settling {
    /// No evidence. The outcome is held until an operator or a late completion decides it.
    Hold,
    /// A repeated execution. With keys, the upstream recognises it.
    Retry(Option<UpstreamKeys>),
    /// A question to the upstream.
    Probe(Arc<Probe>),
    /// A row that the upstream writes in its own transaction.
    Marker(Arc<Marker>),
}

/// The place where the evidence about a route's unknown outcomes is, as a digest: the upstream that gets a
/// repeated execution, the URL of a probe, or the table of a marker.
///
/// Records carry it, so that no other place is asked about them, whatever the routes of later files are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceSource(pub [u8; 8]);

impl EvidenceSource {
    /// Returns the source of a route's evidence. `upstream` is the URL of the route's upstream.
    #[must_use]
    pub fn of(settling: &Settling, upstream: &Uri) -> Option<Self> {
        let (kind, place) = match settling {
            Settling::Hold => return None,
            Settling::Retry(_) => ("retry", upstream.to_string()),
            Settling::Probe(probe) => ("probe", probe.template.text()),
            // A table is the same one for all credentials.
            Settling::Marker(marker) => ("marker", format!("{} {}", marker.shown, marker.table)),
        };
        let digest = Sha256::digest(format!("oncegate evidence v1 {kind} {place}"));
        digest.first_chunk().copied().map(Self)
    }
}

/// The upstream's own idempotency keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamKeys {
    /// Time for which the upstream recognises a key, counted from the first attempt's claim.
    pub window: Duration,
    /// Statuses of a repeated execution that may be the upstream's word about the key, not about the
    /// operation.
    pub undecided: Vec<u16>,
}

/// The question to an upstream about an unknown outcome.
#[derive(Clone, Debug)]
pub struct Probe {
    /// URL of the question.
    pub template: UrlTemplate,
    /// Meaning of the answers.
    pub rules: Rules,
    /// Hidden upstream that receives the question.
    pub upstream: UpstreamName,
    /// Headers of the question. The values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Longest wait for the whole answer.
    pub timeout: Duration,
    /// Time after the execution's deadline before "not executed" is believed.
    pub not_before: Duration,
}

/// The table in which the upstream marks its executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// URL of the database.
    pub url: Secret,
    /// The URL without credentials and parameters.
    pub shown: String,
    /// True if the server's name is verified over TLS, or if there is no network in between.
    pub is_verified: bool,
    /// Name of the table, with its schema if need be.
    pub table: String,
}

/// The longest times over which the same request may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryHorizon {
    /// Time for which clients repeat a request by themselves.
    pub client_retries: Duration,
    /// Time that a failover on the clients' side may take.
    pub failover: Duration,
    /// Time after which an operator may send requests again.
    pub operator_replay: Duration,
}

impl RetryHorizon {
    /// Returns the longest time between the first request and the last one.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.client_retries.saturating_add(self.failover).saturating_add(self.operator_replay)
    }
}

/// A key that seals kept requests.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    /// Name of the key, which stands beside the sealed text.
    pub id: String,
    /// The key itself.
    pub key: [u8; 32],
}

impl fmt::Debug for SealKey {
    /// Prints only the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("id", &self.id).finish_non_exhaustive()
    }
}
