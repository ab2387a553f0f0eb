//! A connection: lines in, octets out, with or without TLS.
//!
//! The certificates of the server are **not** verified. This program generates load against servers
//! under test, which have certificates of their own making; never give it a password that matters.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a conversation ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection, or no TLS.
    Connect(io::Error),
    /// The connection ended.
    Lost(io::Error),
    /// No answer in time.
    Timeout,
    /// The answer was negative: its code or its first word, and all of it.
    Refused { code: u16, text: String },
    /// What came was no answer.
    Garbled(String),
    /// The run makes no sense with this server.
    Impossible(String),
}

/// Settings of all connections.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) targets: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A connection with its buffers.
pub(crate) struct Wire {
    stream: Option<Stream>,
    server: String,
    timeout: Duration,
    input: Vec<u8>,
    begin: usize,
    end: usize,
    /// What the next `flush` sends.
    pub(crate) out: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

const SMALLEST_READ: usize = 16 * 1024;
/// Buffers that a large message made grow beyond this are given back.
const LARGEST_KEPT: usize = 512 * 1024;

impl Dial {
    pub(crate) fn new(targets: Vec<String>, timeout: Duration, resume: bool) -> Self {
        Self {
            targets,
            timeout,
            tls: Arc::new(trusting_config(resume)),
        }
    }

    /// Connects to the target whose turn it is.
    pub(crate) async fn connect(&self, turn: usize) -> Result<Wire, Failure> {
        let turn = turn.checked_rem(self.targets.len()).unwrap_or(0);
        let target = self.targets.get(turn).map_or("", String::as_str);
        let stream = match timeout(self.timeout, TcpStream::connect(target)).await {
            Ok(stream) => stream.map_err(Failure::Connect)?,
            Err(_) => return Err(Failure::Connect(io::ErrorKind::TimedOut.into())),
        };
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
        Ok(Wire {
            stream: Some(Stream::Plain(stream)),
            server: host.trim_matches(['[', ']']).to_owned(),
            timeout: self.timeout,
            input: Vec::new(),
            begin: 0,
            end: 0,
            out: Vec::new(),
        })
    }
}

impl Wire {
    /// Begins TLS. What was received before it must have been read.
    pub(crate) async fn start_tls(&mut self, dial: &Dial) -> Result<(), Failure> {
        if self.begin != self.end {
            return Err(Failure::Garbled(
                "octets in clear behind the answer to STARTTLS".into(),
            ));
        }
        let Some(Stream::Plain(stream)) = self.stream.take() else {
            return Err(Failure::Garbled("TLS within TLS".into()));
        };
        let name = ServerName::try_from(self.server.clone())
            .map_err(|error| Failure::Impossible(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&dial.tls));
        match timeout(self.timeout, connector.connect(name, stream)).await {
            Ok(stream) => {
                let stream = Box::new(stream.map_err(Failure::Connect)?);
                self.stream = Some(Stream::Tls(stream));
                Ok(())
            }
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// Appends a command; its end of line is added.
    pub(crate) fn command(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends everything that is in `out`.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        let sent = match &mut self.stream {
            Some(Stream::Plain(stream)) => timeout(self.timeout, stream.write_all(&self.out)).await,
            Some(Stream::Tls(stream)) => {
                timeout(self.timeout, async {
                    stream.write_all(&self.out).await?;
                    stream.flush().await
                })
                .await
            }
            None => return Err(Failure::Lost(io::ErrorKind::NotConnected.into())),
        };
        self.out.clear();
        self.out.shrink_to(LARGEST_KEPT);
        match sent {
            Ok(sent) => sent.map_err(Failure::Lost),
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Result<&[u8], Failure> {
        let mut searched = 0;
        loop {
            let waiting = self.waiting();
            if let Some(at) = memchr::memchr(b'\n', waiting.get(searched..).unwrap_or_default()) {
                let (begin, length) = (self.begin, searched + at);
                self.begin += length + 1;
                let line = self.input.get(begin..begin + length).unwrap_or_default();
                return Ok(line.strip_suffix(b"\r").unwrap_or(line));
            }
            searched = waiting.len();
            if searched > 64 * 1024 {
                return Err(Failure::Garbled("an endless line".into()));
            }
            self.fill().await?;
        }
    }

    /// The lines up to the one with a single dot, as they travelled. RFC 1939 3.
    pub(crate) async fn dotted(&mut self) -> Result<&[u8], Failure> {
        let mut searched = 0;
        loop {
            let waiting = self.waiting();
            let found = if waiting.starts_with(b".\r\n") {
                Some((0, 3))
            } else {
                let rest = waiting.get(searched..).unwrap_or_default();
                memchr::memmem::find(rest, b"\r\n.\r\n").map(|at| (searched + at + 2, 3))
            };
            if let Some((length, end)) = found {
                let begin = self.begin;
                self.begin += length + end;
                return Ok(self.input.get(begin..begin + length).unwrap_or_default());
            }
            searched = waiting.len().saturating_sub(4);
            self.fill().await?;
        }
    }

    /// Waits for the peer to close, so that the side that waits in the end is his.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await.is_ok() {
            self.begin = self.end;
        }
    }

    fn waiting(&self) -> &[u8] {
        self.input.get(self.begin..self.end).unwrap_or_default()
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        self.make_room();
        let room = self.input.get_mut(self.end..).unwrap_or_default();
        let read = match &mut self.stream {
            Some(Stream::Plain(stream)) => timeout(self.timeout, stream.read(room)).await,
            Some(Stream::Tls(stream)) => timeout(self.timeout, stream.read(room)).await,
            None => return Err(Failure::Lost(io::ErrorKind::NotConnected.into())),
        };
        match read {
            Err(_) => Err(Failure::Timeout),
            Ok(Err(error)) => Err(Failure::Lost(error)),
            Ok(Ok(0)) => Err(Failure::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(octets)) => {
                self.end += octets;
                Ok(())
            }
        }
    }

    fn make_room(&mut self) {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
            self.input.truncate(LARGEST_KEPT);
            self.input.shrink_to(LARGEST_KEPT);
        }
        if self.input.len() - self.end < SMALLEST_READ / 4 && self.begin > 0 {
            self.input.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.input.len() - self.end < SMALLEST_READ / 4 {
            self.input
                .resize(SMALLEST_READ.max(self.input.len() * 2), 0);
        }
    }
}

fn trusting_config(resume: bool) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(TrustEverybody(Arc::clone(&provider)));
    #[expect(
        clippy::expect_used,
        reason = "the provider comes with the library and has both"
    )]
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3");
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = builder.with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    config
}

/// Takes any certificate, as the documentation of this module says.
#[derive(Debug)]
struct TrustEverybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEverybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
