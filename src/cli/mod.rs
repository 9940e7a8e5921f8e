//! The commands of `oncegate`. Each takes checked arguments, prints text for people, and exits with 0
//! (success), 1 (failure) or 2 (wrong usage or configuration).

use clap::{Parser, Subcommand};

pub mod check;
pub mod demo;
mod header;
pub mod openapi;
pub mod output;
mod page;
pub mod records;
pub mod schema;
pub mod serve;

/// Oncegate makes retried HTTP requests safe: a reverse proxy for payment APIs that runs each
/// operation with an Idempotency-Key once and answers every retry with the first response.
#[derive(Debug, Parser)]
#[command(name = "oncegate", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Start with `oncegate demo`, then put it in front of your own API:\n  \
    oncegate serve --upstream http://127.0.0.1:9000")]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `oncegate`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch payments being retried, without and through a gateway; needs only loopback
    Demo(demo::DemoArgs),
    /// Run the gateway
    Serve(serve::ServeArgs),
    /// Validate a configuration and print what it guarantees, boundary by boundary
    Check(check::CheckArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Add what the routes ask of clients, and what clients get, to an OpenAPI document
    Openapi(openapi::OpenapiArgs),
    /// Find, show and resolve records, and compare them with the upstream's ledger, through the admin API of a
    /// running gateway
    Records(Box<records::RecordsArgs>),
}
