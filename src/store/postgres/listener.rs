//! The one connection over which a gateway hears of executions that ended on other gateways.
//!
//! It is opened for the first waiter and kept from then on. While it is being reopened no notification can
//! arrive, so all waiters are woken, and new ones are refused.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Row, query};
use tokio::select;
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::backoff::jittered;
use crate::protocol::RecordId;
use crate::store::waiters::Waiters;

use super::failure::Failure;
use super::primary::standby;
use super::setup::Setup;
use super::statements::Statements;

/// Interval between checks of a connection that receives nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The longest wait after a failed attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that receives the notifications of other gateways.
pub(super) struct Listener {
    shared: Arc<Shared>,
    task: OnceCell<AbortHandle>,
}

struct Shared {
    setup: Arc<Setup>,
    statements: Arc<Statements>,
    waiters: Arc<Waiters>,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Listening,
    Disconnected(String),
}

impl Listener {
    /// Creates a listener that wakes `waiters`. It does not connect yet.
    pub(super) fn new(setup: Arc<Setup>, statements: Arc<Statements>, waiters: Arc<Waiters>) -> Self {
        let state = watch::Sender::new(State::Connecting);
        Self { shared: Arc::new(Shared { setup, statements, waiters, state }), task: OnceCell::new() }
    }

    /// Waits until every notification from now on is received.
    ///
    /// # Errors
    /// [`Failure::Down`] with the cause, if the connection cannot be made.
    pub(super) async fn open(&self) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        self.task.get_or_init(|| async { tokio::spawn(stay_connected(shared)).abort_handle() }).await;
        let mut state = self.shared.state.subscribe();
        let known = timeout(
            self.shared.setup.terms.deadline(),
            state.wait_for(|state| !matches!(state, State::Connecting)),
        );
        match known.await {
            Ok(Ok(state)) => match &*state {
                State::Disconnected(cause) => Err(Failure::down(cause.clone())),
                _ => Ok(()),
            },
            _ => Err(Failure::Down("there is no connection for notifications".into())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
        self.shared.waiters.wake_all();
    }
}

async fn stay_connected(shared: Arc<Shared>) {
    loop {
        let why = match shared.connect().await {
            Ok(mut listener) => {
                shared.state.send_replace(State::Listening);
                let why = shared.listen(&mut listener).await;
                // Waiters may have missed a notification, and new ones must not rely on one.
                shared.state.send_replace(State::Connecting);
                shared.waiters.wake_all();
                why
            }
            Err(failure) => {
                shared.state.send_replace(State::Disconnected(failure.to_string()));
                failure
            }
        };
        tracing::debug!("notifications of other gateways are not received: {why}");
        sleep(jittered(PAUSE)).await;
    }
}

impl Shared {
    async fn connect(&self) -> Result<PgListener, Failure> {
        let mut causes = Vec::new();
        for endpoint in self.setup.endpoints() {
            match timeout(self.setup.connect_timeout(), self.connect_to(endpoint)).await {
                Ok(Ok(listener)) => return Ok(listener),
                Ok(Err(failure)) => causes.push(failure.to_string()),
                Err(_) => causes.push("no answer".into()),
            }
        }
        Err(Failure::down(causes.join("; ")))
    }

    async fn connect_to(&self, endpoint: PgConnectOptions) -> Result<PgListener, Failure> {
        // The library makes a listener from a pool; this pool has a single connection.
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(endpoint);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        examine(&mut listener).await?;
        listener.listen(&self.statements.channel).await?;
        Ok(listener)
    }

    /// Wakes the waiters of the record in each notification, until the connection breaks. Returns the cause.
    async fn listen(&self, listener: &mut PgListener) -> Failure {
        loop {
            let received = select! {
                received = listener.try_recv() => Some(received),
                () = sleep(CHECK_INTERVAL) => None,
            };
            match received {
                Some(Ok(Some(notification))) => {
                    notification
                        .payload()
                        .parse::<RecordId>()
                        .into_iter()
                        .for_each(|id| self.waiters.wake(id));
                }
                Some(Ok(None)) => return Failure::Down("the connection ended".into()),
                Some(Err(error)) => return error.into(),
                None => match timeout(self.setup.terms.deadline(), examine(listener)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => return failure,
                    Err(_) => return Failure::Down("no answer".into()),
                },
            }
        }
    }
}

async fn examine(listener: &mut PgListener) -> Result<(), Failure> {
    let row = query("SELECT pg_is_in_recovery() AS standby").fetch_one(listener).await?;
    if row.try_get("standby")? { Err(standby()) } else { Ok(()) }
}
