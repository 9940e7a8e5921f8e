//! `on_unknown = "hold"`: no witness. An operator, a late completion or time decides.

use std::future::ready;

use super::witness::{Case, Fence, Testimony, Witness, WitnessFuture};

/// The witness that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hold;

impl Witness for Hold {
    fn ask<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Testimony> {
        Box::pin(ready(Testimony::Undecided))
    }

    fn may_complete<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, bool> {
        Box::pin(ready(true))
    }

    fn fence<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Fence> {
        Box::pin(ready(Fence::Absent))
    }
}
