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
use rustls::{Error, InconsistentKeys, SignatureScheme};
use thiserror::Error as ThisError;
use webpki::EndEntityCert;

use super::expiry;

/// Where a certificate and its key lie, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those that lead to an authority.
    pub chain: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// The certificates in use, the first one for who asks for no name. Clones share them, so a reload
/// is seen by all listeners at once; connections that are open keep what they agreed on.
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

    /// Whole days until it is over, zero from then on; none when that could not be read.
    pub fn days_left(self, wall_micros: u64) -> Option<u64> {
        const DAY: u64 = 24 * 60 * 60;
        let end = self.0?;
        Some(end.saturating_sub(wall_micros / 1_000_000) / DAY)
    }
}

impl Certificates {
    /// Reads certificates from files, where [`Certificates::reload`] will look again. The first is
    /// for clients that ask for no name, or for one that none of them has.
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub fn from_files(
        first: &CertificateFiles,
        others: &[CertificateFiles],
    ) -> Result<Self, TlsError> {
        let files: Vec<_> = std::iter::once(first).chain(others).cloned().collect();
        let set = read_set(&files)?;
        Ok(Self::new(set, files))
    }

    /// Takes a certificate in PEM form, for those that are made at start.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let origin = Path::new("(made at start)");
        let key = certified_key((origin, chain), (origin, key))?;
        Ok(Self::new(vec![Named::new(key)], Vec::new()))
    }

    fn new(set: Vec<Named>, files: Vec<CertificateFiles>) -> Self {
        Self {
            shelf: Arc::new(Shelf {
                in_use: ArcSwap::from_pointee(set),
                files: ArcSwap::from_pointee(files),
            }),
        }
    }

    /// Reads the files again and uses what is there from the next handshake on. After an error all
    /// the old certificates stay in use. Does nothing for a certificate that came from no file.
    ///
    /// This reads files: call it from a thread that may wait.
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let files = self.shelf.files.load_full();
        self.put(files)
    }

    /// Uses other files from the next handshake on; the rest as [`Certificates::reload`].
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub fn replace(
        &self,
        first: &CertificateFiles,
        others: &[CertificateFiles],
    ) -> Result<(), TlsError> {
        let files = std::iter::once(first).chain(others).cloned().collect();
        self.put(Arc::new(files))
    }

    fn put(&self, files: Arc<Vec<CertificateFiles>>) -> Result<(), TlsError> {
        if !files.is_empty() {
            self.shelf.in_use.store(Arc::new(read_set(&files)?));
            self.shelf.files.store(files);
        }
        Ok(())
    }

    /// When the certificates in use end to be valid, in their order. One that is over is used all
    /// the same: mail servers mostly do not look, and no TLS would be worse. It is worth a warning.
    pub fn expiries(&self) -> Vec<Expiry> {
        let set = self.shelf.in_use.load();
        let of = |named: &Named| {
            let own = named.key.cert.first();
            Expiry(own.and_then(|own| expiry::not_after(own)))
        };
        set.iter().map(of).collect()
    }

    /// For which names the certificates in use are, and when they end, in their order.
    pub fn described(&self) -> Vec<(Vec<String>, Expiry)> {
        let set = self.shelf.in_use.load();
        let names = set.iter().map(|named| named.names.clone());
        names.zip(self.expiries()).collect()
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.shelf) as Arc<dyn ResolvesServerCert>
    }
}

/// A certificate with its key, and the names that it is for.
#[derive(Debug)]
struct Named {
    key: Arc<CertifiedKey>,
    /// In lower case; some begin with `*.`.
    names: Vec<String>,
}

impl Named {
    fn new(key: CertifiedKey) -> Self {
        let names = names_in(&key);
        Self {
            key: Arc::new(key),
            names,
        }
    }

    /// Whether it is for this name, and how well.
    fn fits(&self, name: &str) -> Option<Fit> {
        let is = |wanted: &str| self.names.iter().any(|own| own == wanted);
        if is(name) {
            return Some(Fit::Exactly);
        }
        // A wildcard stands for one label (RFC 9525 6.3).
        let (_, parent) = name.split_once('.')?;
        is(&format!("*.{parent}")).then_some(Fit::AsWildcard)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exactly,
    AsWildcard,
    /// For whoever asks for something else.
    AsFirst,
}

/// The names in the certificate (RFC 5280 4.2.1.6). One that cannot be read has none, and is still
/// good as the first.
fn names_in(key: &CertifiedKey) -> Vec<String> {
    let Some(Ok(certificate)) = key.cert.first().map(EndEntityCert::try_from) else {
        return Vec::new();
    };
    let names = certificate.valid_dns_names();
    names.map(str::to_ascii_lowercase).collect()
}

struct Shelf {
    /// At least one; the first is for who asks for none of their names.
    in_use: ArcSwap<Vec<Named>>,
    files: ArcSwap<Vec<CertificateFiles>>,
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        choose(
            &self.in_use.load(),
            hello.server_name(),
            hello.signature_schemes(),
        )
    }
}

/// The certificate that fits the name best (RFC 6066 3, RFC 9325 3.7), of those whose key the
/// client can verify. A client of TLS 1.2 may know RSA only, so one name can have certificates of
/// both kinds.
fn choose(
    set: &[Named],
    name: Option<&str>,
    schemes: &[SignatureScheme],
) -> Option<Arc<CertifiedKey>> {
    let name = name.map(str::to_ascii_lowercase);
    let fit = |(index, named): (usize, &Named)| {
        let fit = name.as_deref().and_then(|name| named.fits(name));
        fit.or((index == 0).then_some(Fit::AsFirst))
    };
    let mut fitting: Vec<_> = set
        .iter()
        .enumerate()
        .filter_map(|(index, named)| Some((fit((index, named))?, named)))
        .collect();
    fitting.sort_by_key(|(fit, _)| *fit);
    let is_known = |named: &&Named| named.key.key.choose_scheme(schemes).is_some();
    let mut fitting = fitting.into_iter().map(|(_, named)| named);
    let best = fitting.clone().find(is_known);
    // For who asks for no name, any that can be verified is better than none.
    let chosen = best
        .or_else(|| set.iter().find(is_known))
        .or_else(|| fitting.next());
    chosen.map(|named| Arc::clone(&named.key))
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

fn read_set(files: &[CertificateFiles]) -> Result<Vec<Named>, TlsError> {
    let read = |files| read_files(files).map(Named::new);
    files.iter().map(read).collect()
}

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
        Certificates::from_files(&files, &[])
            .unwrap_err()
            .to_string()
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
        let error = Certificates::from_files(&files, &[])
            .unwrap_err()
            .to_string();
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
        let certificates = Certificates::from_files(&files, &[]).unwrap();
        std::fs::write(&files.key, "gone").unwrap();
        assert!(certificates.reload().is_err());
        assert!(certificates.expiries()[0].0.is_some());
    }

    #[test]
    fn an_expired_certificate_is_used_and_known_as_expired() {
        let mut parameters = rcgen::CertificateParams::new(vec!["mx.example".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let chain = parameters.self_signed(&key).unwrap().pem();
        let key = key.serialize_pem();
        let certificates = Certificates::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let [expiry] = certificates.expiries()[..] else {
            panic!("one certificate");
        };
        assert!(expiry.is_over(1_700_000_000_000_000));
        assert!(!expiry.is_over(900_000_000_000_000));
        // The end is 978 307 200.
        assert_eq!(expiry.days_left(978_134_400_000_000), Some(2));
        assert_eq!(expiry.days_left(978_134_401_000_000), Some(1));
        assert_eq!(expiry.days_left(1_700_000_000_000_000), Some(0));
    }

    fn named(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Named {
        let names = names.iter().map(|name| (*name).to_owned());
        let parameters = rcgen::CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let chain = parameters.self_signed(&key).unwrap().pem();
        let origin = Path::new("test");
        let key = key.serialize_pem();
        Named::new(certified_key((origin, chain.as_bytes()), (origin, key.as_bytes())).unwrap())
    }

    const P256: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];
    const ED25519: &[SignatureScheme] = &[SignatureScheme::ED25519];

    /// Which one of the set is chosen.
    fn chosen(set: &[Named], name: Option<&str>, schemes: &[SignatureScheme]) -> usize {
        let key = choose(set, name, schemes).unwrap();
        let is_it = |named: &Named| Arc::ptr_eq(&named.key, &key);
        set.iter().position(is_it).unwrap()
    }

    /// RFC 6066 3, RFC 9325 3.7.
    #[test]
    fn a_name_gets_the_certificate_that_has_it() {
        let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
        let set = [
            named(&["mx.first.example"], p256),
            named(&["*.other.example", "other.example"], p256),
            named(&["mail.other.example"], p256),
        ];
        for (name, wanted) in [
            (None, 0),
            (Some("mx.first.example"), 0),
            (Some("unknown.example"), 0),
            (Some("other.example"), 1),
            (Some("mx.other.example"), 1),
            (Some("MX.Other.Example"), 1),
            (Some("mail.other.example"), 2),
            (Some("deep.mx.other.example"), 0),
            (Some("example"), 0),
        ] {
            assert_eq!(chosen(&set, name, P256), wanted, "{name:?}");
        }
    }

    #[test]
    fn a_client_gets_a_key_that_it_can_verify() {
        let set = [
            named(&["mx.example"], &rcgen::PKCS_ECDSA_P256_SHA256),
            named(&["mx.example"], &rcgen::PKCS_ED25519),
        ];
        assert_eq!(chosen(&set, Some("mx.example"), P256), 0);
        assert_eq!(chosen(&set, Some("mx.example"), ED25519), 1);
        assert_eq!(chosen(&set, None, ED25519), 1);
        assert_eq!(chosen(&set, Some("other.example"), ED25519), 1);
        assert_eq!(chosen(&set, None, &[]), 0, "it fails with the first");
    }

    #[test]
    fn a_set_of_which_one_is_bad_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let pem = pem(name);
            let files = CertificateFiles {
                chain: folder.path().join(format!("{name}.pem")),
                key: folder.path().join(format!("{name}.key")),
            };
            std::fs::write(&files.chain, &pem.chain).unwrap();
            std::fs::write(&files.key, &pem.key).unwrap();
            files
        };
        let [one, two] = ["one.example", "two.example"].map(write);
        let certificates = Certificates::from_files(&one, &[]).unwrap();
        std::fs::write(&two.key, "damaged").unwrap();
        let error = certificates.replace(&one, std::slice::from_ref(&two));
        assert!(error.unwrap_err().to_string().contains("two.example.key"));
        assert_eq!(certificates.expiries().len(), 1);
        let two = write("two.example");
        certificates.replace(&one, &[two]).unwrap();
        assert_eq!(certificates.expiries().len(), 2);
        certificates.reload().unwrap();
        assert_eq!(certificates.expiries().len(), 2);
    }
}
