//! The promises of each policy, checked after a round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::{Call, Effect, Point, Reply};
use crate::client::{End, Told, is_stored};
use crate::harness::Answer;
use crate::policy::{DEADLINE, NOT_BEFORE, Policy};
use crate::round::{Report, Round};
use crate::world::World;

/// The longest time for a last attempt.
const LIMIT: Duration = Duration::from_secs(20);
/// The time that a busy machine may take from a claim to the upstream.
const SLACK: Duration = Duration::from_millis(300);

/// Checks a round after its clients and its fault have ended.
pub async fn round(round: &Round, world: &World, told: Vec<(String, Told)>) -> Report {
    let mut report = Report::default();
    let ending = if round.policy.settles_alone() { &["running", "unknown"][..] } else { &["running"] };
    report.broken.extend(world.leaves(ending).await.err());
    let mut by_key = BTreeMap::<String, Vec<Told>>::new();
    for (key, told) in told {
        by_key.entry(key).or_default().push(told);
    }
    let mut ended = BTreeMap::new();
    for (key, mut told) in by_key {
        report.operations += 1;
        for number in 0..world.fleet.len() {
            told.push(world.client(&key).run(number, LIMIT).await);
        }
        ended.insert(key, told);
    }
    // A request that is paused in the API may still charge.
    world.api.reached(Point::Done, world.api.calls().len()).await;
    for (key, told) in ended {
        operation(round, world, &key, &told, &mut report).await;
    }
    report.broken.extend(world.leaves(ending).await.err());
    report.broken.extend(strange_requests(&world.api.calls()));
    if round.policy == Policy::Probe {
        report.broken.extend(early_reruns(world));
    }
    report.settled = world.settled().await;
    let logs = world.logs();
    report.unknowns = logs.matches("the outcome is unknown").count();
    if !report.broken.is_empty() && std::env::var_os("ONCEGATE_SHOW_LOGS").is_some() {
        eprintln!("{round:?} {:?}\n{logs}\n{:#?}", round.fault(), world.api.calls());
    }
    report
}

/// Checks one operation: its charges, and everything that its clients were told.
async fn operation(round: &Round, world: &World, key: &str, told: &[Told], report: &mut Report) {
    let effects = world.api.effects_of(key).await;
    let doubles = effects.len().saturating_sub(1);
    if doubles > 0 && only_late(round, world, &effects) {
        report.late += doubles;
    } else if doubles > 0 {
        report.doubles += doubles;
        report.broken.push(format!("{key} was charged {} times: {effects:?}", effects.len()));
    }
    let stored: BTreeSet<(u16, Vec<u8>)> =
        told.iter().flat_map(Told::stored).map(|answer| (answer.status, answer.body.clone())).collect();
    if stored.len() > 1 {
        report.broken.push(format!("{key} has several responses: {stored:?}"));
    }
    for answer in told.iter().flat_map(Told::stored) {
        let charge = answer.json()["charge"].as_i64();
        if !effects.iter().any(|effect| Some(effect.charge) == charge) {
            report.broken.push(format!("{key} was answered {answer:?}, and the ledger has {effects:?}"));
        }
    }
    for told in &told[told.len() - 1..] {
        match &told.end {
            End::Response(answer) if is_stored(answer) && !effects.is_empty() => {}
            End::Refused(answer) if may_be_refused(round, answer, &effects) => report.held += 1,
            end => report.broken.push(format!("{key} ends with {end:?}; charges: {effects:?}")),
        }
    }
}

/// Tells whether an operation may end without its response: its charge is known, and its marker row has no
/// response.
fn may_be_refused(round: &Round, answer: &Answer, effects: &[Effect]) -> bool {
    let slug = answer.json()["type"].as_str().unwrap_or_default().to_owned();
    let without = round.policy == Policy::Marker && !round.row_has_response();
    without && slug.ends_with(":outcome-settled") && effects.len() == 1
}

/// Finds requests of one operation that differ.
fn strange_requests(calls: &[Call]) -> Option<String> {
    let mut bodies = BTreeMap::<&str, BTreeSet<&[u8]>>::new();
    for call in calls {
        bodies.entry(&call.key).or_default().insert(&call.body);
    }
    let strange = bodies.iter().find(|(_, bodies)| bodies.len() > 1);
    strange.map(|(key, bodies)| format!("{key} was sent with several bodies: {bodies:?}"))
}

/// Finds executions that began before the deadline of an undecided earlier one, or before a probe may be
/// believed.
fn early_reruns(world: &World) -> Option<String> {
    let calls = world.api.calls();
    let least = DEADLINE + NOT_BEFORE - SLACK;
    calls.iter().find_map(|call| {
        let undecided =
            |earlier: &&Call| earlier.plan.reply != Reply::Status(429) && !is_late(world, earlier);
        let earlier = calls.iter().filter(|earlier| earlier.key == call.key && earlier.n() < call.n());
        let earlier = earlier.filter(undecided);
        let soonest = earlier.map(|earlier| call.at - earlier.at).min()?;
        (soonest < least).then(|| format!("{} ran {soonest:?} after the execution before it", call.execution))
    })
}

/// Tells whether a gateway sent this request at the moment at which it went on after a stop: between its last
/// look at the lease and the first byte it was stopped. No gateway can exclude that, and no probe can see it.
fn is_late(world: &World, call: &Call) -> bool {
    let moment = Duration::from_millis(500);
    world.continued.is_some_and(|at| call.at + SLACK >= at && call.at <= at + moment)
}

/// Tells whether each charge beyond one came from a late request, which the policy of the round does not
/// catch.
fn only_late(round: &Round, world: &World, effects: &[Effect]) -> bool {
    let calls = world.api.calls();
    let late = |effect: &&Effect| {
        calls.iter().any(|call| call.execution == effect.execution && is_late(world, call))
    };
    round.policy == Policy::Probe && effects.iter().filter(late).count() + 1 >= effects.len()
}
