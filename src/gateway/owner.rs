//! Tokens of owners.

use crate::protocol::Owner;
use crate::random;

/// Returns a token from the system's random source, which cannot be guessed and never repeats.
#[must_use]
pub fn new_owner() -> Owner {
    Owner(random::bytes())
}
