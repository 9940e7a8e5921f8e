//! `docs/runbooks.md` has one entry for each alert, and each alert leads to its entry.

use std::collections::BTreeSet;
use std::fs;

use super::queries::{Selector, selectors};
use super::{path, rules, text};

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

/// Commands of `kubectl` cannot run here, so their names are held to the manifests.
#[test]
fn the_names_of_kubectl_commands_are_those_of_the_manifests() {
    let manifests: String = ["base", "overlays/embedded", "overlays/redis"]
        .iter()
        .flat_map(|part| fs::read_dir(path(&format!("k8s/{part}"))).expect("a directory"))
        .map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"))
        .collect();
    let has = |text: &str| manifests.lines().any(|line| line.trim().trim_start_matches("- ") == text);
    let (mut kinds, mut labels) = (0, 0);
    for page in ["docs/runbooks.md", "docs/console.md", "k8s/README.md"].map(text) {
        let commands: Vec<&str> = page
            .split("kubectl ")
            .skip(1)
            .map(|rest| rest.split(['`', '\n']).next().expect("a part"))
            .collect();
        for word in commands.iter().flat_map(|command| command.split_whitespace()) {
            match word.split_once('/').map(|(kind, name)| (kind, name.trim_end_matches(','))) {
                Some(("deployment", name)) => {
                    kinds += 1;
                    assert!(has("kind: Deployment") && has(&format!("name: {name}")), "{word}");
                }
                Some(("statefulset", name)) => {
                    assert!(has("value: StatefulSet") && has(&format!("name: {name}")), "{word}");
                }
                Some(("app.kubernetes.io", label)) => {
                    labels += 1;
                    let (name, value) = label.split_once('=').expect("a value");
                    assert!(has(&format!("app.kubernetes.io/{name}: {value}")), "{word}");
                }
                _ => {}
            }
        }
        for secret in page.split("get secret ").skip(1).filter_map(|rest| rest.split(' ').next()) {
            assert!(has(&format!("name: {secret}")) && has("key: token"), "{secret}");
        }
        assert!(!page.contains("port-forward") || page.contains("9464") && has("containerPort: 9464"));
    }
    assert!(kinds > 3 && labels > 2, "{kinds} and {labels}");
}
