//! Tables for people and a file for machines.

use crate::duplicates::Duplicates;
use crate::idle::Idle;
use crate::instructions::Instructions;
use crate::loaded::Loaded;
use crate::measure::Slice;
use crate::round_trips::RoundTrips;

mod file;
mod goals;
mod markdown;
mod others;
mod summary;
mod tables;

/// The results of all measurements.
#[derive(Default)]
pub struct Report {
    /// Number of connections to each server at the fixed rate.
    pub connections: usize,
    pub slices: Vec<Slice>,
    pub loaded: Vec<Loaded>,
    pub duplicates: Vec<Duplicates>,
    pub round_trips: Vec<RoundTrips>,
    pub idle: Vec<Idle>,
    pub instructions: Vec<Instructions>,
}
