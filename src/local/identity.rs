//! Certificates of the reference behind TLS, under an authority that is forgotten with this process.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;

use crate::profile::Overrides;
use crate::reference::{ClientIdentity, TlsIdentity};

/// Names and addresses under which a reference is asked.
const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// A new authority and what it has issued.
pub struct Issued {
    /// What the reference serves with.
    pub identity: TlsIdentity,
    authority: String,
    /// Certificate and key for who asks, as PEM.
    client: Option<(String, String)>,
}

/// Files that a profile names.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// `tls.ca_file`.
    pub authority: PathBuf,
    /// `tls.client_cert_file` and `tls.client_key_file`.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// The same files as `profile` may name them: by name where they lie beside it, so that they can be moved together.
    ///
    /// # Errors
    /// When there is no working directory.
    pub fn named_in(&self, profile: &Path) -> io::Result<Self> {
        let parent = |path: &Path| path.parent().map(Path::to_owned);
        let named = |path: &PathBuf| match path.file_name() {
            Some(name) if parent(path) == parent(profile) => Ok(PathBuf::from(name)),
            _ => std::path::absolute(path),
        };
        let client = match &self.client {
            Some((certificate, key)) => Some((named(certificate)?, named(key)?)),
            None => None,
        };
        Ok(Self { authority: named(&self.authority)?, client })
    }

    /// `layer` with the keys that name these files.
    #[must_use]
    pub fn told(&self, layer: Overrides) -> Overrides {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let layer = layer.set("tls.ca_file", text(&self.authority));
        match &self.client {
            Some((certificate, key)) => {
                layer.set("tls.client_cert_file", text(certificate)).set("tls.client_key_file", text(key))
            }
            None => layer,
        }
    }
}

impl Issued {
    /// A certificate for loopback; with `demands_client` one for clients, too, without which nobody is let in.
    ///
    /// # Errors
    /// When the system has no randomness for keys.
    pub fn new(demands_client: bool) -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "netra-check reference authority");
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let (server, server_key) = issue(&issuer, NAMES.as_slice(), ExtendedKeyUsagePurpose::ServerAuth)?;
        let client = match demands_client {
            true => Some(issue(&issuer, &["netra-check"], ExtendedKeyUsagePurpose::ClientAuth)?),
            false => None,
        };
        Ok(Self {
            identity: TlsIdentity {
                chain: vec![server.der().clone()],
                key: der_of(&server_key),
                authority: authority_certificate.der().clone(),
                client: client.as_ref().map(|(certificate, key)| ClientIdentity {
                    chain: vec![certificate.der().clone()],
                    key: der_of(key),
                }),
            },
            authority: authority_certificate.pem(),
            client: client.map(|(certificate, key)| (certificate.pem(), key.serialize_pem())),
        })
    }

    /// Writes the authority's certificate to `path`, and those of clients beside it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<TlsFiles> {
        fs::write(path, &self.authority)?;
        let client = match &self.client {
            None => None,
            Some((certificate, key)) => {
                let (certificate_path, key_path) =
                    (path.with_extension("client.pem"), path.with_extension("client.key"));
                fs::write(&certificate_path, certificate)?;
                let mut private = fs::OpenOptions::new();
                let mut file = private.write(true).create(true).truncate(true).mode(0o600).open(&key_path)?;
                file.write_all(key.as_bytes())?;
                Some((certificate_path, key_path))
            }
        };
        Ok(TlsFiles { authority: path.to_owned(), client })
    }
}

fn issue(
    issuer: &Issuer<'_, KeyPair>,
    names: &[&str],
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.extended_key_usages = vec![purpose];
    Ok((params.signed_by(&key, issuer)?, key))
}

fn der_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}
