//! TLS of the server's side: certificates that can be changed while they are used.

mod bindings;
mod certificates;
mod der;
mod expiry;

use std::io;
use std::sync::Arc;

use cassmail_wire::{TlsFacts, TlsVersion};
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use bindings::Witness;
pub use certificates::{CertificateFiles, Certificates, Expiry, TlsError};

/// TLS as one listener speaks it: 1.2 and 1.3 (RFC 8996 4 and 5, RFC 9325 3.1), sessions resumed by
/// tickets (RFC 9325 3.4). The library has neither compression nor renegotiation nor suites without
/// forward secrecy and AEAD (RFC 9325 3.3, 3.5, 4.1, 4.2, 4.3), and early data is off (RFC 9325
/// 3.10).
#[derive(Clone)]
pub struct TlsService {
    config: Arc<ServerConfig>,
}

impl TlsService {
    /// Speaks TLS with these certificates, also after they are reloaded. With `alpn` a client that
    /// offers protocols (RFC 7301 3.1) has to offer one of these (RFC 7301 3.2, RFC 9325 3.8); one
    /// that offers none is served.
    pub fn new(certificates: &Certificates, alpn: &[&str]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|source| TlsError::Configure { source })?
            .with_no_client_auth()
            .with_cert_resolver(certificates.resolver());
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.ticketer = ring::Ticketer::new().map_err(|source| TlsError::Configure { source })?;
        // Tickets carry all that is needed; a cache would only take memory.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A mail client comes back on one connection, not on two.
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Shakes hands on a connection. Each handshake has a resolver of its own, which afterwards
    /// knows the certificate that was shown; rustls does not tell.
    pub async fn accept<IO>(&self, io: IO) -> io::Result<(TlsStream<IO>, TlsFacts)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let witness = Arc::new(Witness::of(&self.config.cert_resolver));
        let mut config = ServerConfig::clone(&self.config);
        config.cert_resolver = Arc::clone(&witness) as Arc<dyn ResolvesServerCert>;
        let stream = TlsAcceptor::from(Arc::new(config)).accept(io).await?;
        let facts = facts(stream.get_ref().1, &witness)?;
        Ok((stream, facts))
    }
}

/// What a finished handshake agreed on.
fn facts(connection: &ServerConnection, witness: &Witness) -> io::Result<TlsFacts> {
    let unfinished = || io::Error::other("the handshake agreed on nothing");
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
        _ => return Err(unfinished()),
    };
    let suite = connection
        .negotiated_cipher_suite()
        .ok_or_else(unfinished)?;
    Ok(TlsFacts {
        version,
        cipher: registered_name(suite.suite()),
        server_name: connection.server_name().map(str::to_owned),
        bindings: witness.bindings(connection),
    })
}

/// The name in the registry of IANA; `rustls` has names of its own for the suites of TLS 1.3.
fn registered_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_the_names_of_the_registry() {
        for suite in ring::ALL_CIPHER_SUITES {
            let name = registered_name(suite.suite());
            assert!(name.starts_with("TLS_"), "{name}");
        }
    }
}
