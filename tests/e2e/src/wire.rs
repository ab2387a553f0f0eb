//! Connections to the loopback, in clear or under TLS.

use std::io::{Error, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// A connection. Reads and writes that hang are errors after two minutes.
#[derive(Debug)]
pub enum Wire {
    /// As octets come.
    Clear(TcpStream),
    /// Under TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Longer than a server may take for anything, with others on the machine.
const PATIENCE: Duration = Duration::from_mins(2);

impl Wire {
    /// Connects in clear.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::Clear(stream))
    }

    /// Shakes hands, whoever signed the certificate.
    ///
    /// # Errors
    ///
    /// When the handshake fails, or TLS is there already.
    pub fn into_tls(self) -> Result<Self> {
        self.into_tls_of("localhost")
    }

    /// The same, asking for the certificate of a name.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn into_tls_of(self, name: &str) -> Result<Self> {
        let Self::Clear(mut stream) = self else {
            return Err(Error::other("TLS is active already"));
        };
        let config = credulous()?;
        let name = ServerName::try_from(name.to_owned()).map_err(Error::other)?;
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    /// The certificate that the server showed; nothing in clear.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = match self {
            Self::Clear(_) => None,
            Self::Tls(stream) => stream.conn.peer_certificates(),
        };
        let first = shown.and_then(|chain| chain.first());
        first.map(|own| own.to_vec()).unwrap_or_default()
    }

    /// Says that nothing more will come.
    ///
    /// # Errors
    ///
    /// When the connection is broken already.
    pub fn end(&mut self) -> Result<()> {
        match self {
            Self::Clear(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                stream.sock.shutdown(Shutdown::Write)
            }
        }
    }
}

/// TLS of a client that takes any certificate.
///
/// # Errors
///
/// When the library has no versions for its suites.
pub fn credulous() -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    Ok(config)
}

impl Read for Wire {
    fn read(&mut self, octets: &mut [u8]) -> Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(octets),
            Self::Tls(stream) => stream.read(octets),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Takes any certificate: those of the tests are signed by nobody whom one could know beforehand.
/// Signatures of the handshake are verified all the same.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
