//! The exit codes of `oncegate check`.

/// The exit code for a valid configuration.
pub const FINE: u8 = 0;
/// The exit code for a valid configuration with a store or upstream that does not answer.
pub const NO_ANSWER: u8 = 1;
/// The exit code for an upstream that was not proven to report the conflict with a fence.
pub const NOT_PROVEN: u8 = 1;
/// The exit code for an invalid configuration.
pub const BAD_CONFIGURATION: u8 = 2;
/// The exit code for a change that is dangerous for keys in flight.
pub const DANGEROUS: u8 = 1;
