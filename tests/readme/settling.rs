//! `docs/settling.md`, followed: its upstream, its configurations and its client.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::clients::{PATIENCE, Program, file, python};

/// A key of the form that the page tells the reader to make.
const SEAL: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// The addresses of the upstream, the gateway and the admin listener on the page.
const ADDRESSES: [&str; 3] = ["127.0.0.1:9000", "127.0.0.1:8080", "127.0.0.1:9464"];

fn page() -> String {
    std::fs::read_to_string(file("docs/settling.md")).expect("the page")
}

/// Returns the texts between the fences of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a closing fence").to_owned())
        .collect()
}

/// Returns the text with other addresses in place of those of the page.
fn here(text: &str, addresses: &[String]) -> String {
    ADDRESSES.iter().zip(addresses).fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
}

fn free_addresses() -> Vec<String> {
    let listeners = ADDRESSES.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.iter().map(|listener| listener.local_addr().expect("an address").to_string()).collect()
}

fn oncegate(directory: &Path, command: &str) -> Command {
    let mut oncegate = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    oncegate.args([command, "--config", "oncegate.toml"]).current_dir(directory).env("ONCEGATE_SEAL", SEAL);
    oncegate
}

#[tokio::test]
async fn each_configuration_is_complete() {
    let configurations = blocks(&page(), "toml");
    let policies = ["hold", "retry", "retry", "probe", "marker"];
    assert_eq!(configurations.len(), policies.len());
    for (configuration, policy) in configurations.iter().zip(policies) {
        let directory = TempDir::new().expect("a directory");
        std::fs::write(directory.path().join("oncegate.toml"), configuration).expect("a file");
        let checked = oncegate(directory.path(), "check").output().await.expect("it runs");
        let printed = String::from_utf8_lossy(&checked.stdout);
        let errors = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{configuration}\n{printed}{errors}");
        assert!(printed.contains(&format!("on_unknown = \"{policy}\"")), "{configuration}\n{printed}");
    }
}

/// Follows the page with the first of its configurations that contains `part`. Returns the output of the
/// client.
async fn follow(part: &str) -> String {
    let (page, addresses) = (page(), free_addresses());
    let directory = TempDir::new().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    let port = addresses[0].rsplit(':').next().expect("a port");
    let upstream = blocks(&page, "python")[0].replace("9000", port);
    std::fs::write(place("payments.py"), upstream).expect("a file");
    let _upstream = Program::start(python(&place("payments.py")), "payments on").await;
    let configuration = blocks(&page, "toml").into_iter().find(|text| text.contains(part));
    let configuration = configuration.expect("a configuration");
    std::fs::write(place("oncegate.toml"), here(&configuration, &addresses)).expect("a file");
    let mut serve = oncegate(directory.path(), "serve");
    serve.args(["--listen", &addresses[1], "--admin-listen", &addresses[2]]);
    let _gateway = Program::start(serve, " ready").await;
    let client = blocks(&page, "sh").into_iter().find(|text| text.contains("send()")).expect("a client");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &here(&client, &addresses)]).kill_on_drop(true);
    let followed = timeout(PATIENCE, shell.output()).await.expect("it ends").expect("a shell");
    let output = String::from_utf8(followed.stdout).expect("text");
    assert!(followed.status.success(), "{output}");
    output
}

/// Checks that the first answer was lost, and that one charge was made.
fn was_lost_once(output: &str) {
    assert!(output.starts_with("HTTP/1.1 504"), "{output}");
    assert!(output.contains("\"retry\":\"same-key\""), "{output}");
    assert_eq!(output.matches("HTTP/1.1 ").count(), 2, "{output}");
    let list = output.rsplit("{\"data\": ").next().expect("the list of charges");
    assert_eq!(list.matches("\"id\": \"ch_").count(), 1, "{output}");
}

#[tokio::test]
async fn a_request_that_was_kept_is_sent_again() {
    let output = follow("upstream_keys").await;
    was_lost_once(&output);
    let again = output.split("HTTP/1.1 201").nth(1).expect("the upstream's answer");
    assert!(again.contains("idempotent-replayed: true"), "the background was first: {output}");
}

#[tokio::test]
async fn a_probe_finds_the_charge() {
    let output = follow("[routes.probe]").await;
    was_lost_once(&output);
    let found = output.split("HTTP/1.1 200").nth(1).expect("the found charge");
    assert!(found.contains("idempotent-replayed: true") && found.contains("\"ch_1\""), "{output}");
}
