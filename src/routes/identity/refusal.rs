//! The message that explains why a gateway does not start, and how to go on.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::protocol::{Entry, EntryName, Identity, ScopePart};

/// An entry, and the routes that name its operations differently.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The entry in the store.
    pub entry: Entry,
    /// The routes: their names and identities.
    pub routes: Vec<(Arc<str>, Identity)>,
    /// The names by which an operator accepts the change.
    pub names: Vec<EntryName>,
}

/// The reasons why a configuration must not serve over a store, and both ways to go on.
#[derive(Clone, Debug)]
pub struct NamesRefusal {
    pub(super) conflicts: Vec<Conflict>,
    pub(super) lost: Vec<Entry>,
    /// Entries with paths that a change while the gateway serves would leave to the fallback.
    pub(super) exposed: Vec<Entry>,
    /// True if a fallback that refuses keys would refuse those of all exposed entries.
    pub(super) can_refuse: bool,
    pub(super) from_earlier: bool,
    pub(super) without_file: bool,
    /// True if the gateway serves already, under another configuration.
    pub(super) while_serving: bool,
}

impl fmt::Display for NamesRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflicts.is_empty() && self.lost.is_empty() {
            return self.exposure(f);
        }
        writeln!(
            f,
            "this configuration names operations otherwise than the store does. A retry of an operation that \
             the store holds would be another operation, and run again."
        )?;
        if self.from_earlier {
            writeln!(
                f,
                "\nThe store comes from an earlier release, which did not note how it named them. It is taken to \
                 have had that release's defaults: the route's name as namespace, a scope of authorization, no \
                 path. Where its file said otherwise, write in the routes what it said, and accept."
            )?;
        }
        for group in self.groups() {
            conflict(f, &group)?;
        }
        for entry in &self.lost {
            writeln!(f, "\n{}\n  in the store:  {}", entry.name(), entry.identity)?;
            writeln!(
                f,
                "  now:           no route covers it, so a retry would run unprotected, or be refused"
            )?;
            writeln!(f, "  to go on as before, keep a route for it")?;
        }
        if !self.exposed.is_empty() {
            writeln!(f)?;
            self.exposure(f)?;
            writeln!(f)?;
        }
        self.acceptance(f)?;
        if self.while_serving {
            return Ok(());
        }
        write!(
            f,
            "\nA gateway that serves already is not stopped by this check: make such a change while none serves."
        )
    }
}

impl NamesRefusal {
    /// Groups the conflicts that differ in their method only.
    fn groups(&self) -> Vec<Vec<&Conflict>> {
        let mut groups: Vec<Vec<&Conflict>> = Vec::new();
        for conflict in &self.conflicts {
            let is_like = |other: &Conflict| {
                other.entry.pattern == conflict.entry.pattern
                    && other.entry.identity == conflict.entry.identity
                    && other.routes == conflict.routes
            };
            match groups.iter_mut().find(|group| group.first().is_some_and(|first| is_like(first))) {
                Some(group) => group.push(conflict),
                None => groups.push(vec![conflict]),
            }
        }
        groups
    }

    /// Writes which paths would stream to the fallback.
    fn exposure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the fallback takes such keys, and no route would cover some paths of operations any more. Their retries \
             would stream to the fallback and run again, unprotected, even while the first execution runs:"
        )?;
        let mut names: Vec<String> = self.exposed.iter().map(|entry| entry.name().to_string()).collect();
        names.dedup();
        writeln!(f, "\n  {}\n", names.join("\n  "))?;
        let way = match self.can_refuse {
            true => {
                "Keep routes for all spellings of these paths, or write keyed = \"refuse\" in [fallback]."
            }
            false => {
                "Keep routes for all spellings of these paths. The fallback sees no key in a body, so keyed = \
                 \"refuse\" does not help."
            }
        };
        write!(f, "{way} A start takes such a change, with a warning.")
    }

    /// Writes the configuration lines that accept all changes.
    fn acceptance(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |names: &mut dyn Iterator<Item = EntryName>| {
            // Entries of an exact and of an equivalent route may have one name.
            let mut listed: Vec<String> = names.map(|name| format!("{:?}", name.to_string())).collect();
            let mut seen = HashSet::new();
            listed.retain(|name| seen.insert(name.clone()));
            listed.join(", ")
        };
        let changed = listed(&mut self.conflicts.iter().flat_map(|conflict| conflict.names.iter().cloned()));
        let retired = listed(&mut self.lost.iter().map(Entry::name));
        let way = match self.while_serving {
            true => {
                "A reload takes no such change, because operations run. To accept that retries of what the store \
                 holds there may run again, stop all gateways of this store, and start them with these lines in \
                 [store]:"
            }
            false => "To accept that retries of what the store holds there may run again, write in [store]:",
        };
        writeln!(f, "\n{way}\n")?;
        if !changed.is_empty() {
            writeln!(f, "  accept_identity_change = [{changed}]")?;
        }
        if !retired.is_empty() {
            writeln!(f, "  retired = [{retired}]")?;
        }
        if self.without_file && !changed.is_empty() {
            writeln!(
                f,
                "\nor, without a file, set in the environment:\n\n  \
                 ONCEGATE__STORE__ACCEPT_IDENTITY_CHANGE='[{changed}]'"
            )?;
        }
        Ok(())
    }
}

/// Writes one conflict, which may be of several methods.
fn conflict(f: &mut fmt::Formatter<'_>, group: &[&Conflict]) -> fmt::Result {
    let Some(Conflict { entry, routes, .. }) = group.first() else { return Ok(()) };
    writeln!(f)?;
    for name in group.iter().flat_map(|conflict| &conflict.names) {
        writeln!(f, "{name}")?;
    }
    writeln!(f, "  in the store:  {}", entry.identity)?;
    for (name, identity) in routes {
        writeln!(f, "  now:           {identity} (route {name:?})")?;
    }
    for (name, identity) in routes {
        keeping(f, &entry.identity, name, identity)?;
    }
    Ok(())
}

/// Writes the configuration lines that keep an identity.
fn keeping(f: &mut fmt::Formatter<'_>, kept: &Identity, route: &Arc<str>, now: &Identity) -> fmt::Result {
    let certificate = ScopePart::ClientCertificate.to_string();
    let (before, after) = (kept.scope.contains(&certificate), now.scope.contains(&certificate));
    if after && !before {
        return writeln!(
            f,
            "  these names cannot be kept while [server] tls has client_ca: the client's certificate is part of \
             every scope then"
        );
    }
    if kept.scheme != now.scheme {
        return writeln!(f, "  these names cannot be kept: this version makes the ids of records otherwise");
    }
    writeln!(f, "  to keep the names, write in the route {route:?}:\n")?;
    for (line, other) in kept.lines().iter().zip(now.lines()) {
        if *line != other {
            writeln!(f, "    {line}")?;
        }
    }
    if before && !after {
        writeln!(f, "\n  which needs client_ca in [server] tls, as before")?;
    }
    Ok(())
}
