//! Addresses of the upstream in responses: clients stay on the gateway's side.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::harness::{Gateway, Settings, Upstream, request};

/// Starts an upstream that redirects to itself, with the host of the request.
async fn redirecting(status: u16) -> Arc<Upstream> {
    Upstream::answering(move |seen| {
        let to = format!("http://{}{}", seen.header("host"), "/v1/charges/1");
        let response = Response::builder().status(status).header("location", &*to);
        let response = response.header("content-location", to);
        response.body(Full::new(Bytes::from("{}"))).expect("a response")
    })
    .await
}

#[tokio::test]
async fn a_location_names_what_the_client_asked_also_in_a_replay() {
    let upstream = redirecting(201).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let key = [("idempotency-key", "k")];
    for replay in [false, true] {
        let answer = request(gateway.address, "POST", "/v1/charges", &key, "a").await;
        assert_eq!(answer.is_replay(), replay);
        for name in ["location", "content-location"] {
            assert_eq!(answer.header(name), Some("http://api.example/v1/charges/1"), "{name}");
        }
    }
    // The record stores the address as the upstream sent it.
    let id = gateway.records("completed").await[0]["id"].as_str().expect("an id").to_owned();
    let stored = gateway.admin_get(&format!("/v1/records/{id}?response=true")).await;
    assert!(
        stored.text().contains(&format!("http://{}/v1/charges/1", upstream.address)),
        "{}",
        stored.text()
    );
}

/// A client that follows 307 or 308 repeats the request. The first request did nothing, so its key stays
/// free.
#[tokio::test]
async fn a_redirect_that_repeats_the_request_releases_the_key() {
    for status in [307, 308] {
        let upstream = redirecting(status).await;
        let gateway = Gateway::start(&upstream, Settings::default()).await;
        let answer = request(gateway.address, "POST", "/v1/charges", &[("idempotency-key", "k")], "a").await;
        assert_eq!((answer.status, answer.header("idempotency-outcome")), (status, Some("released")));
        assert_eq!(answer.header("location"), Some("http://api.example/v1/charges/1"));
        assert_eq!(gateway.record_count().await, 0);
    }
}

#[tokio::test]
async fn rewriting_can_be_left_out_and_other_addresses_stay() {
    let upstream = redirecting(201).await;
    let settings = Settings::default().upstream("rewrite_location = false");
    let gateway = Gateway::start(&upstream, settings).await;
    let answer = request(gateway.address, "POST", "/v1/charges", &[("idempotency-key", "k")], "a").await;
    let own = format!("http://{}/v1/charges/1", upstream.address);
    assert_eq!(answer.header("location"), Some(&*own));
    // Such a response shows an internal address. An operator gets one warning.
    gateway.logs("shows clients the upstream's own address").await;

    let settings = Settings::default().upstream("preserve_host = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let answer = request(gateway.address, "POST", "/v1/charges", &[("idempotency-key", "k")], "a").await;
    assert_eq!(answer.header("location"), Some("http://api.example/v1/charges/1"));
}
