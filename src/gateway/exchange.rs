//! The exchange: one request from its head to its answer.
//!
//! Each step before the claim can refuse the request without a trace. The claim decides which attempt runs.
//! An attempt that does not run is answered from the record, now or when the running execution ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tracing::warn;

use crate::config::{OnStoreError, Route};
use crate::protocol::{
    CallLimit, CallerIdentity, CallerParts, Claim, Fingerprint, Key, Owner, RecordId, RequestParts, Scheme,
    Scope, ScopePart, State, Verdict,
};
use crate::routes::{Ambiguity, Matched};
use crate::shares::Party;
use crate::store::{Decision, StoreError};
use crate::telemetry::Arrival;

use super::access::Access;
use super::attempt::{is_grpc, key, leave, leave_body, nominated_scope};
use super::bodies::Buffered;
use super::conclusion::Part;
use super::execution::{Execution, Mine};
use super::flight::{Phase, Seat};
use super::headers::{ClientCertificate, bare_key, name_execution};
use super::lease::LeaseAsked;
use super::outgoing::Place;
use super::patience::{Patience, Waited};
use super::presence::Stakes;
use super::problem::{Executed, Problem, Retry, Slug};
use super::reply::{Reply, in_flight, outcome_unknown, standing};
use super::unprotected::pass_through;
use super::{Gateway, Upstream};

/// Time an attempt waits for a permit when other parties hold more permits than its own.
const PLACE_WAIT: Duration = Duration::from_secs(2);

/// A request that asks for one operation, read to its end.
pub(super) struct Attempt {
    pub(super) id: RecordId,
    pub(super) route: Arc<Route>,
    key: Key,
    head: Parts,
    body: Buffered,
    fingerprint: Fingerprint,
    /// The party that the permits and memory of this attempt are counted for.
    party: Party,
    stakes: Stakes,
}

/// The outcome of a claim, as the attempt gets it.
pub(super) enum Heard {
    /// The final answer: the attempt ran, or it was refused.
    Told(Result<Reply, Problem>),
    /// The attempt, which did not run, and the record as it stands.
    Stands(Box<Attempt>, Decision),
    /// The attempt, which sent nothing because the store did not say whether it may run.
    Unclaimed(Box<Attempt>, StoreError),
}

/// Answers one request: routes it, counts it and logs it.
pub(super) async fn exchange(
    gateway: Arc<Gateway>,
    upstream: Upstream,
    request: Request<Body>,
) -> Response<Body> {
    let matched = gateway.routes.find(request.method(), request.uri().path(), request.headers());
    let (asked, client) = gateway.origin(&request);
    let party = client.into();
    let mut access = Access::begin(&gateway.metrics, &request, &matched, client);
    let (name, replied) = match matched {
        Matched::Route(route) => {
            // On the heap, like many futures below: a future is as large as all futures that it may await,
            // and is moved at that size.
            let name = Some(route.upstream.clone());
            (name, Box::pin(protected(&gateway, upstream, route, request, party, &mut access)).await)
        }
        Matched::Fallback(name) => {
            (Some(name.clone()), pass_through(&gateway, upstream, name, request, party).await)
        }
        Matched::Ambiguous(ambiguity) => (None, Err(ambiguous(ambiguity, request))),
        Matched::Nothing => {
            leave(request);
            (None, Err(Problem::new(Slug::NoRoute, "No route matches this method and path.")))
        }
    };
    let (mut response, outcome) = match replied {
        Ok(Reply { response, outcome }) => (response, outcome),
        Err(problem) => {
            let outcome = problem.slug().name();
            (problem.into_response(gateway.problem_docs.as_deref()), outcome)
        }
    };
    if let Some(name) = &name {
        gateway.locations.rewrite(name, response.headers_mut(), &asked);
    }
    access.end(outcome, &response);
    response
}

/// Refuses a request that some servers would read as a request of a route, and others would not.
fn ambiguous(ambiguity: Ambiguity, request: Request<Body>) -> Problem {
    leave(request);
    let detail = match ambiguity {
        Ambiguity::Path => {
            "Servers read this path in more ways than one, and a route covers one of them: an escaped slash, a \
             backslash, an escaped control character, two slashes at the start, or `..` after an empty part. \
             Nothing was sent."
        }
        Ambiguity::Method => {
            "Some servers read another method in this request: its own in upper case, or the one that a header such \
             as X-HTTP-Method-Override names. A route covers this path for that method. Nothing was sent."
        }
    };
    Problem::new(Slug::NoRoute, detail)
}

/// Handles a request on a protected route: reads the key, the caller and the body, then asks to run.
async fn protected(
    gateway: &Arc<Gateway>,
    upstream: Upstream,
    route: Arc<Route>,
    request: Request<Body>,
    party: Party,
    access: &mut Access,
) -> Result<Reply, Problem> {
    let key = match asked_key(&route, &request) {
        Ok(Some(key)) => key,
        Ok(None) => return pass_through(gateway, upstream, route.upstream.clone(), request, party).await,
        Err(problem) => {
            leave(request);
            return Err(problem);
        }
    };
    let (mut head, body) = request.into_parts();
    // Callers and requests are distinguished by the headers that the upstream will see, so the headers are
    // cleaned first.
    let expects = head.headers.contains_key(EXPECT);
    let peer = head.extensions.get().copied();
    gateway.prepare(&mut head.headers, head.version, peer, route.read_headers());
    let scope = match caller(&route, &head) {
        Ok(scope) => scope,
        Err(problem) => {
            leave_body(expects, body);
            return Err(problem);
        }
    };
    let id = RecordId::of(&route.namespace, &scope, &key);
    access.about(id);
    let stakes: Stakes = head.extensions.remove().unwrap_or_default();
    let _protected = stakes.begin_protected();
    let still = stakes.begin_uncommitted();
    let body = gateway.bodies.read(party, expects, &head, body).await?;
    drop(still);
    let fingerprint = Fingerprint::of(asked(&head, &body), &route.fingerprint);
    let attempt =
        Box::new(Attempt { id, route, key, head, body, fingerprint, party, stakes: stakes.clone() });
    gateway.settle(upstream, attempt).await
}

/// Returns the key of a request on a route, or `None` if there is no key and the route does not require one.
fn asked_key(route: &Route, request: &Request<Body>) -> Result<Option<Key>, Problem> {
    let headers = request.headers();
    match key(headers, &route.key_header)? {
        None if route.key_required => {
            let detail =
                format!("Send a fresh key in the {} header with every new operation.", route.key_header);
            Err(Problem::new(Slug::KeyMissing, detail))
        }
        Some(_) if is_grpc(headers) => {
            let detail = "A call of gRPC cannot be stored and replayed: its outcome is told in trailers. Nothing \
                          was sent.";
            let problem = Problem::new(Slug::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE), detail);
            Err(problem.advising(Executed::No, Retry::Never))
        }
        Some(_) if let Some(name) = nominated_scope(route, headers) => {
            let detail = format!(
                "The Connection header names {name}, which tells callers apart and has to reach the upstream."
            );
            Err(Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail))
        }
        asked => Ok(asked),
    }
}

/// Returns the scope of a request that is prepared for the upstream.
fn caller(route: &Route, head: &Parts) -> Result<Scope, Problem> {
    let certificate = head.extensions.get::<ClientCertificate>().cloned();
    let certificate = certificate.as_ref().map(|certificate| &*certificate.0);
    let shown = CallerParts { headers: &head.headers, certificate, path: head.uri.path() };
    let (scope, told) = Scope::of_request(&route.scope, shown);
    let parts = || {
        let parts = route.scope.iter().filter(|part| **part != ScopePart::Path);
        parts.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let detail = match told {
        CallerIdentity::Identified => return Ok(scope),
        CallerIdentity::Anonymous | CallerIdentity::SignedPerRequest if route.anonymous => return Ok(scope),
        CallerIdentity::Anonymous => format!(
            "The request carries a key, but nothing that identifies its caller. Send one of the parts that this \
             route's scope names: {}. Nothing was sent.",
            parts()
        ),
        CallerIdentity::SignedPerRequest => format!(
            "The Authorization header signs each request anew, so a retry would seem to come from another caller. \
             The route's scope has to name something that stays the same. It names: {}. Nothing was sent.",
            parts()
        ),
    };
    Err(Problem::new(Slug::CallerUnknown, detail))
}

impl Gateway {
    /// Claims and waits until it is clear where the answer comes from: this attempt's own execution, the
    /// execution of another attempt, or the record.
    async fn settle(
        self: &Arc<Self>,
        upstream: Upstream,
        mut attempt: Box<Attempt>,
    ) -> Result<Reply, Problem> {
        let id = attempt.id;
        let mut patience = Patience::of(&attempt.route);
        let party = attempt.party;
        let told = loop {
            // Joined before the claim, so that nothing an owner publishes after that claim is missed.
            let seat = self.flights.join(id);
            match self.ask(&upstream, attempt).await? {
                Heard::Told(told) => return told.map(|reply| reply.about(id)),
                Heard::Stands(returned, decision) => {
                    attempt = returned;
                    self.again.store_answers();
                    if let (Verdict::OtherScheme, Some(record)) = (decision.verdict, &decision.record) {
                        attempt.compare_under(&record.fingerprint.scheme);
                        continue;
                    }
                    if !patience.has_waited() {
                        self.count_duplicate(&attempt, &decision);
                    }
                    if decision.verdict != Verdict::InFlight && !(is_undecided(&decision) && seat.is_held()) {
                        let told = standing(id, &decision);
                        // This attempt waited, so it was present when the execution was lost.
                        break if patience.has_waited() {
                            told.map_err(Problem::present_if_unknown)
                        } else {
                            told
                        };
                    }
                }
                // An execution in this process reports its outcome without the store.
                Heard::Unclaimed(returned, _) if seat.is_running() => attempt = returned,
                Heard::Unclaimed(attempt, error) => {
                    return self.without_store(upstream, attempt, &seat, patience.has_waited(), &error).await;
                }
            }
            let still = attempt.stakes.begin_uncommitted();
            let waited = patience.wait(&seat, &attempt.fingerprint, || self.ledger.watch(id)).await;
            drop(still);
            match waited {
                Waited::Concluded(conclusion) => break conclusion.tell(id, Part::Duplicate),
                Waited::AskAgain => {}
                Waited::OutOfTime => {
                    break match seat.phase() {
                        Phase::Unwritten(of, conclusion) if of == attempt.fingerprint => {
                            conclusion.tell(id, Part::Duplicate)
                        }
                        _ => Err(in_flight().about(id)),
                    };
                }
            }
        };
        let told = told
            .and_then(|reply| self.outgoing.repeatable(reply, party).map_err(|problem| problem.about(id)));
        told.map(|reply| reply.about(id))
    }

    /// Answers an attempt while the store does not say how its operation stands. Sends nothing if the
    /// operation runs somewhere, or ran in this process.
    async fn without_store(
        self: &Arc<Self>,
        upstream: Upstream,
        attempt: Box<Attempt>,
        seat: &Seat,
        has_waited: bool,
        error: &StoreError,
    ) -> Result<Reply, Problem> {
        let id = attempt.id;
        let told = match (seat.phase(), attempt.route.on_store_error) {
            (Phase::Unwritten(of, conclusion), _) if of == attempt.fingerprint => {
                conclusion.tell(id, Part::Duplicate)
            }
            (Phase::Vacant, OnStoreError::Bypass) if !has_waited => {
                self.bypass(upstream, attempt, error).await
            }
            _ => Err(store_problem(id, error)),
        };
        told.map(|reply| reply.about(id))
    }

    /// Claims, and runs if the claim is won, in a task that no client can cancel. A claim without its
    /// execution would make an outcome unknown although nothing was sent.
    async fn ask(self: &Arc<Self>, upstream: &Upstream, attempt: Box<Attempt>) -> Result<Heard, Problem> {
        let (id, claim) = (attempt.id, attempt.claim((self.new_owner)()));
        let place = match self.admit(attempt.party) {
            Ok(place) => place,
            Err(problem) => {
                // An attempt that needs no execution is answered even without a permit.
                match self.ledger.consult(id, claim.clone()).await {
                    Ok(Some(decision)) => return Ok(Heard::Stands(attempt, decision)),
                    Ok(None) => self.admit_soon(&attempt, problem).await?,
                    Err(error @ (StoreError::Unavailable(_) | StoreError::Unclear(_))) => {
                        return Ok(Heard::Unclaimed(attempt, error));
                    }
                    Err(error) => return Err(store_problem(id, &error)),
                }
            }
        };
        let (tell, heard) = oneshot::channel();
        let run = Arc::clone(self).claim_and_run(upstream.clone(), attempt, claim, place, tell);
        self.executions.spawn(Box::pin(run));
        // Only a panic in the task can drop the sender.
        Ok(heard.await.unwrap_or_else(|_| Heard::Told(Err(outcome_unknown().present().about(id)))))
    }

    async fn claim_and_run(
        self: Arc<Self>,
        upstream: Upstream,
        attempt: Box<Attempt>,
        claim: Claim,
        place: Place,
        tell: oneshot::Sender<Heard>,
    ) {
        let (id, owner, asked) = (attempt.id, claim.owner, LeaseAsked::now());
        let decision = match self.ledger.claim(id, claim).await {
            Ok(decision) => decision,
            Err(error) => {
                warn!(record = %id, "nothing was sent: {error}");
                let unclear = matches!(error, StoreError::Unclear(_));
                drop(place);
                drop(tell.send(match error {
                    StoreError::Unavailable(_) | StoreError::Unclear(_) => Heard::Unclaimed(attempt, error),
                    // The store answers, so there is nothing to bypass.
                    StoreError::Refused(_) | StoreError::Unreadable { .. } => {
                        Heard::Told(Err(store_problem(id, &error)))
                    }
                }));
                if unclear {
                    self.release_unsent(id, owner).await;
                }
                return;
            }
        };
        match (decision.verdict, decision.record) {
            (Verdict::Won { n: 1 }, _) if self.flights.join(id).is_held() => {
                // The claim made execution 1, but this process runs one or holds its outcome: the store has
                // lost the record.
                warn!(record = %id, "nothing was sent: the store has lost the record of an execution");
                drop(place);
                if self.ledger.abandon(id, owner).await.is_err() {
                    self.release_unsent(id, owner).await;
                }
                let stands =
                    Decision { verdict: Verdict::InFlight, record: None, response: None, now: decision.now };
                drop(tell.send(Heard::Stands(attempt, stands)));
            }
            (Verdict::Won { n }, Some(record)) => {
                let lease_ends = asked.for_lease(record.policy.lease);
                let lead = self.flights.join(id).lead(record.fingerprint.clone());
                let mine = Mine { ledger: self.ledger.clone(), id, owner, n, record, lease_ends };
                let execution = Execution { gateway: self, upstream, attempt, mine, lead, place };
                // On the heap, so that a claim that is not won needs no room for it.
                Box::pin(execution.run(tell)).await;
            }
            (verdict, record) => {
                drop(place);
                let decision = Decision { verdict, record, ..decision };
                drop(tell.send(Heard::Stands(attempt, decision)));
            }
        }
    }

    /// Releases a claim that may stand, and under which nothing was sent. If too many releases wait for the
    /// store, leaves the claim: its lease ends, and an operator has to resolve the record as not executed.
    async fn release_unsent(&self, id: RecordId, owner: Owner) {
        let Ok(_place) = self.releases.try_acquire() else {
            warn!(record = %id, "the record may stay claimed: too many releases wait for the store");
            return;
        };
        let release = self.again.until_taken(&self.ledger, id, || self.ledger.abandon(id, owner));
        self.stop.unless_cut(Box::pin(release)).await;
    }

    /// Takes one of the permits for executions.
    pub(super) fn admit(&self, party: Party) -> Result<Place, Problem> {
        self.refuse_if_draining()?;
        self.permits.take(party, 1).map(Arc::new).ok_or_else(Problem::overloaded)
    }

    /// Waits for a permit for an attempt that was refused one. Succeeds if its party holds fewer permits than
    /// others and one is given back soon.
    async fn admit_soon(&self, attempt: &Attempt, problem: Problem) -> Result<Place, Problem> {
        if problem.slug() != Slug::Overloaded {
            return Err(problem);
        }
        let _still = attempt.stakes.begin_uncommitted();
        let place = self.permits.take_within(attempt.party, 1, PLACE_WAIT).await;
        let place = place.map(Arc::new).ok_or(problem)?;
        // A drain may have begun during the wait.
        self.refuse_if_draining().map(|()| place)
    }

    fn refuse_if_draining(&self) -> Result<(), Problem> {
        if self.stop.is_draining() {
            return Err(Problem::new(Slug::ShuttingDown, "Nothing was sent. Another gateway may answer."));
        }
        Ok(())
    }

    fn count_duplicate(&self, attempt: &Attempt, decision: &Decision) {
        if decision.record.as_ref().is_some_and(|record| record.fingerprint != attempt.fingerprint) {
            return;
        }
        let arrival = match decision.verdict {
            Verdict::InFlight => Arrival::Concurrent,
            Verdict::Replay(_) | Verdict::Settled => Arrival::Completed,
            Verdict::Expired(_) => Arrival::Late,
            _ => return,
        };
        let age =
            decision.record.as_ref().map_or(Duration::ZERO, |record| decision.now.since(record.created_at));
        self.metrics.duplicate(&attempt.route.name, arrival, age);
    }
}

impl Attempt {
    fn claim(&self, owner: Owner) -> Claim {
        Claim {
            owner,
            namespace: Arc::clone(&self.route.namespace),
            route: Arc::clone(&self.route.name),
            fingerprint: self.fingerprint.clone(),
            policy: self.route.policy,
        }
    }

    /// Returns the party that this attempt is counted for.
    pub(super) fn party(&self) -> Party {
        self.party
    }

    /// Returns the method of the request.
    pub(super) fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the path of the request, as the client sent it.
    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Recomputes the fingerprint in the scheme of an existing record.
    fn compare_under(&mut self, scheme: &Arc<Scheme>) {
        self.fingerprint = Fingerprint::of(asked(&self.head, &self.body), scheme);
    }

    /// Builds the request of execution `n`. An attempt has one execution, so the head is moved, not copied.
    pub(super) fn request(&mut self, n: u32) -> Request<Body> {
        let mut request = self.unprotected_request();
        name_execution(request.headers_mut(), self.id, n);
        request.extensions_mut().insert(CallLimit::Whole);
        request
    }

    /// Builds the request as it is sent upstream when no execution is recorded.
    pub(super) fn unprotected_request(&mut self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.bytes.clone()));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = std::mem::take(&mut self.head.headers);
        bare_key(request.headers_mut(), &self.route.key_header, &self.key);
        request.extensions_mut().insert(self.route.upstream.clone());
        request.extensions_mut().insert(CallLimit::Silence);
        request
    }
}

/// Tells whether the record's outcome is unknown.
fn is_undecided(decision: &Decision) -> bool {
    decision.record.as_ref().is_some_and(|record| matches!(record.state, State::Unknown { .. }))
}

fn asked<'a>(head: &'a Parts, body: &'a Buffered) -> RequestParts<'a> {
    RequestParts {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        body: &body.bytes,
    }
}

fn store_problem(id: RecordId, error: &StoreError) -> Problem {
    match error {
        StoreError::Unreadable { .. } => {
            Problem::new(Slug::RecordUnreadable, "Nothing was sent. An operator has to look at the record.")
                .about(id)
        }
        StoreError::Unavailable(_) | StoreError::Unclear(_) => {
            let detail = "This attempt sent nothing. Whether an earlier one with this key ran is not known: the store \
                          does not answer. Retry with the same key.";
            Problem::new(Slug::StoreUnavailable, detail)
        }
        StoreError::Refused(_) => {
            let detail = "This attempt sent nothing: for now the gateway only answers from stored records. Retry with the same key.";
            Problem::new(Slug::StoreUnavailable, detail)
        }
    }
}
