//! `GET /.well-known/idempotency/record?route=NAME[&path=P]`: tells a caller what became of its key, without
//! the stored response.
//!
//! The request carries the key and the caller's headers as a request on the route does, and the same code
//! names the operation. The key of another caller therefore names another operation, of which there is no
//! record: it costs the same read, and gets the same bytes, as a key that was never used.

use axum::body::Body;
use axum::extract::Query;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::presence::ConnectionFacts;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::{Record, RecordId, State};
use crate::routes::NoPath;
use crate::shares::Party;
use crate::store::StoreError;

use super::Gateway;
use super::access::AccessLine;
use super::body::leave;
use super::operation::looked_up_key;
use super::reply::Reply;

/// Outcomes in metrics and log: a record was found, or there is none.
const FOUND: &str = "lookup";
const NONE: &str = "lookup-absent";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupQuery {
    route: String,
    /// Path of the request that the lookup is about. If the route's path has no parameters, the default is
    /// the route's own path.
    path: Option<String>,
}

/// A record as its caller sees it. Its members are a contract.
#[derive(Serialize)]
struct CallerView {
    state: &'static str,
    /// Status of the stored response.
    status: Option<u16>,
    created_at: String,
    updated_at: String,
    /// Time at which the present state ends by itself. A running state has none: its lease ends instead.
    expires_at: Option<String>,
}

/// The answer about an operation without a record.
#[derive(Serialize)]
struct Absent {
    state: &'static str,
}

/// Answers a lookup.
pub(super) async fn look_up(
    gateway: &Gateway,
    request: Request<Body>,
    party: Party,
    access: &mut AccessLine,
) -> Result<Reply, Problem> {
    let facts: ConnectionFacts = request.extensions().get().cloned().unwrap_or_default();
    let open_requests = facts.open_requests;
    let named = named(gateway, &request, access);
    leave(request);
    let id = named.map_err(without_advice)?;
    access.about(id);
    let _uncommitted = open_requests.begin_uncommitted();
    let Some(_permit) = gateway.lookups.take(party, 1) else {
        return Err(Problem::overloaded());
    };
    let found = gateway.ledger.read(id).await.map_err(|error| store_problem(id, &error))?;
    Ok(match found.record {
        Some(record) => {
            Reply { response: document(StatusCode::OK, &view(&record)), outcome: FOUND }.about(id)
        }
        // The id stays away: it would be the only difference between one absent record and another.
        None => {
            Reply { response: document(StatusCode::NOT_FOUND, &Absent { state: "absent" }), outcome: NONE }
        }
    })
}

/// Names the operation that a lookup is about.
fn named(gateway: &Gateway, request: &Request<Body>, access: &mut AccessLine) -> Result<RecordId, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let problem = Problem::new(Slug::Http(StatusCode::METHOD_NOT_ALLOWED), "A lookup is a GET.");
        return Err(problem.allowing("GET, HEAD"));
    }
    let query = query(request.uri())?;
    let table = gateway.routes.table();
    let route = table.named(&query.route).ok_or_else(|| {
        Problem::new(Slug::NoRoute, "No route has the name that the parameter `route` gives.")
    })?;
    access.about_route(&route.name);
    let path = table.operation_path(route, query.path.as_deref()).map_err(no_path)?;
    let key = looked_up_key(route, request.headers())?;
    let mut asked = Request::new(());
    (*asked.version_mut(), *asked.uri_mut()) = (request.version(), request.uri().clone());
    asked.headers_mut().clone_from(request.headers());
    asked.extensions_mut().clone_from(request.extensions());
    gateway.name_operation(route, &key, &mut asked.into_parts().0, Some(path))
}

fn query(uri: &Uri) -> Result<LookupQuery, Problem> {
    let query = Query::<LookupQuery>::try_from_uri(uri).map(|Query(query)| query);
    query.map_err(|_| {
        bad_request(
            "A lookup has the parameters `route`, once, and `path`, at most once, and no other. The key stands in its \
             header.",
        )
    })
}

/// Returns the problem of a lookup that does not name the path of its operation.
fn no_path(why: NoPath) -> Problem {
    bad_request(match why {
        NoPath::Missing => {
            "On this route, the same key on another path is another operation. Name the path of the request in the \
             parameter `path`."
        }
        NoPath::OfOtherRoute => {
            "The parameter `path` is not a path of this route. Give the path of the request, without its query, and \
             encode it as a value of a query."
        }
    })
}

fn bad_request(detail: &'static str) -> Problem {
    Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail)
}

/// Withdraws the advice about the operation, because a refused lookup says nothing about it: a client without
/// a valid key must not conclude that it may pay under a new one.
fn without_advice(problem: Problem) -> Problem {
    match problem.slug() {
        Slug::CallerUnknown => problem,
        _ => problem.advising(Executed::Unknown, Retry::Never),
    }
}

fn view(record: &Record) -> CallerView {
    let status = match record.state {
        State::Completed { response, .. } => Some(response.status),
        _ => None,
    };
    let expires_at = record.lease_until().is_none().then(|| record.deadline().to_string());
    CallerView {
        state: record.state.name(),
        status,
        created_at: record.created_at.to_string(),
        updated_at: record.updated_at.to_string(),
        expires_at,
    }
}

fn document(status: StatusCode, members: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(members).expect("strings and numbers always serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn store_problem(id: RecordId, error: &StoreError) -> Problem {
    match error {
        StoreError::Unreadable { .. } => {
            Problem::new(Slug::RecordUnreadable, "An operator has to look at the record.").about(id)
        }
        StoreError::Unavailable(_) | StoreError::Unclear(_) | StoreError::Refused(_) => Problem::new(
            Slug::StoreUnavailable,
            "The store does not answer, so it is not known what became of this key. Ask again later.",
        ),
    }
}
