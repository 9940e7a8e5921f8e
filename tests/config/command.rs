//! The program itself: `check` with its options, and the arguments of `serve` without a file.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::SMALL;

fn oncegate(arguments: &[&str], directory: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    command.args(arguments).current_dir(directory).env_clear().envs(variables.iter().copied());
    command
}

fn ended(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        oncegate(arguments, directory, &[]).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

fn written(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("gate.toml"), text).expect("a writable directory");
    directory
}

/// A gateway process, killed when dropped.
struct Running(Child, Vec<String>);

impl Running {
    /// Starts the process and reads its output until it is ready.
    fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut running = Self(child, Vec::new());
        let mut lines = BufReader::new(running.0.stderr.take().expect("its log")).lines();
        while let Some(Ok(line)) = lines.next() {
            running.1.push(line);
            if running.1.last().is_some_and(|line| line.contains("ready")) {
                std::thread::spawn(move || lines.for_each(drop));
                return running;
            }
        }
        panic!("it ended: {:?}", running.1);
    }

    /// Returns an address that the process printed as one it listens at.
    fn address(&self, name: &str) -> SocketAddr {
        let ready = self.1.last().expect("a line");
        let (_, rest) =
            ready.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {ready}"));
        let address = rest.split_whitespace().next().unwrap_or_default().trim_matches('"');
        address.parse().unwrap_or_else(|_| panic!("{address} is none"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_check_of_problems_prints_nothing_else() {
    let check = |text: &str| ended(&["check", "--config", "gate.toml", "--problems"], written(text).path());
    let (code, out, err) = check(&format!("{SMALL}problems = 'stripe'\n"));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("Headers of each problem") && out.contains("Route \"charges\": stripe\n"),
        "{out}"
    );
    assert!(!out.contains("Setup"), "{out}");
    let (code, out, err) = check(&format!("{SMALL}problems = 'none'\n"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("there is no shape \"none\""), "{err}");
}

#[test]
fn a_short_check_reports_only_mistakes() {
    let check = |text: &str| ended(&["check", "--config", "gate.toml", "--short"], written(text).path());
    assert_eq!(check(SMALL), (Some(0), "gate.toml is valid.\n".into(), String::new()));

    let (code, out, err) = check(&format!("{SMALL}tombstone_ttl = '0s'\nscope = ['x-merchant']\n"));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.lines().all(|line| line.starts_with("gate.toml: warning: route \"charges\": ")), "{out}");

    let (code, out, err) = check(&format!("[server]\nlisten = 1\n{SMALL}"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("gate.toml:2:1: server.listen: "), "{err}");
}

#[test]
fn connecting_reports_whether_each_place_answers() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = upstream.local_addr().expect("its address").to_string();
    let text = SMALL.replace("127.0.0.1:9000", &address);
    let directory = written(&text);
    let check = || ended(&["check", "--config", "gate.toml", "--short", "--connect"], directory.path());

    let (code, out, err) = check();
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let store = "store embedded:./oncegate-data: ";
    let payments = format!("upstream payments at http://{address}/: answers");
    assert_eq!(
        lines,
        ["gate.toml is valid.", &format!("{store}there is none yet, a start makes it"), &payments]
    );
    assert!(!directory.path().join("oncegate-data").exists(), "looking made a store");

    // An address in use is no failure: it may belong to a gateway at work.
    let arguments =
        ["serve", "--config", "gate.toml", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let running = Running::start(oncegate(&arguments, directory.path(), &[]));
    let (code, out, _) = check();
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(&format!("{store}in use by a running gateway")), "{out}");
    drop(running);
    let marker = directory.path().join("oncegate-data/oncegate-store");
    let before = std::fs::read(&marker).expect("the store's mark");
    let (code, out, _) = check();
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(&format!("{store}is there, and in use by no gateway")), "{out}");
    assert_eq!(std::fs::read(&marker).expect("the store's mark"), before);

    std::fs::write(&marker, "something else").expect("a writable file");
    drop(upstream);
    let (code, out, _) = check();
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("{store}FAILED: ")) && out.contains("not what a store writes"), "{out}");
    assert!(out.contains(&format!("upstream payments at http://{address}/: FAILED: ")), "{out}");
    assert!(out.contains("refused"), "{out}");
}

/// A connection that speaks no TLS is no working upstream over https.
#[test]
fn connecting_includes_tls() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = upstream.local_addr().expect("its address");
    let url = format!("https://{address}\"\nconnect_timeout = \"100ms");
    let directory = written(&SMALL.replace("http://127.0.0.1:9000", &url));
    let (code, out, _) = ended(&["check", "--config", "gate.toml", "--short", "--connect"], directory.path());
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("at https://{address}/: FAILED: no connection within 100ms")), "{out}");
}

/// The whole report comes first. An invalid file leads to no connection.
#[test]
fn connecting_comes_after_the_report() {
    let arguments = ["check", "--config", "gate.toml", "--connect"];
    let (code, out, _) = ended(&arguments, written(&SMALL.replace("9000", "9")).path());
    assert_eq!(code, Some(1));
    let (report, connected) = out.split_once("\nConnected\n").expect("both parts");
    assert!(report.starts_with("gate.toml is valid.\n\nSetup\n"), "{out}");
    assert_eq!(connected.lines().count(), 2, "{out}");
    let (code, out, err) = ended(&arguments, written("nonsense").path());
    assert_eq!((code, out.as_str(), err.is_empty()), (Some(2), "", false));
}

#[test]
fn a_directory_with_other_files_is_no_store() {
    let directory = written(&SMALL.replace("[upstreams", "[store]\nurl = 'embedded:.'\n[upstreams"));
    let (code, out, _) = ended(&["check", "--config", "gate.toml", "--short", "--connect"], directory.path());
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("store embedded:.: FAILED: . holds files and no store"), "{out}");
}

#[test]
fn arguments_go_before_file_and_environment() {
    let file =
        format!("[server]\nlisten = '127.0.0.1:1'\n[store]\nurl = 'embedded:/nowhere/at/all'\n{SMALL}");
    let directory = written(&file);
    let arguments = [
        "serve",
        "--config",
        "gate.toml",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.2:0",
        "--store",
        "embedded:${here}",
    ];
    let variables = [("ONCEGATE__SERVER__LISTEN", "127.0.0.1:2"), ("ONCEGATE__STORE__URL", "memory:")];
    let running = Running::start(oncegate(&arguments, directory.path(), &variables));
    assert!(![1, 2].contains(&running.address("listen").port()));
    assert_eq!(running.address("admin").ip().to_string(), "127.0.0.2");
    assert!(directory.path().join("${here}").is_dir(), "arguments are taken as they stand");
}

#[test]
fn mistakes_in_arguments_name_the_argument() {
    let directory = written(SMALL);
    let serve = |more: &[&str]| {
        let (code, _, err) = ended(&[&["serve", "--config", "gate.toml"], more].concat(), directory.path());
        assert_eq!(code, Some(2), "{err}");
        err
    };
    let err = serve(&["--listen", "localhost:80"]);
    assert!(err.starts_with("--listen: server.listen: \"localhost:80\" is not an address"), "{err}");
    let err = serve(&["--admin-listen", "80"]);
    assert!(err.starts_with("--admin-listen: admin.listen: ") && err.contains("\"127.0.0.1:80\""), "{err}");
    let err = serve(&["--store", "mysql://me:hunter2@h"]);
    assert!(err.starts_with("--store: store.url: names no store") && !err.contains("hunter2"), "{err}");
    let err = serve(&["--listen", "127.0.0.1:9000"]);
    assert!(err.contains("upstreams.payments.url: is the gateway itself"), "{err}");
    for other in [["--port", "80"], ["-p", "80"]] {
        assert!(serve(&other).contains("use --listen 127.0.0.1:80"), "{other:?}");
    }
    assert!(serve(&["--bind", "0.0.0.0"]).contains("use --listen"));
}

#[test]
fn check_against_an_earlier_file_ends_with_1_where_a_change_is_dangerous() {
    let directory = written(SMALL);
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("writable");
    let run = |new: &str, more: &[&str]| {
        let arguments = [&["check", "--config", new, "--against", "gate.toml"], more].concat();
        ended(&arguments, directory.path())
    };
    write("same.toml", &format!("# a comment\n{SMALL}"));
    assert_eq!(run("same.toml", &[]).0, Some(0));
    write("safe.toml", &format!("{SMALL}\nlease = \"20s\"\n"));
    let (code, out, err) = run("safe.toml", &[]);
    assert!(code == Some(0) && out.contains("Other changes (1)"), "{out}{err}");
    let (code, out, _) = run("safe.toml", &["--short"]);
    assert!(code == Some(0) && !out.contains("lease"), "{out}");
    write("dangerous.toml", &format!("{SMALL}\nlease = \"20s\"\nnamespace = \"other\"\n"));
    for more in [&[][..], &["--short"]] {
        let (code, out, err) = run("dangerous.toml", more);
        assert!(code == Some(1) && out.contains("  ! POST "), "{out}{err}");
    }
    write("bad.toml", &format!("{SMALL}\nttl = \"soon\"\n"));
    let (code, _, err) = run("bad.toml", &[]);
    assert!(code == Some(2) && err.contains("bad.toml:"), "{err}");
    let (code, _, err) = run("missing.toml", &[]);
    assert!(code == Some(2) && err.contains("missing.toml"), "{err}");
}
