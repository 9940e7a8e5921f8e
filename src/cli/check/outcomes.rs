//! The meaning of the upstream's answers on a route.

use crate::cli::page::Page;
use crate::config::{Route, Settling, UnknownAnswers};
use crate::protocol::{Meaning, Statuses};

/// Writes the meaning of the upstream's answers.
pub(super) fn write(page: &mut Page, route: &Route) {
    let freed = released(&route.settling);
    if !route.release_when.is_empty() {
        let words: Vec<String> = route.release_when.iter().map(ToString::to_string).collect();
        page.row("its own word", &format!("{}, with any status: {freed}", words.join(", or ")));
    }
    page.row("not executed", &statuses(route.outcomes.release(), freed));
    page.row("unknown", &statuses(route.outcomes.unknown(), &unknown(route)));
    page.row(
        "any other status",
        match route.outcomes.meaning(500) {
            Meaning::Completed => "stored and replayed, 500 included",
            Meaning::Released | Meaning::Unknown => "stored and replayed",
        },
    );
    let entries = route.outcomes.release().iter().chain(route.outcomes.unknown());
    if entries.clone().any(|entry| matches!(entry, Statuses::Class(_))) {
        page.row("", "A status that is listed itself counts before its class.");
    }
}

fn released(settling: &Settling) -> &'static str {
    match settling {
        Settling::Marker(_) => "fenced at once, and if the fence is first the key is free again for a retry",
        Settling::Hold | Settling::Retry(_) | Settling::Probe(_) => "the key is free again for a retry",
    }
}

fn unknown(route: &Route) -> String {
    let answer = match route.unknown_answers {
        UnknownAnswers::Pass => "passed on once, then",
        UnknownAnswers::Problem => "answered outcome-unknown, and",
    };
    let then = match route.settling {
        Settling::Hold => "held as unknown",
        Settling::Retry(_) | Settling::Probe(_) | Settling::Marker(_) => "treated as a lost answer",
    };
    format!("{answer} {then}")
}

fn statuses(statuses: &[Statuses], meaning: &str) -> String {
    let list: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [] => "no status of the upstream says so".into(),
        list => format!("{}: {meaning}", list.join(", ")),
    }
}
