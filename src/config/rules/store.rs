//! The registry of the stores, and the settings that all stores have.

use std::sync::Arc;

use crate::config::StoreConfig;
use crate::config::environment::Environment;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::protocol::EntryName;
use crate::store::{StoreSettings, memory};

use super::{limits, seal};

/// The check of a store's section, or in a build without its feature a refusal that names the feature.
macro_rules! with_feature {
    ($feature:literal, $name:literal, $check:expr) => {{
        #[cfg(feature = $feature)]
        const CHECK: Check = $check;
        #[cfg(not(feature = $feature))]
        const CHECK: Check = |at, _| {
            let why = concat!("this build has no ", $name, " store; build with --features ", $feature);
            at.key("url").refuse(why)
        };
        CHECK
    }};
}

/// The stores that `store.url` can name. A new store is one entry here.
const STORES: [KindRules; 4] = [
    KindRules { is_meant: |scheme| scheme == "memory", keys: &[], check: in_memory },
    KindRules {
        is_meant: |scheme| scheme == "embedded",
        keys: &[],
        check: with_feature!("embedded", "embedded", in_a_directory),
    },
    KindRules {
        is_meant: |scheme| scheme.starts_with("redis") || scheme == "unix",
        keys: &[
            KindKey { name: "ca", of: "rediss://", is_given: |file| file.ca.is_some() },
            KindKey {
                name: "sentinel_username",
                of: "Redis",
                is_given: |file| file.sentinel_username.is_some(),
            },
            KindKey {
                name: "sentinel_password",
                of: "Redis",
                is_given: |file| file.sentinel_password.is_some(),
            },
            KindKey { name: "prefix", of: "Redis", is_given: |file| file.prefix.is_some() },
            KindKey { name: "wait_replicas", of: "Redis", is_given: |file| file.wait_replicas.is_some() },
            KindKey { name: "accept_lost", of: "Redis", is_given: |file| file.accept_lost.is_some() },
        ],
        check: with_feature!("redis", "Redis", |at, file| shared(super::redis::settings(at, file))),
    },
    KindRules {
        is_meant: |scheme| scheme.starts_with("postgres"),
        keys: &[
            KindKey { name: "ca", of: "postgres://", is_given: |file| file.ca.is_some() },
            KindKey { name: "schema", of: "Postgres", is_given: |file| file.schema.is_some() },
        ],
        check: with_feature!("postgres", "Postgres", |at, file| shared(super::postgres::settings(at, file))),
    },
];

/// A kind of store.
struct KindRules {
    /// Tells whether a URL with this scheme is meant for the store, be it right or wrong.
    is_meant: fn(&str) -> bool,
    /// The keys that not every store takes.
    keys: &'static [KindKey],
    /// Checks the URL and those keys.
    check: Check,
}

type Check = fn(&KeyCursor<'_>, &file::Store) -> Settings;

/// The settings of a store, unless something was wrong with them.
type Settings = Option<Arc<dyn StoreSettings>>;

/// A key of some stores.
struct KindKey {
    name: &'static str,
    /// Purpose of the key, as its refusal says it.
    of: &'static str,
    is_given: fn(&file::Store) -> bool,
}

/// Checks the whole section.
pub fn store(at: &KeyCursor<'_>, file: &file::Store, environment: &Environment) -> Option<StoreConfig> {
    let scheme = file.url.split_once(':').map(|(scheme, _)| scheme);
    let entry = STORES.iter().find(|entry| scheme.is_some_and(entry.is_meant));
    let keys = misplaced(at, file, entry.map_or(&[], |entry| entry.keys));
    let settings = match entry {
        Some(entry) => (entry.check)(at, file),
        None => no_store(at),
    };
    let timeout = limits::span(&at.key("timeout"), &file.timeout, &limits::STORE_TIMEOUT);
    let start_timeout = limits::span(&at.key("start_timeout"), &file.start_timeout, &limits::START_TIMEOUT);
    let accepted = entries(&at.key("accept_identity_change"), &file.accept_identity_change);
    let retired = entries(&at.key("retired"), &file.retired);
    let seal = seal::keys(&at.key("seal"), &file.seal, environment);
    keys?;
    Some(StoreConfig {
        settings: settings?,
        timeout: timeout?,
        start_timeout: start_timeout?,
        accept_identity_change: accepted?,
        retired: retired?,
        seal: seal?,
    })
}

/// Refuses the keys that are for another store than the one that takes `taken`.
fn misplaced(at: &KeyCursor<'_>, file: &file::Store, taken: &[KindKey]) -> Option<()> {
    let keys = || STORES.iter().flat_map(|entry| entry.keys);
    let mut refused = Vec::new();
    for key in keys().filter(|key| (key.is_given)(file)) {
        if taken.iter().all(|other| other.name != key.name) && !refused.contains(&key.name) {
            refused.push(key.name);
            let of: Vec<&str> = keys().filter(|other| other.name == key.name).map(|other| other.of).collect();
            at.key(key.name).refuse::<()>(format!("is only for {}", of.join(" and ")));
        }
    }
    refused.is_empty().then_some(())
}

fn shared(settings: Option<impl StoreSettings>) -> Settings {
    settings.map(|settings| Arc::new(settings) as Arc<dyn StoreSettings>)
}

fn in_memory(at: &KeyCursor<'_>, file: &file::Store) -> Settings {
    match file.url.as_str() {
        "memory:" => shared(Some(memory::Settings)),
        _ => no_store(at),
    }
}

#[cfg(feature = "embedded")]
fn in_a_directory(at: &KeyCursor<'_>, file: &file::Store) -> Settings {
    match file.url.strip_prefix("embedded:") {
        Some(directory) if !directory.trim().is_empty() => {
            shared(Some(crate::store::embedded::Settings { directory: directory.into() }))
        }
        _ => no_store(at),
    }
}

/// Refuses a URL, which may hold a password and is not repeated.
fn no_store(at: &KeyCursor<'_>) -> Settings {
    at.key("url").refuse(
        "names no store; use \"embedded:DIR\", \"redis://HOST\", \"postgres://HOST/DATABASE\" or \"memory:\"",
    )
}

/// Checks the names of entries, in the form that a refused start prints.
fn entries(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<EntryName>> {
    let checked = texts.iter().enumerate().map(|(index, text)| {
        text.parse().ok().or_else(|| {
            at.item(index).refuse(format!(
                "{text:?} names nothing; write what a refused start printed, like \"POST /v1/charges#1f3a9c\""
            ))
        })
    });
    checked.collect::<Vec<Option<EntryName>>>().into_iter().collect()
}

#[cfg(all(test, not(any(feature = "embedded", feature = "redis", feature = "postgres"))))]
mod tests {
    use crate::config::{Config, Environment};

    #[test]
    fn a_store_that_was_left_out_is_refused_with_its_feature() {
        let read = |url| {
            let environment = Environment::from([("ONCEGATE__STORE__URL", url)]);
            Config::for_upstream("http://127.0.0.1:9", &environment).map_err(|errors| errors.to_string())
        };
        for (url, store) in [
            ("embedded:data", "embedded store; build with --features embedded"),
            ("rediss://cache", "Redis store; build with --features redis"),
            ("postgresql://db/pay", "Postgres store; build with --features postgres"),
        ] {
            let refused = read(url).err().unwrap_or_else(|| panic!("{url} was taken"));
            assert!(refused.ends_with(&format!("store.url: this build has no {store}")), "{refused}");
        }
        assert!(read("memory:").is_ok());
    }
}
