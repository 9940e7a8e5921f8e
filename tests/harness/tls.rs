//! Certificates, made for the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate authority, with a directory for all files.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The file with which a peer trusts this authority.
    pub ca: PathBuf,
    directory: TempDir,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Files {
    /// Returns both paths as lines of the configuration.
    pub fn keys(&self) -> String {
        format!("cert = \"{}\", key = \"{}\"", self.cert.display(), self.key.display())
    }
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        let key = KeyPair::generate().expect("a key");
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), ca, directory }
    }

    /// Certifies `localhost`, in files with this name. Existing files are replaced.
    pub fn certify(&self, file: &str) -> Files {
        self.certify_with(file, |_| {})
    }

    /// Certifies `localhost` with a certificate that has expired.
    pub fn certify_expired(&self, file: &str) -> Files {
        self.certify_with(file, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))
    }

    /// Certifies a client with this name as its subject. Without a subject, the certificate has the
    /// alternative name only.
    pub fn certify_client(&self, file: &str, subject: Option<&str>, alternative: &str) -> Files {
        self.certify_with(file, |params| {
            params.distinguished_name = DistinguishedName::new();
            if let Some(subject) = subject {
                params.distinguished_name.push(DnType::CommonName, subject);
            }
            params.subject_alt_names =
                CertificateParams::new([alternative.to_owned()]).expect("a name").subject_alt_names;
        })
    }

    fn certify_with(&self, file: &str, change: impl FnOnce(&mut CertificateParams)) -> Files {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        change(&mut params);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let own = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&own, &self.issuer).expect("a certificate");
        let path = |end: &str| self.directory.path().join(format!("{file}.{end}"));
        let files = Files { cert: path("crt"), key: path("key") };
        std::fs::write(&files.key, own.serialize_pem()).expect("a file");
        std::fs::write(&files.cert, certificate.pem()).expect("a file");
        files
    }

    /// Returns a connector for clients that trust this authority.
    pub fn client(&self, identity: Option<&Files>, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca) {
            roots.add(certificate).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let config = config.with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
                config.with_client_auth_cert(certificates(&files.cert), key).expect("an identity")
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// Reads the certificates of a file.
pub fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_file_iter(file).expect("a file").collect::<Result<_, _>>();
    all.expect("certificates")
}

/// Opens a TLS connection to `localhost`.
pub async fn connect(connector: &TlsConnector, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}
