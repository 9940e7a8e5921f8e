//! The state of the payment API: its ledger, and the treatment of each customer's charges.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::cli::demo::error::DemoError;
use crate::cli::demo::ledger::{Charge, Ledger, Order, Total};

#[cfg(feature = "postgres")]
use super::database::Database;
use super::failure::Failure;
#[cfg(not(feature = "postgres"))]
use super::no_database::Database;

/// Time that the API takes for one charge.
pub(in crate::cli::demo) const CHARGE_TIME: Duration = Duration::from_millis(300);

/// The treatment of one customer's charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::demo) enum AnswerMode {
    /// Book the charges and answer.
    #[default]
    Prompt,
    /// Book the charges, and hold the answers back until the script allows them.
    Late,
    /// Book the charges, and close the connections without an answer.
    Lost,
}

/// The names that a request gave to its charge.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) execution: Option<String>,
    pub(super) key: Option<String>,
}

/// The state of the API. A change wakes the tasks that wait for it.
pub(super) struct ApiState {
    accounts: watch::Sender<Accounts>,
    database: Option<Database>,
}

#[derive(Default)]
pub(super) struct Accounts {
    pub(super) ledger: Ledger,
    answer_modes: BTreeMap<String, AnswerMode>,
    questions: Vec<String>,
}

impl Accounts {
    fn answer_mode(&self, customer: &str) -> AnswerMode {
        self.answer_modes.get(customer).copied().unwrap_or_default()
    }
}

impl ApiState {
    /// Creates the state of an API with its charges in `database`, or only in memory.
    pub(super) fn over(database: Option<Database>) -> Self {
        Self { accounts: watch::Sender::default(), database }
    }

    /// Sets the treatment of `customer` from now on.
    pub(super) fn set_mode(&self, customer: &str, answer_mode: AnswerMode) {
        self.accounts.send_modify(|accounts| {
            accounts.answer_modes.insert(customer.to_owned(), answer_mode);
        });
    }

    /// Charges a customer.
    ///
    /// # Errors
    /// The reason why there is no answer of success. With [`Failure::AnswerLost`] the charge was booked.
    pub(super) async fn charge(&self, order: Order, names: Names) -> Result<Charge, Failure> {
        let customer = order.customer.clone();
        sleep(CHARGE_TIME).await;
        let charge = self.book(order, names).await?;
        self.wait_until(|accounts| accounts.answer_mode(&customer) != AnswerMode::Late).await;
        match self.accounts.borrow().answer_mode(&customer) {
            AnswerMode::Lost => Err(Failure::AnswerLost),
            AnswerMode::Prompt | AnswerMode::Late => Ok(charge),
        }
    }

    async fn book(&self, order: Order, names: Names) -> Result<Charge, Failure> {
        let Names { execution, key: idempotency_key } = names;
        let mut charge = Charge { id: String::new(), order, execution, idempotency_key };
        if let Some(database) = &self.database {
            charge.id = database.new_id();
            database.book(&charge).await?;
        }
        self.accounts.send_modify(|accounts| {
            if charge.id.is_empty() {
                charge.id = format!("ch_{}", accounts.ledger.charges.len() + 1);
            }
            accounts.ledger.charges.push(charge.clone());
        });
        Ok(charge)
    }

    /// Returns the total of a customer's charges.
    pub(super) async fn total(&self, customer: &str) -> Result<Total, DemoError> {
        match &self.database {
            Some(database) => database.total(customer).await,
            None => Ok(self.accounts.borrow().ledger.total(customer)),
        }
    }

    /// Notes a question about a key.
    pub(super) fn asked(&self, question: String) {
        self.accounts.send_modify(|accounts| accounts.questions.push(question));
    }

    pub(super) fn questions(&self) -> Vec<String> {
        self.accounts.borrow().questions.clone()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.accounts.borrow().ledger.clone()
    }

    pub(super) async fn wait_until(&self, condition: impl FnMut(&Accounts) -> bool) {
        let seen = self.accounts.subscribe().wait_for(condition).await.map(drop);
        seen.expect("the sender is borrowed for as long as this waits");
    }
}
