//! `oncegate records resolve` without an id: one decision about all unknown outcomes that fit.
//!
//! The command first lists what it would decide, and asks. Then it sends a decision for each record, which
//! holds for the listed execution alone: an operation that ran again meanwhile is not decided unseen.

use std::convert::Infallible;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::output::{self, printed};

use super::advice;
use super::arguments::{Command, List, Many, Order, Resolve, YesNo};
use super::cells::harmless;
use super::client::Client;
use super::print;
use super::request;
use super::sender::{Answer, DecisionRequest, NotTaken, send_all};

/// Number of records that are shown before the question.
const SHOWN: usize = 20;

/// The records that fit.
struct Selected {
    records: Vec<Value>,
    /// True if the limit was reached, so that more records may fit.
    is_cut: bool,
}

/// The results of all decisions.
#[derive(Debug, Default, Serialize)]
struct Results {
    /// The decided records, as the gateway shows them.
    resolved: Vec<Value>,
    /// Decisions that the gateway refused.
    refused: Vec<NotTaken>,
    /// Decisions that failed. If the reason is a missing answer, it is not known whether they were taken.
    failed: Vec<NotTaken>,
    /// Ids of the records for which no decision was sent.
    not_sent: Vec<String>,
}

/// Resolves all records that fit, and prints the results.
///
/// # Errors
/// A message if the records cannot be listed, or if the operator does not confirm the decision.
pub(super) async fn resolve(client: Arc<Client>, args: &Resolve, json: bool) -> Result<ExitCode, String> {
    let selected = select(&client, &args.many).await?;
    let executed = args.executed == YesNo::Yes;
    if !selected.records.is_empty() {
        // A script that reads JSON needs no table.
        if !(json && args.many.yes) {
            show(&selected).map_err(|error| error.to_string())?;
        }
        if !args.many.yes {
            confirm(selected.records.len(), executed)?;
        }
    }
    let results = decide(&client, selected.records, executed, &args.note).await;
    let text = match json {
        true => serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?,
        false => results.text(executed, selected.is_cut),
    };
    let printed = printed(output::print(format_args!("{text}\n")));
    Ok(if results.is_complete() { printed } else { ExitCode::FAILURE })
}

/// Lists the records that fit, the oldest first, up to the limit. A page can be short, even empty, if few
/// records fit.
async fn select(client: &Client, many: &Many) -> Result<Selected, String> {
    let limit = usize::from(many.limit);
    let (mut list, mut records) = (list(many), Vec::new());
    loop {
        list.limit = list.limit.min(u16::try_from(limit - records.len()).unwrap_or(u16::MAX));
        let page = client.send(request::of(&Command::List(list.clone()))?).await?;
        records.extend(page["records"].as_array().into_iter().flatten().cloned());
        list.cursor = page["next_cursor"].as_str().map(str::to_owned);
        if list.cursor.is_none() || records.len() >= limit {
            return Ok(Selected { records, is_cut: list.cursor.is_some() });
        }
    }
}

/// Returns the list of all that fit, the oldest first.
fn list(many: &Many) -> List {
    List {
        state: Some("unknown".into()),
        route: many.route.clone(),
        reason: many.reason.clone(),
        label: many.label.clone(),
        older_than: many.older_than.clone(),
        order: Some(Order::Oldest),
        limit: 1000,
        cursor: None,
    }
}

/// Shows the first records on standard error, and the number of the others.
fn show(selected: &Selected) -> io::Result<()> {
    let Selected { records, is_cut } = selected;
    let mut err = io::stderr().lock();
    writeln!(err, "{}", print::list(&json!({ "records": records.get(..SHOWN).unwrap_or(records) })))?;
    if records.len() > SHOWN {
        writeln!(err, "… and {} more", records.len() - SHOWN)?;
    }
    if *is_cut {
        writeln!(err, "These are the {} oldest; more may fit.", records.len())?;
    }
    Ok(())
}

/// Asks on the terminal.
///
/// # Errors
/// A message if there is no terminal, or if the answer is another one.
fn confirm(count: usize, executed: bool) -> Result<(), String> {
    if !io::stdin().is_terminal() {
        return Err(format!(
            "there is no terminal to ask on; nothing was sent. With --yes, these {count} are resolved without a question"
        ));
    }
    ask(count, executed, &mut io::stdin().lock(), &mut io::stderr().lock())
}

fn ask(count: usize, executed: bool, input: &mut impl BufRead, out: &mut impl Write) -> Result<(), String> {
    let decision = decision(executed);
    let mut line = String::new();
    write!(out, "resolve these {count} as {decision}? type {count} to go on: ")
        .and_then(|()| out.flush())
        .and_then(|()| input.read_line(&mut line))
        .map_err(|error| error.to_string())?;
    match line.trim() == count.to_string() {
        true => Ok(()),
        false => Err("nothing was sent".into()),
    }
}

fn decision(executed: bool) -> &'static str {
    if executed { "executed" } else { "not executed" }
}

/// Sends a decision for each record. Once a decision fails, no further one is sent.
async fn decide(client: &Arc<Client>, records: Vec<Value>, executed: bool, note: &str) -> Results {
    let mut results = Results::default();
    let mut decisions = records.into_iter().map(|record| {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        let body = json!({ "executed": executed, "note": note, "execution": record["execution"] });
        Ok::<_, Infallible>(DecisionRequest { id, body })
    });
    let Ok(()) = send_all(client, &mut decisions, |answer| {
        match answer {
            Answer::Decided(record) => results.resolved.push(record),
            Answer::Refused(refused) => results.refused.push(refused),
            Answer::Failed(failed) => results.failed.push(failed),
        }
        Ok(ControlFlow::Continue(()))
    })
    .await;
    results.not_sent.extend(decisions.flatten().map(|decision| decision.id));
    results
}

impl Results {
    /// Tells whether every decision was taken.
    fn is_complete(&self) -> bool {
        self.refused.is_empty() && self.failed.is_empty() && self.not_sent.is_empty()
    }

    /// Formats the results for people.
    fn text(&self, executed: bool, is_cut: bool) -> String {
        if self.is_complete() && self.resolved.is_empty() {
            return "no unknown outcome fits".into();
        }
        let counts = [
            (self.refused.len(), "refused"),
            (self.failed.len(), "failed"),
            (self.not_sent.len(), "not sent"),
        ];
        let mut lines = vec![format!("resolved {} as {}", self.resolved.len(), decision(executed))];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            lines[0].push_str(&format!(", {count} {what}"));
        }
        let named = [("refused", &self.refused), ("failed", &self.failed)];
        for (what, list) in named {
            lines.extend(list.iter().map(|one| harmless(&format!("{what}: {}  {}", one.id, one.why))));
        }
        if is_cut {
            lines.push("More outcomes may fit: run the command again for the next ones.".into());
        }
        if !self.resolved.is_empty() {
            lines.extend([String::new(), advice::about_many(executed)]);
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_goes_on() {
        let asked = |typed: &str| {
            let mut out = Vec::new();
            let answer = ask(37, false, &mut typed.as_bytes(), &mut out);
            (answer.is_ok(), String::from_utf8(out).expect("text"))
        };
        let question = "resolve these 37 as not executed? type 37 to go on: ";
        assert_eq!(asked("37\n"), (true, question.to_owned()));
        for typed in ["", "\n", "y\n", "yes\n", "3\n", "037\n", "37 38\n"] {
            assert_eq!(asked(typed), (false, question.to_owned()), "{typed:?}");
        }
    }

    #[test]
    fn each_refusal_is_named_without_control_characters() {
        let why = "the record's last one is 2\u{1b}[2J".to_owned();
        let refused = vec![NotTaken { id: "aa".into(), why }];
        let results = Results { resolved: vec![json!({})], refused, ..Results::default() };
        let text = results.text(false, true);
        assert!(
            text.starts_with("resolved 1 as not executed, 1 refused\nrefused: aa  the record's"),
            "{text}"
        );
        assert!(text.contains("is 2\\u{1b}[2J\n") && text.contains("run the command again"), "{text}");
        assert!(!results.is_complete());
    }
}
