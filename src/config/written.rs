//! The settings of a configuration by their keys, to tell what a reload changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Keys that only a start reads. A key that ends with a dot stands for all keys that begin with it.
const RESTART: &[&str] = &[
    "admin.listen",
    "admin.notify",
    "admin.tls",
    "log.",
    "otel.",
    "server.body_read_timeout",
    "server.header_read_timeout",
    "server.http2",
    "server.keep_alive_timeout",
    "server.listen",
    "server.max_connections",
    "server.problem_docs",
    "server.tls",
    "store.",
];
/// Keys below those of [`RESTART`] that a reload takes up.
const LIVE: &[&str] = &["store.seal"];
/// Lists that only a start may extend, because operations then get other names, which has to happen while no
/// gateway serves. A reload may shorten them.
const ACCEPTANCES: &[&str] = &["store.accept_identity_change", "store.retired"];
/// Ends of the keys of a marker table, which only a start moves: a fence in another table says nothing about
/// the executions that the first one was asked about.
const MARKER: &[&str] = &[".marker.url", ".marker.table"];
/// Tables with items that have names, and may come and go as a whole.
const NAMED: &[&str] = &["problems", "routes", "upstreams"];

/// The text of a configuration.
#[derive(Clone, Default)]
pub struct Written {
    /// SHA-256 of the text, in hexadecimal digits.
    pub digest: String,
    /// The value of each key, defaults included. Values may be secrets and are never printed.
    values: BTreeMap<String, Value>,
}

/// The difference between two configurations, as keys like `routes.charges.ttl`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys with another value, and named items that came (`routes.charges (new)`) or went
    /// (`routes.charges (removed)`).
    pub changed: Vec<String>,
    /// The keys among them that only a start reads.
    pub need_restart: Vec<String>,
}

impl fmt::Debug for Written {
    /// Prints nothing, because two texts may make the same configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(…)")
    }
}

impl Written {
    /// Takes the keys and values of a file.
    ///
    /// # Errors
    /// [`serde_json::Error`] for a value without a form in JSON. Without the values, no reload could tell which
    /// keys changed, so it would take up keys that only a start reads.
    pub(super) fn of(file: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut all = BTreeMap::new();
        flatten(String::new(), serde_json::to_value(file)?, &mut all);
        Ok(Self { digest: String::new(), values: all })
    }

    /// Returns the difference from this configuration to `new`.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> Changes {
        let keys: BTreeSet<&String> = self.values.keys().chain(new.values.keys()).collect();
        let mut changed: Vec<String> = Vec::new();
        for key in keys.into_iter().filter(|key| self.values.get(*key) != new.values.get(*key)) {
            let told = match item(key) {
                Some(item) if !self.has_item(item) => format!("{item} (new)"),
                Some(item) if !new.has_item(item) => format!("{item} (removed)"),
                _ => key.clone(),
            };
            if changed.last() != Some(&told) {
                changed.push(told);
            }
        }
        let need_restart = changed.iter().filter(|key| self.only_start_takes(key, new)).cloned().collect();
        Changes { changed, need_restart }
    }

    /// Tells whether only a start takes up the change of a key.
    fn only_start_takes(&self, key: &str, new: &Self) -> bool {
        if MARKER.iter().any(|end| key.ends_with(end)) {
            return self.values.contains_key(key) && new.values.contains_key(key);
        }
        if !ACCEPTANCES.contains(&key) {
            return needs_restart(key);
        }
        let listed =
            |written: &Self| written.values.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let earlier = listed(self);
        listed(new).iter().any(|name| !earlier.contains(name))
    }

    /// Tells whether the value of a key is `true`.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.values.get(key) == Some(&Value::Bool(true))
    }

    /// Returns the number that is the value of a key, or 0.
    #[must_use]
    pub fn number(&self, key: &str) -> i64 {
        self.values.get(key).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Returns the text that is the value of a key, if there is one. The text of some keys is a secret.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(Value::as_str)
    }

    fn has_item(&self, item: &str) -> bool {
        let from = format!("{item}.");
        self.values.range(from.clone()..).next().is_some_and(|(key, _)| key.starts_with(&from))
    }
}

/// Returns the named item that a key belongs to, such as `routes.charges`.
fn item(key: &str) -> Option<&str> {
    let (table, rest) = key.split_once('.')?;
    // A name may contain dots, and is escaped by quotes then.
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"')? + 2,
        None => rest.find('.').unwrap_or(rest.len()),
    };
    NAMED.contains(&table).then(|| &key[..table.len() + 1 + end])
}

fn needs_restart(key: &str) -> bool {
    let is_of = |known: &str| match known.ends_with('.') {
        true => key.starts_with(known),
        false => key == known || key.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')),
    };
    RESTART.iter().any(|known| is_of(known)) && !LIVE.iter().any(|known| is_of(known))
}

/// Adds the values below `path`. Items of an array of tables go by their names, where they have one.
fn flatten(path: String, value: Value, all: &mut BTreeMap<String, Value>) {
    let below = |name: &str| match (path.is_empty(), name.contains(['.', '"'])) {
        (true, _) => name.to_owned(),
        (false, false) => format!("{path}.{name}"),
        (false, true) => format!("{path}.{name:?}"),
    };
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(below(&name), value, all);
            }
        }
        Value::Array(items) if path == "routes" => {
            for (index, item) in items.into_iter().enumerate() {
                let name = item["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                flatten(below(&name), item, all);
            }
        }
        Value::Null => {}
        value => {
            all.insert(path, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    const FILE: &str = "[store]\nurl = 'memory:'\n[upstreams.a]\nurl = 'http://127.0.0.1:1'\n\
                        [fallback]\nupstream = 'a'\n[[routes]]\nname = 'one'\npath = '/1'\nupstream = 'a'\n";

    fn written(text: &str) -> Written {
        let config = Config::parse(text, "a file", &Environment::default());
        config.unwrap_or_else(|errors| panic!("{errors}")).written
    }

    #[track_caller]
    fn assert_changes(from: &str, to: &str, changed: &[&str]) {
        let new = FILE.replace(from, to);
        assert_ne!(new, FILE, "{from}");
        let (there, back) =
            (written(FILE).changes_to(&written(&new)), written(&new).changes_to(&written(FILE)));
        assert_eq!(there.changed, changed);
        assert_eq!(there.changed.len(), back.changed.len(), "{back:?}");
    }

    #[test]
    fn changes_are_named_by_their_keys() {
        assert_changes("path = '/1'", "path = '/2'", &["routes.one.path"]);
        assert_changes("name = 'one'", "name = 'two'", &["routes.one (removed)", "routes.two (new)"]);
        assert_changes("[[routes]]", "[upstreams.b]\nurl = 'http://b'\n[[routes]]", &["upstreams.b (new)"]);
        assert_changes("upstream = 'a'\n[[", "upstream = 'a'\nkeyed = 'refuse'\n[[", &["fallback.keyed"]);
        assert_changes(
            "name = 'one'",
            "name = 'one'\nkey = { required = true }",
            &["routes.one.key.required"],
        );
    }

    #[test]
    fn values_that_cannot_be_told_apart_are_an_error() {
        let unwritable = BTreeMap::from([((1, 2), "a key of two numbers is none of JSON")]);
        assert!(Written::of(&unwritable).is_err());
    }

    #[test]
    fn a_value_that_is_the_default_is_no_change() {
        let new = FILE.replace("name = 'one'", "ttl = '24h'\nname = 'one'");
        assert_eq!(written(FILE).changes_to(&written(&format!("# a comment\n{new}"))), Changes::default());
    }

    #[test]
    fn only_a_start_adds_an_acceptance() {
        let with =
            |lines: &str| written(&FILE.replace("url = 'memory:'", &format!("url = 'memory:'\n{lines}")));
        let (none, one) = (with(""), with("retired = ['POST /v1#123456']"));
        assert_eq!(none.changes_to(&one).need_restart, ["store.retired"]);
        assert_eq!(one.changes_to(&none).need_restart, [""; 0]);
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn only_a_start_moves_a_marker() {
        let marker = |table: &str| {
            let table = format!("{{ url = 'postgres://u@127.0.0.1/db', table = '{table}' }}");
            written(&format!("{FILE}on_unknown = 'marker'\nmarker = {table}\n"))
        };
        assert_eq!(marker("a").changes_to(&marker("b")).need_restart, ["routes.one.marker.table"]);
        assert_eq!(written(FILE).changes_to(&marker("b")).need_restart, [""; 0]);
    }
}
