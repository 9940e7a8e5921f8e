//! The gateway as a process. A test starts it with a configuration file, watches its log, and ends it in any
//! way.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Answer, Upstream};

/// The longest time that a test waits for the process.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings with which a gateway starts.
#[derive(Clone, Default)]
pub struct Settings {
    /// Lines for `[store]`. Without them, the gateway uses a directory of its own.
    pub store: String,
    /// Lines for `[server]`.
    pub server: String,
    /// Lines for `[upstreams.payments]`.
    pub upstream: String,
    /// Lines for the route, which has `path = "/v1/{*rest}"`.
    pub route: String,
    /// Whole sections.
    pub more: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Upstream address instead of the test's own.
    pub address: Option<SocketAddr>,
    /// A command of the shell in which the process is started, such as `umask 000`.
    pub shell: String,
    /// More arguments of `serve`.
    pub arguments: Vec<String>,
}

impl Settings {
    /// Returns the defaults with these lines for the route.
    pub fn route(lines: &str) -> Self {
        Self { route: lines.into(), ..Self::default() }
    }

    pub fn server(self, lines: &str) -> Self {
        Self { server: lines.into(), ..self }
    }

    pub fn store(self, lines: &str) -> Self {
        Self { store: lines.into(), ..self }
    }

    pub fn upstream(self, lines: &str) -> Self {
        Self { upstream: lines.into(), ..self }
    }

    pub fn more(self, sections: &str) -> Self {
        Self { more: sections.into(), ..self }
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs a command in the shell that becomes the process.
    pub fn shell(self, command: &str) -> Self {
        Self { shell: command.into(), ..self }
    }

    /// Sets the number of files that the process may have open, as the soft and the hard limit.
    pub fn descriptors(self, limit: u64) -> Self {
        self.shell(&format!("ulimit -n {limit}"))
    }

    /// Sets the soft limit of open files, which the process may raise.
    pub fn soft_descriptors(self, limit: u64) -> Self {
        self.shell(&format!("ulimit -Sn {limit}"))
    }

    /// Stops the process at a failpoint.
    pub fn stop_at(self, failpoint: &str) -> Self {
        self.env("ONCEGATE_FAILPOINT", failpoint)
    }
}

/// A running gateway. Dropping it kills the process.
pub struct Gateway {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    directory: Arc<TempDir>,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    lines: watch::Receiver<usize>,
}

impl Gateway {
    /// Starts a gateway with a data directory of its own, in front of `upstream`.
    pub async fn start(upstream: &Upstream, settings: Settings) -> Self {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        Self::start_in(directory, upstream.address, settings).await
    }

    /// Starts another process on the same data, with other settings.
    pub async fn restart(&self, upstream: &Upstream, settings: Settings) -> Self {
        Self::start_in(Arc::clone(&self.directory), upstream.address, settings).await
    }

    /// Starts a gateway in front of the address of the settings.
    pub async fn before(settings: Settings) -> Self {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        Self::start_in(directory, settings.address.expect("an address"), settings).await
    }

    /// Starts another process on the same data, in front of the address of the settings.
    pub async fn again(&self, settings: Settings) -> Self {
        let directory = Arc::clone(&self.directory);
        Self::start_in(directory, settings.address.expect("an address"), settings).await
    }

    /// Returns the directory of the records.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    async fn start_in(directory: Arc<TempDir>, upstream: SocketAddr, settings: Settings) -> Self {
        let (mut child, log, lines) = Self::spawn(&directory, upstream, &settings);
        let text = settings.environment.contains(&("ONCEGATE__LOG__FORMAT".into(), "text".into()));
        let word = if text { ": ready listen=" } else { "\"ready\"" };
        let ready = find(&log, &mut lines.clone(), word).await.unwrap_or_else(|| {
            let _ = child.start_kill();
            panic!("the gateway did not start: {:?}", log.lock().expect("log"));
        });
        let address = |name: &str| logged_address(&ready, text, name).parse().expect("an address");
        Self { address: address("listen"), admin: address("admin"), directory, child, log, lines }
    }

    /// Starts a process that must refuse to start. Returns its exit status and its output.
    pub async fn refused(&self, upstream: &Upstream, settings: Settings) -> (ExitStatus, String) {
        let (mut child, log, mut lines) = Self::spawn(&self.directory, upstream.address, &settings);
        let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it can be waited for");
        while lines.changed().await.is_ok() {}
        (status, log.lock().expect("log").join("\n"))
    }

    fn spawn(
        directory: &TempDir,
        upstream: SocketAddr,
        settings: &Settings,
    ) -> (Child, Arc<Mutex<Vec<String>>>, watch::Receiver<usize>) {
        let data = directory.path().join("data");
        let file = directory.path().join("oncegate.toml");
        let upstream = settings.address.unwrap_or(upstream);
        let Settings { store, server, upstream: client, route, more, .. } = settings;
        let own = format!("url = \"embedded:{}\"", data.display());
        let store = if store.is_empty() { &own } else { store };
        // Most tests do not deal with callers, and send no header that identifies one.
        let anonymous = if route.contains("anonymous") { "" } else { "anonymous = \"one\"" };
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [store]\n{store}\n\
             [log]\nformat = \"json\"\n\
             [upstreams.payments]\nurl = \"http://{upstream}\"\n{client}\n\
             [[routes]]\nname = \"pay\"\npath = \"/v1/{{*rest}}\"\nupstream = \"payments\"\n{anonymous}\n{route}\n{more}\n"
        );
        std::fs::write(&file, text).expect("the configuration can be written");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{}\nexec \"$0\" \"$@\"", settings.shell))
            .args([env!("CARGO_BIN_EXE_oncegate"), "serve", "--config"])
            .arg(&file)
            .args(&settings.arguments)
            .envs(settings.environment.iter().cloned())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway can be started");
        let (log, (count, lines)) = (Arc::<Mutex<Vec<String>>>::default(), watch::channel(0));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                let mut stderr = stderr.lines();
                while let Ok(Some(line)) = stderr.next_line().await {
                    let mut log = log.lock().expect("log");
                    log.push(line);
                    count.send_replace(log.len());
                }
            }
        });
        (child, log, lines)
    }

    /// Waits for a log line that contains `text`.
    pub async fn logs(&self, text: &str) -> String {
        let found = find(&self.log, &mut self.lines.clone(), text).await;
        found.unwrap_or_else(|| panic!("{text:?} was not logged: {:#?}", self.log.lock().expect("log")))
    }

    /// Returns all log lines so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("log").join("\n")
    }

    /// Returns the limits that the system sets for the process.
    pub fn limits(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/limits", self.pid())).expect("it runs")
    }

    /// Returns the resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }

    fn pid(&self) -> String {
        self.child.id().expect("it runs").to_string()
    }

    async fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid()]).status().await.expect("kill runs");
        assert!(status.success());
    }

    /// Returns the configuration file.
    pub fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("oncegate.toml")
    }

    /// Replaces the configuration file by what `change` makes of its text.
    pub fn rewrite(&self, change: impl FnOnce(&str) -> String) {
        let text = std::fs::read_to_string(self.file()).expect("the file can be read");
        let new = self.directory.path().join("new.toml");
        std::fs::write(&new, change(&text)).expect("a file can be written");
        std::fs::rename(new, self.file()).expect("the file can be replaced");
    }

    /// Sends SIGKILL and waits until the process is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Sends SIGHUP.
    pub async fn hang_up(&self) {
        self.signal("-HUP").await;
    }

    /// Sends SIGSTOP.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Sends SIGCONT.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    /// Waits for the end of the process and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for").code()
    }

    /// Sends a GET to the admin listener.
    pub async fn admin_get(&self, path: &str) -> Answer {
        admin(self.admin, "GET", path, "").await
    }

    /// Returns the reason why claims are stopped, if they are.
    pub async fn stopped_for(&self) -> Option<String> {
        let ready = self.admin_get("/readyz").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        let shown = ready.json();
        assert_eq!(shown["ready"], true, "{shown}");
        let reason = shown["reason"].as_str().map(str::to_owned);
        assert_eq!(shown["claims"].as_str(), reason.as_ref().map(|_| "stopped"), "{shown}");
        reason
    }

    /// Tells whether the metrics contain exactly this line.
    pub async fn shows(&self, line: &str) -> bool {
        self.admin_get("/metrics").await.text().lines().any(|shown| shown == line)
    }

    /// Returns the number that the metrics have for `sample`, a name with its labels, or zero if they have none.
    pub async fn metric(&self, sample: &str) -> u64 {
        let metrics = self.admin_get("/metrics").await;
        let mut values =
            metrics.text().lines().filter_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
        values.next().unwrap_or_default()
    }

    /// Sends a DELETE to the admin listener.
    pub async fn admin_delete(&self, path: &str) -> Answer {
        admin(self.admin, "DELETE", path, "{\"note\":\"a test\"}").await
    }

    /// Sends a POST with JSON to the admin listener.
    pub async fn admin_post(&self, path: &str, body: &Value) -> Answer {
        admin(self.admin, "POST", path, &body.to_string()).await
    }

    /// Returns all records in one state.
    pub async fn records(&self, state: &str) -> Vec<Value> {
        let list = self.admin_get(&format!("/v1/records?state={state}")).await.json();
        list["records"].as_array().expect("a list").clone()
    }

    /// Returns the number of records in any state.
    pub async fn record_count(&self) -> usize {
        let list = self.admin_get("/v1/records").await.json();
        list["records"].as_array().expect("a list").len()
    }

    /// Waits until this many attempts were found to be duplicates of a running one.
    pub async fn duplicates(&self, count: usize) {
        let until = tokio::time::Instant::now() + PATIENCE;
        let line = format!("oncegate_duplicates_total{{route=\"pay\",arrival=\"concurrent\"}} {count}\n");
        while !self.admin_get("/metrics").await.text().contains(&line) {
            assert!(tokio::time::Instant::now() < until, "there were never {count} duplicates");
        }
    }

    /// Waits until there is a record in this state, and returns it.
    pub async fn record_in(&self, state: &str) -> Value {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(record) = self.records(state).await.into_iter().next() {
                return record;
            }
            assert!(tokio::time::Instant::now() < until, "no record became {state}");
        }
    }
}

/// Returns the address with this name in the line that says that a gateway is ready.
fn logged_address(ready: &str, text: bool, name: &str) -> String {
    if text {
        let field = ready.split(' ').find_map(|word| word.strip_prefix(&format!("{name}=")));
        return field.expect("an address").to_owned();
    }
    let ready: Value = serde_json::from_str(ready).expect("a JSON line");
    ready[name].as_str().expect("an address").to_owned()
}

async fn find(log: &Mutex<Vec<String>>, lines: &mut watch::Receiver<usize>, text: &str) -> Option<String> {
    let mut looked_at = 0;
    let search = async {
        loop {
            {
                let log = log.lock().expect("log");
                if let Some(line) = log[looked_at..].iter().find(|line| line.contains(text)) {
                    return Some(line.clone());
                }
                looked_at = log.len();
            }
            lines.changed().await.ok()?;
        }
    };
    timeout(PATIENCE, search).await.ok().flatten()
}

async fn admin(to: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json")];
    let mut connection = super::Connection::open(to).await;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    connection.answer().await
}
