//! Health and metrics.

use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{Request, StatusCode};
use oncegate::protocol::Reason;
use oncegate::store::{Stopped, StoreError};
use serde_json::json;

use crate::faulty::Fault;
use crate::world::{Answer, World};

const UNAVAILABLE: &str = "urn:oncegate:problem:store-unavailable";

#[tokio::test]
async fn alive_and_ready_are_two_things() {
    let world = World::start().await;
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(world.get("/readyz").await.json(), json!({ "ready": true, "status": "ready" }));

    world.store.fails_with(Fault::Everything(StoreError::Unavailable("disk full".into())));
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    let detail = world.get("/readyz").await.problem(503, UNAVAILABLE);
    assert!(detail.contains("disk full"), "{detail}");
}

/// Such a gateway can still replay, and replays are useful. Load balancers should therefore keep it.
#[tokio::test]
async fn a_gateway_whose_claims_are_stopped_is_ready_and_says_so() {
    let world = World::start().await;
    world.store.stop(Stopped::LostData);
    let answer = world.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::OK);
    let shown = answer.json();
    assert_eq!((&shown["ready"], &shown["claims"]), (&json!(true), &json!("stopped")));
    assert_eq!(shown["reason"], "lost-data");
}

#[tokio::test]
async fn a_store_that_stays_silent_is_not_ready() {
    let world = World::start().await;
    world.store.fails_with(Fault::Silence);
    let detail = world.get("/readyz").await.problem(503, UNAVAILABLE);
    assert!(detail.contains("no answer within"), "{detail}");
}

#[tokio::test]
async fn a_gateway_that_drains_is_not_ready_but_alive() {
    let world = World::start().await;
    world.draining.cancel();
    world.get("/readyz").await.problem(503, "urn:oncegate:problem:shutting-down");
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_have_exactly_the_names_of_the_contract() {
    let world = World::start().await;
    let answer = scrape(&world, Some("application/openmetrics-text;version=1.0.0")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let content_type = &answer.headers[CONTENT_TYPE];
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let mut families: Vec<_> =
        answer.text().lines().filter_map(|line| line.strip_prefix("# TYPE oncegate_")).collect();
    families.sort_unstable();
    assert_eq!(
        families,
        [
            "added_duration_seconds histogram",
            "bypassed counter",
            "claims_stopped gauge",
            "config_info gauge",
            "config_loaded_timestamp_seconds gauge",
            "duplicate_age_seconds histogram",
            "duplicates counter",
            "executions counter",
            "executions_in_flight gauge",
            "last_reload_successful gauge",
            "log_lines_dropped counter",
            "notifications counter",
            "oldest_unknown_seconds gauge",
            "ready gauge",
            "reloads counter",
            "request_duration_seconds histogram",
            "requests counter",
            "settle_answers counter",
            "settle_duration_seconds histogram",
            "settled counter",
            "settling_gave_up counter",
            "spans_dropped counter",
            "store_duration_seconds histogram",
            "store_errors counter",
            "tls_failures counter",
            "unknown counter",
            "unknown_records gauge",
            "unreadable_records counter",
            "upstream_duration_seconds histogram",
        ]
    );
    assert!(answer.text().ends_with("# EOF\n"));
}

async fn scrape(world: &World, accept: Option<&str>) -> Answer {
    let request = Request::get(world.url("/metrics"));
    let request = match accept {
        Some(accept) => request.header(ACCEPT, accept),
        None => request,
    };
    world.send(request, "").await
}

/// Reads the text by the rules of version 0.0.4 of the format: each family has at most one HELP and one TYPE
/// line. These lines come before its samples and carry the name that the samples have.
fn read_as_text(text: &str) -> Vec<(String, f64)> {
    let (mut kinds, mut samples) = (Vec::<(String, String)>::new(), Vec::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').expect("a keyword and a name");
            let (name, rest) = rest.split_once(' ').expect("a name and a text");
            match keyword {
                "HELP" => {}
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    assert!(kinds.iter().all(|(known, _)| known != name), "{line}: twice");
                    kinds.push((name.to_owned(), rest.to_owned()));
                }
                _ => panic!("{line}: nothing that this format has"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        let (family, kind) = kinds.last().expect("a TYPE line before");
        let ends: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(ends.iter().any(|end| name == format!("{family}{end}")), "{line} below {family}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        samples.push((series.to_owned(), value.parse().expect("a number")));
    }
    samples
}

#[tokio::test]
async fn metrics_come_as_a_scraper_asks_for_them() {
    let world = World::start().await;
    world.metrics.request("pay", "completed", Duration::from_millis(1), None);
    world.metrics.upstream_call("pay", Duration::from_millis(700), None);
    world.metrics.became_unknown("pay", Reason::Status(503));
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let open = scrape(&world, Some(prometheus)).await;
    assert_eq!(open.headers[CONTENT_TYPE], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("# EOF\n"));
    for accept in
        [None, Some("text/plain"), Some("*/*"), Some("image/png"), Some("text/plain;version=0.0.4;q=0.3")]
    {
        let text = scrape(&world, accept).await;
        assert_eq!(text.headers[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8", "{accept:?}");
        assert_eq!(text.headers[VARY], "Accept");
        let samples = read_as_text(text.text());
        let in_both = open.text().lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples.len(), in_both);
        let unknown = "oncegate_unknown_total{route=\"pay\",reason=\"status-503\"}";
        assert!(samples.iter().any(|(series, value)| series == unknown && *value == 1.0), "{}", text.text());
    }
}

/// With a cached answer, a load balancer would send payments to a gateway that is gone.
#[tokio::test]
async fn no_cache_may_keep_what_is_true_now() {
    let world = World::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/records", "/v1/nothing", "/nothing"] {
        assert_eq!(world.get(path).await.headers[CACHE_CONTROL], "no-store", "{path}");
    }
    world.draining.cancel();
    assert_eq!(world.get("/readyz").await.headers[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn every_request_is_counted_under_its_outcome() {
    let world = World::start().await;
    world.metrics.request("pay", "completed", Duration::from_millis(1), None);
    world.metrics.request("", "no-route", Duration::from_millis(1), None);
    let answer = world.get("/metrics").await;
    for sample in [
        "oncegate_requests_total{route=\"pay\",outcome=\"completed\"} 1",
        "oncegate_requests_total{route=\"\",outcome=\"no-route\"} 1",
    ] {
        assert!(answer.text().lines().any(|line| line == sample), "{sample} in\n{}", answer.text());
    }
}

#[tokio::test]
async fn the_store_is_measured_by_primitive() {
    let world = World::start().await;
    world.completed("k-1", StatusCode::CREATED, "paid").await;
    world.get("/v1/records").await.json();
    world.ledger.sweep().await.expect("the store answers");
    let text = world.metrics.encode();
    for (op, calls) in [("claim", 1), ("compare_and_set", 1), ("read", 1), ("page", 1), ("due", 1)] {
        let sample = format!("oncegate_store_duration_seconds_count{{op=\"{op}\"}} {calls}");
        assert!(text.lines().any(|line| line == sample), "{sample} in\n{text}");
        let sample = format!("oncegate_store_errors_total{{op=\"{op}\"}} 0");
        assert!(text.lines().any(|line| line == sample), "{sample} in\n{text}");
    }
}

/// The ledger drops the future of the call at its deadline. The metrics must still count such a call.
#[tokio::test]
async fn a_store_call_that_is_given_up_counts_as_failed() {
    let world = World::start().await;
    world.store.fails_with(Fault::Silence);
    world.get("/v1/records").await.problem(503, UNAVAILABLE);
    let text = world.metrics.encode();
    assert!(text.lines().any(|line| line == "oncegate_store_errors_total{op=\"page\"} 1"), "{text}");
    assert!(
        text.lines().any(|line| line == "oncegate_store_duration_seconds_count{op=\"page\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_an_alert_and_a_problem_that_names_it() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    world.store.fails_with(Fault::Everything(StoreError::Unreadable { id, cause: "version 9".into() }));
    let answer = world.get(&format!("/v1/records/{id}")).await;
    let detail = answer.problem(500, "urn:oncegate:problem:record-unreadable");
    assert!(detail.contains(&id.to_string()), "{detail}");
    let text = world.metrics.encode();
    assert!(text.lines().any(|line| line == "oncegate_unreadable_records_total 1"), "{text}");
}
