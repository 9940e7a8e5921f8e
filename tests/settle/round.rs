//! One round by a seed: a few operations, one fault of the gateways or of the wires, and faults of the API.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::api::{Call, Pause, Plan, Point};
use crate::check;
use crate::client::Told;
use crate::policy::{DEADLINE, LEASE, Policy, api};
use crate::random::Random;
use crate::servers::proxy::Wire;
use crate::store::{Kind, Store};
use crate::world::{Options, World};

/// Operations of a round.
pub const OPERATIONS: usize = 3;
/// The longest time that a client repeats its request.
const LIMIT: Duration = Duration::from_secs(40);

/// The longest wait for an answer of a store that loses replies.
const STORE_TIMEOUT: Duration = Duration::from_millis(700);
/// The longest wait for an execution of the first gateway.
const AT_STEP: Duration = Duration::from_secs(5);

/// A round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub seed: u64,
    pub policy: Policy,
    pub store: Kind,
}

/// A step of an execution at which its gateway is killed or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    AfterClaim,
    BeforeSend,
    Received,
    /// Before the upstream's commit.
    Written,
    /// After the upstream's commit.
    Committed,
    AfterResponse,
    AfterComplete,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::AfterClaim,
        Self::BeforeSend,
        Self::Received,
        Self::Written,
        Self::Committed,
        Self::AfterResponse,
        Self::AfterComplete,
    ];

    /// Returns the failpoint of the gateway at this step, or the point of the API.
    fn place(self) -> Result<&'static str, Point> {
        match self {
            Self::AfterClaim => Ok("after-claim"),
            Self::BeforeSend => Ok("before-send"),
            Self::AfterResponse => Ok("after-response"),
            Self::AfterComplete => Ok("after-complete"),
            Self::Received => Err(Point::Received),
            Self::Written => Err(Point::Written),
            Self::Committed => Err(Point::Committed),
        }
    }
}

/// The fault of a round, beside those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// SIGKILL of the first gateway at a step.
    Kill(Step),
    /// SIGSTOP of the first gateway at a step, for this time.
    Stop(Step, Duration),
    /// The store loses everything while gateways run, after this time.
    Wipe(Duration),
    /// SIGKILL of all gateways after this time. The store loses everything before they start again.
    WipeStopped(Duration),
    /// The store's replies are lost for the first gateway, after one time and for another.
    StoreReplies(Wire, Duration, Duration),
    /// The marker table's replies are lost, after one time and for another.
    MarkerReplies(Wire, Duration, Duration),
}

/// The results of a round.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub operations: usize,
    pub unknowns: usize,
    /// Settled outcomes, by the evidence and the outcome.
    pub settled: BTreeMap<String, usize>,
    /// Operations that ended as refused, not with a response.
    pub held: usize,
    /// Charges beyond the first one of an operation.
    pub doubles: usize,
    /// Charges beyond the first one that are outside of the promise: a late request under a probe.
    pub late: usize,
    /// Broken promises.
    pub broken: Vec<String>,
}

impl Round {
    fn random(&self) -> Random {
        Random::of(self.seed).part(&format!("{:?} {:?}", self.policy, self.store))
    }

    /// Draws the fault of this round.
    pub fn fault(&self) -> Fault {
        let mut random = self.random().part("fault");
        let soon = Duration::from_millis(random.below(900));
        let short = Duration::from_millis(random.between(200, 1200));
        let wire = random.pick(&[Wire::Mute, Wire::Lose, Wire::Closed]);
        let step = random.pick(&Step::ALL);
        let stopped = DEADLINE + Duration::from_millis(random.below(1500));
        let alone = self.store == Kind::Embedded;
        loop {
            return match random.below(12) {
                0..=3 => Fault::Kill(step),
                4..=6 => Fault::Stop(step, stopped),
                7 if self.policy == Policy::Marker && !alone => Fault::Wipe(soon),
                8 if self.policy == Policy::Marker && !alone => Fault::WipeStopped(soon),
                9 if !alone => Fault::StoreReplies(wire, soon, short),
                10 if self.policy == Policy::Marker => Fault::MarkerReplies(wire, soon + LEASE, short),
                11 => Fault::None,
                _ => continue,
            };
        }
    }

    /// Returns whether the API fills the response of its marker rows.
    pub fn row_has_response(&self) -> bool {
        !self.random().part("row").percent(20)
    }

    /// Runs the round and checks every promise.
    pub async fn run(self) -> Report {
        let fault = self.fault();
        let random = self.random();
        let policy = self.policy;
        let api = api(policy, self.row_has_response(), move |call| plan(&random, policy, call)).await;
        let gateways = if self.store == Kind::Embedded { 1 } else { 2 };
        let options = Options {
            gateways,
            failpoint: fault.failpoint(),
            store_timeout: STORE_TIMEOUT,
            ..Options::default()
        };
        let mut world = World::start(policy, api, Store::of(self.store).await, options).await;
        let clients = self.clients(&world);
        world.suffer(fault).await;
        let told = clients.join_all().await;
        check::round(&self, &world, told).await
    }

    /// Starts the clients: one or two for each operation.
    fn clients(&self, world: &World) -> JoinSet<(String, Told)> {
        let mut random = self.random().part("clients");
        let mut clients = JoinSet::new();
        for number in 0..OPERATIONS {
            let key = format!("key-{number}");
            for duplicate in 0..=random.below(2) {
                let (client, first) = (world.client(&key), random.below(2) as usize * duplicate as usize);
                let after = Duration::from_millis(random.below(400) * (number as u64 + duplicate));
                clients.spawn(async move {
                    sleep(after).await;
                    (client.key.clone(), client.run(first, LIMIT).await)
                });
            }
        }
        clients
    }
}

impl Fault {
    /// Returns the failpoint with which the first gateway starts.
    fn failpoint(self) -> Option<String> {
        match self {
            Self::Kill(step) => step.place().ok().map(str::to_owned),
            Self::Stop(step, _) => step.place().ok().map(|failpoint| format!("stop-{failpoint}")),
            _ => None,
        }
    }
}

impl World {
    /// Lets a fault happen, to its end.
    async fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::None => {}
            Fault::Kill(step) => {
                self.at(step).await;
                self.kill(0).await;
                self.start_again(0).await;
            }
            Fault::Stop(step, time) => {
                self.at(step).await;
                if step.place().is_err() {
                    self.fleet[0].freeze().await;
                }
                sleep(time).await;
                self.continued = Some(Instant::now());
                self.fleet[0].thaw().await;
            }
            Fault::Wipe(after) => {
                sleep(after).await;
                self.store.wipe().await;
            }
            Fault::WipeStopped(after) => {
                sleep(after).await;
                for number in 0..self.fleet.len() {
                    self.kill(number).await;
                }
                self.store.wipe().await;
                for number in 0..self.fleet.len() {
                    self.start_again(number).await;
                }
            }
            Fault::StoreReplies(wire, after, time) => {
                lose_replies(self.store_wire.as_ref(), wire, after, time).await;
            }
            Fault::MarkerReplies(wire, after, time) => {
                lose_replies(self.marker_wire.as_ref(), wire, after, time).await;
            }
        }
    }

    /// Waits until an execution is at a step.
    async fn at(&self, step: Step) {
        match step.place() {
            // The other gateway may have been faster with every operation.
            Ok(failpoint) => {
                let there = format!("failpoint {failpoint}");
                drop(timeout(AT_STEP, self.fleet[0].logs(&there)).await);
            }
            Err(point) => self.api.reached(point, 1).await,
        }
    }
}

async fn lose_replies(
    on: Option<&crate::servers::proxy::Proxy>,
    wire: Wire,
    after: Duration,
    time: Duration,
) {
    let proxy = on.expect("a server behind a wire");
    sleep(after).await;
    proxy.set(wire);
    sleep(time).await;
    // Requests without an answer would hang in their connections for ever, as behind a broken router.
    proxy.set(Wire::Closed);
    sleep(Duration::from_millis(20)).await;
    proxy.set(Wire::Whole);
}

/// Chooses the treatment of a request. The first two of an operation may fail.
fn plan(random: &Random, policy: Policy, call: &Call) -> Plan {
    let mut random = random.part(&format!("{} {}", call.key, call.number));
    if call.number > 2 || random.percent(40) {
        return Plan::CHARGE;
    }
    let within = Pause::For(Duration::from_millis(random.between(100, 1100)));
    let beyond = Pause::For(Duration::from_millis(random.between(1500, 3500)));
    loop {
        return match random.below(9) {
            0 => Plan::NEVER_ARRIVED,
            1 => Plan::ANSWER_LOST,
            2 => Plan::CHARGE.committed(within),
            3 => Plan::CHARGE.received(within),
            // An upstream that acts after its execution was declared not executed. A probe cannot know.
            4 if policy != Policy::Probe => Plan::CHARGE.received(beyond),
            5 if policy == Policy::Marker => Plan::CHARGE.written(beyond),
            6 => Plan::refuse(503),
            7 => Plan::charge_but_say(504),
            8 => Plan::refuse(429),
            _ => continue,
        };
    }
}
