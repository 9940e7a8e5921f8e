//! The `oncegate` command.

use std::process::ExitCode;

use clap::Parser;
use oncegate::allocator;
use oncegate::app;
use oncegate::cli::Cli;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    allocator::tune();
    app::run(Cli::parse())
}
