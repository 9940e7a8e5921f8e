//! What the payment API has booked: the truth that the story is measured against.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The only currency of the demo.
pub(super) const CURRENCY: &str = "EUR";

/// What a client asks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Order {
    /// In cents.
    pub(super) amount: u32,
    pub(super) currency: String,
    pub(super) customer: String,
}

/// One booked charge; also the body of the answer to whoever asked for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Charge {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) order: Order,
    /// The `Idempotency-Execution` that the request came with. It names the gateway's record, so
    /// an operator who has the one finds the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) execution: Option<String>,
}

impl Charge {
    /// The body of the answer: one line of JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = serde_json::to_vec(self).expect("strings and numbers always serialize");
        body.push(b'\n');
        body
    }
}

/// All charges, in the order they were booked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Ledger {
    pub(super) charges: Vec<Charge>,
}

impl Ledger {
    /// What a customer was charged.
    pub(super) fn total(&self, customer: &str) -> Total {
        let of_customer = self.charges.iter().filter(|charge| charge.order.customer == customer);
        of_customer.fold(Total::default(), |total, charge| Total {
            charges: total.charges + 1,
            amount: total.amount + u64::from(charge.order.amount),
        })
    }

    /// The charge that was booked for the gateway's record with this id.
    pub(super) fn booked_for(&self, record: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| {
            let execution = charge.execution.as_deref().and_then(|execution| execution.split_once(':'));
            execution.is_some_and(|(id, _)| id == record)
        })
    }
}

/// How often somebody was charged, and how much in all, in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) charges: usize,
    pub(super) amount: u64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let charges = if self.charges == 1 { "charge" } else { "charges" };
        write!(f, "{} {charges}, {}", self.charges, money(self.amount))
    }
}

/// An amount as people write it.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02} {CURRENCY}", cents / 100, cents % 100)
}
