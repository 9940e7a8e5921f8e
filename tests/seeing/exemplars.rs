//! From a bucket of a duration to the trace of a request in it, also in a build that makes no spans.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::{Gateway, Settings, Upstream, request};
use crate::prometheus::Prometheus;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const LATER: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "00f067aa0ba902b7";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
/// The longest time until Prometheus has scraped.
const PATIENCE: Duration = Duration::from_secs(60);

fn parent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{SPAN}-{flags}")
}

/// Sends a payment with these values of `traceparent`. Returns its status.
async fn pay(gateway: &Gateway, key: &str, parents: &[&str]) -> u16 {
    let mut headers = vec![("idempotency-key", key)];
    headers.extend(parents.iter().map(|parent| ("traceparent", *parent)));
    request(gateway.address, "POST", "/v1/charges", &headers, "a").await.status
}

/// Returns the samples with an exemplar, each split into the sample and its exemplar.
async fn exemplars(gateway: &Gateway) -> Vec<(String, String)> {
    let accept = [("accept", OPEN_METRICS)];
    let open = request(gateway.admin, "GET", "/metrics", &accept, "").await;
    assert!(open.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    let split =
        |line: &str| line.split_once(" # ").map(|(sample, exemplar)| (sample.into(), exemplar.into()));
    open.text().lines().filter(|line| !line.starts_with('#')).filter_map(split).collect()
}

/// Checks that one bucket of this family has this exemplar.
#[track_caller]
fn assert_named(exemplars: &[(String, String)], family: &str, labels: &str, trace: &str) {
    let of_family = |sample: &str| sample.starts_with(family) && sample.contains(labels);
    let named: Vec<_> = exemplars.iter().filter(|(sample, _)| of_family(sample)).collect();
    assert_eq!(named.len(), 1, "{family} {labels} in {exemplars:?}");
    let (sample, exemplar) = named[0];
    let numbers = exemplar.strip_prefix(&format!("{{trace_id=\"{trace}\"}} "));
    let numbers = numbers.unwrap_or_else(|| panic!("{trace} is not in {exemplar}"));
    let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
    assert!(sample.starts_with(&format!("{family}_bucket{{le=\"")), "{sample}");
    let bound = sample.split('"').nth(1).expect("a bound").parse().unwrap_or(f64::INFINITY);
    let [seconds, at] = numbers[..] else { panic!("a duration and a time: {exemplar}") };
    assert!(seconds <= bound && at > 1e9, "{sample} {exemplar}");
}

#[tokio::test]
async fn a_bucket_names_the_trace_of_the_last_sampled_request_in_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let sampled = parent(TRACE, "01");
    let (unsampled, upper) = (parent(TRACE, "00"), parent(&TRACE.to_uppercase(), "01"));
    for (key, parents) in [
        ("k-1", &[][..]),
        ("k-2", &[&*unsampled]),
        ("k-3", &[&*upper]),
        ("k-4", &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
        ("k-5", &[&*sampled, &*sampled]),
    ] {
        assert_eq!(pay(&gateway, key, parents).await, 201);
        assert_eq!(exemplars(&gateway).await, [], "{parents:?}");
    }

    assert_eq!(pay(&gateway, "k-6", &[&*sampled]).await, 201);
    let first = exemplars(&gateway).await;
    assert_named(&first, "oncegate_request_duration_seconds", "outcome=\"completed\"", TRACE);
    assert_named(&first, "oncegate_upstream_duration_seconds", "route=\"pay\"", TRACE);
    assert_named(&first, "oncegate_added_duration_seconds", "route=\"pay\"", TRACE);
    assert_eq!(first.len(), 3, "{first:?}");
    // A replay calls no upstream. Its trace is the one of the retry.
    assert_eq!(pay(&gateway, "k-6", &[&*parent(LATER, "01")]).await, 201);
    let later = exemplars(&gateway).await;
    assert_named(&later, "oncegate_request_duration_seconds", "outcome=\"completed\"", TRACE);
    assert_named(&later, "oncegate_upstream_duration_seconds", "route=\"pay\"", TRACE);
    assert_named(&later, "oncegate_added_duration_seconds", "route=\"pay\"", TRACE);
    assert_named(&later, "oncegate_request_duration_seconds", "outcome=\"replayed\"", LATER);
    assert_eq!(later.len(), 4, "{later:?}");
    // The older format has no exemplars.
    let text = gateway.admin_get("/metrics").await;
    assert!(text.text().contains("oncegate_request_duration_seconds_bucket"), "{}", text.text());
    assert!(!text.text().contains("trace_id") && !text.text().contains(" # "), "{}", text.text());
}

#[tokio::test]
async fn a_real_prometheus_keeps_the_trace_of_a_bucket() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(pay(&gateway, "k-1", &[&*parent(TRACE, "01")]).await, 201);
    let prometheus = Prometheus::watching(&[gateway.admin]).await;
    let until = Instant::now() + PATIENCE;
    for family in ["request", "upstream", "added"] {
        let query = format!("oncegate_{family}_duration_seconds_bucket{{route=\"pay\"}}");
        let series = loop {
            let found = prometheus.exemplars(&query).await;
            if !found.is_empty() {
                break found;
            }
            assert!(Instant::now() < until, "{query}: {:?}", prometheus.scrape_errors().await);
            sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(series.len(), 1, "{series:?}");
        let kept = series[0]["exemplars"].as_array().expect("a list");
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0]["labels"], serde_json::json!({ "trace_id": TRACE }));
    }
    assert_eq!(prometheus.scrape_errors().await, [""]);
}
