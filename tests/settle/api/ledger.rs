//! The charges of the API.

use std::sync::Mutex;

use tokio::time::Instant;

/// A charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub key: String,
    pub execution: String,
    pub charge: i64,
}

/// The charges of an API without a database, with the time of each.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<(Effect, Instant)>>);

impl Ledger {
    /// Adds a charge and returns its number.
    pub fn charge(&self, key: &str, execution: &str) -> i64 {
        let mut effects = self.0.lock().expect("no panic while locked");
        let charge = effects.len() as i64 + 1;
        let effect = Effect { key: key.to_owned(), execution: execution.to_owned(), charge };
        effects.push((effect, Instant::now()));
        charge
    }

    pub fn effects(&self) -> Vec<Effect> {
        self.0.lock().expect("no panic while locked").iter().map(|(effect, _)| effect.clone()).collect()
    }

    /// Returns the charge of a key that is older than `lag`.
    pub fn find(&self, key: &str, lag: std::time::Duration) -> Option<Effect> {
        let effects = self.0.lock().expect("no panic while locked");
        let found = effects.iter().find(|(effect, at)| effect.key == key && at.elapsed() >= lag);
        found.map(|(effect, _)| effect.clone())
    }
}
