//! The receiver of `docs/settling.md`, run.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::Gateway;
use crate::world::{SECRET, failing_api, leave_unknown, telling};

#[tokio::test]
async fn the_receiver_of_the_page_takes_an_event() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settling.md"));
    let page = page.expect("the page");
    let program =
        page.split("```python\n").find(|block| block.contains("class Receiver")).expect("a receiver");
    let program = program.split("```").next().expect("a closing fence");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("receiver.py");
    std::fs::write(&file, program.replace("9100", &address.port().to_string())).expect("a file");
    let receiver = Command::new("python3")
        .arg(&file)
        .env("ONCEGATE_NOTIFY_SECRET", SECRET)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut receiver = receiver.expect("python3");
    let mut lines = BufReader::new(receiver.stdout.take().expect("piped")).lines();
    let api = failing_api().await;
    let gateway = Gateway::start(&api, telling(address)).await;
    leave_unknown(&gateway, "k-1").await;
    let line = timeout(Duration::from_secs(60), lines.next_line()).await.expect("an event in time");
    let record = gateway.record_in("unknown").await;
    let expected = format!("unknown: {} status 503", record["id"].as_str().expect("an id"));
    assert_eq!(line.expect("text"), Some(expected));
}
