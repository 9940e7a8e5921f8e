//! What one deploys by: the gateway accepts the configuration under the environment that each overlay
//! sets, and the values that have to fit each other across files do. That the manifests are valid
//! by themselves is for `scripts/lint-deploy`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oncegate::config::{Config, Environment};
use serde_json::Value;

/// How long `serve` may take for its last writes after the drain, and a margin for the kubelet.
const AFTER_THE_DRAIN_SECONDS: u64 = 3 + 2;
/// What the process takes besides requests, in MiB: the embedded store's tables, mostly.
const BESIDES_REQUESTS_MIB: f64 = 200.0;

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Value {
    serde_yaml_ng::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn pod() -> Value {
    yaml("k8s/base/deployment.yaml")["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    pod()["containers"][0].clone()
}

/// The names of the overlays.
fn overlays() -> Vec<String> {
    let entries = fs::read_dir(path("k8s/overlays")).expect("the overlays' folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names
        .filter(|name| name != "postgres") // until this store is built
        .collect()
}

/// The variables that an overlay's pods get, those of the base included.
fn environment(overlay: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(&yaml("k8s/base/deployment.yaml"), &mut found);
    collect(&yaml(&format!("k8s/overlays/{overlay}/store.yaml")), &mut found);
    found
}

/// Finds what sets a variable, wherever it stands: a patch holds it at another depth than a pod.
fn collect(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
            if name.starts_with("ONCEGATE_") {
                found.insert(name.to_owned(), setting(value));
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

fn setting(variable: &Value) -> String {
    let secret = &variable["valueFrom"]["secretKeyRef"];
    match (variable["value"].as_str(), secret["name"].as_str(), secret["key"].as_str()) {
        (Some(value), None, None) => value.to_owned(),
        (None, Some(name), Some(key)) => example(name, key),
        _ => panic!("neither a value nor a secret's: {variable}"),
    }
}

/// What the README puts into a secret.
fn example(secret: &str, key: &str) -> String {
    let command = format!("kubectl create secret generic {secret} --from-literal={key}=");
    let readme = text("k8s/README.md");
    let (_, rest) = readme.split_once(&command).unwrap_or_else(|| panic!("the README lacks {command}"));
    rest.lines().next().unwrap_or_default().trim_matches(['\'', '"']).to_owned()
}

fn check(environment: &BTreeMap<String, String>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .args(["check", "--config", "k8s/base/oncegate.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs(environment)
        .output()
        .expect("the program runs")
}

fn report(overlay: &str) -> String {
    let checked = check(&environment(overlay));
    assert!(checked.status.success(), "{overlay}: {}", String::from_utf8_lossy(&checked.stderr));
    String::from_utf8(checked.stdout).expect("text")
}

/// What the report says of `name`.
fn row<'r>(report: &'r str, name: &str) -> &'r str {
    let line = report.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
    line.map(|line| line.trim_start()[name.len()..].trim()).unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn config() -> Config {
    let variables = environment("embedded").into_iter();
    let variables: Environment =
        variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Config::load(&path("k8s/base/oncegate.toml"), &variables).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_gateway_accepts_every_overlay_without_a_warning() {
    for overlay in overlays() {
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
        let mut environment = environment("redis");
        assert!(environment.remove(missing).is_some(), "{missing} is not set");
        let refused = check(&environment);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(missing));
    }
}

#[test]
fn a_pod_is_given_the_time_to_drain() {
    let grace = pod()["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    let sleep = container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().expect("seconds");
    let needed = sleep + config().server.drain_timeout.as_secs() + AFTER_THE_DRAIN_SECONDS;
    assert!(grace >= needed, "{grace} s, and {needed} s are needed");
}

#[test]
fn a_readiness_probe_waits_for_the_store_longer_than_the_gateway() {
    let probe = container()["readinessProbe"]["timeoutSeconds"].as_u64().expect("seconds");
    assert!(probe > config().store.timeout.as_secs());
}

#[test]
fn the_memory_limit_is_above_what_requests_can_take() {
    let mib = |text: &str, unit: &str| text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
    let report = report("embedded");
    let requests = mib(row(&report, "together"), " MiB").expect("a bound in MiB");
    let limit = container()["resources"]["limits"]["memory"].as_str().and_then(|text| mib(text, "Mi"));
    assert!(limit.expect("a limit in Mi") >= requests + BESIDES_REQUESTS_MIB, "requests: {requests} MiB");
}

#[test]
fn pod_image_and_configuration_agree_on_ports() {
    let config = config();
    let (public, admin) = (config.server.listen, config.admin.listen);
    assert!(public.ip().is_unspecified() && admin.ip().is_unspecified(), "reached from outside of the pod");
    let ports = container()["ports"].clone();
    let named = |name: &str| {
        let mut all = ports.as_array().into_iter().flatten();
        all.find(|port| port["name"] == name).and_then(|port| port["containerPort"].as_u64())
    };
    assert_eq!(named("http"), Some(public.port().into()));
    assert_eq!(named("admin"), Some(admin.port().into()));
    assert!(text("Dockerfile").contains(&format!("\nEXPOSE {} {}\n", public.port(), admin.port())));
}

#[test]
fn pod_image_and_volume_agree_on_user_and_directory() {
    let user = pod()["securityContext"]["runAsUser"].as_u64().expect("a user");
    let group = pod()["securityContext"]["runAsGroup"].as_u64().expect("a group");
    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains(&format!("\nUSER {user}:{group}\n")));
    assert!(dockerfile.contains(&format!("--chown={user}:{group} ")));

    let patch = yaml("k8s/overlays/embedded/store.yaml");
    let added = |path: &str| {
        let operations = patch.as_array().into_iter().flatten();
        operations.filter(|operation| operation["path"] == path).map(|operation| &operation["value"]).next()
    };
    assert_eq!(added("/spec/template/spec/securityContext/fsGroup").and_then(Value::as_u64), Some(group));
    let mount = added("/spec/template/spec/containers/0/volumeMounts/-").expect("a volume");
    let mounted = mount["mountPath"].as_str().expect("a path");
    assert!(dockerfile.contains(&format!("\nWORKDIR {mounted}\n")));
    assert!(environment("embedded")["ONCEGATE_STORE_URL"].starts_with(&format!("embedded:{mounted}/")));
}

#[test]
fn the_image_is_of_this_version() {
    let image = format!("oncegate:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container()["image"], *image);
    for file in ["Dockerfile", "k8s/README.md"] {
        assert!(text(file).contains(&image), "{file} names another version");
    }
}
