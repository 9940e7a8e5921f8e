//! The sending of decisions to the gateway, several at once.

use std::io;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;

use super::super::client::{Client, explain};
use super::super::request::AdminRequest;
use super::decisions::Resolution;
use super::failure::Failure;

/// Largest number of requests that are under way at once.
const AT_ONCE: usize = 8;

/// The results of the decisions so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Applied {
    /// Operations settled as executed.
    pub(super) executed: u64,
    /// Operations declared not executed.
    pub(super) not_executed: u64,
    /// Decisions that the gateway refused, because the record had changed, or because evidence of the
    /// upstream says otherwise.
    pub(super) refused: u64,
}

/// The answer of the gateway to one decision.
enum Answer {
    Done { executed: bool },
    Refused { id: String, why: String },
}

/// Sends all decisions. Tells each refusal to `refused`, and each answer to `answered`.
///
/// # Errors
/// [`Failure`] once a decision gets no answer, or one that the next decisions would get, too. The decisions
/// that were sent before are in `applied`.
pub(super) async fn apply(
    client: &Arc<Client>,
    mut decisions: impl Iterator<Item = io::Result<Resolution>>,
    applied: &mut Applied,
    mut answered: impl FnMut(Option<(&str, &str)>) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut sending = JoinSet::new();
    let mut failure = None;
    loop {
        while sending.len() < AT_ONCE && failure.is_none() {
            match decisions.next() {
                Some(Ok(resolution)) => drop(sending.spawn(send(Arc::clone(client), resolution))),
                Some(Err(error)) => failure = Some(error.into()),
                None => break,
            }
        }
        let Some(answer) = sending.join_next().await else { break };
        match answer.unwrap_or_else(|error| Err(Failure::Failed(error.to_string()))) {
            Ok(Answer::Done { executed: true }) => applied.executed += 1,
            Ok(Answer::Done { executed: false }) => applied.not_executed += 1,
            Ok(Answer::Refused { id, why }) => {
                applied.refused += 1;
                answered(Some((&id, &why)))?;
            }
            Err(error) => failure = failure.or(Some(error)),
        }
        answered(None)?;
    }
    failure.map_or(Ok(()), Err)
}

async fn send(client: Arc<Client>, Resolution { id, body }: Resolution) -> Result<Answer, Failure> {
    let executed = body["executed"] == true;
    let path = format!("/v1/records/{id}/resolve");
    let request = AdminRequest { method: Method::POST, path, body: Some(body) };
    match client.ask(&request).await.map_err(Failure::Failed)? {
        (status, _) if status.is_success() => Ok(Answer::Done { executed }),
        (status, problem) if is_about_all(status) => Err(Failure::Failed(explain(status, &problem))),
        (status, problem) => Ok(Answer::Refused { id, why: explain(status, &problem) }),
    }
}

/// Tells whether the next decisions would get this answer, too: it is about the operator's token, or about
/// the gateway, and not about the record.
fn is_about_all(status: StatusCode) -> bool {
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
