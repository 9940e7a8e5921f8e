//! Records written straight into a store: each is claimed, and then completed or lost.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use oncegate::protocol::{
    BodyScheme, Claim, Finding, Fingerprint, Key, Labels, OnUnknown, Owner, PathScheme, Policy, Reason,
    RecordId, Report, RequestParts, ResponseRef, Scheme, Scope, StoredResponse,
};
use oncegate::store::Ledger;
use tokio::task::JoinSet;

/// Number of records that are written at once.
const AT_ONCE: u64 = 128;

const DAY: Duration = Duration::from_secs(86_400);

/// Returns the id of the operation with this number.
pub fn id(number: u64) -> RecordId {
    let key = Key::parse(format!("order-{number}").as_bytes()).expect("a key");
    RecordId::of("pay", &Scope::anonymous(), &key)
}

/// Writes the records with the numbers below `count`. Those below `unknown` are unknown, and the others are
/// completed with a response of some hundred bytes.
pub async fn load(ledger: &Ledger, count: u64, unknown: u64) {
    let mut writing = JoinSet::new();
    for first in 0..AT_ONCE {
        let ledger = ledger.clone();
        writing.spawn(async move {
            for number in (first..count).step_by(AT_ONCE as usize) {
                write(&ledger, number, number < unknown).await;
            }
        });
    }
    while let Some(written) = writing.join_next().await {
        written.expect("a writer works");
    }
}

async fn write(ledger: &Ledger, number: u64, is_unknown: bool) {
    let mut owner = [7; 16];
    owner[..8].copy_from_slice(&number.to_be_bytes());
    let (id, owner) = (id(number), Owner(owner));
    let claim = Claim {
        owner,
        namespace: "pay".into(),
        route: "pay".into(),
        fingerprint: fingerprint(),
        policy: Policy {
            on_unknown: OnUnknown::Hold,
            lease: Duration::from_millis(1),
            response_timeout: Duration::from_millis(1),
            ttl: 30 * DAY,
            tombstone_ttl: DAY,
        },
        kept: None,
        labels: Labels::default(),
    };
    ledger.claim(id, claim).await.expect("a claim");
    let (finding, response) = match is_unknown {
        true => (Finding::Lose(Reason::ConnectionLost), None),
        false => {
            let reference = ResponseRef { id: owner, status: 201, retained: true };
            (Finding::Complete(reference), Some(response(number)))
        }
    };
    let report = Report { owner, n: 1, finding };
    ledger.apply(id, None, &report, response.as_ref()).await.expect("an outcome");
}

/// Returns the body of the response to the operation with this number.
pub fn body(number: u64) -> String {
    format!("{{\"id\":\"ch_{number}\",\"amount\":1200,\"currency\":\"eur\",\"status\":\"succeeded\"}}")
}

fn response(number: u64) -> StoredResponse {
    StoredResponse {
        status: StatusCode::CREATED,
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body: Bytes::from(body(number)),
    }
}

fn fingerprint() -> Fingerprint {
    let scheme = Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
    let headers = HeaderMap::new();
    let request =
        RequestParts { method: &Method::POST, path: "/v1/pay", query: None, headers: &headers, body: b"{}" };
    Fingerprint::of(request, &scheme)
}

/// Writes the line of an operation to a ledger in CSV.
pub fn line(ledger: &mut String, number: u64, execution: u32) {
    let body = body(number).replace('"', "\"\"");
    writeln!(ledger, "po_{number},1200,eur,{}:{execution},201,\"{body}\"", id(number)).expect("a string");
}
