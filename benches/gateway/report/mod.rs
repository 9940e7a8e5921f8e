//! Tables for people and a file for machines.

use crate::duplicates::Duplicates;
use crate::idle::Idle;
use crate::measure::Slice;

mod file;
mod summary;
mod tables;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    pub slices: Vec<Slice>,
    pub duplicates: Vec<Duplicates>,
    pub idle: Vec<Idle>,
}
