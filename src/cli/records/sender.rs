//! The sending of many decisions, several at once.
//!
//! A refusal is about one record, and the next decisions are sent. A failure is one that the next decisions
//! would share, so it ends the sending.

use std::ops::ControlFlow;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinSet;

use super::client::{Client, explain};
use super::request::AdminRequest;

/// Largest number of decisions that are under way at once.
const AT_ONCE: usize = 8;

/// A decision as it is sent to the gateway.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct DecisionRequest {
    pub(super) id: String,
    /// The body of the request.
    pub(super) body: Value,
}

/// A decision that was not taken.
#[derive(Debug, Serialize)]
pub(super) struct NotTaken {
    pub(super) id: String,
    pub(super) why: String,
}

/// The answer to one decision.
pub(super) enum Answer {
    /// The decided record, as the gateway shows it.
    Decided(Value),
    /// A decision that the gateway refused because of its record.
    Refused(NotTaken),
    /// A decision that failed in a way in which the next ones would fail, too. If there was no answer, it is
    /// not known whether the decision was taken.
    Failed(NotTaken),
}

/// Sends decisions, and tells each answer to `each`. Once a decision fails or `each` breaks, no further one
/// is sent; the answers to the decisions under way still come.
///
/// # Errors
/// The first error of `decisions` or `each`. It ends the sending in the same way.
pub(super) async fn send_all<E>(
    client: &Arc<Client>,
    decisions: &mut impl Iterator<Item = Result<DecisionRequest, E>>,
    mut each: impl FnMut(Answer) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let (mut sending, mut is_over, mut failure) = (JoinSet::new(), false, None);
    loop {
        while sending.len() < AT_ONCE && !is_over {
            match decisions.next() {
                Some(Ok(decision)) => drop(sending.spawn(send(Arc::clone(client), decision))),
                Some(Err(error)) => (is_over, failure) = (true, failure.or(Some(error))),
                None => is_over = true,
            }
        }
        let Some(answer) = sending.join_next().await else { break };
        let failed = |error: tokio::task::JoinError| NotTaken { id: String::new(), why: error.to_string() };
        let answer = answer.unwrap_or_else(|error| Answer::Failed(failed(error)));
        is_over |= matches!(answer, Answer::Failed(_));
        match each(answer) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => is_over = true,
            Err(error) => (is_over, failure) = (true, failure.or(Some(error))),
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn send(client: Arc<Client>, DecisionRequest { id, body }: DecisionRequest) -> Answer {
    let path = format!("/v1/records/{id}/resolve");
    let request = AdminRequest { method: Method::POST, path, body: Some(body) };
    match client.ask(&request).await {
        Ok((status, record)) if status.is_success() => Answer::Decided(record),
        Ok((status, problem)) if is_shared(status) => {
            Answer::Failed(NotTaken { id, why: explain(status, &problem) })
        }
        Ok((status, problem)) => {
            let why = problem["detail"].as_str().map(str::to_owned);
            Answer::Refused(NotTaken { id, why: why.unwrap_or_else(|| explain(status, &problem)) })
        }
        Err(why) => Answer::Failed(NotTaken { id, why }),
    }
}

/// Tells whether the next decisions would get this answer, too: it is about the operator's token, or about
/// the gateway, and not about the record.
fn is_shared(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
