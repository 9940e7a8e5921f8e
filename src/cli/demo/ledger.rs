//! The ledger of the payment API: the true charges that the script's results are compared with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The only currency of the demo.
pub(super) const CURRENCY: &str = "EUR";

/// The order of a client.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Order {
    /// Amount in cents.
    pub(super) amount: u32,
    pub(super) currency: String,
    pub(super) customer: String,
}

/// A booked charge. It is also the body of the answer to the client.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Charge {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) order: Order,
    /// Value of the request's `Idempotency-Execution` header. It contains the id of the gateway's record, so
    /// an operator who has the charge finds the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) execution: Option<String>,
    /// Key of the request, by which the API finds the charge again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<String>,
}

impl Charge {
    /// Returns the body of the answer: one line of JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = serde_json::to_vec(self).expect("strings and numbers always serialize");
        body.push(b'\n');
        body
    }
}

/// A list of all charges, in the order in which they were booked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Ledger {
    pub(super) charges: Vec<Charge>,
}

impl Ledger {
    /// Returns the total of a customer's charges.
    pub(super) fn total(&self, customer: &str) -> Total {
        let of_customer = self.charges.iter().filter(|charge| charge.order.customer == customer);
        of_customer.fold(Total::default(), |total, charge| Total {
            charges: total.charges + 1,
            amount: total.amount + u64::from(charge.order.amount),
        })
    }

    /// Returns the charge that was booked for the gateway's record with this id.
    pub(super) fn booked_for(&self, record: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| {
            let execution = charge.execution.as_deref().and_then(|execution| execution.split_once(':'));
            execution.is_some_and(|(id, _)| id == record)
        })
    }

    /// Returns the charge that was booked under this key.
    pub(super) fn booked_under(&self, key: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.idempotency_key.as_deref() == Some(key))
    }
}

/// The number of a customer's charges and their sum, in cents.
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

/// Formats an amount for people.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02} {CURRENCY}", cents / 100, cents % 100)
}
