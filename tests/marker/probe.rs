//! `check --probe-marker` against upstreams that report the conflict with a fence and that swallow it, and
//! `check --print-marker-schema`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use oncegate::settle::marker::schema_sql;
use tempfile::TempDir;

use crate::Payments;
use crate::servers::postgres::shared;

const CHARGE: &str = r#"{"amount": 1200, "currency": "eur"}"#;
const JSON: &str = "content-type: application/json";

fn written(marker: &str, upstream: SocketAddr) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = format!(
        "[store]\nurl = 'memory:'\n[upstreams.payments]\nurl = 'http://{upstream}'\n\
         [[routes]]\nname = 'charges'\npath = '/v1/charges'\nupstream = 'payments'\non_unknown = 'marker'\n\
         marker = {{ url = '{marker}' }}\n\
         [[routes]]\nname = 'any'\npath = '/{{any}}'\nupstream = 'payments'\non_unknown = 'marker'\n\
         marker = {{ url = '{marker}', table = 'payments.marker' }}\n\
         [[routes]]\nname = 'ordered'\npath = '/v1/ordered'\nupstream = 'payments'\non_unknown = 'marker'\n\
         marker = {{ url = '{marker}' }}\nkey = {{ json = '/order' }}\n\
         [[routes]]\nname = 'held'\npath = '/v1/held'\nupstream = 'payments'\n"
    );
    std::fs::write(directory.path().join("gate.toml"), text).expect("a writable directory");
    std::fs::write(directory.path().join("charge.json"), CHARGE).expect("a writable directory");
    directory
}

/// Returns the exit code and the output of `check` with these arguments.
async fn check(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    command.arg("check").args(arguments).current_dir(directory);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let ended = ended.expect("it runs");
    (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).expect("text"))
}

async fn probed(directory: &Path, more: &[&str]) -> (Option<i32>, String) {
    let usual = ["--probe-marker", "--config", "gate.toml"];
    check(directory, &[&usual, more].concat()).await
}

const WHOLE: [&str; 7] = ["--route", "charges", "--header", JSON, "--body", "charge.json", "--yes"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_reports_the_conflict_is_fine() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let directory = written(&payments.url, payments.served(false).await);
    let (code, said) = probed(directory.path(), &WHOLE).await;
    assert_eq!((code, said.contains("409 with Idempotency-Marker: conflict")), (Some(0), true), "{said}");
    let by_path =
        ["--route", "any", "--path", "/charges", "--header", JSON, "--body", "charge.json", "--yes"];
    let (code, said) = probed(directory.path(), &by_path).await;
    assert_eq!((code, said.contains("payments.marker")), (Some(1), true), "another table is missing: {said}");
    assert_eq!(payments.charges().await, 0);
    assert_eq!(payments.value("SELECT count(*) FROM oncegate_marker WHERE fenced").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_swallows_the_conflict_is_found() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let directory = written(&payments.url, payments.served(true).await);
    let (code, said) = probed(directory.path(), &WHOLE).await;
    assert_eq!((code, said.contains("SWALLOWED"), said.contains("23505")), (Some(1), true, true), "{said}");
    assert_eq!(payments.charges().await, 1, "the charge that the warning names");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_says_nothing_proves_nothing() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let directory = written(&payments.url, payments.served(false).await);
    let (code, said) = probed(directory.path(), &["--route", "charges", "--yes"]).await;
    assert_eq!((code, said.contains("NOT PROVEN"), said.contains("415")), (Some(1), true, true), "{said}");
    let (_held, nothing) = crate::clients::refusing_address();
    let directory = written(&payments.url, nothing);
    let (code, said) = probed(directory.path(), &WHOLE).await;
    assert_eq!((code, said.contains("NOT PROVEN")), (Some(1), true), "{said}");
    let gone = written("postgres://me:geheim@127.0.0.1:1/pay", nothing);
    let (code, said) = probed(gone.path(), &WHOLE).await;
    assert_eq!(
        (code, said.contains("127.0.0.1:1"), said.contains("geheim")),
        (Some(1), true, false),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_does_not_fit_sends_nothing() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let directory = written(&payments.url, payments.served(true).await);
    for (arguments, why) in [
        (&WHOLE[..6], "--yes"),
        (&["--route", "none", "--yes"][..], "no route \"none\""),
        (&["--route", "held", "--yes"][..], "on_unknown"),
        (&["--route", "any", "--yes"][..], "--path"),
        (&["--route", "charges", "--path", "/v2/charges", "--yes"][..], "does not cover"),
        (&["--route", "charges", "--method", "GET", "--yes"][..], "does not cover"),
        (&["--route", "charges", "--body", "none.json", "--yes"][..], "the body cannot be read"),
        (&["--yes"][..], "--route"),
        (&["--route", "ordered", "--yes"][..], "send one with --body, in the member /order of the body"),
        (
            &["--route", "ordered", "--header", JSON, "--body", "charge.json", "--yes"][..],
            "the request has no key",
        ),
        (&["--route", "ordered", "--body", "charge.json", "--yes"][..], "neither JSON nor"),
    ] {
        let (code, said) = probed(directory.path(), arguments).await;
        assert_eq!((code, said.contains(why)), (Some(2), true), "{arguments:?}: {said}");
    }
    assert!(probed(directory.path(), &WHOLE[..6]).await.1.contains("payment"));
    assert_eq!(payments.charges().await, 0);
    assert_eq!(payments.value("SELECT count(*) FROM oncegate_marker").await, 0);
}

#[tokio::test]
async fn the_schema_is_printed_for_the_tables_of_a_file() {
    let directory = written("postgres://db/pay", ([127, 0, 0, 1], 1).into());
    let printed = async |more: &[&str]| {
        let arguments = [&["--print-marker-schema"], more].concat();
        check(directory.path(), &arguments).await
    };
    let (default, other) = (schema_sql("oncegate_marker"), schema_sql("payments.marker"));
    assert_eq!(printed(&[]).await, (Some(0), default.clone()));
    assert_eq!(printed(&["--config", "gate.toml"]).await, (Some(0), format!("{default}\n{other}")));
    assert_eq!(printed(&["--config", "gate.toml", "--route", "any"]).await, (Some(0), other));
    let (code, said) = printed(&["--config", "gate.toml", "--route", "held"]).await;
    assert_eq!((code, said.contains("held")), (Some(2), true), "{said}");
    for alone in [&["--config", "gate.toml", "--route", "any"][..], &["--config", "gate.toml", "--yes"][..]] {
        assert_eq!(check(directory.path(), alone).await.0, Some(2), "{alone:?} means nothing by itself");
    }
}
