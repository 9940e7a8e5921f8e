//! Handles of samples, found in their families once and kept.
//!
//! Finding a handle in a family makes a set of labels, and takes several times as long as counting.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::RwLock;

/// Handles of one kind, by route and by one more label. Their number is bounded, because routes are
/// configured.
pub(super) struct Kept<T>(RwLock<Routes<T>>);

/// The handles of each route, by the other label.
type Routes<T> = HashMap<String, Vec<(&'static str, T)>, RandomState>;

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Kept<T> {
    /// Returns the kept handle. The first call for these labels takes it from `find`.
    pub(super) fn get(&self, route: &str, label: &'static str, find: impl FnOnce() -> T) -> T {
        if let Some(handle) = handle(&self.0.read(), route, label) {
            return handle;
        }
        let mut routes = self.0.write();
        handle(&routes, route, label).unwrap_or_else(|| {
            let found = find();
            routes.entry(route.to_owned()).or_default().push((label, found.clone()));
            found
        })
    }
}

fn handle<T: Clone>(routes: &Routes<T>, route: &str, label: &str) -> Option<T> {
    let (_, handle) = routes.get(route)?.iter().find(|(kept, _)| *kept == label)?;
    Some(handle.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_found_once_for_its_labels() {
        let kept = Kept::default();
        assert_eq!(kept.get("pay", "completed", || 1), 1);
        assert_eq!(kept.get("pay", "replayed", || 2), 2);
        assert_eq!(kept.get("refund", "completed", || 3), 3);
        assert_eq!(kept.get("pay", "completed", || panic!("it is kept")), 1);
    }
}
