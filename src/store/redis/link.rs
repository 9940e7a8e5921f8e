//! The link to one primary: connections that are kept up, examined, and given up when in doubt.
//!
//! A task of its own ([`stay_connected`]) connects, examines the server, and repeats the examination every
//! [`EXAMINE_INTERVAL`]. Nothing is sent to a server that failed its examination. A connection is in doubt
//! when it broke, when an answer did not arrive in time, or when the server refused a command as a replica
//! would. The task then makes new connections. A command that still waits for an answer on the old one may
//! still get it.
//!
//! While there is no connection, every command fails at once with [`Failure::Down`]. The exception is the
//! first attempt to connect, at a start or after a connection was given up: commands wait for its result.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::backoff::jittered;
use crate::clock::Timestamp;
use crate::protocol::RecordId;
use crate::store::waiters::Waiters;

use super::endpoint::Endpoint;
use super::failure::{Failure, of_connecting};
use super::keys::Keys;
use super::loss::{RunMark, SeenRun};
use super::marks::{Digits, Marks};
use super::memory::{Memory, Outcomes};
use super::script::{Acknowledged, ExecutionStart, Permission, Permitted, Request};
use super::server::Server;
use super::server_state::ServerState;
use super::session::Session;
use super::setup::Setup;

/// Interval between examinations of a server that works.
const EXAMINE_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which a server with a memory limit is asked for the memory it uses.
const MEMORY_INTERVAL: Duration = Duration::from_millis(500);
/// The longest wait after a failed attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// Maximum number of commands that wait for their answers at once.
const MOST_PENDING: usize = 4096;
/// Number of connections that share the writes that wait for replicas: the server answers nothing else on a
/// connection while it waits.
const SHARED_CONNECTIONS: usize = 8;

/// State that all links of a store share.
pub(super) struct Common {
    pub(super) setup: Arc<Setup>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) marks: Marks,
    pub(super) outcomes: Outcomes,
}

/// A link to one primary. Dropping the link closes its connections.
pub(super) struct Link {
    shared: Arc<Shared>,
    task: AbortHandle,
    /// End of a hold on claims that was taken over from an earlier link and that the server cannot lift.
    held_anyway: Option<Instant>,
}

// Only whole values are assigned under the locks.
struct Shared {
    common: Arc<Common>,
    setup: Arc<Setup>,
    endpoint: Endpoint,
    /// The buckets that the primary holds.
    buckets: Mutex<Vec<u8>>,
    memory: Memory,
    /// Lock that is held while a loss is examined.
    examining: tokio::sync::Mutex<()>,
    /// The key of the mark of [`super::loss`].
    mark: String,
    state: watch::Sender<State>,
    /// Number of the newest session that is in doubt.
    suspect: watch::Sender<u64>,
    pending: Semaphore,
    server: Mutex<ServerState>,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Arc<Session>),
    Down(Failure),
}

impl Link {
    /// Creates a link through `endpoint`. The primary behind it holds `buckets`. The mark of [`super::loss`]
    /// lies in the first of them.
    pub(super) fn new(common: Arc<Common>, endpoint: Endpoint, buckets: Vec<u8>) -> Self {
        let setup = Arc::clone(&common.setup);
        let mark = Keys::new(&setup.settings.prefix).run(buckets.first().copied().unwrap_or_default());
        let shared = Arc::new(Shared {
            common,
            setup,
            endpoint,
            buckets: Mutex::new(buckets),
            memory: Memory::default(),
            examining: tokio::sync::Mutex::default(),
            mark,
            state: watch::Sender::new(State::Connecting),
            suspect: watch::Sender::new(0),
            pending: Semaphore::new(MOST_PENDING),
            server: Mutex::default(),
        });
        let task = tokio::spawn(stay_connected(Arc::clone(&shared))).abort_handle();
        Self { shared, task, held_anyway: None }
    }

    /// Notes the buckets that the primary holds now.
    pub(super) fn now_holds(&self, buckets: Vec<u8>) {
        *self.shared.buckets.lock() = buckets;
    }

    /// Examines a bucket after a script found that its mark is not `known`. After success, either claims are
    /// held back because the server lost data, or the bucket's mark is known.
    pub(super) async fn examine_bucket(&self, bucket: u8, known: Option<Digits>) -> Result<(), Failure> {
        let shared = &*self.shared;
        let checked = timeout(shared.setup.terms.deadline(), async {
            let _alone = shared.examining.lock().await;
            if shared.common.marks.of(bucket) != known {
                return Ok(());
            }
            let mut connection = shared.session().await?.first_connection();
            match known {
                None => shared.common.marks.learn(&mut connection, [bucket]).await,
                Some(_) => shared.examine(&mut connection, true).await,
            }
        });
        let silent = || {
            Failure::down(format!(
                "no answer of {} within {:?}",
                shared.endpoint,
                shared.setup.terms.deadline()
            ))
        };
        checked.await.unwrap_or_else(|_| Err(silent()))
    }

    /// Returns the state of the server's memory.
    pub(super) fn memory(&self) -> &Memory {
        &self.shared.memory
    }

    /// Holds claims back for `span`, as the link that this one replaces did.
    pub(super) fn hold_for(&mut self, span: Duration) {
        self.held_anyway = Instant::now().checked_add(span);
    }

    /// Sends one request to the server. The second value of the result is the number of replicas that have
    /// the write, if `counted` is true and the settings ask for replicas.
    ///
    /// # Errors
    /// [`Failure`], which says what is wrong and whether anything can have been written.
    pub(super) async fn ask(&self, request: Request<'_>, counted: bool) -> Result<(Value, u32), Failure> {
        let shared = &*self.shared;
        let Ok(_permit) = shared.pending.try_acquire() else {
            return Err(Failure::down(format!(
                "more than {MOST_PENDING} commands wait for {}",
                shared.endpoint
            )));
        };
        let sent_on = OnceLock::new();
        let answered = timeout(shared.setup.terms.deadline(), async {
            let session = shared.session().await?;
            let session = sent_on.get_or_init(|| session);
            // The permission needs a session first: making one finds out what the server lost.
            let permitted = self.permission(request);
            session.answer(request, permitted, shared.acknowledged(counted)).await
        })
        .await;
        let failure = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => {
                let cause =
                    format!("no answer of {} within {:?}", shared.endpoint, shared.setup.terms.deadline());
                if sent_on.get().is_some() { Failure::unclear(cause) } else { Failure::down(cause) }
            }
        };
        if let (Some(session), true) = (sent_on.get(), failure.makes_suspect()) {
            shared.mark_suspect(session.number);
        }
        Err(failure)
    }

    /// Returns the permission for the execution that may begin with `request`; `None` if there is no such
    /// execution or if it must not begin.
    fn permission(&self, request: Request<'_>) -> Permitted {
        let Request::Script(call) = request else { return None };
        let shared = &*self.shared;
        let ExecutionStart { bucket, is_new } = call.begins()?;
        let mark = shared.common.marks.of(bucket);
        let may = self.held().is_none() && (!is_new || shared.memory.has_room(&shared.common.outcomes));
        may.then(|| Permission {
            until: shared.server.lock().given_up_at(shared.setup.terms.deadline()),
            mark,
        })
    }

    /// Waits for the first connection, and returns the failure if there is none.
    pub(super) async fn connected(&self) -> Result<(), Failure> {
        self.shared.session().await.map(drop)
    }

    /// Notes the server's clock, as the server just reported it.
    pub(super) fn heard(&self, now: Timestamp) {
        self.shared.server.lock().heard(now);
    }

    /// Returns how long claims are still refused after a loss of data; `None` if they are not.
    pub(super) fn held(&self) -> Option<Duration> {
        let held = self.shared.server.lock().held;
        let until = held.max(self.held_anyway)?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.common.waiters.wake_all();
    }
}

/// Connects, and connects again whenever the connection is in doubt.
async fn stay_connected(shared: Arc<Shared>) {
    for number in 1.. {
        match timeout(shared.setup.terms.timeout, shared.connect(number)).await {
            Ok(Ok(session)) => {
                let session = Arc::new(session);
                tracing::info!(server = session.address, "connected to the store");
                shared.state.send_replace(State::Up(Arc::clone(&session)));
                let why = shared.watch_over(&session).await;
                tracing::warn!(server = session.address, "gave up the connection to the store: {why}");
                shared.state.send_replace(State::Connecting);
                // A waiter that came after the subscription broke, and still found this session, is woken
                // too.
                shared.common.waiters.wake_all();
            }
            Ok(Err(failure)) => shared.stay_down(number, failure).await,
            Err(_) => {
                let silent = Failure::down(format!("{} does not answer", shared.endpoint));
                shared.stay_down(number, silent).await;
            }
        }
    }
}

impl Shared {
    /// Returns the newest session, if it is not in doubt. Waits during the first attempt to make a new one: a
    /// command that is repeated because its connection broke gets another connection.
    async fn session(&self) -> Result<Arc<Session>, Failure> {
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Up(session) if session.number > *self.suspect.borrow() => {
                    return Ok(Arc::clone(session));
                }
                State::Down(failure) => return Err(failure.clone()),
                State::Up(_) | State::Connecting => {}
            }
            if state.changed().await.is_err() {
                return Err(Failure::Down("the store is closed".into()));
            }
        }
    }

    async fn stay_down(&self, number: u64, failure: Failure) {
        // The opening of the store reports its first failure itself. The nodes of a cluster may come later,
        // so their first failure is logged.
        let is_told = number == 1 && !self.setup.settings.servers.is_cluster();
        if !is_told && !matches!(&*self.state.borrow(), State::Down(_)) {
            tracing::warn!("the store cannot be reached: {failure}");
        }
        self.state.send_replace(State::Down(failure));
        sleep(jittered(PAUSE.min(self.setup.terms.timeout / 4))).await;
    }

    async fn connect(self: &Arc<Self>, number: u64) -> Result<Session, Failure> {
        let (address, client) = self.endpoint.client(&self.setup).await?;
        let failed = |error: redis::RedisError| of_connecting(&address, error);
        let link = Arc::downgrade(self);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.setup.terms.timeout / 2))
            // Each request has a timeout of its own around the connection.
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if let Some(link) = link.upgrade() {
                    link.hear(number, push);
                }
                Ok::<(), ()>(())
            });
        let mut shared = Vec::new();
        for _ in 0..if self.setup.settings.wait_replicas > 0 { SHARED_CONNECTIONS } else { 1 } {
            shared.push(client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?);
        }
        self.examine(&mut shared[0], false).await.map_err(|failure| failure.about(&address))?;
        Session::over(shared, number, address, &self.setup, &client, &config).await
    }

    /// Watches the session, and returns the reason once it is in doubt.
    async fn watch_over(&self, session: &Session) -> String {
        let mut suspect = self.suspect.subscribe();
        let mut examined = Instant::now();
        loop {
            let pause = if self.memory.is_limited() { MEMORY_INTERVAL } else { EXAMINE_INTERVAL };
            select! {
                _ = suspect.wait_for(|suspect| *suspect >= session.number) => {
                    return "it broke, was too slow, or refused to write".into();
                }
                () = sleep(pause) => {}
            }
            let again = async {
                if examined.elapsed() < EXAMINE_INTERVAL {
                    let (used, most) = Server::ask_memory(&mut session.first_connection()).await?;
                    self.memory.heard(used, most, &self.common.outcomes);
                    return Ok(());
                }
                examined = Instant::now();
                self.endpoint.leads_to(&session.address, &self.setup).await?;
                self.examine(&mut session.first_connection(), false).await
            };
            match timeout(self.setup.terms.timeout, again).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => return failure.to_string(),
                Err(_) => return "it was too slow when it was examined".into(),
            }
        }
    }

    /// Checks that records may be trusted to the server, and finds out whether it has lost some. A server has
    /// lost data if one of its buckets was found `unmarked`. The examination compares the marks itself as
    /// well, because a gateway that claims nothing also has to notice the loss.
    async fn examine(&self, connection: &mut MultiplexedConnection, unmarked: bool) -> Result<(), Failure> {
        let server = Server::ask(connection).await?;
        let in_cluster = self.setup.settings.servers.is_cluster();
        if let Some(why) = server.unfit(in_cluster) {
            return Err(why);
        }
        let buckets = self.buckets.lock().clone();
        let unmarked = unmarked || self.common.marks.differ(connection, &buckets, in_cluster).await?;
        let mark = RunMark::read(connection, &self.mark).await?;
        let remembered = self.server.lock().seen.clone();
        let lost = mark.lost(&server, remembered.as_ref(), unmarked);
        let seen = SeenRun::now(&server);
        match mark.write(connection, &self.mark, &seen, lost).await {
            // The server still answers reads, and at least this process knows of a loss.
            Err(refused) if refused.has_code(&["OOM", "MISCONF", "NOREPLICAS"]) => {}
            written => {
                written?;
                self.server.lock().seen = Some(seen);
            }
        }
        self.memory.heard(server.memory.0, server.memory.1, &self.common.outcomes);
        let is_new = self.server.lock().is_new_loss(lost);
        // The hold comes first: with the marks that are learnt next, claims would go on.
        self.hold(lost, is_new, server.now);
        self.server.lock().heard(server.now);
        self.learn_marks(connection, is_new || unmarked).await
    }

    /// Learns the marks of all buckets of the server, or only the marks that are not known yet.
    async fn learn_marks(&self, connection: &mut MultiplexedConnection, all: bool) -> Result<(), Failure> {
        let marks = &self.common.marks;
        let buckets = self.buckets.lock().clone();
        marks.learn(connection, buckets.into_iter().filter(|bucket| all || marks.of(*bucket).is_none())).await
    }

    fn hold(&self, lost: Option<Timestamp>, is_new: bool, now: Timestamp) {
        let left = lost.map_or(Duration::ZERO, |lost| lost.plus((self.setup.terms.longest_ttl)()).since(now));
        if !left.is_zero() && is_new {
            let accepted = self.setup.settings.accept_lost;
            tracing::error!(
                mark = self.mark,
                accepted,
                "the store was restarted without its data or emptied"
            );
        }
        let until = Instant::now().checked_add(left);
        self.server.lock().held = until.filter(|_| !left.is_zero() && !self.setup.settings.accept_lost);
    }

    fn acknowledged(&self, counted: bool) -> Option<Acknowledged> {
        let (by, within) = (self.setup.settings.wait_replicas, self.setup.replica_wait());
        (counted && by > 0).then_some(Acknowledged { by, within })
    }

    fn mark_suspect(&self, number: u64) {
        self.suspect.send_if_modified(|suspect| std::mem::replace(suspect, number.max(*suspect)) < number);
    }

    /// Wakes the waiters for the record that a message (its channel, an id) names.
    fn told(&self, message: &[Value]) {
        if let Some(Value::BulkString(payload)) = message.get(1) {
            RecordId::from_bytes(payload).into_iter().for_each(|id| self.common.waiters.wake(id));
        }
    }

    /// Handles a message that the server sends unasked.
    fn hear(&self, number: u64, push: PushInfo) {
        match push.kind {
            PushKind::Disconnection => {
                self.mark_suspect(number);
                // Messages that are published from now on do not arrive.
                self.common.waiters.wake_all();
            }
            PushKind::Message => self.told(&push.data),
            _ => {}
        }
    }
}
