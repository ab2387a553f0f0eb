//! Connections that are encrypted, and nodes that prove who they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What Cassandra's nodes are told by, and what we show them. Read once, when it is made.
///
/// A node's certificate must name its IP address: addresses are all that the driver knows of it.
#[derive(Clone)]
pub struct Encryption {
    pub(crate) config: Arc<ClientConfig>,
    /// Whether nodes that ask for one get a certificate.
    pub(crate) shows_certificate: bool,
}

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionFiles {
    /// The certificates that sign those of the nodes.
    pub authorities: PathBuf,
    /// Our own certificate and its key, for clusters that ask for it.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Why connections cannot be encrypted. The texts name the file and what was expected in it.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// A file has not what it should have.
    #[error("expected {what} in PEM form in {path}", path = path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What was found.
        source: pem::Error,
    },
    /// A file has no certificate at all.
    #[error("expected certificates in PEM form in {path}, found none", path = .0.display())]
    Empty(PathBuf),
    /// What the files say cannot be used.
    #[error("the certificates for Cassandra cannot be used")]
    Unusable(#[from] rustls::Error),
}

impl Encryption {
    /// Reads the files.
    pub fn from_files(files: &EncryptionFiles) -> Result<Self, EncryptionError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.authorities)? {
            roots.add(authority)?;
        }
        // Both libraries of cryptography are in the build, so none is the default.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &files.own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let found = PrivateKeyDer::from_pem_file(key);
                let key = found.map_err(|source| file("a private key", key, source))?;
                builder.with_client_auth_cert(certificates(chain)?, key)?
            }
        };
        Ok(Self {
            config: Arc::new(config),
            shows_certificate: files.own.is_some(),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EncryptionError> {
    let failed = |source| file("certificates", path, source);
    let read = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(EncryptionError::Empty(path.to_owned()));
    }
    Ok(found)
}

fn file(what: &'static str, path: &Path, source: pem::Error) -> EncryptionError {
    EncryptionError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let folder = std::env::temp_dir().join(format!("cassmail-ca-{}", std::process::id()));
        std::fs::write(&folder, "nothing\n").expect("a file");
        let files = EncryptionFiles {
            authorities: folder.clone(),
            own: None,
        };
        let refused = Encryption::from_files(&files).err().expect("refused");
        std::fs::remove_file(&folder).expect("removed");
        let expected = "expected certificates in PEM form in ";
        assert!(refused.to_string().starts_with(expected), "{refused}");
        let missing = Encryption::from_files(&files).err().expect("refused");
        assert!(missing.to_string().starts_with(expected), "{missing}");
    }
}
