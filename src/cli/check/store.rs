//! The name of a store in what the commands print.

use crate::config::StoreUrl;

/// Returns a store's URL for people: without its password.
#[must_use]
pub fn store(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Memory => "memory:".into(),
        StoreUrl::Embedded(directory) => format!("embedded:{}", directory.display()),
        StoreUrl::Redis(redis) => redis.to_string(),
        StoreUrl::Postgres(postgres) => format!("{postgres}, schema {}", postgres.schema),
    }
}
