//! The contents of answers, logs and metrics: each execution, each record, and the time that a record is
//! kept.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::Value;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request, request_bytes};

/// Each execution has a log line and a count when it ends. The request has its own, even if its client left.
#[tokio::test]
async fn an_execution_whose_client_left_is_told_all_the_same() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let mut connection = Connection::open(gateway.address).await;
    connection.send(request_bytes("POST", "/v1/charges?secret=1", &[("idempotency-key", "k")], b"a")).await;
    upstream.reached(1).await;
    // The client leaves well after its request, like a client that gives up.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(connection);
    upstream.let_go();
    let ended: Value = serde_json::from_str(&gateway.logs("execution ended").await).expect("JSON");
    assert_eq!((&ended["outcome"], &ended["status"]), (&"completed".into(), &201.into()), "{ended}");
    assert_eq!((&ended["method"], &ended["path"]), (&"POST".into(), &"/v1/charges".into()), "{ended}");
    let left: Value = serde_json::from_str(&gateway.logs("client-left").await).expect("JSON");
    assert_eq!(left["record"], ended["record"], "{left}");
    assert_eq!((&left["method"], &left["path"]), (&"POST".into(), &"/v1/charges".into()), "{left}");
    assert_eq!(left["client"], "127.0.0.1", "{left}");
    let metrics = gateway.admin_get("/metrics").await;
    for counted in [
        "oncegate_requests_total{route=\"pay\",outcome=\"client-left\"} 1\n",
        "oncegate_executions_total{route=\"pay\",outcome=\"completed\"} 1\n",
    ] {
        assert!(metrics.text().contains(counted), "{counted}: {}", metrics.text());
    }
    assert!(post(gateway.address, "/v1/charges?secret=1", "k", "a").await.is_replay());
    assert!(!gateway.log().contains("secret"));
}

#[tokio::test]
async fn times_in_the_log_have_three_decimals() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for number in 0..20 {
        post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await;
    }
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let times: Vec<String> = lines.filter_map(|line| line.get("took_ms").map(ToString::to_string)).collect();
    assert!(times.len() >= 20, "{times:?}");
    for time in times {
        let decimals = time.split('.').nth(1).map_or(0, str::len);
        assert!(decimals <= 3, "{time}");
    }
}

#[tokio::test]
async fn answers_name_their_record_and_the_end_of_their_ttl() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("ttl = \"1h\"")).await;
    let first = post(gateway.address, "/v1/charges", "k", "a").await;
    let again = post(gateway.address, "/v1/charges", "k", "a").await;
    let record = gateway.records("completed").await.remove(0);
    for answer in [&first, &again] {
        assert_eq!(answer.header("idempotency-record"), record["id"].as_str());
        let expires = answer.header("idempotency-expires").expect("an end");
        let expires = httpdate::parse_http_date(expires).expect("an HTTP date");
        let left = expires.duration_since(SystemTime::now()).expect("in the future");
        assert!((3500..=3600).contains(&left.as_secs()), "{left:?}");
    }
    let other = post(gateway.address, "/v1/charges", "k", "b").await;
    assert_eq!(other.header("idempotency-record"), record["id"].as_str());
}

#[tokio::test]
async fn an_answer_that_was_not_kept_says_how_long_that_is_remembered() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("max_response_body = \"1B\"")).await;
    let first = post(gateway.address, "/v1/charges", "k", "a").await;
    assert!(first.header("idempotency-record").is_some());
    let again = post(gateway.address, "/v1/charges", "k", "a").await;
    again.problem(410, "response-not-retained", "yes", "never");
    assert!(again.header("idempotency-expires").is_some());
}

/// Headers that belonged to the first exchange only are left out of a replay.
#[tokio::test]
async fn replays_drop_what_belongs_to_one_exchange() {
    let upstream = Upstream::answering(|_| {
        let mut response =
            Response::builder().status(201).header("x-kept", "1").header("x-request-id", "r-1");
        for name in [
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "ratelimit-remaining",
            "x-ratelimit-remaining",
            "server-timing",
            "traceresponse",
            "clear-site-data",
            "set-cookie",
            "www-authenticate",
            "authentication-info",
        ] {
            response = response.header(name, "1");
        }
        response.body(Full::new(Bytes::from("{}"))).expect("a response")
    })
    .await;
    let settings =
        "replay_drop = [\"x-request-id\"]\nreplay_headers = [\"set-cookie\", \"ratelimit-policy\"]";
    let gateway = Gateway::start(&upstream, Settings::route(settings)).await;
    let names = |answer: &crate::harness::Answer| {
        let names = answer.headers.iter().map(|(name, _)| name.clone());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("idempot")).collect();
        names.sort();
        names
    };
    let first = names(&post(gateway.address, "/v1/charges", "k", "a").await);
    assert!(first.contains(&"retry-after".into()) && first.contains(&"x-request-id".into()), "{first:?}");
    let again = names(&post(gateway.address, "/v1/charges", "k", "a").await);
    assert_eq!(again, ["content-length", "date", "ratelimit-policy", "set-cookie", "x-kept"]);
}

/// The header tells clients that repeat requests by themselves when a repetition is useless.
#[tokio::test]
async fn should_retry_is_said_of_replays_and_of_what_leaves_the_outcome_unknown() {
    let upstream = Upstream::answering(|seen| {
        let status: u16 = std::str::from_utf8(&seen.body).expect("text").parse().expect("a status");
        let response = Response::builder().status(status).header("stripe-should-retry", "true");
        response.body(Full::new(Bytes::from("{}"))).expect("a response")
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for (status, first, replay) in [
        ("201", Some("true"), None),
        ("409", Some("true"), Some("false")),
        ("500", Some("true"), Some("false")),
        ("429", Some("true"), Some("true")),
        ("503", Some("false"), Some("false")),
    ] {
        for expected in [first, replay] {
            let answer = post(gateway.address, "/v1/charges", &format!("k-{status}"), status).await;
            assert_eq!(answer.header("stripe-should-retry"), expected, "{status}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_leaves_the_outcome_unknown_can_be_told_as_a_problem() {
    let upstream = Upstream::answering(|_| {
        Response::builder().status(503).body(Full::new(Bytes::from("busy"))).expect("a response")
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::route("unknown_answers = \"problem\"")).await;
    let told = post(gateway.address, "/v1/charges", "k", "a").await;
    let members = told.problem(504, "outcome-unknown", "unknown", "never");
    assert_eq!(members["original_status"], 503);
    post(gateway.address, "/v1/charges", "k", "a").await.problem(409, "outcome-unknown", "unknown", "never");
    let refused = request(gateway.address, "POST", "/v1/charges", &[], "a").await;
    assert_eq!((refused.status, refused.text()), (503, "busy"));
}
