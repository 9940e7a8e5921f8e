//! The window of the upstream's keys, in real time: an API that forgets its keys after [`LIFE`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::api::{Api, Keys, Plan, Protection};
use crate::client::{End, is_stored};
use crate::policy::keys_lines;
use crate::store::{Kind, Store};
use crate::world::{Options, World};

/// The time after which the API has forgotten a key.
const LIFE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// A world with one operation that was charged and has lost its answer.
struct Lost {
    world: World,
    api: Arc<Api>,
    /// Time just before the first request was sent.
    began: Instant,
}

impl Lost {
    async fn under(window: Duration, store: Kind, more: &str) -> Self {
        let lost_first = |call: &crate::api::Call| match call.number {
            1 => Plan::ANSWER_LOST,
            _ => Plan::CHARGE,
        };
        let api = Api::start(Protection::Keys(Keys::living(LIFE)), lost_first).await;
        let route = format!("lease = \"500ms\"\n{}\n{more}", keys_lines(window));
        let store = Store::of(store).await;
        let options = Options::default();
        let world = World::with_route(Arc::clone(&api), store, None, &route, options).await;
        let began = Instant::now();
        let told = world.client("key").attempt(0).await.expect("an answer");
        told.problem(504, "outcome-unknown", "unknown", "same-key");
        Self { world, api, began }
    }

    async fn charges(&self) -> usize {
        self.api.effects().await.len()
    }

    /// Lets the client come back this long after its first request.
    async fn comes_back_after(&self, time: Duration) -> End {
        sleep_until(self.began + time).await;
        self.world.client("key").run(1, SECOND).await.end
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_before_the_keys_end_there_is_one_charge_and_an_answer() {
    for store in [Kind::Postgres, Kind::Redis] {
        let lost = Lost::under(LIFE, store, "").await;
        let End::Response(answer) = lost.comes_back_after(LIFE - SECOND).await else { panic!("no response") };
        assert!(is_stored(&answer) && answer.status == 201, "{answer:?}");
        assert_eq!((lost.charges().await, lost.api.calls().len()), (1, 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_after_the_keys_ended_the_outcome_is_held() {
    for store in [Kind::Postgres, Kind::Redis] {
        let lost = Lost::under(LIFE, store, "").await;
        let End::Refused(answer) = lost.comes_back_after(LIFE + SECOND).await else { panic!("a response") };
        answer.problem(409, "outcome-unknown", "unknown", "never");
        assert_eq!((lost.charges().await, lost.api.calls().len()), (1, 1));
    }
}

/// The harness sees a double where there is one: the promise has a condition, and here it does not hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_window_longer_than_the_keys_live_there_are_two_charges() {
    let lost = Lost::under(4 * LIFE, Kind::Redis, "").await;
    let End::Response(_) = lost.comes_back_after(LIFE + SECOND).await else { panic!("no response") };
    assert_eq!((lost.charges().await, lost.api.calls().len()), (2, 2));
}

/// The gateways that could send the kept request are away until its time is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_come_back_too_late_send_no_kept_request() {
    let mut lost = Lost::under(LIFE, Kind::Redis, "keep_request = true").await;
    for gateway in 0..2 {
        lost.world.kill(gateway).await;
    }
    let sent = lost.api.calls().len();
    sleep_until(lost.began + LIFE + SECOND).await;
    for gateway in 0..2 {
        lost.world.start_again(gateway).await;
    }
    let End::Refused(answer) = lost.comes_back_after(LIFE + 4 * SECOND).await else { panic!("a response") };
    answer.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!((lost.charges().await, lost.api.calls().len()), (1, sent));
    assert_eq!(sent, 1, "the gateways were killed too late for this test");
}
