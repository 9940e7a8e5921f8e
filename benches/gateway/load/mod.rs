//! The clients that make the load.

use std::time::Duration;

use crate::cases::Case;
use crate::contenders::Contender;
use crate::wire::Connection;

mod closed;
mod open;

pub use closed::{SATURATING, saturate};
pub use open::Clients;

/// The results of one server's clients.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub took: Duration,
    /// Latencies of right responses; sorted.
    pub latencies: Vec<Duration>,
    pub errors: Vec<String>,
}

impl Sample {
    pub fn done(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub fn per_second(&self) -> f64 {
        self.done() as f64 / self.took.as_secs_f64()
    }

    fn note(&mut self, result: Result<(), String>, latency: Duration) {
        match result {
            Ok(()) => self.latencies.push(latency),
            Err(error) => self.errors.push(error),
        }
    }
}

/// Returns a quantile of sorted durations.
pub fn quantile_of(sorted: &[Duration], quantile: f64) -> Duration {
    let index = (sorted.len() as f64 * quantile) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Sends one request. A broken connection is replaced.
pub async fn ask(connection: &mut Connection, contender: &Contender, case: Case) -> Result<(), String> {
    let request = contender.next_request(case);
    let answered = match connection.write(request.as_bytes()).await {
        Ok(()) => connection.answer().await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(answer) => case.check(&answer),
        Err(error) => {
            *connection = contender.connect().await;
            Err(format!("{}: {error}", case.name()))
        }
    }
}
