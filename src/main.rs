//! The `oncegate` command.

use std::process::ExitCode;

use clap::Parser;
use oncegate::allocator;
use oncegate::app;
use oncegate::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    allocator::tune();
    app::run(Cli::parse())
}
