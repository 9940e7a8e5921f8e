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
    /// A file that cannot be read, or a part that could not be made.
    Unusable(String),
    /// Files that the configuration names, and that cannot be used.
    UnusableFiles(ConfigErrors),
    /// A mistake in this program.
    Panicked,
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
            Self::Refused(ReloadRefusal::Unusable(_) | ReloadRefusal::UnusableFiles(_)) => "unusable",
            Self::Refused(ReloadRefusal::Panicked) => "panicked",
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

    /// Returns the keys that changed.
    #[must_use]
    pub fn changed(&self) -> &[String] {
        match self {
            Self::InForce(changed) => changed,
            Self::Unchanged | Self::Refused(_) => &[],
        }
    }
}

impl ReloadRefusal {
    /// Returns the refusal of a text with these mistakes.
    #[must_use]
    pub fn of(errors: ConfigErrors) -> Self {
        match errors.are_of_files() {
            true => Self::UnusableFiles(errors),
            false => Self::Invalid(errors),
        }
    }

    /// Returns the reason in words. It may have several lines.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Invalid(errors) | Self::UnusableFiles(errors) => errors.to_string(),
            Self::NeedsRestart(keys) => format!(
                "only a restart takes up changes of {}; no other change of the file was taken either",
                keys.join(", ")
            ),
            Self::Identity(why) | Self::StoreUnavailable(why) | Self::Unusable(why) => why.clone(),
            Self::Panicked => {
                "the reload panicked, and the log says where; parts of the new configuration may be \
                               in use, so restart the gateway"
                    .to_owned()
            }
        }
    }

    /// Returns the reason as a part of a log line.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut all = String::new();
        for line in self.detail().lines().map(str::trim).filter(|line| !line.is_empty()) {
            let ends = all.is_empty() || all.ends_with(['.', ':']);
            all.push_str(if all.is_empty() {
                ""
            } else if ends {
                " "
            } else {
                "; "
            });
            all.push_str(line);
        }
        all
    }

    /// Tells whether another refusal has the same reason. A store that is away may say so in several ways.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::StoreUnavailable(_), Self::StoreUnavailable(_)) => true,
            _ => {
                std::mem::discriminant(self) == std::mem::discriminant(other)
                    && self.detail() == other.detail()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_several_lines_is_one_line_of_the_log() {
        let shown = |text: &str| ReloadRefusal::Identity(text.into()).in_one_line();
        assert_eq!(shown("file:1:2: one\nfile:3:4: two"), "file:1:2: one; file:3:4: two");
        assert_eq!(shown("a sentence.\n\nwrite:\n  key = 1\r\n"), "a sentence. write: key = 1");
        assert_eq!(shown("one"), "one");
    }
}
