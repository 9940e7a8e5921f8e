//! Tables in Markdown, of sizes and of the cost of a payment for each part.

use std::time::Duration;

use crate::capacity::CapacityResult;
use crate::sizes::SizeResult;

/// Prints the bytes of a record and a tombstone.
pub fn print_sizes(results: &[SizeResult]) {
    println!(
        "| store | keys | bytes a record | packed | bytes a tombstone | packed | end: gateway CPU | server CPU |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for SizeResult { store, keys, record, tombstone, end_cpu } in results {
        println!(
            "| {store} | {keys} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} |",
            record.found,
            record.packed,
            tombstone.found,
            tombstone.packed,
            micros(end_cpu.0),
            micros(end_cpu.1),
        );
    }
}

/// Prints the CPU time of each part for a payment, and what a core carries by it.
pub fn print_capacity(results: &[CapacityResult]) {
    println!("Measured; a payment is a claim and a completion:\n");
    println!(
        "| store | callers | payments/s here | p50 | p99 | gateway CPU | server CPU | counts, for a payment |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|---|");
    for result in results {
        println!(
            "| {} | {} | {:.0} | {:.1} ms | {:.1} ms | {:.1} µs | {:.1} µs | {} |",
            result.store,
            result.callers,
            result.median(|round| round.per_second()),
            result.median(|round| round.quantile(0.5).as_secs_f64() * 1000.0),
            result.median(|round| round.quantile(0.99).as_secs_f64() * 1000.0),
            gateway(result),
            server(result),
            counts(result),
        );
    }
    println!("\nDerived, as one second divided by the CPU of a payment:\n");
    println!("| store | callers | payments/s of a core of the gateway side | of a core of the server |");
    println!("|---|--:|--:|--:|");
    for result in results {
        let (store, callers) = (result.store, result.callers);
        println!("| {store} | {callers} | {} | {} |", a_second(gateway(result)), a_second(server(result)));
    }
    results.iter().filter(|result| result.node_scripts.len() > 1).for_each(print_nodes);
}

/// Prints how the work is spread over the primaries of a cluster.
fn print_nodes(result: &CapacityResult) {
    println!("\nThe primaries of {} under {} callers:\n", result.store, result.callers);
    println!("| primary | share of the scripts | share of the CPU | CPU of a payment there |");
    println!("|---|--:|--:|--:|");
    let scripts: u64 = result.node_scripts.iter().sum();
    let cpu: Duration = result.node_cpu.iter().sum();
    for (number, (ran, used)) in result.node_scripts.iter().zip(&result.node_cpu).enumerate() {
        let share = *ran as f64 / scripts as f64;
        println!(
            "| {} | {:.1} % | {:.1} % | {:.1} µs |",
            number + 1,
            100.0 * share,
            100.0 * used.as_secs_f64() / cpu.as_secs_f64(),
            used.as_secs_f64() * 1e6 / (share * result.payments()),
        );
    }
}

fn gateway(result: &CapacityResult) -> f64 {
    result.median(|round| round.micros_each(round.own_cpu))
}

fn server(result: &CapacityResult) -> f64 {
    result.median(|round| round.micros_each(round.server_cpu))
}

fn counts(result: &CapacityResult) -> String {
    let each = |(name, sum): &(&str, f64)| match sum / result.payments() {
        some if some < 10.0 => format!("{some:.3} {name}"),
        some => format!("{some:.0} {name}"),
    };
    result.counts.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn a_second(micros: f64) -> String {
    if micros < 0.5 { "-".into() } else { format!("{:.0}", 1e6 / micros) }
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
