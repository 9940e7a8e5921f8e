//! `oncegate records`: shows records and decides unknown outcomes, through the admin API of a running
//! gateway.
//!
//! The token comes from the environment only, so that it does not appear in a process list. If the gateway
//! refuses a request, the command fails with the gateway's reason.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config::IdentityFiles;
use crate::secret::Secret;

use super::output::{self, print_error, printed};

mod advice;
mod arguments;
mod cells;
mod client;
mod history;
mod many;
mod print;
mod reconcile;
mod request;
mod sender;

pub use arguments::{RecordsArgs, TOKEN_VARIABLE};

use arguments::{Command, List};
use client::Client;

/// Time for which a list follows cursors. Then it shows what it has, and the cursor to go on from.
const FOLLOWING: Duration = Duration::from_secs(10);

/// Runs the command and prints its result.
pub async fn run(args: RecordsArgs) -> ExitCode {
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    let token = token.map(Secret);
    if let Command::Reconcile(reconcile) = &args.command {
        return match client(&args, token) {
            Ok(client) => reconcile::run(client, reconcile, args.json).await,
            Err(failure) => failed(&failure),
        };
    }
    if let Command::Resolve(resolve) = &args.command
        && resolve.id.is_none()
    {
        let resolved = async { many::resolve(Arc::new(client(&args, token)?), resolve, args.json).await };
        return resolved.await.unwrap_or_else(|failure| failed(&failure));
    }
    match answer(&args, token).await {
        Ok(text) => printed(output::print(format_args!("{text}\n"))),
        Err(failure) => failed(&failure),
    }
}

fn failed(why: &str) -> ExitCode {
    print_error(format_args!("oncegate: {why}"));
    ExitCode::FAILURE
}

fn client(args: &RecordsArgs, token: Option<Secret>) -> Result<Client, String> {
    let identity = args.cert.clone().zip(args.cert_key.clone());
    let identity = identity.map(|(cert, key)| IdentityFiles { cert, key });
    Client::new(args.admin.clone(), args.ca.clone(), identity, token)
}

/// Returns the text that [`run`] prints.
///
/// # Errors
/// The reason of the failure, in words for the operator.
pub async fn answer(args: &RecordsArgs, token: Option<Secret>) -> Result<String, String> {
    let client = client(args, token)?;
    let answer = match &args.command {
        Command::List(list) => whole_list(&client, list.clone()).await?,
        command => client.send(request::of(command)?).await?,
    };
    if args.json {
        return serde_json::to_string_pretty(&answer).map_err(|error| error.to_string());
    }
    Ok(match args.command {
        Command::List(_) => print::list(&answer),
        Command::Resolve(_) => format!("{}\n\n{}", print::record(&answer), advice::about(&answer)),
        Command::Reopen(_) => format!("{}\n\n{}", print::record(&answer), advice::about_reopened(&answer)),
        Command::Delete(_) => format!("{}\n\n{}", print::record(&answer), advice::about_deleted(&answer)),
        Command::Show(_) | Command::Lookup(_) | Command::Reconcile(_) => print::record(&answer),
    })
}

/// Follows the cursors until the limit is reached, the list ends, or [`FOLLOWING`] is over. A page can be
/// short, even empty, if few records fit. The result has the form of one page.
async fn whole_list(client: &Client, mut list: List) -> Result<Value, String> {
    let (mut records, started) = (Vec::new(), Instant::now());
    loop {
        let mut page = client.send(request::of(&Command::List(list.clone()))?).await?;
        let shown = page["records"].as_array_mut().map(std::mem::take).unwrap_or_default();
        list.limit = list.limit.saturating_sub(u16::try_from(shown.len()).unwrap_or(u16::MAX));
        records.extend(shown);
        list.cursor = page["next_cursor"].as_str().map(str::to_owned);
        if list.cursor.is_none() || list.limit == 0 || started.elapsed() >= FOLLOWING {
            page["records"] = records.into();
            return Ok(page);
        }
    }
}
