//! From the arguments of the command to its exit code.

use std::future::Future;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::runtime::Runtime;

use crate::cli::check::marker::MarkerArgs;
use crate::cli::check::{self, CheckArgs};
use crate::cli::output::{self, Output, printed};
use crate::cli::serve::Operator;
use crate::cli::{Cli, Command, demo, openapi, records, schema};
use crate::config::{Config, Environment};
use crate::telemetry::log::{self, LastLines, say};

use self::config_source::ConfigSource;
use self::serving::serve;
use self::start_error::StartError;

mod announce;
mod assembly;
mod certificates;
mod clock;
mod config_source;
mod connect;
mod drain;
mod file_work;
mod identity;
#[cfg(feature = "postgres")]
mod probe_marker;
mod reloading;
mod serving;
mod signals;
mod start_deadline;
mod start_error;
mod stores;
mod watched_file;

/// Time that work on threads for blocking work has to end, once all other work has ended.
const LAST_READS: Duration = Duration::from_secs(3);

/// Runs one command line to its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    match cli.command {
        Command::Demo(args) => blocking(demo::run(args)),
        Command::Serve(args) => match args.load(&environment) {
            Ok(config) => {
                keep_files_private();
                let operator = args.operator();
                served(start(config, ConfigSource::new(args, environment), operator))
            }
            Err(errors) => {
                say(&errors.to_string());
                ExitCode::from(2)
            }
        },
        Command::Check(args) => checked(&args, &environment),
        Command::Openapi(args) => openapi::run(&args, &environment),
        Command::Schema => printed(output::print(format_args!("{}", schema::text()))),
        Command::Records(args) => blocking(records::run(*args)),
    }
}

/// Returns the statements that make the tables of the store in `file`; without a file, those of a Postgres
/// store with the default schema.
fn tables(file: Option<&Path>, environment: &Environment) -> Result<String, String> {
    match file {
        Some(file) => check::tables(file, environment),
        #[cfg(feature = "postgres")]
        None => Ok(crate::store::postgres::print_schema("oncegate")),
        #[cfg(not(feature = "postgres"))]
        None => Err("this build has no Postgres store; build with --features postgres".into()),
    }
}

fn checked(args: &CheckArgs, environment: &Environment) -> ExitCode {
    let CheckArgs { config, print_schema, short, connect, problems, against, marker } = args;
    if let (Some(new), Some(old)) = (config, against) {
        return compared(new, old, *short, environment);
    }
    match config {
        config if marker.print_marker_schema => {
            let route = marker.route.as_deref();
            print_statements(check::marker::tables(config.as_deref(), route, environment))
        }
        Some(config) if *problems || marker.probe_marker => match Config::load(config, environment) {
            Ok(config) if *problems => {
                printed(output::print(format_args!("{}", check::problems::of_routes(&config))))
            }
            Ok(config) => probe_marker(&config, marker),
            Err(errors) => {
                say(&errors.to_string());
                ExitCode::from(check::BAD_CONFIGURATION)
            }
        },
        Some(config) if !print_schema => {
            let checked = check::run(config, environment, *short, &mut Output::new(), &mut io::stderr());
            match checked {
                Ok(Some(config)) if *connect => blocking(connect::connect(config, *short)),
                Ok(Some(_)) => ExitCode::from(check::FINE),
                Ok(None) => ExitCode::from(check::BAD_CONFIGURATION),
                Err(error) => printed(Err(error)),
            }
        }
        config => print_statements(tables(config.as_deref(), environment)),
    }
}

/// Prints what the changes from one file to another do to keys in flight.
fn compared(new: &Path, old: &Path, short: bool, environment: &Environment) -> ExitCode {
    let both = (Config::load(new, environment), Config::load(old, environment));
    let (new, old) = match both {
        (Ok(new), Ok(old)) => (new, old),
        (new, old) => {
            let errors = [new.err(), old.err()].into_iter().flatten();
            errors.for_each(|errors| say(&errors.to_string()));
            return ExitCode::from(check::BAD_CONFIGURATION);
        }
    };
    let effects = check::against::effects(&old, &new);
    let code = if effects.iter().any(|effect| effect.is_dangerous) { check::DANGEROUS } else { check::FINE };
    match output::print(format_args!("{}", check::against::report(&effects, short))) {
        Ok(()) => ExitCode::from(code),
        error => printed(error),
    }
}

#[cfg(feature = "postgres")]
fn probe_marker(config: &Config, args: &MarkerArgs) -> ExitCode {
    blocking(probe_marker::probe_marker(config, args))
}

#[cfg(not(feature = "postgres"))]
fn probe_marker(_: &Config, _: &MarkerArgs) -> ExitCode {
    say("oncegate: this build has no Postgres; build with --features postgres");
    ExitCode::from(check::BAD_CONFIGURATION)
}

/// Prints SQL, or the reason why there is none.
fn print_statements(statements: Result<String, String>) -> ExitCode {
    match statements {
        Ok(statements) => printed(output::print(format_args!("{statements}"))),
        Err(why) => {
            say(&why);
            ExitCode::from(check::BAD_CONFIGURATION)
        }
    }
}

/// Makes every file that the process creates from now on readable by its own user only.
fn keep_files_private() {
    let others = Mode::RWXG | Mode::RWXO;
    let before = umask(others);
    umask(before | others);
}

/// Runs a gateway on one thread. One thread is enough for the state that the workers share: each step on that
/// state is short.
fn served(work: impl Future<Output = ExitCode>) -> ExitCode {
    let _last_lines = LastLines;
    on(tokio::runtime::Builder::new_current_thread(), work)
}

/// Runs a command that has concurrent tasks.
fn blocking(work: impl Future<Output = ExitCode>) -> ExitCode {
    on(tokio::runtime::Builder::new_multi_thread(), work)
}

/// Runs `work` on a runtime of its own.
fn on(mut runtime: tokio::runtime::Builder, work: impl Future<Output = ExitCode>) -> ExitCode {
    // Install the only provider of cryptography before any code can ask for another.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        say("oncegate: a TLS provider was installed before");
        return ExitCode::FAILURE;
    }
    match runtime.enable_all().build() {
        Ok(runtime) => to_end(runtime, work),
        Err(error) => {
            say(&format!("oncegate: no runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` to its end. What still blocks a thread then, such as a read of a disk that hangs, is waited for
/// a moment only.
fn to_end<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_READS);
    result
}

async fn start(config: Config, source: ConfigSource, operator: Operator) -> ExitCode {
    let served = match log::init(&config.log) {
        Ok(()) => serve(config, source, operator).await,
        Err(error) => Err(StartError::of("log", error)),
    };
    served.unwrap_or_else(|error| {
        say(&format!("oncegate: cannot start: {error}"));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;

    use super::*;

    #[test]
    fn a_read_that_hangs_does_not_keep_the_process() {
        let ((go_on, hangs), (tell, ended)) = (channel::<()>(), channel());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            to_end(runtime, async { drop(tokio::task::spawn_blocking(move || hangs.recv())) });
            tell.send(()).expect("the test listens");
        });
        assert_ne!(ended.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Timeout));
        drop(go_on);
    }
}
