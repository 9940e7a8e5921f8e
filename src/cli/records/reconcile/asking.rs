//! Questions to the gateway, which are asked again while it does not answer.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::super::client::{Client, explain};
use super::super::request::AdminRequest;
use super::failure::Failure;

/// Pauses before a question is asked again. After the last one, the gateway counts as away.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Asks a question that changes nothing, and returns the answer.
///
/// # Errors
/// [`Failure`] if the gateway refuses it, or does not answer several times.
pub(super) async fn ask(client: &Client, request: &AdminRequest) -> Result<Value, Failure> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let failed = match client.ask(request).await {
            Ok((status, answer)) if status.is_success() => return Ok(answer),
            Ok((status, problem)) if !may_pass(status) => {
                return Err(Failure::Failed(explain(status, &problem)));
            }
            Ok((status, problem)) => explain(status, &problem),
            Err(why) => why,
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(Failure::Failed(failed)),
        }
    }
}

/// Tells whether an answer is about the moment, and not about the request.
fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::BAD_GATEWAY
}
