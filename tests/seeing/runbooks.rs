//! `docs/runbooks.md` has one entry for each alert, and each alert leads to its entry.

use std::collections::BTreeSet;

use super::queries::{Selector, selectors};
use super::{rules, text};

/// Returns the entries of the page: the heading and the text below it.
fn entries(page: &str) -> Vec<(&str, &str)> {
    let entries = page.split("\n## ").skip(1).filter(|entry| entry.starts_with("Oncegate"));
    entries.map(|entry| entry.split_once('\n').expect("a text")).collect()
}

#[test]
fn each_alert_has_its_entry_and_each_entry_its_alert() {
    let page = text("docs/runbooks.md");
    let described: Vec<&str> = entries(&page).iter().map(|(name, _)| *name).collect();
    let rules = rules();
    let alerts: Vec<&str> = rules.iter().map(|rule| &*rule.alert).collect();
    assert_eq!(described, alerts, "the entries stand in the order of the rules");
    for rule in &rules {
        let anchor = format!("docs/runbooks.md#{}", rule.alert.to_lowercase());
        assert_eq!(rule.annotations.runbook_url, anchor, "{}", rule.alert);
    }
    let names: BTreeSet<&str> = alerts.iter().copied().collect();
    assert_eq!(names.len(), alerts.len(), "each name stands once");
}

#[test]
fn each_entry_says_what_it_means_and_how_to_look_and_act() {
    let (page, rules) = (text("docs/runbooks.md"), rules());
    for ((name, entry), rule) in entries(&page).into_iter().zip(rules) {
        for part in ["**Means.**", "**Look.**", "**Act.**"] {
            assert!(entry.contains(part), "{name} has no {part}");
        }
        for Selector { metric, .. } in selectors(&rule.expr) {
            let family = metric.trim_start_matches("oncegate_").trim_end_matches("_total");
            assert!(entry.contains(family.trim_end_matches("_count")), "{name} shows no {metric}");
        }
    }
}
