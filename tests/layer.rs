//! The layer in a service of another program: the example, over a real socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[expect(dead_code, reason = "the tests serve the app on a port of their own")]
#[path = "../examples/layer.rs"]
mod example;

/// Sends one request to a fresh connection, and returns the response as text.
async fn send(app: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(app).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("a response");
    response
}

fn charge(key: &str, amount: u32) -> String {
    let (body, head) = (amount.to_string(), "Host: app\r\nConnection: close\r\nAuthorization: Bearer me");
    let length = body.len();
    format!("POST /v1/charges HTTP/1.1\r\n{head}\r\n{key}Content-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn the_example_runs_each_charge_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let app = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, example::app().expect("a valid route")).await });
    let key = "Idempotency-Key: order-1\r\n";
    let first = send(app, &charge(key, 1200)).await;
    assert!(first.starts_with("HTTP/1.1 200") && first.ends_with("charge 1 of 1200\n"), "{first}");
    let replayed = send(app, &charge(key, 1200)).await;
    assert!(replayed.ends_with("charge 1 of 1200\n"), "{replayed}");
    assert!(replayed.to_lowercase().contains("idempotent-replayed: true"), "{replayed}");
    let other = send(app, &charge(key, 9900)).await;
    assert!(other.starts_with("HTTP/1.1 422"), "{other}");
    let keyless = send(app, &charge("", 500)).await;
    assert!(keyless.ends_with("charge 2 of 500\n"), "{keyless}");
    let unprotected = send(app, "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await;
    assert!(unprotected.starts_with("HTTP/1.1 200") && unprotected.ends_with("hello\n"), "{unprotected}");
}

#[tokio::test]
async fn a_route_that_is_not_valid_is_refused() {
    let store = oncegate::store::memory::MemoryStore::default;
    let builder = oncegate::gateway::GatewayBuilder::new;
    let errors =
        builder(store()).protect("charges", "no slash").build().err().expect("a refusal").to_string();
    assert!(errors.contains("routes[0].path"), "{errors}");
    let later = builder(store()).protect("charges", "/v1/charges").config("server.max_in_flight = 100");
    assert!(later.build().is_ok(), "keys of the configuration may follow a path");
    let errors = builder(store()).config("[server]\nmax_in_flight = 0").build().err().expect("a refusal");
    assert!(errors.to_string().contains("server.max_in_flight"), "{errors}");
}
