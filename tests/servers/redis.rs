//! Private Redis servers, alone, as a cluster, or under a sentinel.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::preload::WallClock;

/// The longest time until a server is up, and until a cluster agrees.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills the server.
pub struct Server {
    pub port: u16,
    dir: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server without any persistence.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with more settings, such as `["--appendonly", "yes"]`.
    pub fn with(settings: &[&str]) -> Self {
        Self::with_environment(settings, Vec::new())
    }

    /// Starts a server that uses this clock.
    pub fn going_by(clock: &WallClock) -> Self {
        Self::with_environment(&[], clock.environment().to_vec())
    }

    fn with_environment(settings: &[&str], environment: Vec<(String, String)>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = Self { port: 0, dir, arguments: Vec::new(), environment, child: None };
        // Another process may take the port before the server does.
        for _ in 0..10 {
            server.port = free_port();
            server.arguments = server.arguments(settings);
            if server.spawn() {
                return server;
            }
        }
        panic!("redis-server did not start with {:?}", server.arguments);
    }

    fn arguments(&self, settings: &[&str]) -> Vec<String> {
        let socket = self.socket().display().to_string();
        let (port, dir) = (self.port.to_string(), self.dir.path().display().to_string());
        let own = ["--port", &port, "--bind", "127.0.0.1", "--dir", &dir, "--unixsocket", &socket];
        let own = own.into_iter().chain(["--save", "", "--enable-debug-command", "yes"]);
        own.chain(settings.iter().copied()).map(str::to_owned).collect()
    }

    /// Starts the process. Returns true if the server reports that it is up.
    fn spawn(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let mut child = command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let says_ready =
            |line: String| ["Ready to accept", "+monitor master"].iter().any(|words| line.contains(words));
        let ready = lines.by_ref().map_while(Result::ok).any(says_ready);
        // No other thread reads the output, and a full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        if !ready {
            self.kill();
        }
        ready
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a signal");
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

    /// Sends a signal, such as SIGSTOP or SIGCONT.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(done.expect("kill").success());
    }

    pub fn connection(&self) -> Connection {
        let client = Client::open(("127.0.0.1", self.port)).expect("an address");
        client.get_connection().expect("a connection")
    }

    /// Sends a command. Spaces separate its words.
    pub fn say<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_say(words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    pub fn try_say<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection())
    }

    /// Returns the answer to an `INFO` command. A sentinel that changes the role of a server ends the
    /// connections of its clients; the command is then sent once more.
    fn told(&self, words: &str) -> String {
        match self.try_say(words) {
            Err(error) if error.is_connection_dropped() => self.say(words),
            told => told.unwrap_or_else(|error| panic!("{words}: {error}")),
        }
    }

    /// Returns the value of a line of `INFO`.
    pub fn info(&self, name: &str) -> String {
        let info = self.told("INFO everything");
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} is not in {info}")).to_owned()
    }

    /// Returns how often the server ran this command.
    pub fn calls(&self, command: &str) -> u64 {
        let info = self.told("INFO commandstats");
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().expect("a number").parse().expect("a number"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server and a replica of it.
pub fn primary_and_replica(settings: &[&str]) -> (Server, Server) {
    let primary = Server::with(settings);
    let port = primary.port.to_string();
    let follow = ["--replicaof", "127.0.0.1", &port];
    let replica = Server::with(&[settings, &follow].concat());
    until("the replica is in step", || replica.info("master_link_status") == "up");
    // The replica counts for WAIT and for a failover once the primary knows its progress.
    until("the primary knows", || primary.info("slave0").contains("state=online"));
    (primary, replica)
}

/// Starts three primaries that share the slots.
pub fn cluster() -> Vec<Server> {
    let node = || {
        let bus = free_port().to_string();
        let timeout = ["--cluster-node-timeout", "5000"];
        Server::with(&[&["--cluster-enabled", "yes", "--cluster-port", &bus][..], &timeout].concat())
    };
    let nodes = [node(), node(), node()];
    for (node, slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
        let _: () = node.say(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
    }
    for (number, node) in nodes.iter().enumerate() {
        let _: () = node.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
    }
    for node in &nodes {
        let bus = node.arguments.iter().skip_while(|word| *word != "--cluster-port").nth(1).expect("a port");
        for other in &nodes {
            let _: () = other.say(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port));
        }
    }
    for node in &nodes {
        until("the cluster agrees", || {
            let slots: Vec<redis::Value> = node.say("CLUSTER SLOTS");
            let info: String = node.say("CLUSTER INFO");
            slots.len() == 3 && info.contains("cluster_state:ok")
        });
    }
    nodes.into()
}

/// Starts a sentinel that watches `primary` under the name "main".
pub fn sentinel(primary: &Server) -> Server {
    let dir = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let file = dir.path().join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n",
        dir.path().display(),
        primary.port
    );
    std::fs::write(&file, text).expect("a file");
    let arguments = vec![file.display().to_string(), "--sentinel".into()];
    let mut sentinel = Server { port, dir, arguments, environment: Vec::new(), child: None };
    assert!(sentinel.spawn(), "the sentinel did not start");
    until("the sentinel knows the replica", || {
        sentinel.try_say::<Vec<redis::Value>>("SENTINEL REPLICAS main").is_ok_and(|known| known.len() == 1)
    });
    sentinel
}

/// Waits for a condition that no server announces.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns a port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}
