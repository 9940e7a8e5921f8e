//! What an execution came to, and what each attempt that was present is told of it.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use crate::protocol::{RecordId, StoredResponse};
use crate::store::Decision;

use super::problem::Problem;
use super::reply::{Mark, Reply, not_retained, standing};

/// An upstream's whole answer, as it came.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer as a response to pass on.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

/// The end of an execution, as this process saw it.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// The answer is stored: the owner gives it as it came, everybody else replays what is kept.
    Completed { answer: Answer, kept: StoredResponse },
    /// Completed, but the response is not kept; only the owner's client sees it, as it streams.
    NotRetained { status: StatusCode },
    /// An answer that is not replayed: the mark says why.
    PassedOn { answer: Answer, mark: Mark },
    /// There is no answer to pass on.
    Failed(Problem),
    /// The record moved on without its owner: everybody is answered from it.
    Overruled(Decision),
}

/// Which part an attempt had in an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It started the execution.
    Owner,
    /// It waited for it.
    Duplicate,
}

impl Conclusion {
    /// What an attempt is told.
    pub(super) fn tell(&self, id: RecordId, part: Part) -> Result<Reply, Problem> {
        match (self, part) {
            (Self::Completed { answer, .. }, Part::Owner) => Ok(Reply::first(answer.response())),
            (Self::Completed { kept, .. }, Part::Duplicate) => Ok(Reply::replay(kept)),
            (Self::NotRetained { status }, _) => Err(not_retained(status.as_u16()).about(id)),
            (Self::PassedOn { answer, mark }, _) => Ok(Reply::marked(answer.response(), *mark)),
            (Self::Failed(problem), _) => Err(problem.clone().about(id)),
            // Whoever gets to see this was there when the execution was lost.
            (Self::Overruled(decision), _) => standing(id, decision).map_err(Problem::present_if_unknown),
        }
    }
}
