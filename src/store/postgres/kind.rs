//! Postgres as one of the stores: how it is opened and checked, what it guarantees, and what it may lose.

use std::sync::Arc;

use crate::store::{ClockSource, ConnectionCheck, Loss, Opening, Store, StoreSettings, Terms};

use super::settings::Settings;
use super::{PostgresStore, schema};

/// Connections of all kinds together, at most.
const CONNECTIONS: usize = 64;

impl StoreSettings for Settings {
    fn open(&self, terms: Terms) -> Opening<'_, Arc<dyn Store>> {
        Box::pin(async move {
            let store = PostgresStore::open(self.clone(), terms).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        })
    }

    fn check_connection(&self, terms: Terms) -> Opening<'_, ConnectionCheck> {
        Box::pin(async move {
            let (names, risks) = PostgresStore::check(self.clone(), terms).await?;
            let answer = match &names {
                Some(_) => "answers",
                None => "answers; its tables are not all there yet, a start makes them",
            };
            Ok(ConnectionCheck { answer, names, risks })
        })
    }

    fn description(&self) -> String {
        format!("{self}, schema {}", self.schema)
    }

    fn clock(&self) -> ClockSource {
        ClockSource::Server
    }

    fn descriptors(&self, _: usize) -> usize {
        CONNECTIONS
    }

    fn acknowledged(&self) -> &'static str {
        "they are committed first."
    }

    fn losses(&self) -> Vec<Loss> {
        let crash = "Nothing that was acknowledged, unless fsync or full_page_writes is off there, which a gateway \
                     warns of when it starts.";
        let whose = match self.servers.len() {
            1 => "Where this address leads to another server then: ",
            _ => "",
        };
        let failover = format!(
            "{whose}nothing with synchronous_standby_names in Postgres (and synchronous_commit on or higher) if one of \
             those is promoted. Else what the promoted one did not have yet, which may be what was acknowledged last."
        );
        let partition = "A primary that is cut off goes on taking claims beside the one that was promoted, and what \
                         it took is gone when it is back. synchronous_standby_names closes that: without its standby \
                         it commits nothing.";
        vec![
            ("a crash of Postgres", crash.into()),
            ("a failover", failover),
            ("a partition", partition.into()),
        ]
    }

    fn warning(&self) -> Option<String> {
        let text = "the URL has no sslmode=verify-full, so anyone on the network to Postgres can read and \
                    change what is stored";
        (!self.is_verified).then(|| text.into())
    }

    fn tables(&self) -> Option<String> {
        Some(schema::print(&self.schema))
    }
}
