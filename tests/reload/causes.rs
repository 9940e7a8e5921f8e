//! What starts a reload.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::{in_force, metric, reload};

/// Adds a route for `/v2/refunds`.
fn with_refunds(text: &str) -> String {
    format!(
        "{text}\n[[routes]]\nname = \"refund\"\npath = \"/v2/refunds\"\nupstream = \"payments\"\n\
         anonymous = \"one\"\nkey = {{ required = true }}\n"
    )
}

async fn start() -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(post(gateway.address, "/v2/refunds", "k", "{}").await.status, 404);
    (upstream, gateway)
}

async fn protects_refunds(gateway: &Gateway, upstream: &Upstream) {
    let before = upstream.executions();
    assert_eq!(post(gateway.address, "/v2/refunds", "k", "{}").await.status, 201);
    assert!(post(gateway.address, "/v2/refunds", "k", "{}").await.is_replay());
    assert_eq!(upstream.executions(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_reloads_and_reads_what_changed() {
    let (upstream, gateway) = start().await;
    let first = gateway.admin_get("/v1/routes").await.json();
    gateway.rewrite(with_refunds);
    let shown = in_force(&reload(&gateway).await);
    assert_eq!(shown["changed"], serde_json::json!(["routes.refund (new)"]));
    protects_refunds(&gateway, &upstream).await;
    let routes = gateway.admin_get("/v1/routes").await.json();
    assert_eq!((&routes["version"], &routes["digest"]), (&shown["version"], &shown["digest"]));
    assert_ne!(routes["version"], first["version"]);
    let audit = gateway.logs("\"reload\"").await;
    assert!(audit.contains("\"by\":\"loopback\"") && audit.contains("\"outcome\":\"done\""), "{audit}");
    assert!(gateway.shows("oncegate_reloads_total{outcome=\"reloaded\"} 1").await);
    assert_eq!(reload(&gateway).await.json()["outcome"], "unchanged");
    assert!(gateway.shows("oncegate_reloads_total{outcome=\"unchanged\"} 1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reloads() {
    let (upstream, gateway) = start().await;
    gateway.rewrite(with_refunds);
    gateway.hang_up().await;
    let line = gateway.logs("the configuration was reloaded").await;
    assert!(line.contains("SIGHUP") && line.contains("routes.refund (new)"), "{line}");
    protects_refunds(&gateway, &upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_file_is_taken_without_being_asked() {
    let (upstream, gateway) = start().await;
    gateway.rewrite(with_refunds);
    gateway.logs("the configuration was reloaded").await;
    protects_refunds(&gateway, &upstream).await;
}

/// A ConfigMap is a directory of symbolic links into `..data`, which is itself a link that the kubelet
/// replaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_that_is_swapped_is_taken() {
    let (upstream, gateway) = start().await;
    let file = gateway.file();
    let directory = file.parent().expect("a directory");
    let text = fs::read_to_string(&file).expect("it can be read");
    let put = |version: &str, text: &str| {
        fs::create_dir(directory.join(version)).expect("a directory");
        fs::write(directory.join(version).join("oncegate.toml"), text).expect("it can be written");
        symlink(version, directory.join("..data_tmp")).expect("a link");
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("it is replaced");
    };
    put("..2026_01", &text);
    symlink("..data/oncegate.toml", directory.join("linked")).expect("a link");
    fs::rename(directory.join("linked"), &file).expect("it is replaced");
    put("..2026_02", &with_refunds(&text));
    fs::remove_dir_all(directory.join("..2026_01")).expect("it is removed");
    let line = gateway.logs("the configuration was reloaded").await;
    assert!(line.contains("the file changed"), "{line}");
    protects_refunds(&gateway, &upstream).await;
    assert_eq!(metric(&gateway, "oncegate_reloads_total{outcome=\"reloaded\"}").await, Some(1.0));
}

/// A file that is written in pieces is a valid file at some moments, without its last routes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_missing_or_still_written_changes_nothing() {
    let (_upstream, gateway) = start().await;
    let whole = with_refunds(&fs::read_to_string(gateway.file()).expect("it can be read"));
    fs::remove_file(gateway.file()).expect("it is removed");
    gateway.logs("cannot be read, the configuration in force stays").await;
    fs::write(gateway.file(), &whole).expect("it can be written");
    gateway.logs("the configuration was reloaded").await;
    assert_eq!(metric(&gateway, "oncegate_last_reload_successful").await, Some(1.0));
}
