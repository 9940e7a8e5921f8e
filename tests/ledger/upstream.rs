//! The inner service: it counts its calls and treats each as the test says.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use oncegate::call::CallError;
use oncegate::headers::IDEMPOTENCY_EXECUTION;
use oncegate::protocol::{Reason, Sent};
use tokio::time::sleep;
use tower::Service;

/// The fate of one call.
#[derive(Clone, Copy, Debug)]
pub enum Play {
    /// A response with this status after this time. Its body is the number of the call.
    Answer(u16, Duration),
    /// The connection fails.
    Unreachable,
    /// The response is missing after this time.
    Lost(Duration),
    /// The service panics.
    Panic,
    /// The service panics while the body is read.
    PanicInBody,
}

/// A clone is the same service.
#[derive(Clone, Default)]
pub struct Upstream(Arc<Mutex<Played>>);

#[derive(Default)]
struct Played {
    script: VecDeque<Play>,
    /// The `Idempotency-Execution` of each call.
    executions: Vec<String>,
}

impl Upstream {
    /// Sets the fate of the next calls. Any other call is answered 201 after a second.
    pub fn next(&self, plays: &[Play]) {
        self.0.lock().expect("no panic").script.extend(plays);
    }

    pub fn calls(&self) -> usize {
        self.0.lock().expect("no panic").executions.len()
    }

    /// Returns the number of each execution that was called.
    pub fn executions(&self) -> Vec<String> {
        let played = self.0.lock().expect("no panic");
        let number = |execution: &String| execution.rsplit(':').next().expect("a number").to_owned();
        played.executions.iter().map(number).collect()
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut played = self.0.lock().expect("no panic");
        let execution = request.headers()[IDEMPOTENCY_EXECUTION].to_str().expect("text").to_owned();
        played.executions.push(execution);
        let number = played.executions.len();
        let play = played.script.pop_front().unwrap_or(Play::Answer(201, Duration::from_secs(1)));
        Box::pin(play.perform(number))
    }
}

impl Play {
    async fn perform(self, number: usize) -> Result<Response<Body>, CallError> {
        match self {
            Self::Answer(status, after) => {
                sleep(after).await;
                let response = Response::builder().status(status);
                Ok(response.body(Body::from(format!("call {number}"))).expect("a response"))
            }
            Self::Unreachable => {
                Err(CallError { sent: Sent::Never, reason: Reason::Unreachable, source: None })
            }
            Self::Lost(after) => {
                sleep(after).await;
                Err(CallError { sent: Sent::Maybe, reason: Reason::ConnectionLost, source: None })
            }
            Self::Panic => panic!("a bug of the inner service"),
            Self::PanicInBody => Ok(Response::new(Body::new(PanickingBody))),
        }
    }
}

struct PanickingBody;

impl HttpBody for PanickingBody {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        panic!("a bug in the middle of an answer")
    }
}
