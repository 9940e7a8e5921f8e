//! Changes of what the upstream's answers mean.

use crate::config::Route;
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
            "outcomes: another header of the upstream's answer now releases the key (release_when): where the upstream \
             acted all the same, a retry runs again",
        ),
        false => Effect::safe(
            about,
            "outcomes: fewer headers release the key (release_when); an answer with one counts by its status",
        ),
    })
}

fn moved_effect(about: &str, was: Meaning, is: Meaning, statuses: &[u16]) -> Effect {
    let what = format!("outcomes: {} {}, and {} before", listed(statuses), words(is), words(was));
    match (was, is) {
        (_, Meaning::Released) => Effect::dangerous(
            about,
            format!(
                "{what}: where the upstream acted all the same, a retry runs again, also of a running execution"
            ),
        ),
        (Meaning::Unknown, _) => Effect::safe(
            about,
            format!("{what}: retries get this answer as the operation's, whether or not the upstream acted"),
        ),
        (_, Meaning::Completed) => {
            Effect::safe(about, format!("{what}: a retry gets this answer and does not run"))
        }
        (_, Meaning::Unknown) => {
            Effect::safe(about, format!("{what}: a retry does not run until the outcome is decided"))
        }
    }
}

fn words(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Completed => "are stored and replayed",
        Meaning::Released => "release the key",
        Meaning::Unknown => "leave the outcome unknown",
    }
}

fn listed(statuses: &[u16]) -> String {
    let named: Vec<String> = statuses.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    match statuses.len().saturating_sub(MOST_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
