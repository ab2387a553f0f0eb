//! What the server proves its name with.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use thiserror::Error as ThisError;

use super::expiry;

/// Where a certificate and its key lie, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those that lead to an authority.
    pub chain: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// The certificates in use. Clones share them, so a reload is seen by all listeners at once;
/// connections that are open keep what they agreed on.
#[derive(Debug, Clone)]
pub struct Certificates {
    shelf: Arc<Shelf>,
}

/// When a certificate ends to be valid, in seconds since 1970; none when it could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub Option<u64>);

impl Expiry {
    /// Whether it is over, at this time in microseconds since 1970.
    pub fn is_over(self, wall_micros: u64) -> bool {
        self.0.is_some_and(|end| end < wall_micros / 1_000_000)
    }
}

impl Certificates {
    /// Reads a certificate from files, where [`Certificates::reload`] will look again.
    pub fn from_files(files: CertificateFiles) -> Result<Self, TlsError> {
        let key = read_files(&files)?;
        Ok(Self::new(key, Some(files)))
    }

    /// Takes a certificate in PEM form, for those that are made at start.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let origin = Path::new("(made at start)");
        let key = certified_key((origin, chain), (origin, key))?;
        Ok(Self::new(key, None))
    }

    fn new(key: CertifiedKey, files: Option<CertificateFiles>) -> Self {
        let in_use = ArcSwap::from_pointee(key);
        Self {
            shelf: Arc::new(Shelf { in_use, files }),
        }
    }

    /// Reads the files again and uses what is there from the next handshake on. After an error the
    /// old certificate stays in use. Does nothing for a certificate that came from no file.
    ///
    /// This reads files: call it from a thread that may wait.
    pub fn reload(&self) -> Result<Expiry, TlsError> {
        if let Some(files) = &self.shelf.files {
            self.shelf.in_use.store(Arc::new(read_files(files)?));
        }
        Ok(self.expiry())
    }

    /// When the certificate in use ends to be valid. One that is over is used all the same: mail
    /// servers mostly do not look, and no TLS would be worse. It is worth a warning.
    pub fn expiry(&self) -> Expiry {
        let key = self.shelf.in_use.load();
        Expiry(key.cert.first().and_then(|own| expiry::not_after(own)))
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.shelf) as Arc<dyn ResolvesServerCert>
    }
}

/// One certificate for all names; where several are wanted, [`Shelf::resolve`] is the place that
/// knows the name a client asked for.
struct Shelf {
    in_use: ArcSwap<CertifiedKey>,
    files: Option<CertificateFiles>,
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_use.load_full())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Why TLS cannot be offered. The texts name the file and what was expected in it.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// A file could not be read.
    #[error("read {what} from {path}: {hint}", path = path.display(), hint = hint(source))]
    Read {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file has no such thing in it.
    #[error(
        "find {what} in {path}: expected PEM text with a line '-----BEGIN {label}-----'",
        path = path.display()
    )]
    Absent {
        /// What was looked for.
        what: &'static str,
        /// How it begins.
        label: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// A file is not PEM, or cut off.
    #[error("read {what} from {path}: the PEM text is damaged", path = path.display())]
    Damaged {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The key is of a kind that is not spoken.
    #[error(
        "use the private key in {path}: expected RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, \
         or Ed25519",
        path = path.display()
    )]
    Unusable {
        /// Where the key is.
        path: PathBuf,
        /// What is wrong with it.
        source: Error,
    },
    /// The key is not that of the certificate.
    #[error(
        "use the private key in {key}: it does not belong to the first certificate in {chain}",
        key = key.display(), chain = chain.display()
    )]
    Mismatch {
        /// Where the key is.
        key: PathBuf,
        /// Where the certificate is.
        chain: PathBuf,
    },
    /// The certificate cannot be understood.
    #[error("use the certificate in {path}", path = path.display())]
    Strange {
        /// Where the certificate is.
        path: PathBuf,
        /// What is wrong with it.
        source: Error,
    },
    /// TLS itself could not be set up.
    #[error("set up TLS")]
    Configure {
        /// What is wrong.
        source: Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "the user that runs cassmail may not read it",
        io::ErrorKind::IsADirectory => "it is a folder",
        _ => "it cannot be read",
    }
}

const CHAIN: &str = "a certificate";
const KEY: &str = "a private key";

fn read_files(files: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
    let read = |what, path: &Path| {
        std::fs::read(path).map_err(|source| TlsError::Read {
            what,
            path: path.to_owned(),
            source,
        })
    };
    let chain = read(CHAIN, &files.chain)?;
    let key = read(KEY, &files.key)?;
    certified_key((&files.chain, &chain), (&files.key, &key))
}

type Origin<'a> = (&'a Path, &'a [u8]);

fn certified_key(chain: Origin<'_>, key: Origin<'_>) -> Result<CertifiedKey, TlsError> {
    let certificates = parse_chain(chain)?;
    let private = parse_key(key)?;
    let path = || key.0.to_owned();
    let signer = ring::sign::any_supported_type(&private).map_err(|source| {
        let path = path();
        TlsError::Unusable { path, source }
    })?;
    let certified = CertifiedKey::new(certificates, signer);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            key: path(),
            chain: chain.0.to_owned(),
        }),
        Err(source) => Err(TlsError::Strange {
            path: chain.0.to_owned(),
            source,
        }),
    }
}

fn parse_chain((path, pem): Origin<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let path = path.to_owned();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::Absent {
            what: CHAIN,
            label: "CERTIFICATE",
            path,
        }),
        Ok(chain) => Ok(chain),
        Err(source) => Err(TlsError::Damaged {
            what: CHAIN,
            path,
            source,
        }),
    }
}

fn parse_key((path, pem): Origin<'_>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let path = path.to_owned();
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::Absent {
            what: KEY,
            label: "PRIVATE KEY",
            path,
        },
        source => TlsError::Damaged {
            what: KEY,
            path,
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pem {
        chain: String,
        key: String,
    }

    fn pem(name: &str) -> Pem {
        let made = rcgen::generate_simple_self_signed(vec![name.into()]).unwrap();
        Pem {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn failure(chain: &str, key: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            chain: folder.path().join("chain.pem"),
            key: folder.path().join("key.pem"),
        };
        std::fs::write(&files.chain, chain).unwrap();
        std::fs::write(&files.key, key).unwrap();
        Certificates::from_files(files).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_file_and_what_was_expected() {
        let (one, other) = (pem("one.example"), pem("other.example"));
        let error = failure("", &one.key);
        assert!(error.contains("chain.pem"), "{error}");
        assert!(error.contains("-----BEGIN CERTIFICATE-----"), "{error}");
        let error = failure(&one.chain, "");
        assert!(error.contains("key.pem"), "{error}");
        assert!(error.contains("-----BEGIN PRIVATE KEY-----"), "{error}");
        let error = failure(&one.chain, &other.key);
        assert!(error.contains("does not belong"), "{error}");
        let cut = &one.chain[..one.chain.len() - 40];
        let error = failure(cut, &one.key);
        assert!(error.contains("damaged"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = CertificateFiles {
            chain: "/nowhere/chain.pem".into(),
            key: "/nowhere/key.pem".into(),
        };
        let error = Certificates::from_files(files).unwrap_err().to_string();
        assert!(error.contains("/nowhere/chain.pem"), "{error}");
        assert!(error.contains("no such file"), "{error}");
    }

    #[test]
    fn a_failed_reload_keeps_what_was_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            chain: folder.path().join("chain.pem"),
            key: folder.path().join("key.pem"),
        };
        let pem = pem("mx.example");
        std::fs::write(&files.chain, &pem.chain).unwrap();
        std::fs::write(&files.key, &pem.key).unwrap();
        let certificates = Certificates::from_files(files.clone()).unwrap();
        std::fs::write(&files.key, "gone").unwrap();
        assert!(certificates.reload().is_err());
        assert!(certificates.expiry().0.is_some());
    }

    #[test]
    fn an_expired_certificate_is_used_and_known_as_expired() {
        let mut parameters = rcgen::CertificateParams::new(vec!["mx.example".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let chain = parameters.self_signed(&key).unwrap().pem();
        let key = key.serialize_pem();
        let certificates = Certificates::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        assert!(certificates.expiry().is_over(1_700_000_000_000_000));
        assert!(!certificates.expiry().is_over(900_000_000_000_000));
    }
}
