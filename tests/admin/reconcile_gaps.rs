//! `oncegate records reconcile` where the absence of a line proves nothing.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use oncegate::protocol::{Labels, Reason, RecordId, Scope};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::reconcile::{file, found, report, report_at, run, state};
use crate::world::{LEASE, RESPONSE_TIMEOUT, TTL, World, id_of};

const WINDOW: [&str; 6] = ["--from", "2023-11-14", "--to", "2023-11-15", "--route", "pay"];

fn applied() -> Vec<&'static str> {
    [&WINDOW[..], &["--apply"]].concat()
}

/// A payment with a key of a caller who has another token now: its line names no operation, and its own
/// operation seems to be absent.
#[tokio::test]
async fn a_key_with_a_wrong_scope_lets_absence_prove_nothing() {
    let world = World::start().await;
    let of = |token: &'static str, key: &str| {
        id_of("pay", &Scope::of([("authorization", [token.as_bytes()])]), key)
    };
    let (paid, absent, known) = (of("old", "k-1"), of("old", "k-2"), of("old", "k-3"));
    for id in [paid, absent, known] {
        world.lost(world.attempt_of(id, "pay", Labels::default()).await, Reason::ConnectionLost).await;
    }
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    for wrong in ["new", "Old"] {
        let ledger = file(&format!("key,authorization\nk-3,old\nk-1,{wrong}\n"));
        let (held, code) = report(&world, &ledger, &applied()).await;
        assert_eq!(held["tally"]["key_lines_unmatched"], 1, "{held}");
        assert_eq!(held["gaps"], json!(["1 lines by key unmatched"]));
        assert_eq!((&held["applied"]["not_executed"], code), (&json!(0), Some(1)), "{held}");
        assert_eq!(
            (state(&world, paid).await, state(&world, absent).await),
            (json!("unknown"), json!("unknown"))
        );
    }
    let whole = file("key,authorization\nk-3,old\nk-1,old\n");
    let (settled, code) = report(&world, &whole, &applied()).await;
    assert_eq!((&settled["gaps"], code), (&json!([]), Some(0)), "{settled}");
    assert_eq!(
        (state(&world, paid).await, state(&world, absent).await),
        (json!("settled"), json!("cleared"))
    );
}

/// An execution names its operation by itself. A line of another gateway hides no payment of this one.
#[tokio::test]
async fn an_execution_of_another_gateway_is_no_gap() {
    let world = World::start().await;
    let done = world.completed("k-1", StatusCode::CREATED, "paid").await.id;
    let absent = world.unknown("k-2").await.id;
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let ledger = file(&format!("execution\n{done}:1\n{}:1\n", "0".repeat(40)));
    let (settled, code) = report(&world, &ledger, &applied()).await;
    assert_eq!((&settled["tally"]["lines_without_record"], &settled["gaps"]), (&json!(1), &json!([])));
    assert_eq!((code, state(&world, absent).await), (Some(0), json!("cleared")));
}

#[tokio::test]
async fn a_payment_near_the_end_is_not_missing() {
    let world = World::start().await;
    let done = world.completed("k-early", StatusCode::CREATED, "paid").await.id;
    let absent = world.unknown("k-1").await.id;
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    // Not an hour before the end of the ledger.
    let late = world.completed("k-late", StatusCode::CREATED, "paid").await.id;
    let ledger = file(&format!("execution\n{done}:1\n"));
    let window = |to| ["--from", "2023-11-14", "--route", "pay", "--apply", "--to", to];
    let (settled, code) = report(&world, &ledger, &window("2023-11-14T23:13:59.999Z")).await;
    assert_eq!((found(&settled, "missing"), &settled["gaps"], code), (vec![], &json!([]), Some(0)));
    let (held, code) = report(&world, &ledger, &window("2023-11-14T23:14:00Z")).await;
    assert_eq!(found(&held, "missing"), [(late.to_string(), vec![])]);
    assert_eq!((code, state(&world, absent).await), (Some(1), json!("unknown")));
}

#[tokio::test]
async fn outcomes_that_were_open_at_the_end_of_their_ttl_are_told() {
    let world = World::start().await;
    let done = world.completed("k-1", StatusCode::CREATED, "paid").await.id;
    let paid = world.unknown("k-2").await.id;
    world.unknown("k-3").await;
    world.clock.advance(TTL);
    assert_eq!(world.show(done).await["executed"], "yes");
    assert_eq!(world.show(paid).await["executed"], "unknown");
    let ledger = file(&format!("execution\n{done}:1\n{paid}:1\n"));
    for arguments in [&[][..], &applied()] {
        let (told, code) = report(&world, &ledger, arguments).await;
        assert_eq!(found(&told, "expired"), [(paid.to_string(), vec![3])]);
        let tally = &told["tally"];
        assert_eq!(
            (&tally["agreed"], &tally["expired_undecided"], code),
            (&json!(1), &json!(1), Some(1)),
            "{told}"
        );
        assert!(told["notes"].to_string().contains("cannot be resolved any more"), "{told}");
    }
    let text = run(&world, &ledger, &[]).await.out;
    let line =
        format!("expired {paid} route pay execution 1 line 3: it was undecided, or declared not executed, ");
    assert!(text.lines().any(|found| found.starts_with(&line)), "{text}");
}

#[tokio::test]
async fn a_route_without_a_record_is_told() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let ledger = file(&format!("execution\n{id}:1\n"));
    let misspelt = run(&world, &ledger, &["--route", "payy", "--apply"]).await;
    assert_eq!(misspelt.code, Some(2), "{}", misspelt.out);
    assert!(misspelt.err.contains("no route is named `payy`, and no record names it"), "{}", misspelt.err);
    let misspelt = run(&world, &ledger, &["--route", "pay", "--route", "payy", "--apply"]).await;
    assert_eq!((misspelt.code, state(&world, id).await), (Some(2), json!("unknown")));

    let quiet = run(&world, &ledger, &["--route", "refund"]).await;
    assert_eq!(quiet.code, Some(1), "{}", quiet.out);
    let row = ["compared", "0"];
    assert!(quiet.out.lines().any(|line| line.split_whitespace().take(2).eq(row)), "{}", quiet.out);
    assert!(quiet.out.contains("No record names the route `refund`."), "{}", quiet.out);
    let both = run(&world, &ledger, &["--route", "refund", "--route", "pay"]).await;
    assert_eq!(both.code, Some(0), "{}", both.out);
    assert!(both.out.contains("No record names the route `refund`."), "{}", both.out);

    let empty = run(&World::start().await, &ledger, &[]).await;
    assert_eq!(empty.code, Some(1), "{}", empty.out);
    assert!(empty.out.contains("The gateway has no record."), "{}", empty.out);
}

/// A record that an operator's decision or a removed route left behind still names its route.
#[tokio::test]
async fn a_route_that_only_records_name_is_no_wrong_usage() {
    let world = World::start().await;
    let id = world.unknown_of("gone", "k-1", Reason::ConnectionLost).await.id;
    let (settled, code) =
        report(&world, &file(&format!("execution\n{id}:1\n")), &["--route", "gone", "--apply"]).await;
    assert_eq!((&settled["applied"]["executed"], code), (&json!(1), Some(0)), "{settled}");
}

/// A marker that shows a commit proves that the ledger lacks a payment, so it may lack others.
#[tokio::test]
async fn a_marker_that_contradicts_the_ledger_ends_the_sending() {
    let world = Arc::new(World::start().await);
    let proven = world.unknown("k-0").await.id;
    let mut absent = Vec::new();
    for number in 1..40 {
        absent.push(world.unknown(&format!("k-{number}")).await.id);
    }
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let committed = *absent.iter().min().expect("a record");
    let admin = committed_in_front_of(Arc::clone(&world), committed).await;
    let ledger = file(&format!("execution\n{proven}:1\n"));
    let (held, code) = report_at(&admin, &ledger, &applied()).await;
    assert_eq!(held["gaps"], json!(["1 executed by the upstream's marker"]), "{held}");
    assert_eq!((&held["applied"]["executed"], &held["applied"]["refused"]), (&json!(1), &json!(1)));
    assert!(held["applied"]["not_executed"].as_u64().is_some_and(|count| count < 30), "{held}");
    assert!(held["notes"].to_string().contains("repeat with --despite-gaps"), "{held}");
    assert_eq!(code, Some(1));

    let (rest, code) = report_at(&admin, &ledger, &[&applied()[..], &["--despite-gaps"]].concat()).await;
    assert_eq!((&rest["applied"]["refused"], code), (&json!(1), Some(1)), "{rest}");
    for id in absent {
        assert_eq!(state(&world, id).await, if id == committed { "unknown" } else { "cleared" });
    }
}

/// Starts a listener in front of the world that refuses to declare one operation not executed, as a gateway
/// does whose marker table has the row.
async fn committed_in_front_of(world: Arc<World>, committed: RecordId) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = axum::Router::new().fallback(pass_on).with_state((world, committed));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn pass_on(State((world, committed)): State<(Arc<World>, RecordId)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let path = head.uri.to_string();
    if head.method == Method::GET {
        let answer = world.get(&path).await;
        return (answer.status, answer.body).into_response();
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    if path.contains(&committed.to_string()) {
        let problem = json!({ "detail": "the upstream has executed the operation" });
        return (StatusCode::CONFLICT, problem.to_string()).into_response();
    }
    let answer = world.post(&path, body).await;
    (answer.status, answer.body).into_response()
}
