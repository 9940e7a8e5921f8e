//! The route table is replaced while requests run.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use oncegate::admin::{self, About, Access, AdminState};
use oncegate::config::Route;
use oncegate::protocol::Policy;
use oncegate::routes::RouteTable;
use oncegate::settle::{Keeper, Settler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::world::{World, new_owner};

const HOUR: Duration = Duration::from_secs(3600);

/// Asks the admin API for the record that a request on this route names.
async fn lookup(admin: &axum::Router, route: &str) -> (StatusCode, Value) {
    let body = json!({ "route": route, "key": "k-1", "path": "/v1/charges" }).to_string();
    let request = Request::post("/v1/lookup").header("content-type", "application/json");
    let request = request.header("host", "127.0.0.1").body(Body::from(body)).expect("well-formed");
    let (head, body) = admin.clone().oneshot(request).await.expect("a response").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test(start_paused = true)]
async fn gateway_admin_and_store_follow_a_new_table_and_a_running_request_keeps_its_route() {
    let world = World::new();
    let admin = admin::router(AdminState {
        ledger: world.ledger.clone(),
        settler: Settler::new(world.ledger.clone(), world.metrics.clone(), Keeper::default(), new_owner),
        metrics: world.metrics.clone(),
        about: About::default(),
        routes: world.routes.clone(),
        access: Access::Loopback,
        configuration: None,
        draining: CancellationToken::new(),
        new_owner: Arc::new(new_owner),
    });
    let (longest_ttl, before) = (world.routes.longest_ttl(), world.route.policy.ttl);
    assert_eq!(longest_ttl(), before);
    let running = world.begin("k-1").await;

    let policy = Policy { ttl: before + HOUR, ..world.route.policy };
    let changed =
        Route { name: "changed".into(), namespace: "changed".into(), policy, ..Route::clone(&world.route) };
    world.routes.replace(RouteTable::new(&[Arc::new(changed)], None).expect("one route"));

    assert_eq!(longest_ttl(), before + HOUR, "a store asks the table in use");
    assert_eq!(lookup(&admin, "default").await.0, StatusCode::NOT_FOUND);
    let under_the_new_route = world.send("k-1").await;
    assert_eq!((under_the_new_route.status.as_u16(), world.upstream.calls()), (201, 2), "another namespace");
    let (status, record) = lookup(&admin, "changed").await;
    assert_eq!((status, &record["route"]), (StatusCode::OK, &json!("changed")), "{record}");

    assert_eq!(running.await.expect("no panic").status, 201);
    let found = world.ledger.read(world.id("k-1")).await.expect("the store answers");
    let record = found.record.expect("the first operation has its record");
    assert_eq!((&*record.route, record.policy.ttl), ("default", before), "as it began");
}
