//! The state of the payment API: its ledger, and the treatment of each customer's charges.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::cli::demo::ledger::{Charge, Ledger, Order};

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
}

/// The state of the API. A change wakes the tasks that wait for it.
#[derive(Default)]
pub(super) struct ApiState(watch::Sender<Accounts>);

#[derive(Default)]
pub(super) struct Accounts {
    pub(super) ledger: Ledger,
    answer_modes: BTreeMap<String, AnswerMode>,
}

impl ApiState {
    /// Sets the treatment of `customer` from now on.
    pub(super) fn set_mode(&self, customer: &str, answer_mode: AnswerMode) {
        self.0.send_modify(|accounts| {
            accounts.answer_modes.insert(customer.to_owned(), answer_mode);
        });
    }

    /// Charges a customer.
    pub(super) async fn charge(&self, order: Order, execution: Option<String>) -> Charge {
        let customer = order.customer.clone();
        sleep(CHARGE_TIME).await;
        let charge = self.book(order, execution);
        let answer_mode =
            |accounts: &Accounts| accounts.answer_modes.get(&customer).copied().unwrap_or_default();
        self.wait_until(|accounts| answer_mode(accounts) != AnswerMode::Late).await;
        charge
    }

    fn book(&self, order: Order, execution: Option<String>) -> Charge {
        let mut booked = None;
        self.0.send_modify(|accounts| {
            let id = format!("ch_{}", accounts.ledger.charges.len() + 1);
            let charge = Charge { id, order, execution };
            accounts.ledger.charges.push(charge.clone());
            booked = Some(charge);
        });
        booked.expect("send_modify calls its function once")
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.0.borrow().ledger.clone()
    }

    pub(super) async fn wait_until(&self, condition: impl FnMut(&Accounts) -> bool) {
        let seen = self.0.subscribe().wait_for(condition).await.map(drop);
        seen.expect("the sender is borrowed for as long as this waits");
    }
}
