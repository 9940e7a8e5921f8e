//! The examples of `docs/calling.md`, run exactly as they are printed there.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::api::Api;
use crate::clients::{Gateway, PATIENCE, file, node, python, refusing_address};
use crate::hop::Hop;

/// Returns the first block of the page in this language.
fn example(language: &str) -> String {
    let page = std::fs::read_to_string(file("docs/calling.md")).expect("the page");
    let start = format!("\n```{language}\n");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {language} on the page"));
    rest.split_once("\n```\n").expect("its end").0.to_owned()
}

/// Code that follows the example, which calls it and prints its result as JSON.
const CALLS: [(&str, &str); 3] = [
    (
        "python",
        r#"
import sys
url, key, path = sys.argv[1:]
with open(path, "rb") as file:
    body = file.read()
try:
    status, told, content = send(url, key, body, "sk_test_1", pause=0.01)
    print(json.dumps({"status": status}))
except NotAnswered as error:
    print(json.dumps({"executed": error.executed, "retry": error.retry, "code": error.code}))
"#,
    ),
    (
        "js",
        r"
const [url, key, path] = process.argv.slice(2);
send(url, key, require('fs').readFileSync(path), 'sk_test_1', { pause: 10 }).then(
  ({ status }) => console.log(JSON.stringify({ status })),
  ({ executed, retry, code }) => console.log(JSON.stringify({ executed, retry, code })),
);
",
    ),
    (
        "sh",
        r#"
PAUSE=0.01
send "$1" "$2" "$3" sk_test_1 2>errors
code=$?
case $code in
0) printf '{"status":%s}\n' "$(told status)" ;;
1) echo '{"executed":"no"}' ;;
2) echo '{"executed":"yes"}' ;;
*) echo '{"executed":"unknown"}' ;;
esac
"#,
    ),
];

/// A callable example, in a directory of its own.
struct Example {
    language: &'static str,
    directory: TempDir,
}

impl Example {
    fn of(language: &'static str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let (_, call) = CALLS.iter().find(|(named, _)| *named == language).expect("a language");
        let script = example(language) + call;
        std::fs::write(directory.path().join("script"), script).expect("it can be written");
        Self { language, directory }
    }

    /// Sends `amount` through a hop and returns the result.
    async fn send(&self, port: u16, key: &str, amount: u32) -> Value {
        let body = self.directory.path().join("order");
        std::fs::write(&body, json!({ "amount": amount }).to_string()).expect("it can be written");
        let script = self.directory.path().join("script");
        let mut command = match self.language {
            "python" => python(&script),
            "js" => node(&script),
            _ => {
                let mut shell = Command::new("sh");
                shell.arg(&script);
                shell
            }
        };
        command.arg(format!("http://127.0.0.1:{port}/v1/payment_intents")).arg(key).arg(&body);
        let run = command.current_dir(self.directory.path()).kill_on_drop(true).output();
        let run = timeout(PATIENCE, run).await.expect("it ends").expect("it can be started");
        serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{key}: {error}: {run:?}"))
    }

    /// Sends `amount`, and checks the result and the number of requests. The shell example reports less.
    async fn expect(&self, hop: &Hop, key: &str, amount: u32, result: Value, requests: usize) {
        let before = hop.requests(key);
        let mut expected = result;
        if self.language == "sh" {
            let members = expected.as_object_mut().expect("an object");
            members.retain(|name, _| ["status", "executed"].contains(&name.as_str()));
        }
        assert_eq!(self.send(hop.port, key, amount).await, expected, "{}: {key}", self.language);
        assert_eq!(hop.requests(key) - before, requests, "{}: requests under {key}", self.language);
    }
}

async fn gateway(upstream: SocketAddr) -> Gateway {
    let sections = format!(
        "[upstreams.api]\nurl = \"http://{upstream}\"\n[[routes]]\nname = \"pay\"\n\
         path = \"/v1/payment_intents\"\nupstream = \"api\"\nkey = {{ required = true }}\n"
    );
    Gateway::start("", &sections).await
}

/// Checks the example with every kind of response that the page distinguishes.
async fn matches_the_page(language: &'static str) {
    let example = Example::of(language);
    let api = Api::start().await;
    let gateway = gateway(api.address).await;
    let hop = Hop::before(gateway.address).await;
    let told = |executed: &str, retry: &str, code: &str| json!({ "executed": executed, "retry": retry, "code": code });

    example.expect(&hop, "good-1", 1200, json!({ "status": 200 }), 1).await;
    example.expect(&hop, "good-1", 1200, json!({ "status": 200 }), 1).await;
    example.expect(&hop, "good-1", 9900, told("no", "new-key", "payload-mismatch"), 1).await;
    example.expect(&hop, "fails-1", 1200, json!({ "status": 500 }), 1).await;
    example.expect(&hop, "limited-1", 1200, json!({ "status": 200 }), 2).await;
    example.expect(&hop, "busy-1", 1200, told("unknown", "never", "status-503"), 1).await;
    example.expect(&hop, "busy-1", 1200, told("unknown", "never", "outcome-unknown"), 1).await;
    example.expect(&hop, "dies-1", 1200, told("unknown", "never", "outcome-unknown"), 1).await;
    for (key, executions) in [("good-1", 1), ("fails-1", 1), ("limited-1", 2), ("busy-1", 1), ("dies-1", 1)] {
        assert_eq!(api.executions(key), executions, "{language}: {key}");
    }

    let lossy = Hop::losing_an_answer(gateway.address).await;
    example.expect(&lossy, "good-2", 1200, json!({ "status": 200 }), 2).await;
    assert_eq!(api.executions("good-2"), 1, "{language}");
}

/// A request that was never sent may be repeated, but not forever.
async fn gives_up_at_last(language: &'static str) {
    let (_socket, refusing) = refusing_address();
    let gateway = gateway(refusing).await;
    let hop = Hop::before(gateway.address).await;
    let told = match language {
        "sh" => json!({ "executed": "unknown" }),
        _ => json!({ "executed": "no", "retry": "same-key", "code": "upstream-unreachable" }),
    };
    Example::of(language).expect(&hop, "good-1", 1200, told, 5).await;
}

#[tokio::test]
async fn python_example() {
    tokio::join!(matches_the_page("python"), gives_up_at_last("python"));
}

#[tokio::test]
async fn node_example() {
    tokio::join!(matches_the_page("js"), gives_up_at_last("js"));
}

#[tokio::test]
async fn shell_example() {
    tokio::join!(matches_the_page("sh"), gives_up_at_last("sh"));
}
