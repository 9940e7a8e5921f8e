//! The chapter about the marker row, which needs a Postgres.

use std::mem::replace;

use crate::cli::demo::directory::Directory;
use crate::cli::demo::error::DemoError;
use crate::cli::demo::gateway::{GatewayProcess, configure};
use crate::cli::demo::payments::{Database, PaymentApi};
use crate::cli::demo::postgres::{Programs, Server};
use crate::cli::demo::script::{Script, Stage};

impl Script {
    /// Kills the gateway between a charge and its record. The marker row in the API's database decides.
    pub(in crate::cli::demo) async fn a_marker_row(&mut self) -> Result<(), DemoError> {
        self.narrator.chapter("A crash between charge and record is settled by a marker row");
        let programs = match Programs::find() {
            Ok(programs) => programs,
            Err(why) => {
                self.narrator.row("left out", why);
                return Ok(());
            }
        };
        // The server ends after the gateway and the API, and before its directory is removed.
        let directory = Directory::create()?;
        let server = Server::start(&programs, directory.path()).await?;
        let stage = self.with_a_database(&server).await?;
        let usual = replace(&mut self.stage, stage);
        let played = self.a_crash_before_the_record().await;
        self.stage = usual;
        played
    }

    async fn with_a_database(&self, server: &Server) -> Result<Stage, DemoError> {
        self.narrator.row(
            "a Postgres",
            &format!("process {}; the API commits each charge there, with its marker row", server.id()),
        );
        let api = PaymentApi::start(Some(Database::open(server.options()).await?)).await?;
        let shown = server.url().replace(server.password(), "…");
        self.configured("of a new gateway has these lines:", &marker(&shown));
        let directory = Directory::create()?;
        configure(directory.path(), api.address, &marker(&server.url()))?;
        let gateway = GatewayProcess::start(directory.path()).await?;
        Ok(Stage { gateway, api, directory })
    }

    async fn a_crash_before_the_record(&mut self) -> Result<(), DemoError> {
        self.kill_while_charging("fay", "order-1005").await?;
        let retry = self.charge(self.stage.gateway.public, "fay", Some("order-1005"), 1200).await?;
        self.narrator.row("retry", &retry.summary());
        // The attempt may have waited for the end of the lease: then it was present when the execution was
        // lost.
        self.unknown_for_now(&retry, &[409, 504]);
        let state = self.decided(&retry.member("record")).await?;
        self.narrator.check("the record", &state.as_str(), &"completed");
        self.narrator.row("the gateway", "finds the API's marker row, and the charge in it");
        self.found("fay", "order-1005").await
    }
}

/// Returns the lines of a route with a marker table in the database at `url`.
fn marker(url: &str) -> String {
    format!("on_unknown = \"marker\"\nmarker.url = \"{url}\"\n")
}
