//! `GET /v1/gateway`: this gateway: its version and start, its store, the configuration in force with its
//! guarantees, in the words of `oncegate check`, and the last reloads.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::store::Durability;

use super::about::About;
use super::problem::AdminProblem;
use super::routes::version_of;
use super::state::AdminState;

pub(super) async fn gateway(State(admin): State<AdminState>) -> Result<Json<Value>, AdminProblem> {
    let ready = admin.ledger.ready().await.map_err(|error| error.to_string());
    let survives = match admin.ledger.store().durability() {
        Durability::None => "nothing: the records end with the process",
        Durability::Synced => "a crash and a loss of power",
        Durability::Server => "the failures that its server survives",
    };
    let stopped: Vec<_> = admin.ledger.stopped().map(|reason| admin.ledger.why(reason)).collect();
    let reloading = admin.configuration.as_ref();
    let in_force = reloading.map(|reloading| version_of(&reloading.live.now()));
    let [reload, refused_reload] = reloading.map(|reloading| reloading.last.shown()).unwrap_or_default();
    let About { started_at, store, configuration } = &admin.about;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started_at.to_string(),
        "draining": admin.draining.is_cancelled(),
        "store": {
            "place": &**store,
            "answers": ready.is_ok(),
            "error": ready.err(),
            "acknowledged_writes_survive": survives,
            "claims_stopped": stopped,
        },
        "configuration": configuration(),
        "in_force": in_force,
        "reload": reload,
        "refused_reload": refused_reload,
    })))
}
