//! The result of a reload, with its words for people, log and metrics.

use crate::config::ConfigErrors;

/// The result of a reload.
#[derive(Clone, Debug)]
pub enum Reloaded {
    /// The new configuration is in force. These keys changed.
    InForce(Vec<String>),
    /// The text is the one that is in force already.
    Unchanged,
    /// The configuration in force stays.
    Refused(ReloadRefusal),
}

/// The reason why a configuration was not taken.
#[derive(Clone, Debug)]
pub enum ReloadRefusal {
    /// Mistakes in the file.
    Invalid(ConfigErrors),
    /// Changed keys that only a start reads. None of the other changes was taken.
    NeedsRestart(Vec<String>),
    /// Operations that would get other names. The text says how to go on.
    Identity(String),
    /// A store that did not answer, so that names could not be compared.
    StoreUnavailable(String),
    /// A part that could not be made, such as a file of certificates that is not usable.
    Unusable(String),
}

impl Reloaded {
    /// Returns the outcome as metrics and log name it.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::InForce(_) => "reloaded",
            Self::Unchanged => "unchanged",
            Self::Refused(ReloadRefusal::Invalid(_)) => "invalid",
            Self::Refused(ReloadRefusal::NeedsRestart(_)) => "needs-restart",
            Self::Refused(ReloadRefusal::Identity(_)) => "identity",
            Self::Refused(ReloadRefusal::StoreUnavailable(_)) => "store-unavailable",
            Self::Refused(ReloadRefusal::Unusable(_)) => "unusable",
        }
    }

    /// Returns in words what became of the file.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::InForce(changed) => format!("changed: {}", changed.join(", ")),
            Self::Unchanged => "the file is the configuration in force".to_owned(),
            Self::Refused(refusal) => refusal.detail(),
        }
    }

    /// Tells whether the configuration that was read is in force now.
    #[must_use]
    pub fn is_success(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl ReloadRefusal {
    /// Returns the reason in words.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Invalid(errors) => errors.to_string(),
            Self::NeedsRestart(keys) => format!(
                "only a restart takes up changes of {}; no other change of the file was taken either",
                keys.join(", ")
            ),
            Self::Identity(why) | Self::StoreUnavailable(why) | Self::Unusable(why) => why.clone(),
        }
    }
}
