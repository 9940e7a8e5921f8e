//! The cost of the gateway, end to end:
//! `cargo bench --bench gateway [-- --quick] [--connections N] [NAME …]`.
//!
//! Names: `fixed-rate`, `saturated`, `loaded`, `duplicates`, `round-trips`, `idle`, `instructions`; without
//! a name, all of them in turn.
//!
//! The gateway, built as it is shipped, runs on each of its stores. It is compared with the upstream asked
//! directly, a bare proxy, and what a user would pick instead: nginx, and nginx with a Lua script and Redis.
//! It is also compared with *floors*. A floor is a gateway that does the least that a gateway can do: read,
//! hash, claim, forward, complete, replay. Every server is a process of its own on loopback, so that CPU per
//! request is the kernel's own accounting. The same holds for each server's own Redis or Postgres, with all
//! of its processes. This binary starts itself again for the floors and the upstream. The load comes from
//! this process, out of one thread, and the status and the replay mark of every response are checked.
//!
//! A machine's speed drifts by more than most differences, so only figures of one round are compared:
//!
//! * `fixed-rate`: 400 requests a second to each server. The servers of one *group* are asked in the
//!   same seconds, one request to each in turn. Two cores do not carry a dozen servers at once without
//!   queueing, so the groups take turns. Each group holds the servers that its members are compared
//!   with, and the upstream asked directly. Latency is counted from the moment a request was due. Each
//!   server is asked over 16 connections in turn, or over the number in `--connections`. Directly before
//!   and after, the group is asked over 1 and over 128: with 1 everything happens on one warm thread of a
//!   server, with 128 each request finds the state of its connection cold.
//! * `saturated`: 64 connections that ask again as soon as they are answered, one server after the
//!   other, a slice each, with nginx at the head of each group.
//! * `loaded`: seven tenths of a server's saturated throughput, measured directly before, each server
//!   alone; and directly after it the upstream at the same rate. Its quantiles are medians of the
//!   rounds' own.
//! * `instructions`: each server alone under Callgrind, which counts the instructions of its own code. They
//!   do not drift, and a busy machine hardly changes them. What a server executes while it is idle is
//!   subtracted.
//!
//! Each measurement is repeated in rounds. Tables show the median round with the least and the most,
//! quantiles over all rounds, and ratios as the median of each round's own. Oncegate runs without its
//! access log, as nginx does here. The row `oncegate, logging` shows the cost of the log. The last table
//! sets the goals beside the figures of the run.

use std::rc::Rc;

use tokio::task::LocalSet;

use self::arguments::Arguments;

mod arguments;
mod callgrind;
mod cases;
mod contenders;
mod cpu;
mod duplicates;
mod floors;
mod idle;
mod instructions;
mod load;
mod loaded;
mod measure;
mod plan;
mod report;
mod roles;
mod round_trips;
mod upstream;
mod wire;

#[path = "../../tests/servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests")]
mod servers;

/// The allocator of the release binary, so that the floors have no other.
#[global_allocator]
static ALLOCATOR: oncegate::allocator::Allocator = oncegate::allocator::Allocator;

fn main() {
    // The release binary does the same.
    oncegate::allocator::tune();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    if let Some(role) = words.strip_prefix(&[roles::FLAG.to_owned()][..]) {
        return roles::play(role);
    }
    let arguments = Arguments::parse(words).unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            () = run(&arguments) => {}
            // The started processes end as they go out of scope.
            _ = tokio::signal::ctrl_c() => eprintln!("interrupted"),
        }
    });
}

async fn run(arguments: &Arguments) {
    let is_selected = |name: &str| arguments.is_selected(name);
    let extent = &arguments.extent;
    let mut report = report::Report { connections: extent.connections, ..report::Report::default() };
    let upstream = Rc::new(upstream::Upstream::start());
    contenders::report_missing();
    if ["fixed-rate", "saturated", "loaded", "duplicates"].into_iter().any(is_selected) {
        let contenders = contenders::all(&upstream).await;
        if is_selected("fixed-rate") || is_selected("saturated") {
            let plan = plan::Plan::of(&contenders, is_selected("fixed-rate"), is_selected("saturated"));
            report.slices = measure::rounds(&upstream, &plan, extent).await;
            report.print_slices();
        }
        if is_selected("loaded") {
            report.loaded = loaded::measure(&contenders, extent).await;
            report.print_loaded();
        }
        if is_selected("duplicates") {
            report.duplicates = duplicates::measure(&upstream, &contenders, extent.duplicate_rounds).await;
            report.print_duplicates();
        }
    }
    if is_selected("round-trips") {
        report.round_trips = round_trips::measure(&upstream).await;
        report.print_round_trips();
    }
    if is_selected("idle") {
        report.idle = idle::measure(&upstream, extent.starts).await;
        report.print_idle();
    }
    if is_selected("instructions") {
        report.instructions = instructions::measure(&upstream, extent.counted).await;
        report.print_instructions();
    }
    report.print_goals();
    report.write();
}
