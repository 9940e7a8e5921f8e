//! Changes of what the upstream's answers mean. A running execution keeps the meanings that it began with.

use crate::config::{Route, Settling};
use crate::protocol::Meaning;

use super::effect::Effect;

/// The final statuses of an upstream's answer.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;
/// Number of statuses that are named.
const MOST_NAMED: usize = 12;
const MEANINGS: [Meaning; 3] = [Meaning::Completed, Meaning::Released, Meaning::Unknown];

/// Compares the meaning of each status, and the headers that release.
pub(super) fn effects(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = Vec::new();
    for was in MEANINGS {
        for is in MEANINGS.into_iter().filter(|is| *is != was) {
            let moved = |status: &u16| {
                before.outcomes.meaning(*status) == was && after.outcomes.meaning(*status) == is
            };
            let statuses: Vec<u16> = STATUSES.filter(moved).collect();
            if !statuses.is_empty() {
                effects.push(moved_effect(about, was, is, &statuses));
            }
        }
    }
    effects.extend(headers(about, before, after));
    effects.extend(about_keys(about, before, after));
    effects
}

fn headers(about: &str, before: &Route, after: &Route) -> Option<Effect> {
    if before.release_when == after.release_when {
        return None;
    }
    let has_new = after.release_when.iter().any(|word| !before.release_when.contains(word));
    Some(match has_new {
        true => Effect::dangerous(
            about,
            "release_when: another header of the upstream's answer now releases the key: where the \
             upstream acted all the same, a retry runs again",
        ),
        false => Effect::safe(
            about,
            "release_when: fewer headers release the key; an answer with such a header counts by its status",
        ),
    })
}

/// Compares the statuses of a repeated execution that may be about the upstream's own key.
fn about_keys(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let has_window = |route: &Route| matches!(route.settling, Settling::Retry(Some(_)));
    if !has_window(before) || !has_window(after) {
        return Vec::new();
    }
    let only = |one: &Route, other: &Route| -> Vec<u16> {
        let is_listed = |route: &Route, status: &u16| route.outcomes.may_be_about_key(*status);
        STATUSES.filter(|status| is_listed(one, status) && !is_listed(other, status)).collect()
    };
    let mut effects = Vec::new();
    let (gone, new) = (only(before, after), only(after, before));
    if !gone.is_empty() {
        let text = format!(
            "upstream_keys.undecided: without {}. Where a repeated execution gets such an answer, retries \
             get it as that of the operation, although it may be about the upstream's own key and an \
             earlier execution may have acted",
            listed(&gone)
        );
        effects.push(Effect::dangerous(about, text));
    }
    if !new.is_empty() {
        let text = format!(
            "upstream_keys.undecided: with {}. Such an answer to a repeated execution leaves the outcome unknown",
            listed(&new)
        );
        effects.push(Effect::safe(about, text));
    }
    effects
}

fn moved_effect(about: &str, was: Meaning, is: Meaning, statuses: &[u16]) -> Effect {
    let subject = listed(statuses);
    let what = match statuses {
        [_] => format!("outcomes: {subject} {}, and {} before", words(is, false), past(was, false)),
        _ => format!("outcomes: {subject} {}, and {} before", words(is, true), past(was, true)),
    };
    match (was, is) {
        (_, Meaning::Released) => Effect::dangerous(
            about,
            format!(
                "{what}: where the upstream acted all the same, a retry runs again. Running executions \
                 keep the earlier meaning"
            ),
        ),
        (Meaning::Unknown, _) => Effect::dangerous(
            about,
            format!(
                "{what}: retries get this answer as that of the operation, whether or not the upstream acted"
            ),
        ),
        (_, Meaning::Completed) => {
            Effect::safe(about, format!("{what}: a retry gets this answer and does not run"))
        }
        (_, Meaning::Unknown) => {
            Effect::safe(about, format!("{what}: a retry does not run until the outcome is decided"))
        }
    }
}

fn words(meaning: Meaning, are_many: bool) -> &'static str {
    match (meaning, are_many) {
        (Meaning::Completed, true) => "are stored and replayed",
        (Meaning::Completed, false) => "is stored and replayed",
        (Meaning::Released, true) => "release the key",
        (Meaning::Released, false) => "releases the key",
        (Meaning::Unknown, true) => "leave the outcome unknown",
        (Meaning::Unknown, false) => "leaves the outcome unknown",
    }
}

fn past(meaning: Meaning, are_many: bool) -> &'static str {
    match (meaning, are_many) {
        (Meaning::Completed, true) => "were stored and replayed",
        (Meaning::Completed, false) => "was stored and replayed",
        (Meaning::Released, _) => "released the key",
        (Meaning::Unknown, _) => "left the outcome unknown",
    }
}

fn listed(statuses: &[u16]) -> String {
    let named: Vec<String> = statuses.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    match statuses.len().saturating_sub(MOST_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
