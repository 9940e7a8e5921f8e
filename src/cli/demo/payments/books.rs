//! The state of the payment API: its ledger, and the treatment of each customer's charges.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::cli::demo::ledger::{Charge, Ledger, Order};

/// Time that the API takes for one charge.
pub(in crate::cli::demo) const WORK: Duration = Duration::from_millis(300);

/// The treatment of one customer's charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::demo) enum Conduct {
    /// Book the charges and answer.
    #[default]
    Prompt,
    /// Book the charges, and hold the answers back until the script allows them.
    Late,
}

/// The state of the API. A change wakes the tasks that wait for it.
#[derive(Default)]
pub(super) struct Books(watch::Sender<Pages>);

#[derive(Default)]
pub(super) struct Pages {
    pub(super) ledger: Ledger,
    conduct: BTreeMap<String, Conduct>,
}

impl Books {
    /// Sets the treatment of `customer` from now on.
    pub(super) fn treat(&self, customer: &str, conduct: Conduct) {
        self.0.send_modify(|pages| {
            pages.conduct.insert(customer.to_owned(), conduct);
        });
    }

    /// Charges a customer.
    pub(super) async fn charge(&self, order: Order, execution: Option<String>) -> Charge {
        let customer = order.customer.clone();
        sleep(WORK).await;
        let charge = self.book(order, execution);
        let conduct = |pages: &Pages| pages.conduct.get(&customer).copied().unwrap_or_default();
        self.when(|pages| conduct(pages) != Conduct::Late).await;
        charge
    }

    fn book(&self, order: Order, execution: Option<String>) -> Charge {
        let mut booked = None;
        self.0.send_modify(|pages| {
            let id = format!("ch_{}", pages.ledger.charges.len() + 1);
            let charge = Charge { id, order, execution };
            pages.ledger.charges.push(charge.clone());
            booked = Some(charge);
        });
        booked.expect("send_modify calls its function once")
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.0.borrow().ledger.clone()
    }

    pub(super) async fn when(&self, holds: impl FnMut(&Pages) -> bool) {
        let seen = self.0.subscribe().wait_for(holds).await.map(drop);
        seen.expect("the sender is borrowed for as long as this waits");
    }
}
