//! The metrics and the label values that a query names, and the queries of the dashboard.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;

/// A metric that a query names, with the label values that it asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    pub metric: String,
    /// Names and values of labels. A pattern is split at its bars.
    pub labels: Vec<(String, String)>,
}

/// Returns the selectors of Oncegate's metrics in a query.
pub fn selectors(query: &str) -> BTreeSet<Selector> {
    let starts = query.match_indices("oncegate_").map(|(at, _)| &query[at..]);
    let selector = |rest: &str| {
        let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
        let (metric, rest) = rest.split_at(end);
        let inside =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        Selector { metric: metric.to_owned(), labels: labels(inside) }
    };
    starts.map(selector).collect()
}

fn labels(inside: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for matcher in inside.split(',').filter(|matcher| !matcher.trim().is_empty()) {
        let (name, value) = matcher.split_once('=').expect("a matcher");
        let name = name.trim().trim_end_matches('!');
        let pattern = value.trim_start_matches('~').trim().trim_matches('"');
        // A variable of the dashboard stands for any value.
        let values = pattern.split('|').filter(|value| !value.starts_with('$'));
        labels.extend(values.map(|value| (name.to_owned(), value.to_owned())));
    }
    labels
}

/// A query of the dashboard.
pub struct Panel {
    pub title: String,
    pub query: String,
    pub legend: String,
}

fn dashboard() -> Value {
    serde_json::from_str(&text("config/grafana/oncegate.json")).expect("JSON")
}

/// Returns the queries of the dashboard, with the variables replaced as Grafana would.
pub fn panels() -> Vec<Panel> {
    let mut found = Vec::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let query = text(&target["expr"]).replace("$job", ".*").replace("$route", ".*");
            let query = query.replace("$__rate_interval", "1m");
            found.push(Panel { title: text(&panel["title"]), query, legend: text(&target["legendFormat"]) });
        }
    }
    found
}

/// The first row answers the first question, in the order in which a person reads it.
#[test]
fn the_dashboard_begins_with_the_question_whether_money_is_stuck() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let titles: Vec<&str> = panels.iter().filter_map(|panel| panel["title"].as_str()).take(8).collect();
    let first = [
        "Is money stuck?",
        "Unknown now",
        "Oldest unknown",
        "New in the last hour",
        "Settled without a person",
        "In flight",
        "Replays a second",
        "p99 added",
    ];
    assert_eq!(titles, first);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{}: an id of another panel", panel["title"]);
        let place = &panel["gridPos"];
        let (left, wide) = (place["x"].as_u64().expect("a place"), place["w"].as_u64().expect("a width"));
        assert!(left + wide <= 24, "{}", panel["title"]);
        assert!(panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| text.len() > 10));
    }
}

#[test]
fn selectors_are_read_with_their_labels() {
    let query = "sum(rate(oncegate_a_total{op!=\"watch\", job=~\"$job\"}[5m])) / (oncegate_b or oncegate_c{x=~\"y|z\"})";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let selector = |metric: &str, labels: Vec<_>| Selector { metric: metric.to_owned(), labels };
    let expected = [
        selector("oncegate_a_total", vec![pair("op", "watch")]),
        selector("oncegate_b", vec![]),
        selector("oncegate_c", vec![pair("x", "y"), pair("x", "z")]),
    ];
    assert_eq!(selectors(query), BTreeSet::from(expected));
}
