//! A gateway with routes in one shape, and the words of that shape.

use std::net::SocketAddr;

use super::*;
use crate::harness::Answer;

/// The words of one shape.
pub struct Language {
    /// Lines for each route.
    route: &'static str,
    /// The definition of the shape.
    sections: &'static str,
    /// Checks an answer: its status, slug, `executed` and `retry`. Returns its members `record` and
    /// `original_status`.
    pub told: fn(&Answer, u16, &str, &str, &str) -> Value,
    /// Statuses of these problems.
    pub mismatch: u16,
    pub expired: u16,
    pub in_flight: u16,
}

pub static STRIPE: Language = Language {
    route: "problems = \"stripe\"",
    sections: "",
    told: told_to_stripe,
    mismatch: 400,
    expired: 410,
    in_flight: 409,
};

pub static OWN: Language = Language {
    route: "problems = \"own\"\nunknown_answers = \"problem\"",
    sections: r#"
[problems.own]
status = { payload-mismatch = 409, key-expired = 200, in-flight = 425 }
codes = { in-flight = "E\"7", payload-mismatch = "704" }
types = { payload-mismatch = "conflict" }
content_type = "application/vnd.own+json; charset=utf-8"
echo = ["x-request-id"]
body = '''
{"own": {"status": {status}, "slug": "{slug}", "code": "{code}", "type": "{type}", "title": {title}, "text": "{detail}",
  "executed": "{executed}", "retry": {retry}, "record": {record}, "was": {original_status}, "braces": "{ }"}}
'''
bodies.key-missing = '''
{"own": {"status": {status}, "slug": "{slug}", "code": "key-missing", "type": "{type}", "title": {title},
  "text": "{detail}", "executed": "no", "retry": "new-key", "record": {record}, "was": null, "braces": "{ }", "more": true}}
'''
"#,
    told: told_in_own_words,
    mismatch: 409,
    expired: 200,
    in_flight: 425,
};

impl Language {
    /// Returns the settings of a gateway with the usual route alone.
    pub fn small(&self) -> Settings {
        Settings::route(self.route).more(self.sections)
    }
}

/// Checks the headers that are the same in every shape.
fn contract(answer: &Answer, slug: &str, executed: &str, retry: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.header("idempotency-executed"), Some(executed), "{answer:?}");
    let repeat = if retry == "same-key" && slug != "caller-unknown" { "true" } else { "false" };
    for name in ["stripe-should-retry", "x-should-retry"] {
        assert_eq!(answer.header(name), Some(repeat), "{answer:?}");
    }
    let again = ["in-flight", "upstream-unreachable", "store-unavailable", "overloaded", "shutting-down"];
    assert_eq!(answer.header("retry-after").is_some(), again.contains(&slug), "{answer:?}");
}

fn told_to_stripe(answer: &Answer, status: u16, slug: &str, executed: &str, retry: &str) -> Value {
    contract(answer, slug, executed, retry);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/json")),
        "{answer:?}"
    );
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
    let error = &body["error"];
    let kind = match slug {
        "payload-mismatch" => "idempotency_error",
        "key-missing" | "key-invalid" | "in-flight" => "invalid_request_error",
        _ => "api_error",
    };
    let code = if slug == "in-flight" { "idempotency_key_in_use".to_owned() } else { slug.replace('-', "_") };
    assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{body}");
    assert_eq!((&error["executed"], &error["retry"]), (&json!(executed), &json!(retry)), "{body}");
    assert!(error["message"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    assert_eq!(answer.header("idempotency-record"), error["record"].as_str(), "{answer:?}");
    error.clone()
}

fn told_in_own_words(answer: &Answer, status: u16, slug: &str, executed: &str, retry: &str) -> Value {
    contract(answer, slug, executed, retry);
    let content_type = "application/vnd.own+json; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (status, Some(content_type)), "{answer:?}");
    let own = answer.json()["own"].clone();
    let (code, kind) = match slug {
        "payload-mismatch" => ("704", "conflict".to_owned()),
        "in-flight" => ("E\"7", "urn:oncegate:problem:in-flight".to_owned()),
        "http-error" => (slug, "about:blank".to_owned()),
        slug => (slug, format!("urn:oncegate:problem:{slug}")),
    };
    for (name, expected) in [
        ("status", json!(status)),
        ("slug", json!(slug)),
        ("code", json!(code)),
        ("type", json!(kind)),
        ("executed", json!(executed)),
        ("retry", json!(retry)),
        ("braces", json!("{ }")),
    ] {
        assert_eq!(own[name], expected, "{name}: {own}");
    }
    assert!(own["title"].is_string() && own["text"].as_str().is_some_and(|text| text.len() > 10), "{own}");
    assert_eq!(own.get("more").is_some(), slug == "key-missing", "{own}");
    assert_eq!(answer.header("idempotency-record"), own["record"].as_str(), "{answer:?}");
    json!({ "record": own["record"], "original_status": own["was"] })
}

/// A client of either protocol.
#[derive(Clone)]
pub enum Client {
    One(SocketAddr),
    Two(Http2),
}

impl Client {
    pub async fn ask(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        match self {
            Self::One(address) => request(*address, "POST", path, headers, body).await,
            Self::Two(client) => {
                let target = format!("http://api.example{path}");
                client.request("POST", &target, headers, body).await.expect("an answer")
            }
        }
    }
}

/// A gateway with room for one execution, and routes for every problem.
pub struct World {
    pub language: &'static Language,
    pub upstream: Arc<Upstream>,
    pub gateway: Gateway,
    _dead: tokio::net::TcpSocket,
}

impl World {
    pub async fn start(language: &'static Language) -> Self {
        let upstream = Upstream::answering(|seen| {
            let name = seen.path.rsplit('/').next().unwrap_or_default().to_owned();
            let response = Response::builder().status(if name == "busy" { 503 } else { 201 });
            let (response, body) = match name.as_str() {
                "heads" => (response.header("x-long", "y".repeat(3000)), String::new()),
                "large" => (response, "z".repeat(100)),
                _ => (response, format!("{{\"n\":{}}}", seen.number)),
            };
            response.body(Full::from(body)).expect("a response")
        })
        .await;
        let dead = tokio::net::TcpSocket::new_v4().expect("a socket");
        dead.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let port = dead.local_addr().expect("an address").port();
        let Language { route, sections, .. } = language;
        let other = |name: &str, upstream: &str, lines: &str| {
            format!(
                "[[routes]]\nname = \"{name}\"\npath = \"/{name}/{{*rest}}\"\nupstream = \"{upstream}\"\n{route}\n{lines}\n"
            )
        };
        let more = format!(
            "{}{}{}{}{sections}\n[upstreams.dead]\nurl = \"http://127.0.0.1:{port}\"\n\
             [fallback]\nupstream = \"payments\"\nkeyed = \"refuse\"\n",
            other("quick", "payments", "ttl = \"200ms\"\nlease = \"100ms\""),
            other("waiting", "payments", ""),
            other("dead", "dead", ""),
            other("other", "payments", "key = { header = \"X-Other-Key\" }"),
        );
        let settings = Settings::route(&format!(
            "{route}\nanonymous = \"refuse\"\nkey = {{ required = true }}\nin_flight = \"reject\"\n\
             max_response_body = \"64B\""
        ));
        let settings = settings
            .server("http2 = true\nmax_in_flight = 1\nrequest_body_limit = \"1KiB\"")
            .upstream("response_head_limit = \"2KiB\"")
            .more(&more);
        let gateway = Gateway::start(&upstream, settings).await;
        Self { language, upstream, gateway, _dead: dead }
    }

    /// Waits until a route has met this many duplicates of a running attempt.
    pub async fn duplicates(&self, route: &str, count: usize) {
        let line = format!("oncegate_duplicates_total{{route=\"{route}\",arrival=\"concurrent\"}} {count}");
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while !self.gateway.shows(&line).await {
            assert!(tokio::time::Instant::now() < until, "there were never {count} duplicates");
        }
    }
}
