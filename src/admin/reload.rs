//! `POST /v1/reload`: reads the configuration file again and puts it into force, as a whole or not at all.
//!
//! The answer to a success is `{"outcome", "changed", "version", "digest", "loaded_at"}`. A refusal is a
//! problem with the members `outcome`, `errors` (mistakes in the file, each with its place and key) and
//! `restart` (keys that only a start reads). The configuration in force stays then.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::config::{ConfigError, Place};

use super::audit;
use super::configuration::Configuration;
use super::input::OptionalJson;
use super::operator::Operator;
use super::problem::AdminProblem;
use super::reloaded::{ReloadRefusal, Reloaded};
use super::routes::version_of;
use super::state::AdminState;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadBody {}

pub(super) async fn reload(
    State(admin): State<AdminState>,
    operator: Operator,
    OptionalJson(ReloadBody {}): OptionalJson<ReloadBody>,
) -> Result<Response, AdminProblem> {
    let configuration = admin.configuration.ok_or_else(AdminProblem::no_configuration)?;
    let (sender, receiver) = oneshot::channel();
    let draining =
        || AdminProblem::http(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops, and nothing was reloaded");
    configuration.reloads.send(sender).await.map_err(|_| draining())?;
    let reloaded = receiver.await.map_err(|_| draining())?;
    audit::log_reload(&operator, &reloaded);
    Ok(match reloaded {
        Reloaded::InForce(changed) => answer(&configuration, "reloaded", &changed),
        Reloaded::Unchanged => answer(&configuration, "unchanged", &[]),
        Reloaded::Refused(ref refusal) => problem(reloaded.outcome(), refusal),
    })
}

fn answer(configuration: &Configuration, outcome: &str, changed: &[String]) -> Response {
    let mut shown = version_of(&configuration.live.now());
    shown["outcome"] = outcome.into();
    shown["changed"] = changed.into();
    Json(shown).into_response()
}

fn problem(outcome: &str, refusal: &ReloadRefusal) -> Response {
    let status = match refusal {
        ReloadRefusal::Invalid(_) | ReloadRefusal::Unusable(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ReloadRefusal::NeedsRestart(_) | ReloadRefusal::Identity(_) => StatusCode::CONFLICT,
        ReloadRefusal::StoreUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut shown = json!({
        "type": "about:blank",
        "title": "The configuration was not reloaded",
        "status": status.as_u16(),
        "detail": refusal.detail(),
        "outcome": outcome,
    });
    match refusal {
        ReloadRefusal::Invalid(errors) => shown["errors"] = errors.iter().map(error).collect(),
        ReloadRefusal::NeedsRestart(keys) => shown["restart"] = keys.as_slice().into(),
        _ => {}
    }
    (status, [(CONTENT_TYPE, "application/problem+json")], shown.to_string()).into_response()
}

fn error(error: &ConfigError) -> Value {
    let (file, line, column) = match &error.place {
        Place::File(file) | Place::Override(file) => (file, None, None),
        Place::Line { file, line, column } => (file, Some(*line), Some(*column)),
    };
    json!({ "file": file, "line": line, "column": column, "key": error.key, "message": error.message })
}
