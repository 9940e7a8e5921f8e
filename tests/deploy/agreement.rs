//! Names and numbers that stand in more than one file and must agree.

use std::ffi::OsString;

use oncegate::config::{Config, Environment};
use serde_json::Value;

use super::{container, environment, patched, path, pod, text, yaml};

/// Seconds that `serve` may take for its last writes after the drain, and a margin for the kubelet.
const AFTER_THE_DRAIN_SECONDS: u64 = 3 + 2;

fn config() -> Config {
    config_of("redis")
}

/// Returns the configuration of the pods of an overlay.
fn config_of(overlay: &str) -> Config {
    let variables = environment::of(overlay).into_iter();
    let variables: Environment =
        variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Config::load(&path("k8s/base/oncegate.toml"), &variables).unwrap_or_else(|errors| panic!("{errors}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Tells whether a listener's port is the one that the container calls `name`.
fn is_port(name: &str, port: u16) -> bool {
    let ports = container()["ports"].clone();
    let mut named = ports.as_array().into_iter().flatten().filter(|given| given["name"] == name);
    named.next().is_some_and(|given| given["containerPort"] == port)
}

#[test]
fn a_pod_is_given_the_time_to_drain() {
    let grace = number(&pod()["spec"]["terminationGracePeriodSeconds"]);
    let sleep = number(&container()["lifecycle"]["preStop"]["sleep"]["seconds"]);
    let server = config().server;
    let served = sleep + server.shutdown_delay.as_secs();
    let needed = served + server.drain_timeout.as_secs() + AFTER_THE_DRAIN_SECONDS;
    assert!(grace >= needed, "{grace} s, and {needed} s are needed");
}

/// Clients keep their connections to a pod that leaves until the gateway tells them. Without other pods there
/// is no use in it.
#[test]
fn a_stop_is_announced_wherever_other_pods_take_over() {
    for (overlay, announces) in [("redis", true), ("postgres", true), ("embedded", false)] {
        assert_eq!(!config_of(overlay).server.shutdown_delay.is_zero(), announces, "{overlay}");
    }
}

#[test]
fn a_readiness_probe_waits_for_the_store_longer_than_the_gateway() {
    assert!(number(&container()["readinessProbe"]["timeoutSeconds"]) > config().store.timeout.as_secs());
}

#[test]
fn listeners_are_reached_from_outside_by_the_ports_that_others_name() {
    let config = config();
    let (public, admin) = (config.server.listen, config.admin.listen);
    assert!(public.ip().is_unspecified() && admin.ip().is_unspecified());
    assert!(is_port("http", public.port()) && is_port("admin", admin.port()));
    assert!(text("Dockerfile").contains(&format!("\nEXPOSE {} {}\n", public.port(), admin.port())));

    assert_eq!(yaml("k8s/base/service.yaml")["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(yaml("k8s/base/admin-service.yaml")["spec"]["ports"][0]["targetPort"], "admin");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container()[probe]["httpGet"]["port"], "admin");
    }
    let policy = yaml("k8s/base/networkpolicy.yaml")["spec"]["ingress"].clone();
    assert_eq!([&policy[0]["ports"][0]["port"], &policy[1]["ports"][0]["port"]], ["http", "admin"]);
}

#[test]
fn image_pod_and_volume_agree_on_user_and_directory() {
    let (dockerfile, context) = (text("Dockerfile"), pod()["spec"]["securityContext"].clone());
    let (user, group) = (number(&context["runAsUser"]), number(&context["runAsGroup"]));
    assert!(dockerfile.contains(&format!("\nUSER {user}:{group}\n")));
    assert!(dockerfile.contains(&format!("--chown={user}:{group} ")));
    assert_eq!(patched("/spec/template/spec/securityContext/fsGroup"), group);

    let mount = patched("/spec/template/spec/containers/0/volumeMounts/-");
    assert_eq!(patched("/spec/volumeClaimTemplates")[0]["metadata"]["name"], mount["name"]);
    let directory = mount["mountPath"].as_str().expect("a path");
    assert!(dockerfile.contains(&format!("\nWORKDIR {directory}\n")));
    assert!(environment::of("embedded")["ONCEGATE_STORE_URL"].starts_with(&format!("embedded:{directory}/")));
}

#[test]
fn selectors_pick_these_pods() {
    let labels = pod()["metadata"]["labels"].clone();
    assert!(labels.as_object().is_some_and(|labels| !labels.is_empty()));
    for file in ["service", "admin-service"] {
        assert_eq!(yaml(&format!("k8s/base/{file}.yaml"))["spec"]["selector"], labels, "{file}");
    }
    let deployment = yaml("k8s/base/deployment.yaml");
    let constraints = pod()["spec"]["topologySpreadConstraints"].clone();
    for selector in [
        &deployment["spec"]["selector"],
        &constraints[0]["labelSelector"],
        &constraints[1]["labelSelector"],
        &yaml("k8s/base/poddisruptionbudget.yaml")["spec"]["selector"],
        &yaml("k8s/base/networkpolicy.yaml")["spec"]["podSelector"],
    ] {
        assert_eq!(selector["matchLabels"], labels);
    }
}

/// Kustomize leaves an unknown name as it is, and the pods then wait for it forever.
#[test]
fn objects_that_pods_name_exist() {
    let generator = yaml("k8s/base/kustomization.yaml")["configMapGenerator"][0].clone();
    assert_eq!(pod()["spec"]["volumes"][0]["configMap"]["name"], generator["name"]);
    let mount = container()["volumeMounts"][0].clone();
    assert_eq!(mount["name"], pod()["spec"]["volumes"][0]["name"]);
    let file = format!(
        "{}/{}",
        mount["mountPath"].as_str().expect("a path"),
        generator["files"][0].as_str().expect("a file")
    );
    assert_eq!(container()["args"], serde_json::json!(["serve", "--config", file]));

    assert_eq!(pod()["spec"]["serviceAccountName"], yaml("k8s/base/serviceaccount.yaml")["metadata"]["name"]);
    assert_eq!(patched("/spec/serviceName"), yaml("k8s/base/admin-service.yaml")["metadata"]["name"]);
}

#[test]
fn the_image_is_of_this_version() {
    let image = format!("oncegate:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container()["image"], *image);
    for file in ["Dockerfile", "k8s/README.md"] {
        assert!(text(file).contains(&image), "{file} names another version");
    }
}
