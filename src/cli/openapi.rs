//! `oncegate openapi --annotate FILE`: adds to an OpenAPI document what the routes of a configuration ask of
//! clients, and what clients get: the key, the headers of answers, the problems and the lifetime of a key.
//!
//! The author's own parameters, responses and components stay as they are. Whatever the command adds is
//! recognised by a later run, which replaces it. Running it twice therefore changes nothing, and running it
//! after a change of the configuration leaves nothing of the earlier one.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::document::Document;
use super::check::BAD_CONFIGURATION;
use super::output::{print, print_error, printed};
use crate::config::{Config, Environment};

mod annotate;
mod components;
mod covering;
mod document;
mod earlier;
mod operation;
mod problems;
mod quoting;
mod responses;
mod value;

/// The arguments of `oncegate openapi`.
#[derive(Debug, Args)]
#[command(
    after_help = "For each operation that a route covers: the key becomes a parameter; responses get the headers of \
                  the gateway; each problem that the route can answer becomes a response; and x-idempotency says \
                  where the key stands, and for how long its response is given again. Standard error tells which \
                  operations no route covers, and which routes cover no operation.\n\n\
                  What the document says itself stays, in its order; comments of a YAML document are lost. An earlier \
                  annotation is replaced, so the command can run again at any time.\n\n\
                  Exits with 0 if the document was written, with 1 if it could not be, and with 2 if the document or \
                  the configuration is not valid.\n\nExamples:\n  \
                  oncegate openapi --annotate openapi.yaml --config oncegate.toml --out public.yaml\n  \
                  oncegate openapi --annotate openapi.json > public.json"
)]
pub struct OpenapiArgs {
    /// The document: OpenAPI 3.0 or 3.1, in JSON or YAML
    #[arg(long, value_name = "FILE")]
    annotate: PathBuf,
    /// The configuration with the routes; without it, every POST and PATCH is covered, as by `oncegate serve
    /// --upstream`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the result to this file, which may be the document itself; without it, to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &OpenapiArgs, environment: &Environment) -> ExitCode {
    let (text, notes) = match annotated(args, environment) {
        Ok(annotated) => annotated,
        Err(why) => {
            print_error(format_args!("{why}"));
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    for note in notes {
        print_error(format_args!("oncegate: {note}"));
    }
    let Some(file) = &args.out else { return printed(print(format_args!("{text}"))) };
    match replace(file, &text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("oncegate: {} cannot be written: {error}", file.display()));
            ExitCode::FAILURE
        }
    }
}

/// Returns the annotated document, and what its author should know.
fn annotated(args: &OpenapiArgs, environment: &Environment) -> Result<(String, Vec<String>), String> {
    let config = match &args.config {
        Some(file) => Config::load(file, environment),
        None => Config::for_upstream("http://127.0.0.1:9000", environment),
    };
    let config = config.map_err(|errors| errors.to_string())?;
    let name = args.annotate.display();
    let text = fs::read_to_string(&args.annotate).map_err(|error| format!("oncegate: {name}: {error}"))?;
    let mut document =
        Document::parse(&text, &args.annotate).map_err(|why| format!("oncegate: {name}: {why}"))?;
    let mut notes = annotate::annotate(&mut document.root, &config.routes)
        .map_err(|why| format!("oncegate: {name}: {why}"))?;
    if document.has_comments {
        notes.push(format!("{name} has comments, which the result lacks"));
    }
    Ok((document.text()?, notes))
}

/// Writes a file as a whole or not at all.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let directory = match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let permissions = match fs::metadata(file) {
        Ok(earlier) => earlier.permissions(),
        Err(_) => Permissions::from_mode(0o666),
    };
    let mut written = tempfile::Builder::new().permissions(permissions).tempfile_in(directory)?;
    written.write_all(text.as_bytes())?;
    written.persist(file).map(drop).map_err(|error| error.error)
}
