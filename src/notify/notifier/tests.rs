use super::*;
use crate::config::{WebhookSecret, WebhookUrl};
use crate::store::DocumentName;
use crate::store::memory::MemoryStore;

#[tokio::test]
async fn a_gateway_that_drains_gives_the_lease_back() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()), Duration::from_secs(1));
    let url = WebhookUrl("http://127.0.0.1:9/".parse().expect("a URL"));
    let notify = Notify { url, secret: WebhookSecret(vec![7; 24]) };
    let notifier = Notifier::new(&notify, ledger.clone(), Metrics::new()).expect("a notifier");
    let (stop, other) = (Stop::default(), Lease::new(ledger.clone()));
    let running = tokio::spawn(notify_unknown(notifier, stop.clone()));
    while ledger.document(DocumentName::Notifier).await.expect("an answer").bytes.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!other.hold().await.expect("an answer"));
    stop.begin_drain();
    running.await.expect("it ends");
    assert!(other.hold().await.expect("an answer"));
}

#[tokio::test(start_paused = true)]
async fn warnings_are_rare() {
    let mut warnings = Warnings::default();
    assert!(warnings.is_due());
    assert!(!warnings.is_due());
    tokio::time::advance(BETWEEN_WARNINGS).await;
    assert!(warnings.is_due());
    assert!(!warnings.is_due());
}
