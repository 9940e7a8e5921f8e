//! Certificates and keys in PEM files, and their use by a client.
//!
//! Errors are sentences for an operator. They never repeat the contents of a key file.

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use webpki::EndEntityCert;

/// The reason why certificates or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// A text that is no PEM, or broken PEM.
    #[error("it is no PEM file of certificates: {0}")]
    NoPem(#[source] pem::Error),
    /// PEM without a certificate.
    #[error("there is no PEM certificate (-----BEGIN CERTIFICATE-----) in it")]
    NoCertificate,
    /// A key file without a key that can be read. The cause is left out: it may repeat the contents.
    #[error("there is no usable private key in the key file")]
    NoKey,
    /// A key that belongs to another certificate.
    #[error("the key is not the certificate's")]
    OtherKey,
    /// A certificate and a key that cannot be used for another reason.
    #[error("the certificate or its key is not usable: {0}")]
    Unusable(#[source] rustls::Error),
    /// A certificate of an authority, or an identity of a client, that TLS refuses.
    #[error("{0}")]
    Refused(#[source] rustls::Error),
    /// A machine without root certificates.
    #[error("this machine has no root certificates ({0}); install ca-certificates or set ca")]
    NoRoots(#[source] std::io::Error),
    /// A certificate that is no X.509.
    #[error("it is no X.509 certificate")]
    NotX509,
}

/// The identity of one side of a TLS connection: a certificate with the certificates that vouch for it,
/// and its key.
#[derive(Debug)]
pub struct Identity {
    /// The certificates, the identity's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first certificate.
    pub key: PrivateKeyDer<'static>,
}

/// Reads an identity.
///
/// # Errors
/// Returns an error if there is no certificate or no key, or if the key is not the certificate's.
pub fn identity(chain: &[u8], key: &[u8]) -> Result<Identity, PemError> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PemError::NoKey)?;
    CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => PemError::OtherKey,
        error => PemError::Unusable(error),
    })?;
    Ok(Identity { chain, key })
}

/// Reads the certificates of trusted authorities.
///
/// # Errors
/// Returns an error if there is no certificate, or one that cannot be used.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(PemError::Refused)?;
    }
    Ok(roots)
}

/// Returns the TLS settings of a client. The client trusts `ca` instead of the usual roots, and presents
/// `own` when it is asked for a certificate.
///
/// # Errors
/// Returns an error if this machine has no usual roots, or if `own` cannot be used.
pub fn client(ca: Option<RootCertStore>, own: Option<Identity>) -> Result<ClientConfig, PemError> {
    let builder = ClientConfig::builder();
    let trusting = match ca {
        Some(ca) => builder.with_root_certificates(ca),
        None => builder.with_native_roots().map_err(PemError::NoRoots)?,
    };
    match own {
        Some(own) => trusting.with_client_auth_cert(own.chain, own.key).map_err(PemError::Refused),
        None => Ok(trusting.with_no_client_auth()),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all.map_err(PemError::NoPem)? {
        none if none.is_empty() => Err(PemError::NoCertificate),
        all => Ok(all),
    }
}

/// Returns issuer and subject of the first certificate in a PEM file, in the form of [`names`].
///
/// # Errors
/// Returns an error if there is no certificate, or if it is not X.509.
pub fn issuer_subject(pem: &[u8]) -> Result<Vec<u8>, PemError> {
    let all = certificates(pem)?;
    all.first().and_then(names).ok_or(PemError::NotX509)
}

/// Returns issuer and subject of a certificate in DER, each behind its length in eight bytes. Both stay
/// the same when the certificate is renewed. If the subject is empty, its alternative names stand for it
/// (RFC 5280, 4.2.1.6). Returns `None` if the certificate is not X.509.
#[must_use]
pub fn names(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    /// A sequence in DER without members.
    const EMPTY: &[u8] = &[0x30, 0];
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let (issuer, subject) = (certificate.issuer(), certificate.subject());
    let mut parts = vec![issuer, subject];
    if subject.is_empty() || subject == EMPTY {
        parts.extend(certificate.valid_dns_names().map(str::as_bytes));
        parts.extend(certificate.valid_uri_names().map(str::as_bytes));
    }
    let mut names = Vec::new();
    for part in parts {
        names.extend((part.len() as u64).to_be_bytes());
        names.extend(part);
    }
    Some(names)
}

/// Returns the process's provider of cryptography, whether or not it is installed yet.
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
