//! What a login can be bound to on a connection, so that nobody between can pass it on (RFC 5056).

use std::fmt;
use std::sync::{Arc, OnceLock};

use cassmail_wire::ChannelBindings;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use super::der::{Element, OBJECT_IDENTIFIER, SEQUENCE};

/// Remembers which certificate was shown in one handshake.
pub(super) struct Witness {
    resolver: Arc<dyn ResolvesServerCert>,
    shown: OnceLock<Arc<CertifiedKey>>,
}

impl Witness {
    pub(super) fn of(resolver: &Arc<dyn ResolvesServerCert>) -> Self {
        Self {
            resolver: Arc::clone(resolver),
            shown: OnceLock::new(),
        }
    }

    /// What the finished handshake gives to bind a login to.
    ///
    /// `tls-exporter` under TLS 1.3 only: under 1.2 it is safe with the extended master secret
    /// alone (RFC 9266 3), and rustls does not tell whether there is one. `tls-server-end-point`
    /// not on connections that were resumed: the client has seen the certificate of an earlier one,
    /// which may not be that of today.
    pub(super) fn bindings(&self, connection: &ServerConnection) -> ChannelBindings {
        let is_tls_13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let exporter = is_tls_13.then(|| exported(connection)).flatten();
        let is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let shown = self.shown.get().filter(|_| !is_resumed);
        let shown = shown.and_then(|key| key.cert.first());
        ChannelBindings {
            exporter,
            server_end_point: shown.and_then(|certificate| end_point(certificate)),
        }
    }
}

impl ResolvesServerCert for Witness {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.resolver.resolve(hello)?;
        Some(Arc::clone(self.shown.get_or_init(|| key)))
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

/// RFC 9266 2.
fn exported(connection: &ServerConnection) -> Option<[u8; 32]> {
    const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
    let exported = connection.export_keying_material([0; 32], LABEL, Some(&[]));
    exported.ok()
}

/// RFC 5929 4.1: the hash of the certificate, by the hash function of its signature; by SHA-256
/// where that is weaker. None where it has none of its own, as Ed25519.
fn end_point(certificate: &[u8]) -> Option<Box<[u8]>> {
    let octets = match signature_hash(certificate)? {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    };
    Some(octets.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// `Certificate` of RFC 5280 4.1: the algorithm of the signature stands behind what is signed.
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (certificate, _) = Element::read(certificate)?;
    let (_signed, rest) = Element::read(certificate.inside(SEQUENCE)?)?;
    let (algorithm, _) = Element::read(rest)?;
    let (name, parameters) = Element::read(algorithm.inside(SEQUENCE)?)?;
    hash_of(name.inside(OBJECT_IDENTIFIER)?, parameters)
}

/// 1.2.840.113549.1.1 of RFC 8017.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4 of RFC 5758.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
/// 2.16.840.1.101.3.4.2 of RFC 8017.
const HASHES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

fn hash_of(name: &[u8], parameters: &[u8]) -> Option<Hash> {
    if let Some(kind) = name.strip_prefix(RSA) {
        return match kind {
            // MD5 and SHA-1 are replaced.
            [4 | 5 | 11] => Some(Hash::Sha256),
            [12] => Some(Hash::Sha384),
            [13] => Some(Hash::Sha512),
            [14] => Some(Hash::Sha224),
            [10] => pss_hash(parameters),
            _ => None,
        };
    }
    match name.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(Hash::Sha256),
        [3, 1] => Some(Hash::Sha224),
        [3, 3] => Some(Hash::Sha384),
        [3, 4] => Some(Hash::Sha512),
        _ => None,
    }
}

/// `RSASSA-PSS-params` of RFC 4055 3.1, whose hash is SHA-1 where none is named.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    const HASH_ALGORITHM: u8 = 0xa0;
    let (parameters, _) = Element::read(parameters)?;
    let named = Element::read(parameters.inside(SEQUENCE)?);
    let Some((named, _)) = named.filter(|(first, _)| first.tag == HASH_ALGORITHM) else {
        return Some(Hash::Sha256);
    };
    let (algorithm, _) = Element::read(named.content)?;
    let (name, _) = Element::read(algorithm.inside(SEQUENCE)?)?;
    match name.inside(OBJECT_IDENTIFIER)?.strip_prefix(HASHES)? {
        [1] => Some(Hash::Sha256),
        [2] => Some(Hash::Sha384),
        [3] => Some(Hash::Sha512),
        [4] => Some(Hash::Sha224),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cassmail_wire::TlsFacts;
    use rustls::ClientConnection;
    use rustls::version::{TLS12, TLS13};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::TlsService;
    use crate::toy::{connector_of, mx, pem, service};

    /// What our side found, and the client's connection.
    async fn shake(service: &TlsService, connector: &TlsConnector) -> (TlsFacts, ClientConnection) {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connecting = connector.connect(mx(), near);
        let (accepted, connected) = tokio::join!(service.accept(far), connecting);
        (accepted.unwrap().1, connected.unwrap().into_inner().1)
    }

    #[tokio::test]
    async fn both_ends_of_a_connection_find_the_same() {
        let pem = pem();
        let service = service(&pem);
        let connector = connector_of(&[&TLS13], &[&pem], &["toy"]);
        let mut exporters = Vec::new();
        for _ in 0..2 {
            let (facts, client) = shake(&service, &connector).await;
            let label = b"EXPORTER-Channel-Binding";
            let theirs = client.export_keying_material([0; 32], label, Some(b""));
            assert_eq!(facts.bindings.exporter, theirs.ok());
            let end_point = Sha256::digest(&pem.der);
            let shown = facts.bindings.named("tls-server-end-point");
            assert_eq!(shown, Some(&end_point[..]));
            exporters.extend(facts.bindings.exporter);
        }
        assert_ne!(exporters[0], exporters[1], "each connection has its own");
    }

    #[tokio::test]
    async fn tls_1_2_has_the_certificate_alone_and_a_resumed_connection_nothing() {
        let pem = pem();
        let service = service(&pem);
        let connector = connector_of(&[&TLS12], &[&pem], &["toy"]);
        let (facts, _) = shake(&service, &connector).await;
        assert_eq!(facts.bindings.exporter, None);
        assert!(facts.bindings.server_end_point.is_some());
        let (facts, client) = shake(&service, &connector).await;
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(facts.bindings.is_empty());
    }

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["mx.example".into()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let p256 = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(
            end_point(&p256).as_deref(),
            Some(&Sha256::digest(&p256)[..])
        );
        let p384 = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(
            end_point(&p384).as_deref(),
            Some(&Sha384::digest(&p384)[..])
        );
        assert_eq!(end_point(&certificate(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn weak_hashes_are_replaced_and_unknown_ones_are_none() {
        let rsa = |kind: u8| hash_of(&[RSA, &[kind]].concat(), &[]);
        assert_eq!(rsa(4), Some(Hash::Sha256));
        assert_eq!(rsa(5), Some(Hash::Sha256));
        assert_eq!(rsa(11), Some(Hash::Sha256));
        assert_eq!(rsa(12), Some(Hash::Sha384));
        assert_eq!(rsa(13), Some(Hash::Sha512));
        assert_eq!(rsa(99), None);
        assert_eq!(hash_of(&[0x2b, 0x65, 0x70], &[]), None);
    }

    #[test]
    fn pss_names_its_hash_in_its_parameters() {
        let name = [RSA, &[10]].concat();
        let with = |hash: u8| {
            let oid = [&[OBJECT_IDENTIFIER, 9], HASHES, &[hash]].concat();
            let algorithm = [&[SEQUENCE, 11][..], &oid].concat();
            let named = [&[0xa0, 13][..], &algorithm].concat();
            hash_of(&name, &[&[SEQUENCE, 15][..], &named].concat())
        };
        assert_eq!(with(1), Some(Hash::Sha256));
        assert_eq!(with(2), Some(Hash::Sha384));
        assert_eq!(with(3), Some(Hash::Sha512));
        assert_eq!(with(9), None);
        assert_eq!(hash_of(&name, &[SEQUENCE, 0]), Some(Hash::Sha256));
        assert_eq!(hash_of(&name, &[]), None);
    }

    #[test]
    fn a_certificate_cut_anywhere_has_no_end_point_or_its_own() {
        let whole = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        for cut in 0..whole.len() {
            assert_eq!(end_point(&whole[..cut]), None);
        }
    }
}
