//! The server or directory of a store, and its own accounting.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use fjall::Database;
use tempfile::TempDir;

use crate::load::cpu_of;
use crate::servers::{postgres, redis};

/// The server or directory of the records. It ends with the contender.
pub enum Server {
    None,
    Directory(TempDir),
    Redis(redis::Server),
    Cluster(Vec<redis::Server>),
    Postgres(postgres::Server),
}

/// A count that a store keeps, such as its commits.
pub type Count = (&'static str, f64);

impl Server {
    /// Returns the size of the records in bytes: on disk, with the files written beside them, or in
    /// memory.
    pub async fn bytes(&self) -> u64 {
        match self {
            Self::None => resident_bytes(),
            Self::Directory(directory) => bytes_below(directory.path()),
            Self::Redis(server) => memory_of(server),
            Self::Cluster(nodes) => nodes.iter().map(memory_of).sum(),
            Self::Postgres(server) => {
                let sizes = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
                             WHERE c.relnamespace = 'oncegate'::regnamespace AND c.relkind = 'r'";
                server.value::<i64>(sizes).await.try_into().expect("a size")
            }
        }
    }

    /// Returns the size in bytes once the store has given back the space of removed and replaced entries.
    /// The store has to be closed. Memory is not rearranged.
    pub async fn packed_bytes(&self) -> u64 {
        match self {
            Self::Directory(directory) => compacted_bytes(&directory.path().join("records/data")),
            Self::Postgres(server) => {
                server.run_each(&["VACUUM FULL oncegate.record", "VACUUM FULL oncegate.response"]).await;
                self.bytes().await
            }
            _ => self.bytes().await,
        }
    }

    /// Returns the CPU time that the server's processes have used.
    pub fn cpu(&self) -> Duration {
        self.cpu_of_nodes().into_iter().sum()
    }

    /// Returns the CPU time of each server, which are several in a cluster.
    pub fn cpu_of_nodes(&self) -> Vec<Duration> {
        match self {
            Self::None | Self::Directory(_) => Vec::new(),
            Self::Redis(server) => vec![cpu_of(server.pid())],
            Self::Cluster(nodes) => nodes.iter().map(|node| cpu_of(node.pid())).collect(),
            Self::Postgres(server) => vec![cpu_of(server.pid())],
        }
    }

    /// Returns the number of scripts that each Redis has run.
    pub fn scripts_of_nodes(&self) -> Vec<u64> {
        self.nodes().iter().map(|node| node.calls("evalsha")).collect()
    }

    /// Returns what the store counts of the work that it was given.
    pub async fn counts(&self) -> Vec<Count> {
        match self {
            Self::None => Vec::new(),
            Self::Directory(_) => vec![("bytes written to the disk", bytes_written())],
            Self::Redis(_) | Self::Cluster(_) => {
                let sum = |name| self.nodes().iter().map(|node| number(&node.info(name))).sum();
                vec![
                    ("bytes received", sum("total_net_input_bytes")),
                    ("bytes sent", sum("total_net_output_bytes")),
                ]
            }
            Self::Postgres(server) => {
                let mut counts = Vec::new();
                for (name, sql) in [
                    ("bytes of WAL", "SELECT (pg_current_wal_lsn() - '0/0')::float8"),
                    ("syncs of the WAL", "SELECT wal_sync::float8 FROM pg_stat_wal"),
                    ("commits", "SELECT sum(xact_commit)::float8 FROM pg_stat_database"),
                ] {
                    counts.push((name, server.value(sql).await));
                }
                counts
            }
        }
    }

    fn nodes(&self) -> &[redis::Server] {
        match self {
            Self::Redis(server) => std::slice::from_ref(server),
            Self::Cluster(nodes) => nodes,
            _ => &[],
        }
    }
}

fn memory_of(server: &redis::Server) -> u64 {
    number(&server.info("used_memory")) as u64
}

fn number(text: &str) -> f64 {
    text.trim().parse().expect("a number")
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kib: u64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
    kib * 1024
}

fn bytes_written() -> f64 {
    let counts = std::fs::read_to_string("/proc/self/io").expect("this process");
    let bytes = counts.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    number(bytes.expect("it writes"))
}

/// Writes the tables of a closed embedded store anew, and returns their size. Journals are not counted,
/// because their size does not depend on the number of records.
fn compacted_bytes(data: &Path) -> u64 {
    let database = Database::builder(data).open().expect("a closed store");
    let mut bytes = 0;
    for name in database.list_keyspace_names() {
        let table = database.keyspace(&name, Default::default).expect("a table");
        table.rotate_memtable_and_wait().expect("a flush");
        table.major_compact().expect("a compaction");
        bytes += table.disk_space();
    }
    bytes
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(entry_is) if entry_is.is_dir() => bytes_below(&entry.path()),
        // A journal is made longer than its contents, so its size is counted in blocks.
        Ok(entry_is) => entry_is.blocks() * 512,
        // The file was compacted away just now.
        Err(_) => 0,
    });
    sizes.sum()
}
