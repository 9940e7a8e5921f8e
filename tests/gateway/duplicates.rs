//! Concurrent duplicates, in numbers.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::harness::{Gateway, Settings, Upstream, post};

const ROUNDS: usize = 50;
const DUPLICATES: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_duplicates_run_once_fifty_times_over() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for round in 1..=ROUNDS {
        let mut attempts = JoinSet::new();
        for _ in 0..DUPLICATES {
            let address = gateway.address;
            attempts.spawn(async move { post(address, "/v1/charges", &format!("round-{round}"), "a").await });
        }
        let answers = attempts.join_all().await;
        assert_eq!(upstream.executions(), round, "executions after round {round}");
        let told: BTreeSet<_> = answers.iter().map(|answer| (answer.status, answer.body.clone())).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(answers[0].status, 201);
        let first = answers.iter().filter(|answer| !answer.is_replay()).count();
        assert_eq!(first, 1, "first answers in round {round}");
    }
}
