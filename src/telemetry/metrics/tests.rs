use super::*;

fn has(metrics: &Metrics, line: &str) -> bool {
    metrics.encode().lines().any(|shown| shown == line)
}

#[test]
fn every_family_is_described_before_anything_was_counted() {
    let text = Metrics::new().encode();
    for family in [
        "requests counter",
        "request_duration_seconds histogram",
        "upstream_duration_seconds histogram",
        "added_duration_seconds histogram",
        "store_duration_seconds histogram",
        "store_errors counter",
        "executions_in_flight gauge",
        "unknown_records gauge",
        "unknown counter",
        "settle_answers counter",
        "settled counter",
        "settle_duration_seconds histogram",
        "settling_gave_up counter",
        "notifications counter",
        "reloads counter",
        "last_reload_successful gauge",
        "config_info gauge",
        "config_loaded_timestamp_seconds gauge",
        "oldest_unknown_seconds gauge",
        "tls_failures counter",
        "bypassed counter",
        "duplicates counter",
        "duplicate_age_seconds histogram",
        "unreadable_records counter",
        "log_lines_dropped counter",
        "claims_stopped gauge",
        "ready gauge",
        "spans_dropped counter",
    ] {
        assert!(text.contains(&format!("# TYPE oncegate_{family}\n")), "{family} in\n{text}");
    }
    assert!(text.contains("\noncegate_unreadable_records_total 0\n"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_reason_to_take_no_claims_is_shown_from_the_start() {
    let metrics = Metrics::new();
    let shows = |reason: &str, value: u8| {
        has(&metrics, &format!("oncegate_claims_stopped{{reason=\"{reason}\"}} {value}"))
    };
    assert!(["clock", "full", "lost-data", "not-before"].iter().all(|reason| shows(reason, 0)));
    metrics.set_claims_stopped(&[Stopped::Full, Stopped::NotBefore]);
    assert!(shows("clock", 0) && shows("full", 1) && shows("lost-data", 0) && shows("not-before", 1));
    metrics.set_claims_stopped(&[]);
    assert!(shows("full", 0) && shows("not-before", 0));
}

#[test]
fn only_the_version_in_force_is_shown() {
    let metrics = Metrics::new();
    metrics.config_loaded("9f0c2a71b3d4", 1);
    metrics.config_loaded("000000000001", 2);
    assert!(has(&metrics, "oncegate_config_info{version=\"000000000001\"} 1"));
    assert!(!metrics.encode().contains("9f0c2a71b3d4"));
}

#[test]
fn an_execution_is_in_flight_until_its_guard_is_dropped() {
    let metrics = Metrics::new();
    let first = metrics.execution_started("pay");
    let second = metrics.clone().execution_started("pay");
    assert!(has(&metrics, "oncegate_executions_in_flight{route=\"pay\"} 2"));
    drop((first, second));
    assert!(has(&metrics, "oncegate_executions_in_flight{route=\"pay\"} 0"));
}

#[test]
fn a_route_without_unknown_records_any_more_goes_to_zero() {
    let metrics = Metrics::new();
    let unknown = |records, age| Unknown { records, oldest: Duration::from_millis(age) };
    metrics
        .set_unknown(&BTreeMap::from([("pay".into(), unknown(3, 9_999)), ("refund".into(), unknown(1, 1))]));
    assert!(has(&metrics, "oncegate_oldest_unknown_seconds{route=\"pay\"} 9"));
    metrics.set_unknown(&BTreeMap::from([("refund".into(), unknown(2, 61_000))]));
    assert!(has(&metrics, "oncegate_oldest_unknown_seconds{route=\"pay\"} 0"));
    assert!(has(&metrics, "oncegate_oldest_unknown_seconds{route=\"refund\"} 61"));
    assert!(has(&metrics, "oncegate_unknown_records{route=\"pay\"} 0"));
    assert!(has(&metrics, "oncegate_unknown_records{route=\"refund\"} 2"));
}

#[test]
fn samples_carry_the_names_and_labels_of_the_contract() {
    let metrics = Metrics::new();
    metrics.request("pay", "replayed", Duration::from_millis(2), None);
    metrics.upstream_call("pay", Duration::from_millis(700), None);
    metrics.added("pay", Duration::from_micros(300), None);
    metrics.duplicate("pay", Arrival::Late, Duration::from_hours(20));
    metrics.store_calls("claim").count(Duration::from_micros(40), true);
    metrics.became_unknown("pay", Reason::Status(503));
    metrics.became_unknown("pay", Reason::LeaseOver);
    metrics.tls_failure("expired");
    for line in [
        "oncegate_requests_total{route=\"pay\",outcome=\"replayed\"} 1",
        "oncegate_request_duration_seconds_bucket{le=\"0.0025\",route=\"pay\",outcome=\"replayed\"} 1",
        "oncegate_upstream_duration_seconds_count{route=\"pay\"} 1",
        "oncegate_added_duration_seconds_bucket{le=\"0.0005\",route=\"pay\"} 1",
        "oncegate_duplicates_total{route=\"pay\",arrival=\"late\"} 1",
        "oncegate_duplicate_age_seconds_sum{route=\"pay\"} 72000.0",
        "oncegate_store_duration_seconds_count{op=\"claim\"} 1",
        "oncegate_store_errors_total{op=\"claim\"} 1",
        "oncegate_unknown_total{route=\"pay\",reason=\"status-503\"} 1",
        "oncegate_unknown_total{route=\"pay\",reason=\"lease-over\"} 1",
        "oncegate_tls_failures_total{reason=\"expired\"} 1",
    ] {
        assert!(has(&metrics, line), "{line} in\n{}", metrics.encode());
    }
}
