//! A Prometheus of the test's own, with the rules of `config/prometheus/alerts.yml`.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::harness::{Connection, request, request_bytes};
use crate::process::free;
use crate::text;

/// The longest time until Prometheus serves.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Prometheus. Dropping it kills the process.
pub struct Prometheus {
    address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes these gateways each second. Its rules are ours, except that they fire
    /// as soon as they hold, and that an outcome is old after a second.
    pub async fn watching(gateways: &[SocketAddr]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("alerts.yml"), impatient(&text("config/prometheus/alerts.yml"))).expect("a file");
        let targets: Vec<String> = gateways.iter().map(|address| format!("\"{address}\"")).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [alerts.yml]\n\
             scrape_configs:\n- job_name: oncegate\n  static_configs: [{{ targets: [{}] }}]\n",
            targets.join(", ")
        );
        std::fs::write(file("prometheus.yml"), config).expect("a file");
        let address = free();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", file("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .arg("--enable-feature=exemplar-storage")
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus, which scripts/test installs");
        let prometheus = Self { address, child, _directory: directory };
        let until = Instant::now() + PATIENCE;
        while !is_ready(address).await {
            assert!(Instant::now() < until, "Prometheus does not serve");
            sleep(Duration::from_millis(20)).await;
        }
        prometheus
    }

    /// Returns the names of the alerts that fire.
    pub async fn firing(&self) -> Vec<String> {
        let data = self.asks("/api/v1/alerts", "").await;
        let alerts = data["alerts"].as_array().expect("a list").clone();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    /// Returns the result of a query: one value with its labels for each series.
    pub async fn result(&self, query: &str) -> Vec<Value> {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        self.asks("/api/v1/query", &body).await["result"].as_array().expect("a vector").clone()
    }

    /// Returns the series of a query that have exemplars.
    pub async fn exemplars(&self, query: &str) -> Vec<Value> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query).append_pair("start", "0").append_pair("end", "9999999999");
        self.asks("/api/v1/query_exemplars", &form.finish()).await.as_array().expect("a list").clone()
    }

    /// Returns why the last scrape of each gateway failed. The text is empty for a scrape that did not fail.
    pub async fn scrape_errors(&self) -> Vec<String> {
        let targets = self.asks("/api/v1/targets", "").await["activeTargets"].clone();
        let error = |target: &Value| target["lastError"].as_str().expect("a text").to_owned();
        targets.as_array().expect("a list").iter().map(error).collect()
    }

    async fn asks(&self, path: &str, form: &str) -> Value {
        let method = if form.is_empty() { "GET" } else { "POST" };
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = request(self.address, method, path, &headers, form).await;
        let told = answer.json();
        assert_eq!(told["status"], "success", "{form}: {told}");
        told["data"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // The process may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Tells whether a Prometheus answers questions. It listens before it does.
async fn is_ready(address: SocketAddr) -> bool {
    let Some(mut connection) = Connection::try_open(address).await else { return false };
    connection.send(request_bytes("GET", "/-/ready", &[], b"")).await;
    connection.try_answer().await.is_some_and(|answer| answer.status == 200)
}

/// Returns the rules without their waits.
fn impatient(rules: &str) -> String {
    let waits = rules.lines().filter(|line| line.trim_start().starts_with("for: ")).count();
    assert_eq!(waits, crate::rules().len(), "each rule says how long it waits");
    let hour = "oncegate_oldest_unknown_seconds) > 3600";
    assert!(rules.contains(hour), "{rules}");
    let rules = rules.replace(hour, "oncegate_oldest_unknown_seconds) > 1");
    let lines = rules.lines().map(|line| match line.trim_start().starts_with("for: ") {
        true => "        for: 0s".to_owned(),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
