//! `POST /v1/reload`: reads the configuration file again and puts it into force, as a whole or not at all.
//!
//! The answer to a success is `{"outcome", "changed", "version", "digest", "loaded_at"}`. A refusal is a
//! problem with the members `outcome`, `errors` (mistakes in the file, and files that it names and that are
//! not usable, each with its place and key) and `restart` (keys that only a start reads). The configuration in
//! force stays then.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::config::{ConfigError, Place};

use super::audit;
use super::configuration::{Configuration, ReloadRequest};
use super::input::OptionalJson;
use super::last_reloads::Reload;
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
    // The audit line is written even if the operator leaves before the end.
    let asked = tokio::spawn(ask(configuration.reloads.clone(), operator)).await;
    let reload = asked.ok().flatten().ok_or_else(|| no_reload(admin.draining.is_cancelled()))?;
    Ok(match &reload.reloaded {
        Reloaded::InForce(_) | Reloaded::Unchanged => answer(&configuration, &reload.reloaded),
        Reloaded::Refused(refusal) => problem(reload.reloaded.outcome(), refusal),
    })
}

/// Asks for a reload, and waits for its end. Returns `None` if the task that reloads has ended.
async fn ask(reloads: mpsc::Sender<ReloadRequest>, operator: Operator) -> Option<Reload> {
    let (reply, result) = oneshot::channel();
    reloads.send(ReloadRequest { by: operator.name.clone(), reply }).await.ok()?;
    let reload = result.await.ok()?;
    audit::log_reload(&operator, &reload);
    Some(reload)
}

fn no_reload(stops: bool) -> AdminProblem {
    let (status, detail) = match stops {
        true => (StatusCode::SERVICE_UNAVAILABLE, "the gateway stops, and nothing was reloaded"),
        false => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the task that reloads has ended, and the log says why; only a restart takes up changes",
        ),
    };
    AdminProblem::http(status, detail)
}

fn answer(configuration: &Configuration, reloaded: &Reloaded) -> Response {
    let mut shown = version_of(&configuration.live.now());
    shown["outcome"] = reloaded.outcome().into();
    shown["changed"] = reloaded.changed().into();
    Json(shown).into_response()
}

fn problem(outcome: &str, refusal: &ReloadRefusal) -> Response {
    let status = match refusal {
        ReloadRefusal::Invalid(_) | ReloadRefusal::Unusable(_) | ReloadRefusal::UnusableFiles(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ReloadRefusal::NeedsRestart(_) | ReloadRefusal::Identity(_) => StatusCode::CONFLICT,
        ReloadRefusal::StoreUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        ReloadRefusal::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut shown = json!({
        "type": "about:blank",
        "title": "The configuration was not reloaded",
        "status": status.as_u16(),
        "detail": refusal.detail(),
        "outcome": outcome,
    });
    match refusal {
        ReloadRefusal::Invalid(errors) | ReloadRefusal::UnusableFiles(errors) => {
            shown["errors"] = errors.iter().map(error).collect();
        }
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
