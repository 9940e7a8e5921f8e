//! The last reloads of the configuration, as log, metrics, audit lines and operators see them.

use std::sync::Arc;
use std::time::SystemTime;

use humantime::format_rfc3339_millis;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::reloaded::Reloaded;

/// A reload that has ended.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The time of its end, by this machine's clock.
    pub at: SystemTime,
    /// The cause.
    pub cause: Cause,
    /// SHA-256 of the text that was read, in hexadecimal digits. `None` if no text could be read.
    pub digest: Option<String>,
    /// The result.
    pub reloaded: Reloaded,
}

/// The cause of a reload.
#[derive(Clone, Debug)]
pub enum Cause {
    /// The gateway found another text.
    FileChanged,
    /// The process got SIGHUP.
    HangUp,
    /// The operator with this name asked.
    Operator(Arc<str>),
}

/// The last reload, and the last one that was refused. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LastReloads(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    last: Option<Reload>,
    refused: Option<Reload>,
}

impl Cause {
    /// Returns the cause in words.
    #[must_use]
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::FileChanged => "the file changed",
            Self::HangUp => "SIGHUP",
            Self::Operator(_) => "an operator asked",
        }
    }

    /// Returns the name of the operator that asked.
    #[must_use]
    pub fn operator(&self) -> Option<&str> {
        match self {
            Self::Operator(name) => Some(name),
            Self::FileChanged | Self::HangUp => None,
        }
    }
}

impl Reload {
    /// Notes that a reload ends now.
    #[must_use]
    pub fn now(cause: Cause, digest: Option<String>, reloaded: Reloaded) -> Self {
        Self { at: SystemTime::now(), cause, digest, reloaded }
    }

    fn shown(&self) -> Value {
        json!({
            "at": format_rfc3339_millis(self.at).to_string(),
            "cause": self.cause.in_words(),
            "by": self.cause.operator(),
            "outcome": self.reloaded.outcome(),
            "refused": !self.reloaded.is_success(),
            "text": self.reloaded.detail(),
        })
    }

    /// Tells whether this reload found what `earlier` found: the same text, refused for the same reason.
    #[must_use]
    pub fn repeats(&self, earlier: &Self) -> bool {
        match (&self.reloaded, &earlier.reloaded) {
            (Reloaded::Refused(now), Reloaded::Refused(before)) => {
                self.digest == earlier.digest && now.is_like(before)
            }
            _ => false,
        }
    }
}

impl LastReloads {
    /// Notes a reload that has ended.
    pub fn note(&self, reload: Reload) {
        let mut kept = self.0.lock();
        if !reload.reloaded.is_success() {
            kept.refused = Some(reload.clone());
        }
        kept.last = Some(reload);
    }

    /// Returns the last reload and the last refused one, as operators see them. Each is null if there was
    /// none since the start.
    pub(super) fn shown(&self) -> [Value; 2] {
        let kept = self.0.lock();
        [&kept.last, &kept.refused].map(|reload| reload.as_ref().map_or(Value::Null, Reload::shown))
    }

    /// Returns the last reload since the start.
    #[must_use]
    pub fn last(&self) -> Option<Reload> {
        self.0.lock().last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reloaded::ReloadRefusal;
    use super::*;

    fn reload(digest: &str, reloaded: Reloaded) -> Reload {
        Reload::now(Cause::FileChanged, Some(digest.into()), reloaded)
    }

    fn unusable(why: &str) -> Reloaded {
        Reloaded::Refused(ReloadRefusal::Unusable(why.into()))
    }

    fn unavailable(why: &str) -> Reloaded {
        Reloaded::Refused(ReloadRefusal::StoreUnavailable(why.into()))
    }

    #[test]
    fn a_refusal_repeats_one_of_the_same_text_for_the_same_reason() {
        for (one, other, repeats) in [
            (reload("a", unusable("no file")), reload("a", unusable("no file")), true),
            (reload("a", unusable("no file")), reload("b", unusable("no file")), false),
            (reload("a", unusable("no file")), reload("a", unusable("no key")), false),
            (reload("a", unavailable("no connection")), reload("a", unavailable("no answer")), true),
            (reload("a", unavailable("no answer")), reload("a", unusable("no answer")), false),
            (reload("a", Reloaded::Unchanged), reload("a", Reloaded::Unchanged), false),
        ] {
            assert_eq!(one.repeats(&other), repeats, "{one:?}, {other:?}");
        }
    }

    #[test]
    fn the_last_refusal_outlives_later_successes() {
        let reloads = LastReloads::default();
        assert_eq!(reloads.shown(), [Value::Null, Value::Null]);
        reloads.note(reload("a", unusable("no file")));
        reloads.note(reload("b", Reloaded::Unchanged));
        assert_eq!(reloads.last().and_then(|last| last.digest).as_deref(), Some("b"));
        let [last, refused] = reloads.shown();
        assert_eq!((&last["outcome"], &refused["outcome"]), (&"unchanged".into(), &"unusable".into()));
    }

    #[test]
    fn the_operator_that_asked_is_named() {
        let reloads = LastReloads::default();
        reloads.note(Reload::now(Cause::Operator("ops".into()), None, Reloaded::Unchanged));
        let [last, _] = reloads.shown();
        assert_eq!((&last["cause"], &last["by"]), (&"an operator asked".into(), &"ops".into()));
    }
}
