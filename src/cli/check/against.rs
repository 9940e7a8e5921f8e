//! `check --config NEW --against OLD`: what the changes from one configuration to another do to keys in
//! flight, that is, to operations that clients may still retry.
//!
//! A change is dangerous if a retry may run its operation again or unprotected, or may get a wrong outcome,
//! and would not have under the old configuration. Records keep the terms that they were made with (policy,
//! times, the scheme of the fingerprint, and where their evidence is), so most changes concern new
//! operations only. The names of operations are not in the record, so a change of them makes every retry a
//! new operation.
//!
//! Each old route is compared with every new route that takes some of its requests. The route tables of both
//! configurations say which ones these are.

use http::Method;

use crate::cli::page::Page;
use crate::config::{Config, Route};

pub use self::effect::Effect;
use self::names::Names;
use self::requests::{Destination, Requests};

mod calls;
mod effect;
mod evidence;
mod names;
mod outcomes;
mod policy;
mod renamed;
mod requests;
mod route;
mod samples;
mod server;
mod store;

/// Returns the effects of all changes from `old` to `new`, each text once.
#[must_use]
pub fn effects(old: &Config, new: &Config) -> Vec<Effect> {
    let names = Names::between(old, new);
    let requests = requests::of(old, new);
    let mut effects = names.effects();
    for before in &old.routes {
        let own: Vec<&Requests<'_>> = requests.iter().filter(|requests| requests.are_of(before)).collect();
        effects.extend(uncovered(&names, before, &own));
        effects.extend(compared((old, before), new, &own));
    }
    effects.extend(protected(&requests));
    effects.extend(store::effects(old, new));
    effects.extend(names.new_acceptances(old, new));
    effects.extend(server::effects(old, new));
    merged(effects)
}

/// Joins the parts of the configuration for which the same text holds.
fn merged(effects: Vec<Effect>) -> Vec<Effect> {
    let mut merged: Vec<(Vec<String>, Effect)> = Vec::new();
    for effect in effects {
        match merged.iter_mut().find(|(_, other)| other.text == effect.text) {
            Some((parts, _)) if parts.contains(&effect.about) => {}
            Some((parts, _)) => parts.push(effect.about),
            None => merged.push((vec![effect.about.clone()], effect)),
        }
    }
    merged.into_iter().map(|(parts, effect)| Effect { about: parts.join("; "), ..effect }).collect()
}

/// Compares a route with each route that takes some of its requests.
fn compared(old: (&Config, &Route), new: &Config, requests: &[&Requests<'_>]) -> Vec<Effect> {
    let before = old.1;
    let routes: Vec<&Route> = requests.iter().filter_map(|requests| requests.after.route()).collect();
    let mut effects: Vec<Effect> = renamed::effect(before, &routes, new).into_iter().collect();
    for requests in requests {
        let Some(after) = requests.after.route() else { continue };
        let about = match (before.name == after.name, routes.len()) {
            (true, _) => format!("route {:?}", &*before.name),
            (false, 1) => format!("route {:?}, now {:?}", &*before.name, &*after.name),
            (false, _) => {
                format!("route {:?}, now {:?} for {}", &*before.name, &*after.name, requests.shown())
            }
        };
        effects.extend(route::effects(&about, before, after));
        effects.extend(outcomes::effects(&about, before, after));
        effects.extend(policy::effects(&about, before, (new, after)));
        effects.extend(calls::effects(&about, old, (new, after)));
    }
    effects
}

/// Returns the effects of requests of a route that no route takes any more, unless `names` says so.
fn uncovered(names: &Names, before: &Route, requests: &[&Requests<'_>]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for requests in requests {
        let is_told = |method: &Method| names.say_lost(before, method);
        let methods = requests.methods.iter().filter(|method| !is_told(method)).cloned().collect::<Vec<_>>();
        if methods.is_empty() {
            continue;
        }
        let about = format!("route {:?}", &*before.name);
        let which = format!("requests such as {}", requests.with_methods(&methods));
        match requests.after {
            Destination::Route(_) => {}
            Destination::Unprotected => effects.push(Effect::dangerous(
                about,
                format!(
                    "{which} have no route any more and stream to the fallback: a retry of a key in \
                     flight runs again, unprotected"
                ),
            )),
            Destination::Fallback | Destination::Refused => effects.push(Effect::safe(
                about,
                format!(
                    "{which} have no route any more: a retry of a key in flight gets no-route, and its \
                     client does not learn the outcome"
                ),
            )),
        }
    }
    effects
}

/// Returns the effects of routes for requests that streamed to the fallback.
fn protected(requests: &[Requests<'_>]) -> Vec<Effect> {
    let new = requests.iter().filter(|requests| requests.before.is_none());
    let new = new.filter_map(|requests| Some((requests, requests.after.route()?)));
    let effect = |(requests, route): (&Requests<'_>, &Route)| {
        let text = format!(
            "{} streamed to the fallback, and is protected now. A retry of a request of before is a new \
             operation and runs again, as it did before",
            requests.shown()
        );
        Effect::safe(format!("route {:?}", &*route.name), text)
    };
    new.map(effect).collect()
}

/// Describes the effects as text, the dangerous ones first; with `is_short`, these alone.
#[must_use]
pub fn report(effects: &[Effect], is_short: bool) -> String {
    let mut page = Page::default();
    let (dangerous, safe): (Vec<&Effect>, Vec<&Effect>) =
        effects.iter().partition(|effect| effect.is_dangerous);
    let safe = if is_short { Vec::new() } else { safe };
    let mut write = |title: String, start: &str, listed: &[&Effect]| {
        if !listed.is_empty() {
            page.heading(&title);
            listed
                .iter()
                .for_each(|Effect { about, text, .. }| page.hanging(start, &format!("{about}: {text}.")));
        }
    };
    write(format!("Dangerous for keys in flight ({})", dangerous.len()), "  ! ", &dangerous);
    write(format!("Other changes ({})", safe.len()), "  - ", &safe);
    match (effects.is_empty(), dangerous.is_empty() && safe.is_empty()) {
        (true, _) => page.heading("No change concerns keys in flight."),
        (false, true) => page.heading("No dangerous change."),
        (false, false) => {}
    }
    page.into_text()
}
