//! The command line of `oncegate records lookup`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use http::{HeaderName, HeaderValue};

use crate::cli::header::parse_header;

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("the_key").args(["key", "key_env"]).required(true))]
pub(in crate::cli::records) struct Lookup {
    /// The route's name.
    #[arg(long)]
    pub(in crate::cli::records) route: String,
    /// The idempotency key, as the client sent it. Several members of a body are joined with `:`, and each `:`
    /// in them is %3A, each % is %25.
    #[arg(long)]
    pub(in crate::cli::records) key: Option<String>,
    /// The environment variable with the idempotency key, instead of --key: other users of this machine can
    /// see the command line.
    #[arg(long, value_name = "VARIABLE")]
    pub(in crate::cli::records) key_env: Option<String>,
    /// The path of the client's request; needed if the route's path has parameters and its scope contains the
    /// path.
    #[arg(long)]
    pub(in crate::cli::records) path: Option<String>,
    /// A PEM file of the certificate that the client presented, if the route's scope contains it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli::records) certificate: Option<PathBuf>,
    /// A header of the client's request that is part of its scope, such as `X-Tenant: 7`. For a credential,
    /// take --header-env.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(in crate::cli::records) headers: Vec<(HeaderName, HeaderValue)>,
    /// A header of the scope with its value in an environment variable, such as `Authorization=CALLER_AUTH`.
    /// The value then does not appear on the command line.
    #[arg(long = "header-env", value_name = "NAME=VARIABLE", value_parser = parse_header_env)]
    pub(in crate::cli::records) header_envs: Vec<(HeaderName, String)>,
}

fn parse_header_env(text: &str) -> Result<(HeaderName, String), String> {
    let (name, variable) = text.split_once('=').ok_or("expected NAME=VARIABLE")?;
    let name = name.trim().parse().map_err(|_| "this is not a header name")?;
    if variable.is_empty() {
        return Err("expected NAME=VARIABLE".into());
    }
    Ok((name, variable.to_owned()))
}
