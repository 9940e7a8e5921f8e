//! Admission: a permit among the executions that may run at once.

use std::sync::Arc;
use std::time::Duration;

use crate::problem::{Problem, Slug};
use crate::shares::Party;

use super::Gateway;
use super::attempt::Attempt;
use super::outgoing::Permit;

/// Time that a kept request waits for a permit.
const KEPT_WAIT: Duration = Duration::from_secs(30);
/// Time an attempt waits for a permit when other parties hold more permits than its own.
const PERMIT_WAIT: Duration = Duration::from_secs(2);

impl Gateway {
    /// Takes one of the permits for executions.
    pub(super) fn admit(&self, party: Party) -> Result<Permit, Problem> {
        self.refuse_if_draining()?;
        self.permits.take(party, 1).map(Arc::new).ok_or_else(Problem::overloaded)
    }

    /// Waits for a permit for an attempt that was refused one. Succeeds if its party holds fewer permits than
    /// others and one is given back soon.
    pub(super) async fn admit_soon(&self, attempt: &Attempt, problem: Problem) -> Result<Permit, Problem> {
        if problem.slug() != Slug::Overloaded {
            return Err(problem);
        }
        let _uncommitted = attempt.open_requests.begin_uncommitted();
        let permit = self.permits.take_within(attempt.party, 1, PERMIT_WAIT).await;
        let permit = permit.map(Arc::new).ok_or(problem)?;
        // A drain may have begun during the wait.
        self.refuse_if_draining().map(|()| permit)
    }

    /// Waits for a permit for a kept request, which has no client that could try again.
    pub(super) async fn admit_kept(&self, party: Party) -> Option<Permit> {
        let permit = self.permits.take_within(party, 1, KEPT_WAIT).await.map(Arc::new)?;
        self.refuse_if_draining().is_ok().then_some(permit)
    }

    fn refuse_if_draining(&self) -> Result<(), Problem> {
        if self.stop.is_draining() {
            // The connection may not know of the end yet, and this must be its last answer.
            let problem = Problem::new(Slug::ShuttingDown, "Nothing was sent. Another gateway may answer.");
            return Err(problem.closing());
        }
        Ok(())
    }
}
