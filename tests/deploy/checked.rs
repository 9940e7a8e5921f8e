//! The report of `oncegate check` for each overlay.

use std::fs;
use std::process::{Command, Output};

use super::environment::{self, Variables};
use super::{container, path};

/// Memory in MiB that the process needs besides its requests, mostly for the tables of the embedded store.
const BESIDES_REQUESTS_MIB: f64 = 200.0;

/// Returns the names of the overlays.
fn overlays() -> Vec<String> {
    let entries = fs::read_dir(path("k8s/overlays")).expect("the overlays' folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names.collect()
}

fn check(variables: &Variables) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .args(["check", "--config", "k8s/base/oncegate.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs(variables)
        .output()
        .expect("the program runs")
}

fn report(overlay: &str) -> String {
    let checked = check(&environment::of(overlay));
    assert!(checked.status.success(), "{overlay}: {}", String::from_utf8_lossy(&checked.stderr));
    String::from_utf8(checked.stdout).expect("text")
}

/// Returns the value that the report shows for `name`.
fn row<'r>(report: &'r str, name: &str) -> &'r str {
    let start = format!("  {name} ");
    let rest = report.lines().find_map(|line| line.strip_prefix(&start));
    rest.unwrap_or_else(|| panic!("no {name} in\n{report}")).trim()
}

#[test]
fn the_gateway_accepts_every_overlay_without_a_warning() {
    let overlays = overlays();
    assert!(overlays.len() > 1, "{overlays:?}");
    for overlay in overlays {
        let report = report(&overlay);
        let store = match &*overlay {
            "embedded" => "embedded:/var/lib/oncegate/records",
            "postgres" => "postgres://",
            "redis" => "rediss://redis:6379",
            _ => panic!("which store is {overlay} for?"),
        };
        assert!(row(&report, "store").starts_with(store), "{overlay}: {report}");
        assert!(row(&report, "admin").contains("with a bearer token"), "{overlay}: {report}");
        assert!(report.contains("No warnings."), "{overlay}: {report}");
    }
}

#[test]
fn without_an_overlay_or_a_secret_nothing_starts() {
    for missing in ["ONCEGATE_STORE_URL", "ONCEGATE_ADMIN_TOKEN"] {
        let mut variables = environment::of("redis");
        assert!(variables.remove(missing).is_some(), "{missing} is not set");
        let refused = check(&variables);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(missing));
    }
}

#[test]
fn the_memory_limit_is_above_the_bound_of_requests() {
    let mib = |text: &str, unit: &str| text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
    let requests = mib(row(&report("embedded"), "together"), " MiB").expect("a bound in MiB");
    let limit = container()["resources"]["limits"]["memory"].as_str().and_then(|text| mib(text, "Mi"));
    assert!(limit.expect("a limit in Mi") >= requests + BESIDES_REQUESTS_MIB, "requests: {requests} MiB");
}
