//! The facts about a gateway that its operators see beside the records.

use std::sync::Arc;

use crate::clock::Timestamp;

/// The facts about a gateway that do not lie in its records. Cheap to clone.
#[derive(Clone)]
pub struct About {
    /// Start of the gateway, on this machine's clock.
    pub started_at: Timestamp,
    /// Kind and place of the store.
    pub store: Arc<str>,
    /// Text of `oncegate check` on the configuration in force.
    pub configuration: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Default for About {
    fn default() -> Self {
        let (started_at, store) = (Timestamp::of_the_wall(), "memory:".into());
        Self { started_at, store, configuration: Arc::new(String::new) }
    }
}
