//! A PgBouncer that pools transactions between the gateway and the server of the marker table.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use oncegate::settle::marker::{MarkerTable, Row, TableError};
use sqlx::{Executor, Row as _};
use tempfile::TempDir;

use crate::servers::postgres::shared;
use crate::servers::redis::free_port;
use crate::{TIMEOUT, made, url};

/// A running PgBouncer with two sessions on the server. Dropping it ends the process.
struct Pooler {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl Pooler {
    fn to(server: u16) -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let config = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={server} user=oncegate\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\n"
        );
        std::fs::write(&config, text).expect("a file");
        for path in [directory.path(), &config] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        let mut command = Command::new("pgbouncer");
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if std::fs::metadata("/proc/self").expect("this process").uid() == 0 {
            // The pooler refuses root.
            command.uid(65_534).gid(65_534);
        }
        let mut child = command.spawn().expect("pgbouncer: run ./scripts/test");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let mut said = Vec::new();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push(line);
            said.last().is_some_and(|line| line.contains("process up"))
        });
        assert!(ready, "{said:#?}");
        std::thread::spawn(move || lines.for_each(drop));
        Self { port, child, _directory: directory }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_may_run_in_different_sessions() {
    let server = shared();
    let table = made(&server).await;
    let pooler = Pooler::to(server.port);
    let client = MarkerTable::new(&url(pooler.port), &table, TIMEOUT).expect("a plain table");
    let client = std::sync::Arc::new(client);
    let mut fences = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = std::sync::Arc::clone(&client);
        fences.spawn(async move { client.fence(&format!("a:{}", number / 2)).await });
    }
    assert_eq!(fences.join_all().await, vec![Ok(Row::Fenced); 40]);
    server.run(&format!("INSERT INTO {table} (execution) VALUES ('b:1')")).await;
    assert_eq!(client.fence("b:1").await, Ok(Row::Committed(None)));
    assert_eq!(client.read("b:2").await, Ok(None));
}

/// The upstream uses the same pooler. It must not find settings of the gateway in its sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_setting_stays_behind() {
    let server = shared();
    let table = made(&server).await;
    let pooler = Pooler::to(server.port);
    let client = MarkerTable::new(&url(pooler.port), &table, TIMEOUT).expect("a plain table");
    let options = server.options().port(pooler.port).extra_float_digits(None);
    let mut upstream = sqlx::ConnectOptions::connect(&options).await.expect("a connection");
    let insert = format!("BEGIN; INSERT INTO {table} (execution) VALUES ('a:1')");
    upstream.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(insert))).await.expect("an open transaction");
    assert_eq!(client.fence("a:1").await, Err(TableError::Busy));
    assert_eq!(client.fence("a:2").await, Ok(Row::Fenced));
    upstream.execute(sqlx::raw_sql("COMMIT")).await.expect("committed");
    assert_eq!(client.fence("a:1").await, Ok(Row::Committed(None)));
    let changed = "SELECT (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name IN \
                   ('lock_timeout', 'statement_timeout', 'synchronous_commit', 'enable_seqscan')) \
                   + (SELECT count(*) FROM pg_prepared_statements)";
    // Both sessions of the pooler, held at the same time.
    let mut other = sqlx::ConnectOptions::connect(&options).await.expect("a connection");
    for connection in [&mut upstream, &mut other] {
        connection.execute(sqlx::raw_sql("BEGIN")).await.expect("a transaction");
        let row = connection.fetch_one(sqlx::raw_sql(changed)).await.expect("a row");
        assert_eq!(row.get::<i64, _>(0), 0);
    }
}
