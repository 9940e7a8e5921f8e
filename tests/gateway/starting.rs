//! The log of a gateway that starts, and of a gateway that cannot start.

use serde_json::Value;

use crate::harness::{Gateway, Settings, Upstream, post};

async fn line(gateway: &Gateway, message: &str) -> Value {
    let line = gateway.logs(&format!("\"message\":\"{message}\"")).await;
    serde_json::from_str(&line).expect("a JSON line")
}

#[tokio::test]
async fn the_store_the_upstreams_and_the_routes_are_named() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::start(&upstream, Settings::default().more("[fallback]\nupstream = \"payments\"")).await;
    let store = line(&gateway, "store").await;
    let place = store["store"].as_str().expect("a place");
    assert_eq!(place, format!("embedded:{}", gateway.data().canonicalize().expect("it exists").display()));
    assert_eq!((&store["found"], &store["records"]), (&"new".into(), &"none".into()), "{store}");
    let routes = line(&gateway, "routes").await;
    assert_eq!(routes["upstreams"], format!("payments http://{}/", upstream.address), "{routes}");
    assert_eq!(routes["routes"], "pay POST,PATCH /v1/{*rest} to payments", "{routes}");
    assert_eq!(routes["fallback"], "payments", "{routes}");
    // All these lines come before the line that says that requests are accepted.
    let log = gateway.log();
    let ready = log.find("\"ready\"").expect("it is ready");
    assert!(log.find("\"message\":\"routes\"").is_some_and(|said| said < ready), "{log}");

    for key in ["k-1", "k-2"] {
        assert_eq!(post(gateway.address, "/v1/charges", key, "a").await.status, 201);
    }
    let data = gateway.data();
    let mut gateway = gateway;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    let again = gateway.restart(&upstream, Settings::default()).await;
    let store = line(&again, "store").await;
    assert_eq!((&store["found"], &store["records"]), (&"found".into(), &"2".into()), "{store}");
    assert!(store["store"].as_str().is_some_and(|place| place.ends_with("/data")), "{store} {data:?}");
}

/// The message is short and plain, and names the place to read on.
#[tokio::test]
async fn a_damaged_store_is_refused_in_words() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "a").await.status, 201);
    gateway.kill().await;
    let marker = gateway.data().join("oncegate-store");
    let whole = std::fs::read(&marker).expect("the marker");
    let binary: Vec<u8> = (0..250).map(|byte| (byte * 7 % 256) as u8).collect();
    for bytes in [&binary[..], b"oncegate embedded store, format \x1b[31m2"] {
        std::fs::write(&marker, bytes).expect("a file");
        let (status, said) = gateway.refused(&upstream, Settings::default()).await;
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("docs/stores.md") && said.contains("oncegate-store"), "{said}");
        assert!(said.lines().all(|line| line.len() < 400 && !line.contains('\u{1b}')), "{said}");
    }
    std::fs::write(&marker, "oncegate embedded store, format 2\n").expect("a file");
    let (_, said) = gateway.refused(&upstream, Settings::default()).await;
    assert!(said.contains("format 2") && !said.contains("\\n"), "{said}");
    std::fs::write(&marker, whole).expect("a file");

    // The files of the engine.
    for table in std::fs::read_dir(gateway.data().join("data/keyspaces")).expect("a directory") {
        std::fs::write(table.expect("an entry").path().join("current"), "nothing").expect("a file");
    }
    let (status, said) = gateway.refused(&upstream, Settings::default()).await;
    assert_eq!(status.code(), Some(1), "{said}");
    let told = said.lines().last().expect("a reason");
    assert!(told.contains("damaged") && told.contains("docs/stores.md"), "{said}");
    assert!(!told.contains("Error") && !told.contains("Unrecoverable"), "{said}");
}

/// The engine's own error text is meant for the engine's developers.
#[tokio::test]
async fn a_lost_answer_is_told_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let broken = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut head = [0; 64];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nshort").await;
        }
    });
    let upstream = Upstream::start().await;
    let settings = Settings { address: Some(broken), ..Settings::default() };
    let gateway = Gateway::start(&upstream, settings).await;
    post(gateway.address, "/v1/charges", "k", "a").await.problem(504, "outcome-unknown", "unknown", "never");
    let line = gateway.logs("no usable answer").await;
    for name in ["hyper::Error", "Custom {", "kind:", "Some("] {
        assert!(!line.contains(name), "{line}");
    }
}
