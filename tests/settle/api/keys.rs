//! The idempotency keys of the API itself. It forgets each after a time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Call;

/// The keys that the API remembers.
pub struct Keys {
    life: Duration,
    known: Mutex<HashMap<String, Known>>,
}

/// A key with its first request.
struct Known {
    since: Instant,
    request: Bytes,
    /// The first answer, once there is one.
    answer: Option<(u16, Bytes)>,
}

/// Knowledge of the API about a key.
pub enum Recognised {
    /// A key that is new, or forgotten.
    New,
    /// A request that still runs.
    Running,
    /// The first answer.
    Answered(u16, Bytes),
    /// Another request under the same key.
    Mismatch,
}

impl Keys {
    /// Creates an empty memory for keys. The API recognises each for `life` after its first request.
    pub fn living(life: Duration) -> Self {
        Self { life, known: Mutex::default() }
    }

    /// Looks a key up, and remembers it if it is new.
    pub(super) fn recognise(&self, call: &Call) -> Recognised {
        let mut known = self.known.lock().expect("no panic while locked");
        let now = Instant::now();
        known.retain(|_, known| now < known.since + self.life);
        match known.get(&call.key) {
            Some(found) if found.request != call.body => Recognised::Mismatch,
            Some(Known { answer: None, .. }) => Recognised::Running,
            Some(Known { answer: Some((status, body)), .. }) => Recognised::Answered(*status, body.clone()),
            None => {
                let new = Known { since: now, request: call.body.clone(), answer: None };
                known.insert(call.key.clone(), new);
                Recognised::New
            }
        }
    }

    /// Keeps the first answer of a key.
    pub(super) fn answered(&self, key: &str, status: u16, body: &Bytes) {
        if let Some(known) = self.known.lock().expect("no panic while locked").get_mut(key) {
            known.answer = Some((status, body.clone()));
        }
    }

    /// Forgets a key with a request that had no effect.
    pub(super) fn forget(&self, key: &str) {
        self.known.lock().expect("no panic while locked").remove(key);
    }
}
