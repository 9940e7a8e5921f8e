//! The lease of the one gateway that tells the webhook.
//!
//! It is a shared document of the store with the holder's token and an end by the store's clock. It does not
//! protect anything but the number of deliveries: two holders tell some events twice.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::clock::Timestamp;
use crate::random;
use crate::store::{DocumentName, Ledger, Replaced, StoreError};

/// Time after which the lease of a silent holder ends.
pub(super) const LENGTH: Duration = Duration::from_secs(8);
/// Pause between two renewals.
const RENEWAL: Duration = Duration::from_secs(2);
/// Version of the document.
const VERSION: u8 = 1;
/// Number of bytes of a token.
const TOKEN: usize = 16;

/// This gateway's claim to the lease.
pub(super) struct Lease {
    ledger: Ledger,
    token: [u8; TOKEN],
}

impl Lease {
    /// Creates a claim that is not made yet.
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, token: random::bytes() }
    }

    /// Takes or renews the lease. Returns false if another gateway holds it.
    ///
    /// # Errors
    /// As the store's.
    pub(super) async fn hold(&self) -> Result<bool, StoreError> {
        let found = self.ledger.document(DocumentName::Notifier).await?;
        if found.bytes.as_deref().and_then(decode).is_some_and(|held| held.excludes(&self.token, found.now)) {
            return Ok(false);
        }
        self.write(found.bytes, found.now.plus(LENGTH)).await
    }

    /// Renews the lease until it is lost to another gateway, or until it is over because the store did not
    /// take a renewal.
    pub(super) async fn keep(&self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < LENGTH {
            sleep(RENEWAL).await;
            match self.hold().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                // The work under the lease uses the same store and logs its errors.
                Err(_) => {}
            }
        }
    }

    /// Ends the lease if this gateway holds it, so that another gateway need not wait for its end.
    ///
    /// # Errors
    /// As the store's.
    pub(super) async fn release(&self) -> Result<(), StoreError> {
        let found = self.ledger.document(DocumentName::Notifier).await?;
        if found.bytes.as_deref().and_then(decode).is_some_and(|held| held.token == self.token) {
            self.write(found.bytes, Timestamp(0)).await?;
        }
        Ok(())
    }

    async fn write(&self, found: Option<Bytes>, until: Timestamp) -> Result<bool, StoreError> {
        let document = encode(&self.token, until);
        let replaced = self.ledger.replace_document(DocumentName::Notifier, found, document).await?;
        Ok(replaced == Replaced::Stored)
    }
}

/// The lease as it is stored.
struct Held {
    token: [u8; TOKEN],
    until: Timestamp,
}

impl Held {
    /// Tells whether the lease keeps the gateway with this token from telling. An end far ahead of the
    /// store's clock is left over from a clock that was set back.
    fn excludes(&self, token: &[u8; TOKEN], now: Timestamp) -> bool {
        self.token != *token && now < self.until && self.until <= now.plus(2 * LENGTH)
    }
}

fn encode(token: &[u8; TOKEN], until: Timestamp) -> Bytes {
    let mut bytes = vec![VERSION];
    bytes.extend(token);
    bytes.extend(until.0.to_be_bytes());
    bytes.into()
}

/// Reads a stored lease. Returns `None` for a damaged one or one of an unknown version, which counts as
/// over.
fn decode(bytes: &[u8]) -> Option<Held> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (token, until) = rest.split_first_chunk::<TOKEN>()?;
    Some(Held { token: *token, until: Timestamp(u64::from_be_bytes(until.try_into().ok()?)) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::store::memory::MemoryStore;

    #[derive(Default)]
    struct Hand(std::sync::atomic::AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
        }
    }

    impl Hand {
        fn set(&self, now: Timestamp) {
            self.0.store(now.0, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn one_gateway_holds_the_lease_until_it_ends() {
        let clock = Arc::new(Hand::default());
        let t0 = Timestamp(1_000_000);
        clock.set(t0);
        let ledger = Ledger::new(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)), Duration::from_secs(1));
        let (one, other) = (Lease::new(ledger.clone()), Lease::new(ledger.clone()));
        assert!(one.hold().await.expect("an answer"));
        assert!(!other.hold().await.expect("an answer"));
        clock.set(t0.plus(LENGTH / 2));
        assert!(one.hold().await.expect("an answer"), "it is renewed");
        clock.set(t0.plus(LENGTH));
        assert!(!other.hold().await.expect("an answer"), "the renewal counts");
        clock.set(t0.plus(LENGTH / 2 + LENGTH));
        assert!(other.hold().await.expect("an answer"), "it is over");
        assert!(!one.hold().await.expect("an answer"));
        one.release().await.expect("an answer");
        assert!(!one.hold().await.expect("an answer"), "only the holder can release it");
        other.release().await.expect("an answer");
        assert!(one.hold().await.expect("an answer"));
        clock.set(Timestamp(1));
        assert!(other.hold().await.expect("an answer"), "an end far ahead does not count");
    }

    #[tokio::test]
    async fn a_damaged_lease_counts_as_over() {
        let ledger = Ledger::new(Arc::new(MemoryStore::default()), Duration::from_secs(1));
        let lease = Lease::new(ledger.clone());
        let mut stored = None;
        for damaged in [&b"\x01"[..], b"\x02", b"\x01 and much more than a token and a time"] {
            let document = Bytes::from_static(damaged);
            let replaced = ledger.replace_document(DocumentName::Notifier, stored, document).await;
            assert_eq!(replaced.expect("an answer"), Replaced::Stored);
            assert!(lease.hold().await.expect("an answer"), "{damaged:?}");
            stored = ledger.document(DocumentName::Notifier).await.expect("an answer").bytes;
        }
    }
}
