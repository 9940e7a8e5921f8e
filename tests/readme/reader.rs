//! A new user with a directory, a payment API, and the text of the page.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Command as Process;
use tokio::time::timeout;

use crate::clients::{PATIENCE, Program};
use crate::harness::Upstream;
use crate::page::Command;

/// The ports that the page uses for gateways and their admin listeners. The API has port 9000.
const PORTS: [u16; 4] = [8080, 9464, 8081, 9465];

/// The progress of a reader.
pub struct Reader {
    pub upstream: Arc<Upstream>,
    /// The `serve` commands so far.
    pub served: Vec<String>,
    directory: TempDir,
    /// Pairs of an address on the page and a free address on this machine.
    addresses: Vec<(String, String)>,
    running: Vec<Program>,
    started_here: bool,
}

impl Reader {
    pub async fn new() -> Self {
        let upstream = Upstream::start().await;
        let mut addresses = vec![("127.0.0.1:9000".to_owned(), upstream.address.to_string())];
        let free = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        for (port, free) in PORTS.iter().zip(&free) {
            let address = free.local_addr().expect("an address").to_string();
            addresses.push((format!("127.0.0.1:{port}"), address));
        }
        let directory = TempDir::new().expect("a temporary directory");
        let programs = directory.path().join("bin");
        std::fs::create_dir(&programs).expect("a directory");
        let binary = env!("CARGO_BIN_EXE_oncegate");
        std::os::unix::fs::symlink(binary, programs.join("oncegate")).expect("a link");
        let (served, running) = (Vec::new(), Vec::new());
        Self { upstream, served, directory, addresses, running, started_here: false }
    }

    /// Starts a new block. Gateways of this block replace the running ones.
    pub fn next_block(&mut self) {
        self.started_here = false;
    }

    /// Writes a file of the page. A later file with the same name replaces it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::write(path, self.here(text)).expect("it can be written");
    }

    /// Runs a command and checks the result that the page states. Returns the heads of the responses to curl.
    pub async fn run(&mut self, command: &Command) -> String {
        let text = command.text.trim_end_matches('&').trim().to_owned();
        if text.split_whitespace().any(|word| word == "serve") && text.contains("oncegate") {
            self.serve(&text).await;
            return String::new();
        }
        assert_eq!(text, command.text, "only gateways are started in the background");
        let (typed, heads) = (self.watched(&text), self.directory.path().join("heads"));
        let _ = std::fs::remove_file(&heads);
        let run = timeout(PATIENCE, self.shell(&typed).output()).await;
        let run = run.unwrap_or_else(|_| panic!("{text} does not end")).expect("a shell");
        let heads = std::fs::read_to_string(heads).unwrap_or_default().to_ascii_lowercase();
        let printed = String::from_utf8_lossy(&run.stdout).into_owned();
        let all =
            format!("{text} # {}\n{heads}{printed}{}", command.says, String::from_utf8_lossy(&run.stderr));
        match status_in(&command.says) {
            Some((status, slug)) => {
                assert!(heads.starts_with(&format!("http/1.1 {status}")), "not {status}: {all}");
                assert!(printed.contains(slug), "not {slug}: {all}");
            }
            None => assert!(run.status.success(), "{}: {all}", run.status),
        }
        if let Some(header) = header_in(&command.says) {
            assert!(heads.contains(&header), "no {header}: {all}");
        }
        heads
    }

    /// Starts a gateway. A gateway of an earlier block is stopped first, because it has the same store.
    async fn serve(&mut self, text: &str) {
        if !self.started_here {
            for program in self.running.drain(..) {
                program.stop().await;
            }
        }
        let program = Program::start(self.shell(&format!("exec env {text}")), " ready").await;
        self.running.push(program);
        self.started_here = true;
        self.served.push(text.to_owned());
    }

    /// Returns the command with `curl` options that show the response, and that turn a failure into an error
    /// with its body.
    fn watched(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix("curl ") else { return text.to_owned() };
        let silent = |word: &str| {
            let flags = word
                .strip_prefix('-')
                .filter(|flags| !flags.is_empty() && flags.chars().all(|flag| "fsSiLkv".contains(flag)));
            match flags {
                Some(flags) => format!("-s{}", flags.replace('f', "")),
                None => word.to_owned(),
            }
        };
        let fails = rest.split(' ').any(|word| silent(word) != word && word.contains('f'));
        let rest: Vec<String> = rest.split(' ').map(silent).collect();
        format!("curl {} -D heads {}", if fails { "--fail-with-body" } else { "" }, rest.join(" "))
    }

    fn shell(&self, text: &str) -> Process {
        let programs: PathBuf = self.directory.path().join("bin");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Process::new("sh");
        shell.args(["-c", &self.here(text)]).current_dir(self.directory.path()).env("PATH", path);
        shell.env("ONCEGATE__SERVER__LISTEN", self.here("127.0.0.1:8080"));
        shell.env("ONCEGATE__ADMIN__LISTEN", self.here("127.0.0.1:9464"));
        shell.env("ONCEGATE_ADMIN_URL", self.here("http://127.0.0.1:9464"));
        shell.stdin(Stdio::null()).kill_on_drop(true);
        shell
    }

    /// Returns the text with addresses that are free on this machine.
    fn here(&self, text: &str) -> String {
        let text = text.replace("localhost:", "127.0.0.1:");
        self.addresses.iter().fold(text, |text, (page, here)| text.replace(page, here))
    }
}

/// Returns the status at the start of a comment, and the slug or word after it.
fn status_in(says: &str) -> Option<(u16, &str)> {
    let (status, rest) = says.split_once(' ').unwrap_or((says, ""));
    let status = status.trim_end_matches([',', ':', ';']).parse().ok().filter(|s| (100..600).contains(s))?;
    let slug = rest.split([' ', ',', ';', ':']).next().unwrap_or_default();
    Some((status, if slug.contains('-') && slug == slug.to_ascii_lowercase() { slug } else { "" }))
}

/// Returns the header that a comment names, in lower case.
fn header_in(says: &str) -> Option<String> {
    let (name, value) = says.split_once(": ")?;
    let name = name.rsplit(' ').next().filter(|name| name.starts_with("Idempot"))?;
    let value = value.split([' ', ',', ';']).next().unwrap_or_default();
    Some(format!("{name}: {value}").to_ascii_lowercase())
}
