//! Files of certificates and keys. Each file is read once, so that a wrong file is found early.

use std::path::PathBuf;

use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{IdentityFiles, ListenerTls};
use crate::{pem, regular_file};

/// Checks the TLS of a listener. `Some(None)` is a listener without TLS.
pub fn listener(at: &KeyCursor<'_>, file: Option<&file::ListenerTls>) -> Option<Option<ListenerTls>> {
    let Some(file) = file else {
        return Some(None);
    };
    let identity = files(at, file.cert.as_deref(), file.key.as_deref());
    let client_ca = authorities(&at.key("client_ca"), file.client_ca.as_deref());
    Some(Some(ListenerTls { identity: identity?, client_ca: client_ca? }))
}

/// Checks a client certificate. `Some(None)` presents no certificate.
pub fn identity(at: &KeyCursor<'_>, file: Option<&file::Identity>) -> Option<Option<IdentityFiles>> {
    match file {
        None => Some(None),
        Some(file) => files(at, file.cert.as_deref(), file.key.as_deref()).map(Some),
    }
}

/// Checks a file of certificates to trust. `Some(None)` if no file is named.
pub fn authorities(at: &KeyCursor<'_>, file: Option<&str>) -> Option<Option<PathBuf>> {
    match file {
        None => Some(None),
        Some(name) => trusted(at, name).map(|_| Some(name.into())),
    }
}

/// Reads the certificates to trust from a file, and checks them.
pub fn trusted(at: &KeyCursor<'_>, file: &str) -> Option<Vec<u8>> {
    let pem = read(at, file)?;
    match pem::roots(&pem) {
        Ok(_) => Some(pem),
        Err(why) => at.refuse_file(format!("{file:?}: {why}")),
    }
}

fn files(at: &KeyCursor<'_>, cert: Option<&str>, key: Option<&str>) -> Option<IdentityFiles> {
    let (at_cert, at_key) = (at.key("cert"), at.key("key"));
    let cert = at_cert.require(cert, "a PEM file with the certificate and those that vouch for it");
    let key = at_key.require(key, "the PEM file of the certificate's private key");
    let contents = cert.and_then(|cert| read(&at_cert, cert));
    let secret = key.and_then(|key| read_key(&at_key, key));
    match pem::identity(&contents?, &secret?) {
        Ok(_) => Some(IdentityFiles { cert: cert?.into(), key: key?.into() }),
        Err(why) => at.refuse_file(why.to_string()),
    }
}

/// Returns the contents of a file of certificates.
fn read(at: &KeyCursor<'_>, file: &str) -> Option<Vec<u8>> {
    match contents(file) {
        Err(Unread::Pem) => at.refuse(NOT_PEM),
        Err(Unread::Failed(error)) => at.refuse_file(format!("{file:?} cannot be read: {error}")),
        Ok(contents) => Some(contents),
    }
}

/// Returns the contents of a file with a private key. The text may be the key itself, in some form, so the
/// message does not repeat it.
fn read_key(at: &KeyCursor<'_>, file: &str) -> Option<Vec<u8>> {
    match contents(file) {
        Err(Unread::Pem) => at.refuse(NOT_PEM),
        Err(Unread::Failed(error)) => {
            at.refuse_file(format!("the file that it names cannot be read: {error}"))
        }
        Ok(contents) => Some(contents),
    }
}

const NOT_PEM: &str = "holds PEM itself; write the name of a file that does";

/// The reason why a file was not read.
enum Unread {
    Pem,
    Failed(std::io::Error),
}

fn contents(file: &str) -> Result<Vec<u8>, Unread> {
    if file.contains("-----BEGIN") {
        return Err(Unread::Pem);
    }
    regular_file::read(file.as_ref()).map_err(Unread::Failed)
}
