//! The number of round trips to the store for a lone request.

use crate::cases::Case;
use crate::contenders::{Backing, Contender, Kind, Role, floor, gateway};
use crate::load::ask;
use crate::roles::Tool;
use crate::servers::proxy::Proxy;
use crate::upstream::Upstream;

/// Number of requests before any are counted, because each connection of a pool prepares its statements
/// once.
const WARM_UP: u32 = 100;
const REQUESTS: u32 = 200;

/// The figures of one server.
pub struct RoundTrips {
    pub name: String,
    /// Round trips for each request, including those that the server makes by itself in the meantime.
    pub first: f64,
    pub replay: f64,
}

/// Measures one request after the other, over a proxy between server and store that counts.
pub async fn measure(upstream: &Upstream) -> Vec<RoundTrips> {
    let mut all = Vec::new();
    for kind in [Kind::Redis, Kind::Postgres] {
        for start in
            [floor, |upstream, kind, url: &str, tool| gateway(upstream, Role::Oncegate(kind), url, tool)]
        {
            let backing = Backing::start(kind).await;
            let wire = Proxy::to(backing.port()).await;
            let url = backing.url_at(wire.port);
            // The start waits for a store, and the traffic of the store passes through this thread.
            let address = upstream.address;
            let started = tokio::task::spawn_blocking(move || start(address, kind, &url, Tool::None)).await;
            let contender = started.expect("it started");
            count(&contender, Case::First, WARM_UP, &wire).await;
            count(&contender, Case::Replay, WARM_UP, &wire).await;
            all.push(RoundTrips {
                name: contender.name.clone(),
                first: count(&contender, Case::First, REQUESTS, &wire).await,
                replay: count(&contender, Case::Replay, REQUESTS, &wire).await,
            });
        }
    }
    all
}

async fn count(contender: &Contender, case: Case, requests: u32, wire: &Proxy) -> f64 {
    let mut connection = contender.connect().await;
    let before = wire.round_trips();
    for _ in 0..requests {
        ask(&mut connection, contender, case).await.expect("an answer");
    }
    (wire.round_trips() - before) as f64 / f64::from(requests)
}
