//! `oncegate demo`: a payment API, a real gateway in front of it, and the effect of retries.

use std::process::ExitCode;

use clap::Args;
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};

use super::output::print_error;

use self::client::Client;
use self::directory::Directory;
use self::error::DemoError;
use self::gateway::GatewayProcess;
use self::narrator::Narrator;
use self::payments::PaymentApi;
use self::script::{Script, Stage};

mod client;
mod directory;
mod error;
mod gateway;
mod ledger;
mod narrator;
mod payments;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod script;
mod settling;

/// Shows in seven short chapters what a retried payment does without a gateway and through one, including
/// crashes in the middle of a charge, and unknown outcomes that evidence settles.
///
/// The demo needs only loopback: the payment API runs in this process, the gateway is the same program as a
/// second process, and its records are in a temporary directory. The last chapter needs an installed Postgres
/// (not as root), and is left out otherwise. Afterwards API and gateway stay up, with curl commands to try,
/// until Ctrl-C.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End after the last chapter: with 0, or with 1 if a total or an answer is not as expected
    #[arg(long)]
    once: bool,
}

/// Runs the demo to its exit code. The gateway process and the temporary directory are gone afterwards,
/// however the demo ends.
pub async fn run(args: DemoArgs) -> ExitCode {
    let (interrupt, terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => return failed(&error.into()),
    };
    let (mut interrupt, mut terminate) = (interrupt, terminate);
    select! {
        played = play(&args) => played.unwrap_or_else(|error| failed(&error)),
        _ = interrupt.recv() => ended(&args),
        _ = terminate.recv() => ended(&args),
    }
}

async fn play(args: &DemoArgs) -> Result<ExitCode, DemoError> {
    let directory = Directory::create()?;
    let api = PaymentApi::start(None).await?;
    gateway::configure(directory.path(), api.address, "")?;
    let gateway = GatewayProcess::start(directory.path()).await?;
    let stage = Stage { gateway, api, directory };
    let mut script = Script { stage, client: Client::new(), narrator: Narrator::on_stdout() };
    script.play().await?;
    if args.once {
        return Ok(script.narrator.exit_code());
    }
    script.print_next_steps();
    script.stage.gateway.ended().await;
    Err(DemoError::new("the gateway has ended by itself"))
}

/// Returns the exit code after a signal. Once the demo only waits for the signal, its work is done.
fn ended(args: &DemoArgs) -> ExitCode {
    if args.once { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn failed(error: &DemoError) -> ExitCode {
    print_error(format_args!("oncegate: the demo cannot go on: {error}"));
    ExitCode::FAILURE
}
