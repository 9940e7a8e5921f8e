//! The same request in other bytes, by another gateway of the fleet.

use crate::harness::same_requests::FORMS;
use crate::harness::{Gateway, Settings, Upstream};
use crate::store::{Store, on_every_store};

on_every_store!(another_gateway_knows_a_duplicate_in_other_bytes);

/// Gateways of both configurations run while a fleet is updated.
async fn another_gateway_knows_a_duplicate_in_other_bytes(store: Store) {
    let upstream = Upstream::start().await;
    let raw = Gateway::start(&upstream, Settings::default().store(&store.lines())).await;
    for form in &FORMS {
        let settings = form.settings().store(&store.lines());
        let first = Gateway::start(&upstream, settings.clone()).await;
        assert_eq!(form.send(&first, &form.first).await.status, 201, "{}", form.name);
        let second = Gateway::start(&upstream, settings).await;
        form.is_kept_by(&second).await;
        form.is_kept_by(&raw).await;
    }
    assert_eq!(upstream.executions(), FORMS.len());
}
