//! The kinds of tasks about records, each of which runs in one statement.
//!
//! The list at the end of this file is the only place that names all of them.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Batch;
use super::failure::Failure;
use super::kind_queue::KindQueue;
use super::queue::{Holds, Kinds};
use super::session::Session;
use super::tasks::{Claim, Read, Remove, SqlTask, Watch, Write};

/// A way to run a batch of any kind.
pub(super) trait RunBatch {
    /// Runs a batch and answers its tasks.
    fn run<T>(
        &self,
        batch: Batch<T>,
        session: &mut Session,
    ) -> impl Future<Output = Result<(), Failure>> + Send
    where
        T: SqlTask,
        KindQueues: Holds<T>;
}

macro_rules! kinds {
    ($($kind:ident($task:ty) in $queue:ident,)*) => {
        /// A kind of task.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind {
            $($kind,)*
        }

        /// A queue for each kind of task.
        #[derive(Default)]
        pub(super) struct KindQueues {
            $($queue: KindQueue<$task>,)*
        }

        /// A batch of some kind.
        pub(super) enum AnyBatch {
            $($kind(Batch<$task>),)*
        }

        impl AnyBatch {
            /// Runs the batch of any kind.
            pub(super) async fn run_by(
                self,
                runner: &(impl RunBatch + Sync),
                session: &mut Session,
            ) -> Result<(), Failure> {
                match self {
                    $(Self::$kind(batch) => runner.run(batch, session).await,)*
                }
            }
        }

        impl Kinds for KindQueues {
            type Kind = Kind;
            type Batch = AnyBatch;

            fn len(&self) -> usize {
                [$(self.$queue.len(),)*].into_iter().sum()
            }

            fn oldest(&mut self, max_wait: Duration, busy: &Failure) -> Option<(Instant, Kind)> {
                let ages = [$((self.$queue.tidy(max_wait, busy), Kind::$kind),)*];
                ages.into_iter().filter_map(|(since, kind)| Some((since?, kind))).min()
            }

            fn take(&mut self, kind: Kind) -> AnyBatch {
                match kind {
                    $(Kind::$kind => AnyBatch::$kind(self.$queue.take()),)*
                }
            }

            fn refuse(self, failure: &Failure) {
                $(self.$queue.refuse(failure);)*
            }
        }

        $(impl Holds<$task> for KindQueues {
            fn queue(&mut self) -> &mut KindQueue<$task> {
                &mut self.$queue
            }
        })*
    };
}

kinds! {
    Claims(Claim) in claims,
    Writes(Write) in writes,
    Removals(Remove) in removals,
    Reads(Read) in reads,
    Watches(Watch) in watches,
}
