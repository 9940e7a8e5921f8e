//! `POST /v1/accept-clock`.

use http::header::HOST;
use http::{Method, Request, StatusCode};
use oncegate::store::{Stopped, StoreError};

use crate::faulty::Fault;
use crate::world::{Answer, World, token};

async fn ask(world: &World, lines: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(world.url("/v1/accept-clock"));
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    world.send(request, body).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn it_says_whether_claims_were_stopped_and_may_be_repeated() {
    let world = World::start().await;
    assert_eq!(ask(&world, &[], "").await.json()["accepted"], false);
    world.store.stop(Stopped::Clock);
    assert_eq!(
        ask(&world, &[JSON], r#"{"note":"checked against another machine"}"#).await.json()["accepted"],
        true
    );
    assert_eq!(world.ledger.stopped().next(), None);
    assert_eq!(ask(&world, &[JSON], "{}").await.json()["accepted"], false);
}

#[tokio::test]
async fn it_is_guarded_as_other_changes_are() {
    let world = World::start().await;
    world.store.stop(Stopped::Clock);
    for lines in [
        [("origin", "http://elsewhere.example")],
        [("sec-fetch-site", "cross-site")],
        [(HOST.as_str(), "elsewhere.example")],
    ] {
        ask(&world, &lines, "").await.problem(403, "about:blank");
    }
    assert_eq!(world.get("/v1/accept-clock").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let token = World::guarded_by(token("t")).await;
    token.store.stop(Stopped::Clock);
    assert_eq!(ask(&token, &[], "").await.status, StatusCode::UNAUTHORIZED);
    for world in [&world, &token] {
        assert_eq!(world.ledger.stopped().next(), Some(Stopped::Clock));
    }
    assert_eq!(ask(&token, &[("authorization", "Bearer t")], "").await.json()["accepted"], true);
}

#[tokio::test]
async fn a_body_that_is_not_understood_and_a_store_that_is_away_change_nothing() {
    let world = World::start().await;
    world.store.stop(Stopped::Clock);
    assert_eq!(ask(&world, &[], "{}").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for body in ["{", r#"{"notes":"x"}"#, r#"{"note":7}"#, "[]"] {
        assert_eq!(ask(&world, &[JSON], body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(world.ledger.stopped().next(), Some(Stopped::Clock));
    world.store.fails_with(Fault::Everything(StoreError::Unavailable("away".into())));
    ask(&world, &[], "").await.problem(503, "urn:oncegate:problem:store-unavailable");
    assert_eq!(world.ledger.stopped().next(), Some(Stopped::Clock));
}
