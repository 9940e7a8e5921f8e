//! The list of statuses with which an upstream may speak of its key, and not of the operation.

use http::Response;
use http_body_util::Full;

use crate::harness::{Gateway, Settings, Upstream, post};

/// Makes an attempt whose answer is lost, and two more that the upstream answers with 418 and 409.
async fn answers(undecided: &str) -> [(u16, Option<String>, bool); 3] {
    let upstream = Upstream::answering(|seen| {
        let status = [201, 418, 409][(seen.number - 1).min(2)];
        Response::builder().status(status).body(Full::from("{}")).expect("a response")
    })
    .await;
    let keys = format!("on_unknown = \"retry\"\nupstream_keys = {{ window = \"1h\"{undecided} }}");
    let settings = Settings::route(&keys).upstream("response_timeout = \"300ms\"");
    let gateway = Gateway::start(&upstream, settings).await;
    upstream.hold();
    post(gateway.address, "/v1/charges", "k", "{}").await.problem(
        504,
        "outcome-unknown",
        "unknown",
        "same-key",
    );
    upstream.let_go();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = post(gateway.address, "/v1/charges", "k", "{}").await;
        let outcome = answer.header("idempotency-outcome").map(str::to_owned);
        answers.push((answer.status, outcome, answer.is_replay()));
    }
    answers.try_into().expect("three")
}

#[tokio::test]
async fn a_status_of_the_list_decides_nothing_and_another_one_is_the_answer() {
    let unknown = || Some("unknown".to_owned());
    let own = answers(", undecided = [418]").await;
    assert_eq!(own, [(418, unknown(), false), (409, None, false), (409, None, true)]);
    let default = answers("").await;
    assert_eq!(default, [(418, None, false), (418, None, true), (418, None, true)]);
    let empty = answers(", undecided = []").await;
    assert_eq!(empty, [(418, None, false), (418, None, true), (418, None, true)]);
    let both = answers(", undecided = [409, 418]").await;
    assert_eq!(both, [(418, unknown(), false), (409, unknown(), false), (409, unknown(), false)]);
}
