//! Sizes of the futures and values that each request moves. A future is as large as all futures that it may
//! await, and is moved at that size, so a large one belongs on the heap where few requests need it.
//!
//! `cargo test --lib sizes -- --nocapture` prints the sizes. One that is well below its bound is a reason to
//! lower the bound.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use tokio::sync::oneshot;

use crate::call::CallError;
use crate::problem::Problem;
use crate::protocol::{Claim, ClaimVerdict, OwnerVerdict, Record, RecordId, Report, StoredResponse};
use crate::store::{Decision, Ledger, StoreError};

use super::access::AccessLine;
use super::attempt::{Attempt, ClaimOutcome};
use super::conclusion::Conclusion;
use super::contest::Bid;
use super::exchange::exchange;
use super::execution::Execution;
use super::outgoing::Permit;
use super::reply::Reply;
use super::{Gateway, Upstream};

/// Returns the size of the future that a function returns for arguments of a type.
fn of_future<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

type Access = &'static mut AccessLine;
type Sender = oneshot::Sender<ClaimOutcome>;
type Asked = (RecordId, &'static Record, &'static Report, Option<&'static StoredResponse>);

/// Compares sizes with their bounds.
fn compare(sizes: &[(&str, usize, usize)]) {
    for (name, size, bound) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= bound, "{name} has {size} bytes, more than {bound}");
    }
}

#[test]
fn futures_keep_to_their_bounds() {
    type Executed = (Upstream, Box<Attempt>, Bid, Permit, Sender);
    let exchange = of_future(|(gateway, upstream, request): (Arc<Gateway>, Upstream, Request<Body>)| {
        exchange(gateway, upstream, request)
    });
    let contend = of_future(
        |(gateway, upstream, attempt, access): (&'static Arc<Gateway>, Upstream, Box<Attempt>, Access)| {
            gateway.contend(upstream, attempt, access)
        },
    );
    let bid_and_run =
        of_future(|(gateway, (upstream, attempt, bid, permit, sender)): (Arc<Gateway>, Executed)| {
            gateway.bid_and_run(upstream, attempt, bid, permit, sender)
        });
    let run = of_future(|(execution, sender): (Execution, Sender)| execution.run(sender));
    let claim = of_future(|(ledger, id, claim): (&'static Ledger, RecordId, Claim)| {
        ledger.claim_from_store(id, claim)
    });
    let apply = of_future(|(ledger, (id, known, step, response)): (&'static Ledger, Asked)| {
        ledger.apply(id, Some(known), step, response)
    });
    compare(&[
        ("exchange", exchange, 1900),
        ("contend", contend, 1950),
        ("bid_and_run", bid_and_run, 4600),
        ("run", run, 5600),
        ("claim", claim, 1750),
        ("apply", apply, 2600),
    ]);
}

#[test]
fn values_keep_to_their_bounds() {
    compare(&[
        ("Problem", size_of::<Problem>(), 112),
        ("Result<Reply, Problem>", size_of::<Result<Reply, Problem>>(), 144),
        ("ClaimOutcome", size_of::<ClaimOutcome>(), 152),
        ("Attempt", size_of::<Attempt>(), 440),
        ("Record", size_of::<Record>(), 264),
        ("Claim", size_of::<Claim>(), 192),
        ("Decision<ClaimVerdict>", size_of::<Decision<ClaimVerdict>>(), 360),
        ("Decision<OwnerVerdict>", size_of::<Decision<OwnerVerdict>>(), 344),
        ("Conclusion", size_of::<Conclusion>(), 216),
        ("StoreError", size_of::<StoreError>(), 64),
        ("CallError", size_of::<CallError>(), 24),
    ]);
}
