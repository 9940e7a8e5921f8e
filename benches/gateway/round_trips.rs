//! How often a lone request goes to the store and back.

use crate::cases::Case;
use crate::contenders::{Backing, Contender, Kind, Role, floor, gateway};
use crate::load::ask;
use crate::servers::proxy::Proxy;
use crate::upstream::Upstream;

/// Requests before any are counted: each of a pool's connections prepares its statements once.
const WARM_UP: u32 = 100;
const REQUESTS: u32 = 200;

/// What one server showed.
pub struct RoundTrips {
    pub name: String,
    /// A request, what the server does by itself meanwhile included.
    pub first: f64,
    pub replay: f64,
}

/// One request after the other, over a wire between server and store that counts.
pub async fn measure(upstream: &Upstream) -> Vec<RoundTrips> {
    let mut all = Vec::new();
    for kind in [Kind::Redis, Kind::Postgres] {
        for start in [floor, |upstream, kind, url: &str| gateway(upstream, Role::Oncegate(kind), url)] {
            let backing = Backing::start(kind).await;
            let wire = Proxy::to(backing.port()).await;
            let url = backing.url_at(wire.port);
            // It waits for a store that this thread passes its words on to.
            let address = upstream.address;
            let started = tokio::task::spawn_blocking(move || start(address, kind, &url)).await;
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
