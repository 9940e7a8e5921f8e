//! The last reloads of the configuration, as operators see them.

use std::sync::Arc;
use std::time::SystemTime;

use humantime::format_rfc3339_millis;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::reloaded::Reloaded;

/// The last reload, and the last one that was refused. Clones share them.
#[derive(Clone, Default)]
pub struct LastReloads(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    last: Option<Reload>,
    refused: Option<Reload>,
}

#[derive(Clone)]
struct Reload {
    at: SystemTime,
    cause: &'static str,
    reloaded: Reloaded,
}

impl LastReloads {
    /// Notes a reload that has just ended.
    pub fn note(&self, cause: &'static str, reloaded: Reloaded) {
        let reload = Reload { at: SystemTime::now(), cause, reloaded };
        let mut kept = self.0.lock();
        if !reload.reloaded.is_success() {
            kept.refused = Some(reload.clone());
        }
        kept.last = Some(reload);
    }

    /// Returns the last reload and the last refused one. Each is null if there was none since the start.
    pub(super) fn shown(&self) -> [Value; 2] {
        let kept = self.0.lock();
        [&kept.last, &kept.refused].map(|reload| reload.as_ref().map_or(Value::Null, Reload::shown))
    }
}

impl Reload {
    fn shown(&self) -> Value {
        json!({
            "at": format_rfc3339_millis(self.at).to_string(),
            "cause": self.cause,
            "outcome": self.reloaded.outcome(),
            "refused": !self.reloaded.is_success(),
            "text": self.reloaded.detail(),
        })
    }
}
