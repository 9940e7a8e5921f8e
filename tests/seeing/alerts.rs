//! The alert rules and the dashboard beside gateways in trouble, as a real Prometheus sees them.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::Fleet;
use crate::prometheus::Prometheus;
use crate::queries::{Selector, panels, selectors};
use crate::{path, rules};

/// The longest time until all alerts fire.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_alert_fires_for_its_trouble_and_each_panel_has_data() {
    let fleet = Fleet::start().await;
    let prometheus = Prometheus::watching(&fleet.admins()).await;
    let all: BTreeSet<String> = rules().into_iter().map(|rule| rule.alert).collect();
    let (mut fired, until) = (BTreeSet::new(), Instant::now() + PATIENCE);
    for round in 0.. {
        fleet.disturb(round).await;
        fired.extend(prometheus.firing().await);
        if fired == all {
            break;
        }
        let quiet: Vec<_> = all.difference(&fired).collect();
        assert!(Instant::now() < until, "{quiet:?} never fired\n{}", fleet.metrics().await);
        sleep(Duration::from_millis(250)).await;
    }
    names_exist(&fleet.metrics().await);
    for panel in panels() {
        let result = prometheus.result(&panel.query).await;
        assert!(!result.is_empty(), "{}: no data for {}", panel.title, panel.query);
        for label in panel.legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            let has = result.iter().any(|series| series["metric"].get(label).is_some());
            assert!(has, "{}: no label {label} in {result:?}", panel.title);
        }
    }
}

/// Checks that gateways show each metric that rules and dashboard name, with each label value.
fn names_exist(metrics: &str) {
    let mut named: BTreeSet<Selector> = panels().iter().flat_map(|panel| selectors(&panel.query)).collect();
    named.extend(rules().iter().flat_map(|rule| selectors(&rule.expr)));
    assert!(named.len() > 20, "{named:?}");
    for Selector { metric, labels } in named {
        let mut samples = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(&metric));
        assert!(samples.next().is_some(), "no gateway shows {metric}:\n{metrics}");
        for (name, value) in labels.iter().filter(|(_, value)| value != ".*") {
            let shown = format!("{name}=\"{value}\"");
            let has =
                metrics.lines().any(|line| line.starts_with(&format!("{metric}{{")) && line.contains(&shown));
            // A waiter on another gateway makes these calls, and rules leave them out.
            assert!(has || shown == "op=\"watch\"", "no gateway shows {metric} with {shown}:\n{metrics}");
        }
    }
}

fn promtool(arguments: &[&str]) {
    let ran =
        Command::new("promtool").args(arguments).output().expect("promtool, which scripts/test installs");
    let printed = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "promtool {arguments:?}\n{}", String::from_utf8_lossy(&printed));
}

#[test]
fn promtool_accepts_the_rules() {
    promtool(&["check", "rules", &path("config/prometheus/alerts.yml").display().to_string()]);
}

#[test]
fn the_rules_keep_to_their_own_tests() {
    promtool(&["test", "rules", &path("config/prometheus/alerts.test.yml").display().to_string()]);
}
