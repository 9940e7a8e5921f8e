//! The reasons why a charge has no answer of success.

use std::fmt;

/// The reason why a charge has no answer of success.
#[derive(Debug)]
pub(in crate::cli::demo) enum Failure {
    /// A charge that was booked. Its answer is lost on the way.
    AnswerLost,
    /// An execution that has a marker row already. Nothing is left of this one.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "there is no database"))]
    Conflict,
    /// A database that failed. It is not known whether the charge was booked.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "there is no database"))]
    Database(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnswerLost => f.write_str("the answer is lost"),
            Self::Conflict => f.write_str("this execution was fenced"),
            Self::Database(reason) => write!(f, "the database failed: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}
