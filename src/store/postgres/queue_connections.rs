//! The connections that take tasks from a queue, and the choice of the one to wake.

use crate::workers;

/// The connections of one queue, by their numbers.
pub(super) struct QueueConnections(Box<[QueueConnection]>);

/// A connection from the view of the queue.
#[derive(Clone, Copy, Default)]
struct QueueConnection {
    /// The worker on which the connection last waited.
    worker: usize,
    state: ConnectionState,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// The connection is busy, and will look at the queue by itself afterwards.
    #[default]
    Busy,
    /// The connection was woken and has not looked at the queue yet.
    Woken,
    /// The connection looks at the queue when it is woken.
    Free,
    /// The connection looks when it is woken, and by itself once the oldest task has waited long.
    Timed,
}

impl QueueConnections {
    /// Returns this number of connections, all of them busy.
    pub(super) fn new(number: usize) -> Self {
        Self(vec![QueueConnection::default(); number].into())
    }

    /// Marks a connection as busy.
    pub(super) fn is_busy(&mut self, connection: usize) {
        self.0[connection].state = ConnectionState::Busy;
    }

    /// Marks a connection as waiting on this thread. A `timed` one looks at the queue by itself in time.
    pub(super) fn waits(&mut self, connection: usize, timed: bool) {
        let state = if timed { ConnectionState::Timed } else { ConnectionState::Free };
        self.0[connection] = QueueConnection { worker: workers::current(), state };
    }

    /// Chooses a waiting connection to wake for the queued tasks, and marks it as woken. Returns `None` if
    /// one that was woken on this worker will look at them, or if they `can_wait` and a connection looks in
    /// time by itself.
    ///
    /// Waking another thread costs a system call, and that thread may be busy. Therefore a connection on this
    /// worker is preferred, then one on the main thread.
    pub(super) fn choose(&mut self, can_wait: bool) -> Option<usize> {
        let here = workers::current();
        let any = |fits: &dyn Fn(&QueueConnection) -> bool| self.0.iter().any(fits);
        let will_look = any(&|one| one.state == ConnectionState::Woken && one.worker == here);
        if will_look || (can_wait && any(&|one| one.state == ConnectionState::Timed)) {
            return None;
        }
        let distance = |one: &QueueConnection| if one.worker == here { 0 } else { 1 + one.worker };
        let waits = |(_, one): &(usize, &QueueConnection)| {
            matches!(one.state, ConnectionState::Free | ConnectionState::Timed)
        };
        let nearest = self.0.iter().enumerate().filter(waits).min_by_key(|(_, one)| distance(one));
        let chosen = nearest.map(|(number, _)| number)?;
        self.0[chosen].state = ConnectionState::Woken;
        Some(chosen)
    }

    /// Returns the states, in the order of the numbers.
    #[cfg(test)]
    pub(super) fn states(&self) -> Vec<ConnectionState> {
        self.0.iter().map(|one| one.state).collect()
    }
}
