//! The error of a start.

use std::error::Error;
use std::fmt::Display;

use crate::routes::RouteConflict;

/// The reason why the gateway could not start.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StartError {
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl From<RouteConflict> for StartError {
    fn from(conflict: RouteConflict) -> Self {
        Self { text: conflict.to_string(), source: Some(conflict.into()) }
    }
}

impl StartError {
    /// Makes an error without a further cause.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// Makes the error of a part of the gateway, such as a section of the configuration. Its text ends with
    /// the text of `cause`.
    pub(super) fn of(part: impl Display, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        Self { text: format!("{part}: {cause}"), source: Some(cause) }
    }
}
