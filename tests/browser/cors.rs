//! A page of another origin pays through the gateway, reads the gateway's headers and problems, and can do
//! neither if its origin is not listed.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::clients::chromium;
use crate::harness::{Gateway, Settings, Upstream};

/// Starts a server of empty pages.
async fn pages() -> (Arc<Upstream>, String) {
    let pages = Upstream::answering(|_| {
        let page = Response::builder().header("content-type", "text/html");
        page.body(Full::from(Bytes::from("<!doctype html><title>Shop</title>"))).expect("a page")
    })
    .await;
    let origin = format!("http://{}", pages.address);
    (pages, origin)
}

/// Pays in a page: a first attempt, its retry, a mismatch and a plain form. Returns what the page can read, or
/// the name of the error.
async fn pay_in_a_page(page: &str, gateway: &Gateway) -> Value {
    let script = format!(
        "(async () => {{
            const read = async (key, body, options = {{}}) => {{
                const headers = {{
                    'idempotency-key': key, authorization: 'Bearer page', 'content-type': 'application/json',
                }};
                const request = {{ method: 'POST', headers, body, ...options }};
                try {{
                    const answer = await fetch('http://{}/v1/charges', request);
                    return {{
                        status: answer.status,
                        replayed: answer.headers.get('idempotent-replayed'),
                        record: answer.headers.get('idempotency-record'),
                        executed: answer.headers.get('idempotency-executed'),
                        body: await answer.text(),
                    }};
                }} catch (error) {{
                    return error.name;
                }}
            }};
            return [
                await read('page-1', '{{\"amount\":5}}'),
                await read('page-1', '{{\"amount\":5}}'),
                await read('page-1', '{{\"amount\":6}}'),
                await read('page-1', '{{\"amount\":5}}', {{ credentials: 'include' }}),
            ];
        }})()",
        gateway.address
    );
    chromium(page, &script).await
}

#[tokio::test]
async fn a_listed_page_pays_and_reads_and_another_one_cannot() {
    let upstream = Upstream::start().await;
    let ((_shop, shop), (_other, other)) = (pages().await, pages().await);
    let settings = Settings::default().server(&format!("cors = {{ origins = [\"{shop}\"] }}"));
    let gateway = Gateway::start(&upstream, settings).await;

    let read = pay_in_a_page(&shop, &gateway).await;
    let (first, replay, problem) = (&read[0], &read[1], &read[2]);
    assert_eq!((&first["status"], &first["replayed"]), (&json!(201), &Value::Null), "{read:#}");
    assert_eq!((&replay["status"], &replay["replayed"]), (&json!(201), &json!("true")), "{read:#}");
    assert_eq!((&first["body"], &first["record"]), (&replay["body"], &replay["record"]), "{read:#}");
    assert_eq!(first["record"].as_str().map(str::len), Some(40), "{read:#}");
    assert_eq!((&problem["status"], &problem["executed"]), (&json!(422), &json!("no")), "{read:#}");
    assert!(problem["body"].as_str().is_some_and(|body| body.contains("payload-mismatch")), "{read:#}");
    // Cookies need `credentials = true`.
    assert_eq!(read[3], "TypeError", "{read:#}");
    // The first attempt of another page has its preflight refused, so nothing of it is sent.
    let refused = pay_in_a_page(&other, &gateway).await;
    assert_eq!(refused, json!(["TypeError", "TypeError", "TypeError", "TypeError"]));
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_listed_page_may_send_credentials_if_the_operator_says_so() {
    let upstream = Upstream::start().await;
    let (_shop, shop) = pages().await;
    let cors = format!("cors = {{ origins = [\"{shop}\"], credentials = true }}");
    let gateway = Gateway::start(&upstream, Settings::default().server(&cors)).await;
    let read = pay_in_a_page(&shop, &gateway).await;
    assert_eq!((&read[3]["status"], &read[3]["replayed"]), (&json!(201), &json!("true")), "{read:#}");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn without_cors_no_page_of_another_origin_pays() {
    let upstream = Upstream::start().await;
    let (_shop, shop) = pages().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let refused = pay_in_a_page(&shop, &gateway).await;
    assert_eq!(refused, json!(["TypeError", "TypeError", "TypeError", "TypeError"]));
    assert_eq!(upstream.executions(), 0);
}
