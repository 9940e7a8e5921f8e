//! The chapters about unknown outcomes that evidence settles.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::client::Answer;
use super::error::DemoError;
use super::gateway::{GatewayProcess, configure};
use super::payments::AnswerMode;
use super::script::{CHARGES, Script};

#[cfg(feature = "postgres")]
mod marker;

/// The longest wait for evidence: the deadline is three seconds after the last renewal.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a record.
const PAUSE: Duration = Duration::from_millis(50);

impl Script {
    /// Loses the answer to a charge. The gateway asks the payment API for it.
    pub(super) async fn a_lost_answer(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("A lost answer is settled by a probe: the gateway asks the payment API");
        let lines = probe(&format!("http://{}{CHARGES}?idempotency_key={{key}}", self.stage.api.address));
        self.configured("gets these lines, and the gateway is started with them:", &lines);
        let stage = &mut self.stage;
        configure(stage.directory.path(), stage.api.address, &lines)?;
        stage.gateway.kill()?;
        stage.gateway = GatewayProcess::start(stage.directory.path()).await?;
        stage.api.set_mode("erin", AnswerMode::Lost);
        let lost = self.charge(self.stage.gateway.public, "erin", Some("order-1004"), 1200).await?;
        let since = Instant::now();
        self.narrator.row("first attempt", &lost.summary());
        self.unknown_for_now(&lost, &[504]);
        self.stage.api.set_mode("erin", AnswerMode::Prompt);
        self.ledger("erin", 1).await?;
        let state = self.decided(&lost.member("record")).await?;
        let later = format!("{:.1} s later", since.elapsed().as_secs_f64());
        let questions = self.stage.api.questions();
        let question = questions.first().map_or("nothing", |question| question);
        self.narrator.row(&later, &format!("the gateway asks GET {question}"));
        self.narrator.check("the API, asked by the gateway", &!questions.is_empty(), &true);
        self.narrator.check("the record", &state.as_str(), &"completed");
        self.found("erin", "order-1004").await
    }

    /// Prints lines of the route's configuration.
    fn configured(&self, about: &str, lines: &str) {
        self.narrator.row("the route", about);
        let lines: String = lines.lines().map(|line| format!("      {line}\n")).collect();
        self.narrator.print(&lines);
    }

    /// Checks an answer that leaves the outcome open, and promises evidence.
    fn unknown_for_now(&mut self, answer: &Answer, statuses: &[u16]) {
        self.narrator.check("a status for that", &statuses.contains(&answer.status.as_u16()), &true);
        self.narrator.check("the problem", &answer.problem().as_str(), &"outcome-unknown");
        let (retry, after) = (answer.member("retry"), answer.header("retry-after"));
        self.narrator.row("it says", &format!("retry: {retry}, Retry-After: {after}"));
        self.narrator.check("the advice", &retry.as_str(), &"same-key");
    }

    /// Waits until a record is no longer unknown, and returns its state.
    async fn decided(&self, record: &str) -> Result<String, DemoError> {
        let path = format!("/v1/records/{record}");
        let decided = async {
            loop {
                let state = self.client.get(self.stage.gateway.admin, &path).await?.member("state");
                if state != "unknown" {
                    return Ok(state);
                }
                sleep(PAUSE).await;
            }
        };
        let late = |_| Err(DemoError::new(format!("nothing was decided within {LONGEST_WAIT:?}")));
        timeout(LONGEST_WAIT, decided).await.unwrap_or_else(late)
    }

    /// Makes the retry that gets the charge which the evidence brought.
    async fn found(&mut self, customer: &str, key: &str) -> Result<(), DemoError> {
        let retry = self.charge(self.stage.gateway.public, customer, Some(key), 1200).await?;
        self.narrator.row("retry", &retry.summary());
        self.narrator.check("a replay", &retry.is_replay(), &true);
        let booked = self.stage.api.ledger().booked_under(key).map(|charge| charge.id.clone());
        self.narrator.check("the charge in the answer", &Some(retry.member("id")), &booked);
        self.ledger(customer, 1).await
    }
}

/// Returns the lines of a route that asks `url` about unknown outcomes.
fn probe(url: &str) -> String {
    format!(
        "on_unknown = \"probe\"\nprobe.url = \"{url}\"\nprobe.executed = [200]\n\
         probe.not_executed = [404]\nprobe.response = \"\"\n"
    )
}

#[cfg(not(feature = "postgres"))]
impl Script {
    /// Says why the chapter about a marker is left out.
    pub(super) async fn a_marker_row(&mut self) -> Result<(), DemoError> {
        self.narrator
            .say("\nThe chapter about a marker row is left out: this build has no driver for Postgres.");
        Ok(())
    }
}
