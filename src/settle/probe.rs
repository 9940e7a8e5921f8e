//! `on_unknown = "probe"`: a question to the upstream itself.
//!
//! An upstream that answers "not executed" can still get the request late, so nothing is fenced. Its searches
//! may lag, so "not executed" is believed only some time after the deadline of the execution.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::call::{CallLimit, Upstream};
use crate::config::Probe;
use crate::protocol::OnUnknown;
use crate::protocol::probe::Answer;
use crate::telemetry::ErrorChain;

use super::Keeper;
use super::witness::{Case, Testimony, Witness, WitnessFuture};

/// Largest number of questions that one route has under way.
const AT_ONCE: usize = 16;
/// Largest number of executions of one operation that are asked about at once, the last ones first.
const MOST_EXECUTIONS: usize = 8;

/// The witness that asks the upstream of one route.
pub(super) struct ProbeWitness {
    probe: Arc<Probe>,
    upstream: Upstream,
    keeper: Keeper,
    /// Largest answer that is read, in bytes.
    largest: usize,
    permits: Semaphore,
}

impl ProbeWitness {
    pub(super) fn new(probe: Arc<Probe>, upstream: Upstream, keeper: Keeper, largest: usize) -> Self {
        Self { probe, upstream, keeper, largest, permits: Semaphore::new(AT_ONCE) }
    }

    /// Asks about every execution that is not decided. An upstream that is asked by another name than the
    /// execution's answers for all of them at once.
    async fn testify(&self, case: Case<'_>) -> Result<Testimony, String> {
        let values = self.keeper.read(case.id, case.record.kept.as_deref()).values;
        let last = if self.probe.template.names_execution() { MOST_EXECUTIONS } else { 1 };
        let mut not_executed = true;
        for n in case.undecided().rev().take(last) {
            let url = self.probe.template.fill(&values, &case.execution(n));
            match self
                .ask_about(url.ok_or("the request has not all values that the probe's URL names")?)
                .await?
            {
                Answer::Executed(response) => return Ok(Testimony::Executed(response)),
                Answer::NotExecuted => {}
                Answer::Undecided => not_executed = false,
            }
        }
        let all = case.undecided().count() <= last || !self.probe.template.names_execution();
        let believed = case.quiet_at().is_some_and(|quiet| case.now >= quiet.plus(self.probe.not_before));
        match (not_executed && all, believed) {
            (true, true) => Ok(Testimony::NotExecuted { fenced: false }),
            (true, false) => Err("\"not executed\" is not believed before not_before is over".into()),
            (false, _) => Err("the answer decides nothing".into()),
        }
    }

    async fn ask_about(&self, url: Uri) -> Result<Answer, String> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url;
        for (name, value) in &self.probe.headers {
            request.headers_mut().append(name, value.clone());
        }
        request.extensions_mut().insert(self.probe.upstream.clone());
        request.extensions_mut().insert(CallLimit::Whole);
        let asking = async {
            let response = self.upstream.clone().oneshot(request).await;
            let (head, body) = response.map_err(|error| ErrorChain(&error).to_string())?.into_parts();
            let body = Limited::new(body, self.largest).collect().await;
            let body: Bytes = body.map_err(|error| format!("the answer cannot be read: {error}"))?.to_bytes();
            Ok(self.probe.rules.judge(head.status, &head.headers, &body))
        };
        let late = |_| format!("no answer within {:?}", self.probe.timeout);
        timeout(self.probe.timeout, asking).await.map_err(late)?
    }
}

impl Witness for ProbeWitness {
    fn serves(&self, policy: OnUnknown) -> bool {
        policy == OnUnknown::Probe
    }

    fn ask<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Testimony> {
        Box::pin(async move {
            let waited =
                timeout(self.probe.timeout.min(Duration::from_secs(1)), self.permits.acquire()).await;
            let Ok(Ok(_permit)) = waited else {
                return Testimony::Undecided("too many questions are under way".into());
            };
            self.testify(case).await.unwrap_or_else(Testimony::Undecided)
        })
    }
}
