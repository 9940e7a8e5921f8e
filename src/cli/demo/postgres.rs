//! A Postgres of the demo's own, where one is installed.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use rustix::process::{Signal, geteuid};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, copy, sink};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::random;

use super::error::DemoError;
use super::process::Process;

/// Time that making or starting a server may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of ports that are tried: another process may take one before the server does.
const PORTS: usize = 5;
/// Name of the user and of its file with the password.
const USER: &str = "demo";
const PASSWORD_FILE: &str = "password";

/// The directory of the programs of an installed Postgres.
pub(super) struct Programs(PathBuf);

impl Programs {
    /// Finds the programs in `PATH`, or where Debian installs them.
    ///
    /// # Errors
    /// The reason why the demo starts no server.
    pub(super) fn find() -> Result<Self, &'static str> {
        if geteuid().is_root() {
            return Err("Postgres does not run as root; try it as another user");
        }
        let paths = env::var_os("PATH").unwrap_or_default();
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut installed: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
        installed.sort();
        let all = env::split_paths(&paths).chain(installed.into_iter().rev());
        let has = |path: &Path, name: &str| path.join(name).is_file();
        let found = all.into_iter().find(|path| has(path, "initdb") && has(path, "postgres"));
        found.map(Self).ok_or("no Postgres is installed: no initdb and postgres in PATH")
    }

    fn command(&self, name: &str, data: &Path) -> Command {
        let mut command = Command::new(self.0.join(name));
        let meant_for_another = |name: &OsStr| name.to_string_lossy().starts_with("PG");
        for (name, _) in env::vars_os().filter(|(name, _)| meant_for_another(name)) {
            command.env_remove(name);
        }
        command.arg("-D").arg(data).current_dir("/");
        command
    }
}

/// A running server. Dropping the value ends the server.
pub(super) struct Server {
    process: Process,
    port: u16,
    password: String,
    _log: AbortOnDropHandle<()>,
}

impl Server {
    /// Makes a server with its data in `directory`, and starts it on loopback.
    pub(super) async fn start(programs: &Programs, directory: &Path) -> Result<Self, DemoError> {
        let data = directory.join("postgres");
        let password = format!("{:032x}", u128::from_ne_bytes(random::bytes()));
        fs::write(directory.join(PASSWORD_FILE), &password)?;
        let started = async {
            make(programs, directory, &data).await?;
            for _ in 0..PORTS {
                if let Some(server) = Self::listen(programs, &data, &password).await? {
                    return Ok(server);
                }
            }
            Err(DemoError::new("Postgres does not start"))
        };
        timeout(START_TIMEOUT, started).await.unwrap_or_else(|_| {
            Err(DemoError::new(format!("Postgres did not start within {START_TIMEOUT:?}")))
        })
    }

    async fn listen(programs: &Programs, data: &Path, password: &str) -> Result<Option<Self>, DemoError> {
        let port = free_port()?;
        let mut command = programs.command("postgres", data);
        command.arg("-p").arg(port.to_string());
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "log_min_messages=log"] {
            command.arg("-c").arg(setting);
        }
        // SIGQUIT ends the server and its own processes at once.
        let (process, log) = Process::spawn(command, "Postgres", Signal::QUIT)?;
        let mut log = BufReader::new(log);
        let mut line = String::new();
        while log.read_line(&mut line).await? > 0 {
            if line.contains("ready to accept") {
                // The log is read on, because a full pipe would stop the server.
                let log = tokio::spawn(async move { drop(copy(&mut log, &mut sink()).await) });
                let (password, log) = (password.to_owned(), AbortOnDropHandle::new(log));
                return Ok(Some(Self { process, port, password, _log: log }));
            }
            line.clear();
        }
        Ok(None)
    }

    /// Returns the id of the process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the password of the database.
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// Returns the URL of the database, with its password.
    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres?sslmode=disable", self.password, self.port)
    }

    /// Returns the options to connect to the database.
    pub(super) fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let options = options.username(USER).password(&self.password).database("postgres");
        options.ssl_mode(PgSslMode::Disable)
    }
}

/// Makes the data of a server. A client has to show the password.
async fn make(programs: &Programs, directory: &Path, data: &Path) -> Result<(), DemoError> {
    let mut command = programs.command("initdb", data);
    command.arg("--pwfile").arg(directory.join(PASSWORD_FILE)).arg(format!("--username={USER}"));
    command.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let (mut process, mut output) = Process::spawn(command, "initdb", Signal::TERM)?;
    let mut said = String::new();
    output.read_to_string(&mut said).await?;
    match process.succeeded()? {
        true => Ok(()),
        false => Err(DemoError::new(format!("initdb failed: {}", said.trim()))),
    }
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}
