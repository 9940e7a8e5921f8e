//! Callers: one key of two callers names two operations, and a request without a caller is refused.

use std::sync::Arc;

use crate::harness::tls::{Authority, connect};
use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, request, request_bytes};

const DEFAULTS: &str = "anonymous = \"refuse\"";

async fn gateway(route: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route(route)).await;
    (upstream, gateway)
}

async fn pay(gateway: &Gateway, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("idempotency-key", "order-1001")], headers].concat();
    request(gateway.address, "POST", "/v1/charges", &headers, "a").await
}

#[tokio::test]
async fn callers_are_told_apart_by_what_usual_apis_authenticate_with() {
    let (upstream, gateway) = gateway(DEFAULTS).await;
    let callers: [&[(&str, &str)]; 9] = [
        &[("authorization", "Bearer victim")],
        &[("authorization", "Bearer other")],
        &[("authorization", "Basic dmljdGltOg==")],
        &[("x-api-key", "victim")],
        &[("x-api-key", "other")],
        &[("api-key", "victim")],
        &[("stripe-account", "acct_victim")],
        &[("authorization", "Bearer victim"), ("stripe-account", "acct_1")],
        &[("authorization", "Bearer victim"), ("stripe-account", "acct_2")],
    ];
    for (number, caller) in callers.into_iter().enumerate() {
        let first = pay(&gateway, caller).await;
        assert_eq!((first.status, first.is_replay()), (201, false), "{caller:?}");
        assert_eq!(first.json()["charge"], number + 1, "{caller:?}");
        let again = pay(&gateway, caller).await;
        assert_eq!((again.body, again.status), (first.body, 201), "{caller:?}");
    }
    assert_eq!(upstream.executions(), callers.len());
}

#[tokio::test]
async fn a_caller_that_nothing_tells_is_refused() {
    let (upstream, gateway) = gateway(DEFAULTS).await;
    pay(&gateway, &[("x-api-key", "victim")]).await;
    let strangers: [&[(&str, &str)]; 5] = [
        &[],
        &[("cookie", "session=other")],
        &[("x-merchant", "1")],
        &[("x_api_key", "victim")],
        &[("x-forwarded-for", "203.0.113.9")],
    ];
    for stranger in strangers {
        let told = pay(&gateway, stranger).await;
        let members = told.problem(400, "caller-unknown", "unknown", "same-key");
        assert!(members["detail"].as_str().is_some_and(|detail| detail.contains("x-api-key")), "{members}");
        assert_eq!(told.header("idempotency-record"), None, "{stranger:?}");
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (1, 1));
    // A request without a key stores nothing for any caller, and the upstream itself sees the sender.
    assert_eq!(request(gateway.address, "POST", "/v1/charges", &[], "a").await.status, 201);
}

#[tokio::test]
async fn a_header_without_a_value_tells_no_caller() {
    let (upstream, gateway) = gateway(DEFAULTS).await;
    for empty in
        [("x-api-key", ""), ("authorization", ""), ("authorization", "Bearer"), ("authorization", "Basic ")]
    {
        pay(&gateway, &[empty]).await.problem(400, "caller-unknown", "unknown", "same-key");
    }
    // An unknown header beside a known one does not make another caller.
    assert!(!pay(&gateway, &[("authorization", "Bearer a")]).await.is_replay());
    assert!(pay(&gateway, &[("authorization", "Bearer a"), ("x-api-key", "")]).await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

/// Each retry has a new signature. With the signature in the scope, a retry would be a new caller and would
/// run again.
#[tokio::test]
async fn a_signature_of_the_request_is_no_caller() {
    let (upstream, gateway) = gateway(DEFAULTS).await;
    for signed in [
        "AWS4-HMAC-SHA256 Credential=AKIA/20261128/eu/x/aws4_request, SignedHeaders=host, Signature=00",
        "OAuth oauth_consumer_key=\"a\", oauth_nonce=\"1\", oauth_signature=\"x\"",
        "Digest username=\"a\", realm=\"b\", nonce=\"c\", response=\"d\"",
        "Signature keyId=\"a\",signature=\"b\"",
        "Hawk id=\"a\", ts=\"1\", nonce=\"b\", mac=\"c\"",
        "Negotiate YIIB",
        "NTLM TlRMTVNTUAAB",
        "negotiate YIIB",
        "AWS AKIA:c2lnbmF0dXJl",
        "GOOG4-RSA-SHA256 Credential=a, Signature=b",
        "EG1-HMAC-SHA256 client_token=a;signature=b",
        "SharedKey account:c2lnbmF0dXJl",
    ] {
        let told = pay(&gateway, &[("authorization", signed)]).await;
        let members = told.problem(400, "caller-unknown", "unknown", "same-key");
        assert!(members["detail"].as_str().is_some_and(|detail| detail.contains("scope")), "{members}");
    }
    assert_eq!(upstream.executions(), 0);
    // Beside a stable part, a signature does no harm.
    let signed = |signature| [("authorization", signature), ("x-api-key", "k")];
    let first = pay(&gateway, &signed("AWS4-HMAC-SHA256 Credential=a, Signature=00")).await;
    let again = pay(&gateway, &signed("AWS4-HMAC-SHA256 Credential=a, Signature=11")).await;
    assert_eq!((first.status, first.is_replay(), again.is_replay()), (201, false, true));
}

#[tokio::test]
async fn with_anonymous_one_all_whom_nothing_tells_are_one_caller() {
    let (upstream, gateway) = gateway("anonymous = \"one\"").await;
    assert!(!pay(&gateway, &[]).await.is_replay());
    assert!(pay(&gateway, &[]).await.is_replay());
    let signed = [("authorization", "Hawk id=\"a\", ts=\"1\", nonce=\"b\", mac=\"c\"")];
    assert!(pay(&gateway, &signed).await.is_replay());
    // Other callers stay apart.
    assert!(!pay(&gateway, &[("x-api-key", "other")]).await.is_replay());
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn connection_takes_no_part_of_a_scope_away() {
    let (upstream, gateway) =
        gateway("scope = [\"x-merchant\", \"authorization\"]\nanonymous = \"one\"").await;
    for named in ["X-Merchant", "close, x-merchant", "Authorization"] {
        let headers = [("connection", named), ("x-merchant", "1"), ("authorization", "Bearer a")];
        let told = pay(&gateway, &headers).await;
        assert_eq!(told.status, 400, "{named}");
    }
    assert_eq!(upstream.executions(), 0);
}

/// A client certificate identifies its caller, whether or not the scope names the certificate. A renewed
/// certificate is the same caller.
#[tokio::test]
async fn certificates_tell_callers_apart() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let tls = format!(
        "tls = {{ {}, client_ca = \"{}\" }}",
        authority.certify("server").keys(),
        authority.ca.display()
    );
    let gateway = Gateway::start(&upstream, Settings::route(DEFAULTS).server(&tls)).await;
    let clients = [
        ("one", Some("merchant-1"), "a.example"),
        ("two", Some("merchant-2"), "a.example"),
        ("renewed", Some("merchant-1"), "b.example"),
        ("nameless-1", None, "one.example"),
        ("nameless-2", None, "two.example"),
    ];
    let mut replays = Vec::new();
    for (file, subject, alternative) in clients {
        let client = authority.certify_client(file, subject, alternative);
        let connector = authority.client(Some(&client), &["http/1.1"]);
        let stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
        let mut connection = Connection::over(stream);
        connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k")], b"a")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 201, "{file}");
        replays.push(answer.is_replay());
    }
    assert_eq!(replays, [false, false, true, false, false]);
    assert_eq!(upstream.executions(), 4);
}
