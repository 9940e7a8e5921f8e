//! The script, chapter by chapter. The result of each chapter is compared with the ledger of the payment API.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::{Answer, Client};
use super::directory::Directory;
use super::error::DemoError;
use super::gateway::GatewayProcess;
use super::ledger::{CURRENCY, Order};
use super::narrator::Narrator;
use super::payments::{AnswerMode, CHARGE_TIME, PaymentApi};

pub(super) const CHARGES: &str = "/v1/charges";
/// Time that the client waits before it gives up; less than the API takes.
const CLIENT_TIMEOUT: Duration = Duration::from_millis(100);
const DUPLICATES: usize = 50;

/// A gateway and the API behind it.
pub(super) struct Stage {
    pub(super) gateway: GatewayProcess,
    pub(super) api: PaymentApi,
    /// Directory of the gateway's configuration and records.
    pub(super) directory: Directory,
}

/// The parties of the script.
pub(super) struct Script {
    pub(super) stage: Stage,
    pub(super) client: Client,
    pub(super) narrator: Narrator,
}

impl Script {
    /// Runs all chapters.
    pub(super) async fn play(&mut self) -> Result<(), DemoError> {
        self.narrator.say(&format!(
            "A payment API on {} takes {} ms for a charge. Its clients give up after {} ms and try again, as \
             clients do. A gateway (process {}) stands in front of it on {}.",
            self.stage.api.address,
            CHARGE_TIME.as_millis(),
            CLIENT_TIMEOUT.as_millis(),
            self.stage.gateway.id(),
            self.stage.gateway.public,
        ));
        self.without_the_gateway().await?;
        self.through_the_gateway().await?;
        self.fifty_at_once().await?;
        self.another_payload().await?;
        self.a_crash_in_the_middle().await?;
        self.a_lost_answer().await?;
        self.a_marker_row().await
    }

    async fn without_the_gateway(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("Without the gateway, a retry is a second charge");
        self.impatient_attempt(self.stage.api.address, "ada", None).await;
        let retry = self.charge(self.stage.api.address, "ada", None, 1200).await?;
        self.narrator.row("retry", &retry.summary());
        self.ledger("ada", 2).await?;
        Ok(())
    }

    async fn through_the_gateway(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("Through the gateway, a retry gets the answer of the first attempt");
        self.impatient_attempt(self.stage.gateway.public, "bob", Some("order-1001")).await;
        let retry = self.charge(self.stage.gateway.public, "bob", Some("order-1001"), 1200).await?;
        self.narrator.row("retry", &retry.summary());
        self.narrator.check("the retry's status", &retry.status.as_u16(), &201);
        self.narrator.check("a replay", &retry.is_replay(), &true);
        self.ledger("bob", 1).await?;
        Ok(())
    }

    async fn fifty_at_once(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("Fifty duplicates at once are one charge");
        let mut attempts = JoinSet::new();
        for _ in 0..DUPLICATES {
            let (client, to) = (self.client.clone(), self.stage.gateway.public);
            attempts.spawn(async move {
                client.post(to, CHARGES, Some("order-1002"), &order("cleo", 1200)).await
            });
        }
        let answers: Vec<Answer> = attempts.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let equal = answers.iter().filter(|answer| answer.body == answers[0].body).count();
        let replays = answers.iter().filter(|answer| answer.is_replay()).count();
        self.narrator.row("answers", &format!("{} equal ones, {replays} of them replays", equal));
        self.narrator.check("the number of equal answers", &equal, &DUPLICATES);
        self.narrator.check("the number of replays", &replays, &(DUPLICATES - 1));
        self.ledger("cleo", 1).await?;
        Ok(())
    }

    async fn another_payload(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("A key that comes back with another amount is refused");
        let other = self.charge(self.stage.gateway.public, "bob", Some("order-1001"), 999_900).await?;
        self.narrator.row("answer", &other.summary());
        self.narrator.check("the problem", &other.problem().as_str(), &"payload-mismatch");
        self.ledger("bob", 1).await?;
        Ok(())
    }

    async fn a_crash_in_the_middle(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("The gateway is killed in the middle of a charge, and says so honestly");
        self.kill_while_charging("dora", "order-1003").await?;
        let retry = self.charge(self.stage.gateway.public, "dora", Some("order-1003"), 1200).await?;
        self.narrator.row("retry", &retry.summary());
        self.narrator.check("the problem", &retry.problem().as_str(), &"outcome-unknown");
        self.ledger("dora", 1).await?;
        self.resolve(&retry.member("record")).await?;
        let retry = self.charge(self.stage.gateway.public, "dora", Some("order-1003"), 1200).await?;
        self.narrator.row("retry", &retry.summary());
        self.narrator.check("a replay", &retry.is_replay(), &true);
        self.ledger("dora", 1).await?;
        Ok(())
    }

    /// Kills the gateway while the API, which has booked the charge, still holds its answer back.
    pub(super) async fn kill_while_charging(
        &mut self,
        customer: &str,
        key: &'static str,
    ) -> Result<(), DemoError> {
        self.stage.api.set_mode(customer, AnswerMode::Late);
        let (client, to, order) = (self.client.clone(), self.stage.gateway.public, order(customer, 1200));
        let attempt = tokio::spawn(async move { client.post(to, CHARGES, Some(key), &order).await });
        self.stage.api.booked(customer).await;
        let killed = self.stage.gateway.id();
        self.stage.gateway.kill()?;
        let cut_off = !matches!(attempt.await, Ok(Ok(_)));
        self.narrator
            .row("kill -9", &format!("process {killed}, while the API holds the booked charge's answer"));
        self.narrator.check("the first attempt, cut off", &cut_off, &true);
        self.stage.api.set_mode(customer, AnswerMode::Prompt);
        self.stage.gateway = GatewayProcess::start(self.stage.directory.path()).await?;
        self.narrator
            .row("started again", &format!("process {}, on the same records", self.stage.gateway.id()));
        Ok(())
    }

    /// Acts as the operator: looks into the ledger and reports the charge to the gateway.
    async fn resolve(&mut self, record: &str) -> Result<(), DemoError> {
        let ledger = self.stage.api.ledger();
        let booked =
            ledger.booked_for(record).ok_or_else(|| DemoError::new("the charge is not in the ledger"))?;
        self.narrator
            .row("the operator", &format!("finds {} in the ledger, and resolves record {record}", booked.id));
        let resolution = json!({
            "executed": true,
            "response": {
                "status": 201,
                "headers": { "content-type": "application/json" },
                "body_base64": STANDARD.encode(booked.body()),
            },
            "note": format!("{} is in the ledger", booked.id),
        });
        let path = format!("/v1/records/{record}/resolve");
        let resolved = self.client.post(self.stage.gateway.admin, &path, None, &resolution).await?;
        self.narrator.check("the record", &resolved.member("state").as_str(), &"completed");
        Ok(())
    }

    /// Makes an attempt, and gives up before its answer comes.
    async fn impatient_attempt(&self, to: SocketAddr, customer: &str, key: Option<&str>) {
        let text = match timeout(CLIENT_TIMEOUT, self.charge(to, customer, key, 1200)).await {
            Err(_) => format!("no answer within {} ms", CLIENT_TIMEOUT.as_millis()),
            Ok(Ok(answer)) => answer.summary(),
            Ok(Err(error)) => error.to_string(),
        };
        self.narrator.row("first attempt", &text);
    }

    pub(super) async fn charge(
        &self,
        to: SocketAddr,
        customer: &str,
        key: Option<&str>,
        amount: u32,
    ) -> Result<Answer, DemoError> {
        self.client.post(to, CHARGES, key, &order(customer, amount)).await
    }

    /// Shows the total of a customer's charges, and compares their number with the expected one.
    pub(super) async fn ledger(&mut self, customer: &str, charges: usize) -> Result<(), DemoError> {
        let total = self.stage.api.total(customer).await?;
        self.narrator.row(&format!("{customer}'s ledger"), &total.to_string());
        self.narrator.check("the number of charges", &total.charges, &charges);
        Ok(())
    }

    /// Prints commands for the user to try next.
    pub(super) fn print_next_steps(&self) {
        let Stage { gateway, api, .. } = &self.stage;
        let body = format!("{{\"amount\": 500, \"currency\": \"{CURRENCY}\", \"customer\": \"you\"}}");
        let (public, admin, api) = (gateway.public, gateway.admin, api.address);
        self.narrator.print(&format!(
            "
Both stay up until Ctrl-C. Try it:

  # a charge; run it again for the same answer, change the amount for a refusal
  curl -i {public}{CHARGES} -H 'Authorization: Bearer me' \\
       -H 'Idempotency-Key: mine-1' -H 'Content-Type: application/json' -d '{body}'

  # what the payment API has booked
  curl {api}{CHARGES}

  # what the gateway remembers, and its metrics
  curl {admin}/v1/records
  curl {admin}/metrics

Then put it in front of your own API:

  oncegate serve --upstream http://127.0.0.1:9000
"
        ));
    }
}

fn order(customer: &str, amount: u32) -> Order {
    Order { amount, currency: CURRENCY.into(), customer: customer.into() }
}
