//! Rules for Postgres as the store: its URL, and the keys beside it.

use crate::config::Marker;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::secret::Secret;
use crate::store::postgres::Settings;
use crate::store::postgres::url::{FORM, Url};

use super::tls;

/// Checks all keys of Postgres.
pub fn settings(at: &KeyCursor<'_>, file: &file::Store) -> Option<Settings> {
    // The text may hold a password and is not repeated.
    let url = match Url::parse(&file.url) {
        Ok(url) => Some(url),
        Err(why) => at.key("url").refuse(format!("{why}; {FORM}")),
    };
    let ca = match file.ca {
        Some(_) if url.as_ref().is_some_and(|url| url.has_roots) => {
            at.key("ca").refuse("is given twice: the URL has an sslrootcert")
        }
        _ => tls::authorities(&at.key("ca"), file.ca.as_deref()),
    };
    let schema = schema(&at.key("schema"), file.schema.as_deref().unwrap_or("oncegate"));
    let Url { servers, shown, is_verified, .. } = url?;
    Some(Settings { servers, shown, is_verified, ca: ca?, schema: schema? })
}

/// Checks the name of a schema: it needs no quotes and is not reserved.
fn schema(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    let mut letters = text.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain || text.len() > 48 || text.starts_with("pg_") {
        return at.refuse("is at most 48 lower-case letters, digits and _, not first a digit, nor pg_");
    }
    Some(text.to_owned())
}

/// Checks the database of an upstream's marks.
pub fn marker(at: &KeyCursor<'_>, file: &file::Marker) -> Option<Marker> {
    let url_at = at.key("url");
    let text =
        url_at.require(file.url.as_deref(), "the upstream's Postgres, like \"postgres://HOST/DATABASE\"");
    // The text may hold a password and is not repeated.
    let url = text.and_then(|text| match Url::parse(text) {
        Ok(url) => Some((Secret(text.to_owned()), url)),
        Err(why) => url_at.refuse(format!("{why}; {FORM}")),
    });
    let table = table(&at.key("table"), &file.table);
    let (secret, Url { shown, is_verified, .. }) = url?;
    Some(Marker { url: secret, shown, is_verified, table: table? })
}

/// Checks the name of a table, with or without a schema: it needs no escapes.
fn table(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    let plain = |name: &str| {
        let first = |c: char| c.is_ascii_lowercase() || c == '_';
        name.starts_with(first) && name.len() <= 63 && name.chars().all(|c| first(c) || c.is_ascii_digit())
    };
    let names: Vec<&str> = text.split('.').collect();
    if names.len() > 2 || !names.into_iter().all(plain) {
        return at.refuse(
            "is not the name of a table; allowed: lower-case letters, digits and _, not first a digit, at most 63, \
             and a schema with a point in front if need be, like \"payments.oncegate_marker\"",
        );
    }
    Some(text.to_owned())
}
