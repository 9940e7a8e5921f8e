//! Rules for Redis as the store: its URL, and the keys that only Redis takes.

use bytes::Bytes;

use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::secret::Secret;
use crate::store::redis::url::{FORM, Url};
use crate::store::redis::{Servers, Settings};

use super::{limits, tls};

/// Checks all keys of Redis.
pub fn settings(at: &KeyCursor<'_>, file: &file::Store) -> Option<Settings> {
    // The text may hold a password and is not repeated.
    let url = match Url::parse(&file.url) {
        Ok(url) => Some(url),
        Err(why) => at.key("url").refuse(format!("{why}; {FORM}")),
    };
    let plain = url.as_ref().is_some_and(|url| !url.tls);
    let ca = match file.ca.as_deref() {
        Some(_) if plain => at.key("ca").refuse("is only for rediss://"),
        Some(name) => tls::trusted(&at.key("ca"), name).map(Some),
        None => Some(None),
    };
    let sentinels = url.as_ref().is_none_or(|url| matches!(url.servers, Servers::Sentinels(_)));
    let sentinel_username =
        for_sentinels(&at.key("sentinel_username"), file.sentinel_username.as_deref(), sentinels);
    let sentinel_password =
        for_sentinels(&at.key("sentinel_password"), file.sentinel_password.as_deref(), sentinels);
    let prefix = prefix(&at.key("prefix"), file.prefix.as_deref().unwrap_or("oncegate:"));
    let wait = file.wait_replicas.unwrap_or(0);
    let wait = limits::count(&at.key("wait_replicas"), wait, &limits::REPLICAS);
    let Url { servers, tls, username, password, database } = url?;
    Some(Settings {
        servers,
        tls,
        ca: ca?.map(Bytes::from),
        username,
        password,
        sentinel_username: sentinel_username?,
        sentinel_password: sentinel_password?.map(Secret),
        database,
        prefix: prefix?,
        wait_replicas: u32::try_from(wait?).ok()?,
        accept_lost: file.accept_lost.unwrap_or(false),
    })
}

/// Checks a setting for sentinels. It is refused if there are no sentinels.
fn for_sentinels(at: &KeyCursor<'_>, text: Option<&str>, sentinels: bool) -> Option<Option<String>> {
    match text {
        Some(_) if !sentinels => at.refuse("is only for redis+sentinel://"),
        Some("") => at.refuse("is empty; leave it out where sentinels ask for none"),
        given => Some(given.map(str::to_owned)),
    }
}

fn prefix(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_graphic() && !"{}".contains(c);
    if text.len() > 64 || !text.chars().all(fits) {
        return at.refuse("is at most 64 printable ASCII characters, without spaces and braces");
    }
    Some(text.to_owned())
}
