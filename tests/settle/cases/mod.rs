//! Single cases of settling, each readable by itself.

mod fences;
mod operator;
mod probe;
mod releases;
mod retry;
mod wiped;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::api::{Api, Call, Marker, Plan, Protection};
use crate::policy::{Policy, api};
use crate::store::{Kind, Store};
use crate::world::{Options, World};

/// The longest time that a client repeats its request.
const LIMIT: Duration = Duration::from_secs(30);

/// Starts a world under a policy. The API treats the first requests of an operation by `plans`, and charges
/// for every later one.
async fn world(policy: Policy, store: Kind, plans: &[Plan], options: Options) -> World {
    let plans = plans.to_vec();
    let script = move |call: &Call| plans.get(call.number - 1).copied().unwrap_or(Plan::CHARGE);
    World::start(policy, api(policy, true, script).await, Store::of(store).await, options).await
}

fn marker(api: &Arc<Api>) -> &Marker {
    match &api.protection {
        Protection::Marker(marker) => marker,
        Protection::Absent | Protection::Keys(_) => panic!("an API without markers"),
    }
}

/// Returns whether each execution of the one operation has a marker row that is fenced, by its number.
async fn fenced(api: &Arc<Api>) -> Vec<(u32, bool)> {
    let number = |name: &str| name.rsplit_once(':').expect("an execution").1.parse().expect("a number");
    let rows = marker(api).rows().await;
    rows.iter().map(|(execution, fenced)| (number(execution), *fenced)).collect()
}

/// Returns the path at which an operator decides about a record.
fn resolve(record: &Value) -> String {
    format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"))
}

/// Runs each check on each store of a fleet.
macro_rules! on_every_store {
    ($($check:ident),* $(,)?) => {
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::store::Kind::Redis).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::store::Kind::Postgres).await;
                }
            )*
        }
    };
}
use on_every_store;
