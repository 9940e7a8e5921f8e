//! Many unknown outcomes at once, and no client that asks again: the share that is settled by evidence, and
//! the time until then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{Act, Call, Pause, Plan, Reply};
use crate::campaign::of_env;
use crate::client::is_stored;
use crate::policy::{DEADLINE, Policy, RESPONSE_TIMEOUT, api};
use crate::random::Random;
use crate::store::{Kind, Store};
use crate::world::{Options, World};

/// The time within which an unknown outcome is to be settled, after its deadline.
const GOAL: Duration = Duration::from_secs(60);
/// Requests at the same time.
const AT_ONCE: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_unknown_outcomes_are_settled_without_a_client() {
    every_policy(40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: by hand, before a release and after a change of settling"]
async fn thousand() {
    every_policy(of_env("ONCEGATE_UNKNOWNS", 1000)).await;
}

/// Makes `count` unknown outcomes under each policy that settles alone, on each store of a fleet.
async fn every_policy(count: usize) {
    let mut table = format!("{:<30}{:<10}{HEAD}\n", "policy", "store");
    let mut missed = Vec::new();
    for policy in [Policy::Marker, Policy::Probe, Policy::KeptKeys] {
        for store in [Kind::Postgres, Kind::Redis] {
            let settled = settle(policy, store, count).await;
            writeln!(table, "{:<30}{:<10}{}", policy.name(), format!("{store:?}"), settled.line())
                .expect("a string");
            if settled.in_time() * 100 < count * 99 || settled.doubles > 0 {
                missed.push(format!("{policy:?} on {store:?}: {settled:?}"));
            }
        }
    }
    println!("{table}");
    assert!(missed.is_empty(), "{missed:#?}");
}

const HEAD: &str = "unknowns  settled in 60 s  min      median   p99      max      states";

/// The unknown outcomes of one policy on one store.
#[derive(Debug)]
struct Settled {
    unknowns: usize,
    /// Time from the deadline to the settlement of each, shortest first.
    took: Vec<Duration>,
    states: BTreeMap<String, usize>,
    doubles: usize,
    /// Settled outcomes, by the evidence and the outcome.
    by: BTreeMap<String, usize>,
}

impl Settled {
    fn in_time(&self) -> usize {
        self.took.iter().filter(|took| **took <= GOAL).count()
    }

    fn line(&self) -> String {
        let at = |share: f64| {
            let last = self.took.len().saturating_sub(1) as f64;
            self.took.get((last * share).round() as usize).map_or(f64::NAN, Duration::as_secs_f64)
        };
        format!(
            "{:>8}{:>17}  {:<9.2}{:<9.2}{:<9.2}{:<9.2}{:?} {:?}",
            self.unknowns,
            self.in_time(),
            at(0.0),
            at(0.5),
            at(0.99),
            at(1.0),
            self.states,
            self.by
        )
    }
}

async fn settle(policy: Policy, store: Kind, count: usize) -> Settled {
    let api = api(policy, true, lost).await;
    let world = World::start(policy, api, Store::of(store).await, Options::default()).await;
    let unknowns = make(&world, count).await;
    let until = Instant::now() + DEADLINE + GOAL + Duration::from_secs(5);
    let records = loop {
        let records = world.records(1, "").await;
        let open = |record: &&Value| record["state"] == "unknown" || record["state"] == "running";
        if records.iter().filter(open).count() == 0 || Instant::now() > until {
            break records;
        }
        sleep(Duration::from_millis(500)).await;
    };
    let mut states = BTreeMap::new();
    for record in &records {
        *states.entry(record["state"].as_str().expect("a state").to_owned()).or_default() += 1;
    }
    let mut took: Vec<Duration> = records.iter().filter_map(took).collect();
    took.sort();
    let effects = world.api.effects().await;
    let mut charges = BTreeMap::<&str, usize>::new();
    for effect in &effects {
        *charges.entry(&effect.key).or_default() += 1;
    }
    let doubles = charges.values().filter(|charges| **charges > 1).count();
    Settled { unknowns, took, states, doubles, by: world.settled().await }
}

/// Sends `count` requests once each. Returns how many of them have an unknown outcome.
async fn make(world: &World, count: usize) -> usize {
    let (mut clients, places) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for number in 0..count {
        let (client, places) = (world.client(&format!("key-{number}")), Arc::clone(&places));
        clients.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            client.attempt(number).await.expect("an answer")
        });
    }
    let answers = clients.join_all().await;
    let known = answers.iter().find(|answer| is_stored(answer));
    assert_eq!(known, None, "an outcome that is not unknown");
    answers.len()
}

/// The faults: charged, and the answer lost, too late or misleading; never arrived; arrived, and nothing
/// done.
fn lost(call: &Call) -> Plan {
    if call.number > 1 {
        return Plan::CHARGE;
    }
    let too_late = Pause::For(RESPONSE_TIMEOUT + Duration::from_millis(300));
    match Random::of(1).part(&call.key).below(7) {
        0 | 1 => Plan::ANSWER_LOST,
        2 => Plan::CHARGE.committed(too_late),
        3 => Plan::charge_but_say(504),
        4 => Plan::NEVER_ARRIVED,
        5 => Plan::refuse(503),
        _ => Plan { act: Act::Nothing, reply: Reply::Lost, ..Plan::CHARGE }.received(too_late),
    }
}

/// Returns the time from the deadline of a record's lost execution to its settlement, if it is settled. The
/// deadline counts from the claim: a renewal would make it later, and the time shorter.
fn took(record: &Value) -> Option<Duration> {
    let settled = ["completed", "settled", "cleared"].iter().any(|state| record["state"] == *state);
    let time = |name: &str| -> SystemTime {
        humantime::parse_rfc3339(record[name].as_str().expect("a time")).expect("a time")
    };
    let deadline = time("created_at") + DEADLINE;
    settled.then(|| time("updated_at").duration_since(deadline).unwrap_or_default())
}
