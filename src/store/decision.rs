//! A decision that holds in a store.

use crate::clock::Timestamp;
use crate::protocol::StoredResponse;

/// A verdict that holds, and what the store answered with it.
#[derive(Clone, Debug)]
pub struct Decision<V> {
    /// The verdict, with the record that it is about.
    pub verdict: V,
    /// The stored response, if the verdict is about a record that has a retained one.
    pub response: Option<StoredResponse>,
    /// The store's clock when it last answered.
    pub now: Timestamp,
}
