//! Private Postgres servers, alone or with a standby.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, Postgres, Row, Type, raw_sql};
use tempfile::TempDir;

use super::preload::WallClock;
use super::redis::free_port;

/// The user that runs the servers if root runs the tests, because Postgres refuses root.
const NOBODY: u32 = 65_534;

/// A running server. Dropping it ends the server.
pub struct Server {
    pub port: u16,
    dir: TempDir,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static SCHEMAS: AtomicU64 = AtomicU64::new(0);

/// Returns a server that tests share, each with a schema of its own. The server ends with the last test that
/// uses it.
pub fn shared() -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// Returns the name of a schema that no other test uses.
pub fn schema() -> String {
    format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with more settings, such as `["wal_level=logical"]`.
    pub fn with(settings: &[&str]) -> Self {
        Self::with_environment(settings, Vec::new())
    }

    /// Starts a server that uses this clock.
    pub fn going_by(clock: &WallClock) -> Self {
        Self::with_environment(&[], clock.environment().to_vec())
    }

    fn with_environment(settings: &[&str], environment: Vec<(String, String)>) -> Self {
        let dir = own_directory();
        let data = dir.path().join("data");
        let made = program("initdb")
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=oncegate", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::on(dir, settings, environment)
    }

    /// Starts a standby that follows this server.
    pub fn standby(&self, settings: &[&str]) -> Self {
        let dir = own_directory();
        let made = program("pg_basebackup")
            .arg("--pgdata")
            .arg(dir.path().join("data"))
            .args(["--host=127.0.0.1", "--username=oncegate", "--checkpoint=fast", "--write-recovery-conf"])
            .arg(format!("--port={}", self.port))
            .output()
            .expect("pg_basebackup");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::on(dir, settings, Vec::new())
    }

    fn on(dir: TempDir, settings: &[&str], environment: Vec<(String, String)>) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { port: 0, dir, settings, environment, child: None };
        // Another process may take the port before the server does.
        for _ in 0..10 {
            server.port = free_port();
            if server.spawn() {
                return server;
            }
        }
        panic!("postgres did not start with {:?}", server.settings);
    }

    /// Starts the process. Returns true if the server reports that it is up.
    fn spawn(&mut self) -> bool {
        let mut command = program("postgres");
        command.arg("-D").arg(self.data());
        command.arg("-k").arg(self.dir.path()).arg("-p").arg(self.port.to_string());
        let own = ["listen_addresses=127.0.0.1", "max_connections=300", "log_min_messages=log"];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.envs(self.environment.iter().cloned());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("postgres");
        let mut lines = BufReader::new(child.stderr.take().expect("its output")).lines();
        let mut said = String::new();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            writeln!(said, "{line}").expect("a string takes all");
            line.contains("ready to accept")
        });
        // No other thread reads the output, and a full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        if !ready {
            eprintln!("{said}");
            self.kill();
        }
        ready
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Returns the directory of its socket.
    pub fn socket(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Ends the server like a crash: it writes nothing more, and recovery follows at the next start.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let sent = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            // The server may have ended by itself.
            sent.expect("kill");
            child.wait().expect("its end");
        }
    }

    /// Starts the server again at its port, after [`Server::kill`].
    pub fn start_again(&mut self) {
        assert!(self.spawn(), "it did not start again");
    }

    pub fn restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Writes a file into the data directory that only the server can read.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        if am_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("another owner");
        }
    }

    /// Adds a line to the configuration, for the next start.
    pub fn configure(&self, line: &str) {
        let path = self.data().join("postgresql.conf");
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, format!("{text}\n{line}\n")).expect("a file");
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        let done = program("pg_ctl").args(["promote", "--wait", "-D"]).arg(self.data()).output();
        assert!(done.expect("pg_ctl").status.success());
    }

    /// Returns the options to connect to the server.
    pub fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        options.username("oncegate").database("postgres").ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }

    /// Runs some SQL as the owner of the server.
    pub async fn run(&self, sql: &str) -> Vec<PgRow> {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn try_run(&self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut connection = self.options().disable_statement_logging().connect().await?;
        let rows = raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
        connection.close().await?;
        rows
    }

    /// Runs statements one after the other, each by itself, over one connection.
    pub async fn run_each(&self, statements: &[&str]) {
        let mut connection =
            self.options().disable_statement_logging().connect().await.expect("a connection");
        for sql in statements {
            let done = raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut connection).await;
            done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        connection.close().await.expect("closed");
    }

    /// Returns the first value of the first row.
    pub async fn value<T>(&self, sql: &str) -> T
    where
        for<'r> T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.run(sql).await.first().unwrap_or_else(|| panic!("{sql}: no row")).get(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a directory that belongs to the user that runs the server.
fn own_directory() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    if am_root() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("another owner");
    }
    dir
}

/// Returns one of the programs of Postgres, which Debian installs outside the path.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    let mut command = Command::new(found.pop().unwrap_or_else(|| name.into()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).env_remove("PGDATA").current_dir("/");
    if am_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn am_root() -> bool {
    std::fs::metadata("/proc/self").expect("this process").uid() == 0
}
