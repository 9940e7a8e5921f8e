//! One path in each spelling that some server accepts for it.

use tokio::task::JoinSet;

use crate::apps::App;
use crate::clients::Gateway;
use crate::harness::{Answer, Connection};

const PATH: &str = "/v1/charges";

/// Spellings that the route covers. Each of them is a retry of the operation.
const EQUIVALENT: [&str; 17] = [
    "/v1/charges/",
    "/v1/charges//",
    "/v1/charges/.",
    "/V1/Charges",
    "/V1/CHARGES/",
    "//v1/charges",
    "/v1//charges",
    "/v1/./charges",
    "/v1/%2e/charges",
    "/v1/x/../charges",
    "/v1/x/%2E%2e/charges",
    "/../v1/charges",
    "/v1/ch%61rges",
    "/%76%31/charges",
    "/v1/charges;a=b",
    "/v1;a=b/charges",
    "http://HOST/v1/charges",
];

/// Requests that servers read differently, so that the gateway refuses them.
const REFUSED: [(&str, &str); 18] = [
    ("POST", "/v1%2Fcharges"),
    ("POST", "/v1%2fcharges"),
    ("POST", "/v1/charges%2F"),
    ("POST", "/v1/x%2F..%2Fcharges"),
    ("POST", "/v1\\charges"),
    ("POST", "/v1%5Ccharges"),
    // A pattern that ends with `$` also matches before a line feed.
    ("POST", "/v1/charges%0A"),
    ("POST", "/v1/charges%0D%0A"),
    // `..` removes an empty segment on one server, and the segment before it on another.
    ("POST", "/v1/charges//.."),
    ("POST", "/v1/charges//%2e%2E/"),
    ("POST", "/v1/charges/;/.."),
    ("POST", "/v1/charges/..;x/.."),
    ("POST", "/v1/x//../../charges"),
    // Two slashes may begin an authority.
    ("POST", "//x/v1/charges"),
    ("POST", "/\\x/v1/charges"),
    ("post", "/v1/charges"),
    ("Post", "/v1/charges"),
    ("pOST", "/V1/charges/"),
];

/// Other spellings that might reach the handler. The test ignores their answers.
const DOUBTFUL: [&str; 18] = [
    "/v1/charges.",
    "/v1/charges/..;x/charges",
    "/v1%C0%AFcharges",
    "/v1%EF%BC%8Fcharges",
    "http://HOST//v1/charges",
    "///v1/charges",
    "\\v1/charges",
    "/..%2Fv1/charges",
    "/v1/charges?",
    "/v1/charges?a=b",
    "/v1/charges%3F",
    "/v1/charges%23",
    "/v1/charges%3Ba=b",
    "/v1/charges%00",
    "/v1/charges%09",
    "/v1/charges%20",
    "/v1/%63%68arges%2e",
    "/v1%252Fcharges",
];

/// Returns every request line of the three lists.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let posts = EQUIVALENT.into_iter().chain(DOUBTFUL).map(|target| ("POST", target));
    posts.chain(REFUSED)
}

/// Starts a gateway with one route, which covers the charges and requires a key. Other requests go to the
/// fallback.
async fn one_route(app: &App) -> Gateway {
    let sections = format!(
        "[upstreams.app]\nurl = \"http://{}\"\n[fallback]\nupstream = \"app\"\n\
         [[routes]]\nname = \"charges\"\npath = \"{PATH}\"\nupstream = \"app\"\nkey = {{ required = true }}\n",
        app.address
    );
    Gateway::start("", &sections).await
}

/// Starts a gateway that protects every path, as `serve --upstream` does.
async fn catch_all(app: &App) -> Gateway {
    let sections = format!(
        "[upstreams.app]\nurl = \"http://{}\"\n\
         [[routes]]\nname = \"all\"\npath = \"/{{*rest}}\"\nupstream = \"app\"\nkey = {{ required = true }}\n",
        app.address
    );
    Gateway::start("", &sections).await
}

/// Sends a charge on a raw socket, so that no client library changes the target. Returns `None` if the
/// connection ended.
async fn charge(gateway: &Gateway, method: &str, target: &str, key: &str) -> Option<Answer> {
    let host = gateway.address;
    let target = target.replace("HOST", &host.to_string());
    let key = if key.is_empty() { String::new() } else { format!("idempotency-key: {key}\r\n") };
    let body = r#"{"amount":1200}"#;
    let mut connection = Connection::open(host).await;
    connection
        .send(format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk_test\r\n{key}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    connection.try_answer().await
}

/// Runs the operation under its path, and then asks for it with every other spelling.
async fn after_the_path_itself(app: &App, gateway: &Gateway, name: &str) {
    let first = charge(gateway, "POST", PATH, "key-0").await.expect("an answer");
    assert_eq!((first.status, first.is_replay()), (201, false), "{name}: {first:?}");
    for target in EQUIVALENT {
        let told = charge(gateway, "POST", target, "key-0").await.expect("an answer");
        assert_eq!((told.status, told.is_replay()), (201, true), "{name}: {target}: {told:?}");
        assert_eq!(told.body, first.body, "{name}: {target}");
    }
    for (method, target) in REFUSED {
        let told = charge(gateway, method, target, "key-0").await.expect("an answer");
        assert_eq!(told.status, 404, "{name}: {method} {target}: {told:?}");
        told.problem(404, "no-route", "unknown", "never");
    }
    for (method, target) in all() {
        charge(gateway, method, target, "key-0").await;
        assert_eq!(app.effects("key-0").await, 1, "{name}: {method} {target}");
    }
}

/// Asks for the operation with another spelling first, and then under its path.
async fn before_the_path_itself(app: &App, gateway: &Gateway, name: &str) {
    let mut twice = Vec::new();
    for (number, (method, target)) in all().enumerate() {
        let key = format!("{name}-{}", number + 1);
        let told = [
            charge(gateway, method, target, &key).await.map(|told| told.status),
            charge(gateway, "POST", PATH, &key).await.map(|told| told.status),
            charge(gateway, method, target, &key).await.map(|told| told.status),
        ];
        let effects = app.effects(&key).await;
        if effects > 1 {
            twice.push(format!("{method} {target}: {effects} effects, {told:?}"));
        }
    }
    assert!(twice.is_empty(), "{name}:\n{}", twice.join("\n"));
}

/// Checks that no spelling avoids a route that requires a key.
async fn without_a_key(app: &App, gateway: &Gateway, name: &str) {
    let before = app.ledger().await.len();
    for (method, target) in all().chain([("POST", PATH)]) {
        let told = charge(gateway, method, target, "").await;
        assert!(told.as_ref().is_none_or(|told| told.status >= 300), "{name}: {method} {target}: {told:?}");
        assert_eq!(app.ledger().await.len(), before, "{name}: {method} {target}: {told:?}");
    }
}

/// Checks the rules that hold in front of each framework.
async fn one_key_is_one_effect(app: App, name: &str) {
    let gateway = one_route(&app).await;
    after_the_path_itself(&app, &gateway, name).await;
    before_the_path_itself(&app, &gateway, &format!("{name}-route")).await;
    without_a_key(&app, &gateway, name).await;
    let gateway = catch_all(&app).await;
    before_the_path_itself(&app, &gateway, &format!("{name}-all")).await;
    without_a_key(&app, &gateway, name).await;
}

#[tokio::test]
async fn express_5() {
    one_key_is_one_effect(App::express("express").await, "express").await;
}

#[tokio::test]
async fn express_4() {
    one_key_is_one_effect(App::express("express4").await, "express4").await;
}

#[tokio::test]
async fn flask() {
    one_key_is_one_effect(App::flask().await, "flask").await;
}

#[tokio::test]
async fn fastapi() {
    one_key_is_one_effect(App::fastapi().await, "fastapi").await;
}

#[tokio::test]
async fn nginx_before_express() {
    one_key_is_one_effect(App::nginx().await, "nginx").await;
}

/// The test uses a gateway with one route only. On a gateway that protects every path, `//name` stays part of
/// the path.
#[tokio::test]
async fn node_with_urls() {
    let app = App::url().await;
    let gateway = one_route(&app).await;
    after_the_path_itself(&app, &gateway, "url").await;
    before_the_path_itself(&app, &gateway, "url").await;
    without_a_key(&app, &gateway, "url").await;
}

/// Spellings that arrive together are duplicates, like those that arrive one after the other.
#[tokio::test]
async fn all_spellings_at_once() {
    let app = App::nginx().await;
    let gateway = std::sync::Arc::new(one_route(&app).await);
    let mut attempts = JoinSet::new();
    for (method, target) in all().chain([("POST", PATH)]) {
        let gateway = std::sync::Arc::clone(&gateway);
        attempts
            .spawn(async move { charge(&gateway, method, target, "key-0").await.map(|told| told.status) });
    }
    let told = attempts.join_all().await;
    assert!(app.effects("key-0").await <= 1, "{told:?}");
}
