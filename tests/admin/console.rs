//! The console's files, their headers, the requests that are refused, and the endpoints that the page needs.

use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use oncegate::admin::{Access, Configuration, ReloadRefusal, Reloaded};
use oncegate::clock::Timestamp;
use oncegate::config::{Config, Environment, LiveConfig, Role};
use oncegate::protocol::{Labels, Reason};
use oncegate::telemetry::Arrival;
use oncegate::telemetry::tail::EndedRequest;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{Answer, World, token, tokens};

const FILES: [(&str, &str); 6] = [
    ("/console", "text/html; charset=utf-8"),
    ("/console/console.css", "text/css; charset=utf-8"),
    ("/console/console.js", "text/javascript; charset=utf-8"),
    ("/console/uplot.css", "text/css; charset=utf-8"),
    ("/console/uplot.js", "text/javascript; charset=utf-8"),
    ("/console/uplot.LICENSE", "text/plain; charset=utf-8"),
];
const DATA: [&str; 4] = ["/v1/status", "/v1/traffic", "/v1/gateway", "/v1/tail"];

async fn under(world: &World, path: &str, host: &str) -> Answer {
    world.send(Request::get(world.url(path)).header(HOST, host), "").await
}

#[tokio::test]
async fn each_file_is_served_without_a_token_and_permits_nothing_but_its_own_origin() {
    let world = World::guarded_by(token("s3cret")).await;
    for (path, kind) in FILES {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[CONTENT_TYPE], kind, "{path}");
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        let mut parts: Vec<_> = policy.split("; ").collect();
        parts.sort_unstable();
        assert_eq!(
            parts,
            [
                "base-uri 'none'",
                "connect-src 'self'",
                "default-src 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "img-src 'self' data:",
                "script-src 'self'",
                "style-src 'self'",
            ]
        );
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    for path in ["/console/", "/console/nothing", "/console/..%2fconsole.rs", "/console/a/b"] {
        world.get(path).await.problem(404, "about:blank");
    }
    let answer = world.send(Request::post(world.url("/console")), "").await;
    answer.problem(405, "about:blank");
}

/// The files name nothing outside of the listener, so the page works where no network is.
#[tokio::test]
async fn the_page_asks_no_other_host_and_writes_only_text() {
    let world = World::start().await;
    for path in ["/console", "/console/console.css", "/console/console.js"] {
        let answer = world.get(path).await;
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "//cdn", "@import", "url("] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
        for unsafe_way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "cookie ="]
        {
            assert!(!text.contains(unsafe_way), "{path} has {unsafe_way}");
        }
    }
    let page = world.get("/console").await;
    for inline in [" style=", " onclick=", "<script>", "<style"] {
        assert!(!page.text().contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn without_a_token_a_rebound_host_name_gets_neither_page_nor_data() {
    let world = World::start().await;
    let port = world.address.port();
    let paths = || FILES.iter().map(|(path, _)| *path).chain(DATA);
    for host in [
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("10.0.0.1:{port}"),
        format!("[::2]:{port}"),
        "evil.example".into(),
    ] {
        for path in paths() {
            under(&world, path, &host).await.problem(403, "about:blank");
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(under(&world, path, &host).await.status, StatusCode::OK, "{path}");
        }
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        for path in paths().filter(|path| *path != "/v1/tail") {
            assert_eq!(under(&world, path, &host).await.status, StatusCode::OK, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn with_a_token_the_page_has_any_name_and_the_data_needs_the_token() {
    let world = World::guarded_by(token("s3cret")).await;
    assert_eq!(under(&world, "/console", "oncegate.payments.svc:9464").await.status, StatusCode::OK);
    for path in DATA {
        under(&world, path, "oncegate.payments.svc:9464").await.problem(401, "about:blank");
        // A token stands in no URL.
        world.get(&format!("{path}?token=s3cret")).await.problem(401, "about:blank");
    }
    let closed = World::guarded_by(Access::Off).await;
    for path in FILES.iter().map(|(path, _)| *path).chain(DATA) {
        let detail = closed.get(path).await.problem(403, "about:blank");
        assert!(detail.contains("no admin token"), "{detail}");
    }
}

#[tokio::test]
async fn the_status_counts_what_waits_and_names_the_operator() {
    let world = World::guarded_by(tokens(&[("night", "t", Role::Read)])).await;
    let ask = async |path: &str| {
        let request = Request::get(world.url(path)).header(AUTHORIZATION, "Bearer t");
        world.send(request, "").await.json()
    };
    let status = ask("/v1/status").await;
    assert_eq!((&status["unknown"], &status["oldest_unknown_seconds"]), (&0.into(), &Value::Null));
    assert_eq!(status["operator"], serde_json::json!({ "name": "night", "role": "read" }));

    world.metrics.traffic().record(world.metrics.sample(), Timestamp(0));
    world.unknown("k-1").await;
    world.clock.advance(Duration::from_secs(90));
    world.unknown_of("refund", "k-2", Reason::ConnectionLost).await;
    world.metrics.became_unknown("pay", Reason::ResponseTimeout);
    world.metrics.settled("pay", "probe", "executed", Duration::from_secs(1));
    world.metrics.settled("pay", "operator", "executed", Duration::from_secs(1));
    world.metrics.request("pay", "completed", Duration::from_millis(30), None);
    world.metrics.added("pay", Duration::from_millis(10), None);
    let _running = world.metrics.execution_started("pay");
    let status = ask("/v1/status").await;
    assert_eq!((&status["unknown"], &status["oldest_unknown_seconds"]), (&2.into(), &90.into()), "{status}");
    assert_eq!(status["executions_in_flight"], 1);
    let hour = &status["last_hour"];
    assert_eq!(
        (&hour["became_unknown"], &hour["settled_without_a_person"]),
        (&1.into(), &1.into()),
        "{hour}"
    );
    let recent = &status["last_five_minutes"];
    for (name, least) in [("added_p50_ms", 5.0), ("added_p99_ms", 9.0)] {
        assert!(recent[name].as_f64().is_some_and(|added| (least..=10.0).contains(&added)), "{recent}");
    }
}

#[tokio::test]
async fn the_traffic_has_intervals_and_the_age_of_duplicates_beside_the_ttl() {
    let world = World::start().await;
    world.metrics.traffic().record(world.metrics.sample(), Timestamp(1_700_000_000_000));
    world.metrics.request("pay", "replayed", Duration::from_millis(4), None);
    world.metrics.execution_ended("pay", "completed");
    world.metrics.duplicate("pay", Arrival::Concurrent, Duration::from_millis(300));
    world.metrics.duplicate("pay", Arrival::Late, Duration::from_hours(2));
    world.metrics.became_unknown("pay", Reason::Status(503));
    world.metrics.traffic().record(world.metrics.sample(), Timestamp(1_700_000_010_000));
    let traffic = world.get("/v1/traffic").await.json();
    assert_eq!(traffic["intervals"].as_array().map(Vec::len), Some(1), "{traffic}");
    let interval = &traffic["intervals"][0];
    assert_eq!(
        (&interval["at"], &interval["replays"], &interval["executions"]),
        (&"2023-11-14T22:13:30.000Z".into(), &1.into(), &1.into())
    );
    assert_eq!(interval["duplicates"], serde_json::json!({ "concurrent": 1, "late": 1 }));
    assert_eq!(interval["became_unknown"], serde_json::json!({ "status-503": 1 }));
    assert_eq!(traffic["ttl_seconds"], serde_json::json!({ "pay": 3600, "refund": 3600 }));
    let counted: Vec<_> =
        traffic["duplicate_age"].as_array().expect("a list").iter().filter(|age| age["count"] != 0).collect();
    assert_eq!(
        counted,
        [
            &serde_json::json!({ "up_to_seconds": 1.0, "count": 1 }),
            &serde_json::json!({ "up_to_seconds": 21600.0, "count": 1 }),
        ]
    );
}

#[tokio::test]
async fn the_gateway_describes_itself() {
    let world = World::start().await;
    let about = world.get("/v1/gateway").await.json();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&about["store"]["answers"], &about["draining"]), (&true.into(), &false.into()), "{about}");
    world.draining.cancel();
    assert_eq!(world.get("/v1/gateway").await.json()["draining"], true);
}

#[tokio::test]
async fn the_gateway_tells_its_configuration_and_the_last_reloads() {
    let about = World::start().await.get("/v1/gateway").await.json();
    for member in ["in_force", "reload", "refused_reload"] {
        assert_eq!(about[member], Value::Null, "routes that never change: {about}");
    }
    let environment = Environment::default();
    let config = Config::for_upstream("http://127.0.0.1:9", &environment).expect("a configuration");
    let digest = config.written.digest.clone();
    let (configuration, _requests) = Configuration::new(LiveConfig::new(config));
    let last = configuration.last.clone();
    let world = World::reloading(configuration).await;
    let about = world.get("/v1/gateway").await.json();
    assert_eq!(about["in_force"]["version"], digest[..12], "{about}");
    assert_eq!((&about["reload"], &about["refused_reload"]), (&Value::Null, &Value::Null));

    let refusal = Config::for_upstream("nonsense", &environment).expect_err("no URL");
    last.note("SIGHUP", Reloaded::Refused(ReloadRefusal::Invalid(refusal)));
    let about = world.get("/v1/gateway").await.json();
    assert_eq!(about["reload"], about["refused_reload"], "{about}");
    assert_eq!(
        (&about["reload"]["cause"], &about["reload"]["outcome"]),
        (&"SIGHUP".into(), &"invalid".into())
    );
    assert!(
        about["reload"]["text"].as_str().is_some_and(|text| text.contains("upstreams.default.url")),
        "{about}"
    );
    assert_eq!(about["reload"]["refused"], true);

    last.note("the file changed", Reloaded::InForce(vec!["routes.pay.ttl".into()]));
    let about = world.get("/v1/gateway").await.json();
    assert_eq!(
        (&about["reload"]["text"], &about["reload"]["refused"]),
        (&"changed: routes.pay.ttl".into(), &false.into())
    );
    assert_eq!(about["refused_reload"]["outcome"], "invalid", "{about}");
}

fn ended(path: &str, labels: &[(&str, &str)]) -> EndedRequest {
    EndedRequest {
        at: Timestamp(1_700_000_000_000),
        method: http::Method::POST,
        path: path.into(),
        route: "pay".into(),
        outcome: "completed",
        status: Some(201),
        record: Some(crate::world::id_of("pay", &oncegate::protocol::Scope::anonymous(), "k-1")),
        took: Duration::from_micros(1500),
        client: Some([10, 0, 0, 9].into()),
        labels: Labels::stored(labels.iter().copied()),
    }
}

/// Opens a tail over a socket of its own. Returns the status line and the stream behind the head.
async fn open_tail(world: &World, lines: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = BufReader::new(TcpStream::connect(world.address).await.expect("the listener accepts"));
    let head = format!("GET /v1/tail HTTP/1.1\r\nhost: {}\r\n{lines}\r\n", world.address);
    stream.write_all(head.as_bytes()).await.expect("the head is sent");
    let (mut status, mut line) = (String::new(), String::new());
    stream.read_line(&mut status).await.expect("a status line");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.expect("a header");
    }
    (status, stream)
}

/// Reads until a text has come.
async fn read_until(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    let (mut read, mut bytes) = (String::new(), [0; 4096]);
    while !read.contains(text) {
        let size = timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("in time");
        let size = size.expect("the stream lives");
        assert!(size > 0, "the stream ended: {read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..size]));
    }
    read
}

#[tokio::test]
async fn the_tail_has_each_request_as_an_event_while_there_is_a_watcher() {
    let world = World::start().await;
    world.metrics.tail().ended(|| panic!("there is no watcher"));
    let (status, mut stream) = open_tail(&world, "").await;
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    world.metrics.tail().ended(|| ended("/v1/pay\n\nevent: missed", &[("order", "<b>7</b>")]));
    let read = read_until(&mut stream, "\n\n").await;
    assert!(read.contains("event: request\n"), "{read}");
    assert!(read.contains(r#""path":"/v1/pay\n\nevent: missed""#), "one line: {read}");
    assert!(read.contains(r#""labels":{"order":"<b>7</b>"}"#), "{read}");
    assert!(read.contains(r#""took_ms":1.5"#) && read.contains(r#""client":"10.0.0.9""#), "{read}");
}

#[tokio::test]
async fn a_flood_is_bounded_and_the_watcher_learns_what_it_missed() {
    let world = World::start().await;
    let (_, mut stream) = open_tail(&world, "").await;
    for number in 0..5_000 {
        world.metrics.tail().ended(|| ended(&format!("/v1/pay/{number}"), &[]));
    }
    let read = read_until(&mut stream, "event: missed\n").await;
    assert!(read.matches("event: request").count() < 1_000, "{read}");
}

#[tokio::test]
async fn a_page_of_another_origin_takes_no_watcher() {
    let world = World::start().await;
    for lines in
        ["origin: http://elsewhere.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n"]
    {
        let (status, _) = open_tail(&world, lines).await;
        assert!(status.contains("403"), "{lines}: {status}");
    }
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", world.address);
    let mut open = Vec::new();
    for _ in 0..16 {
        let (status, stream) = open_tail(&world, &own).await;
        assert!(status.contains("200"), "{status}");
        open.push(stream);
    }
    let (status, _) = open_tail(&world, &own).await;
    assert!(status.contains("503"), "{status}");
}

#[tokio::test]
async fn a_tail_ends_when_the_gateway_stops() {
    let world = World::start().await;
    let (_, mut stream) = open_tail(&world, "").await;
    world.draining.cancel();
    read_until(&mut stream, "0\r\n\r\n").await;
}
