//! What a client says first under TLS, and what it hears.
//!
//! No library of today says what old ones said, so their hellos are written here, by the grammar of
//! RFC 5246 7.4.1.2, without extensions.

use std::io::{Read, Write};
use std::sync::Arc;

use cassmail_e2e::{Port, Server, Wire};
use rustls::{ClientConfig, ClientConnection};

const TLS_1_0: [u8; 2] = [3, 1];
const TLS_1_1: [u8; 2] = [3, 2];
const TLS_1_2: [u8; 2] = [3, 3];

/// ECDHE-ECDSA and ECDHE-RSA with AES-GCM, which the server has.
const GOOD_SUITES: [u16; 2] = [0xC02B, 0xC02F];

/// Without forward secrecy, with CBC, RC4, 3DES, NULL and for export.
const BAD_SUITES: [u16; 9] = [
    0x002F, 0x0035, 0x009C, 0xC013, 0xC009, 0x0005, 0x000A, 0x0002, 0x0003,
];

/// Compression methods.
const NONE: u8 = 0;
const DEFLATE: u8 = 1;

/// Alerts, RFC 5246 7.2.
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const PROTOCOL_VERSION: u8 = 70;

/// RFC 8996 4 and 5, RFC 9325 3.1. Which alert comes depends on the hello: one without signature
/// algorithms, as these versions have it, fails before its version is looked at.
#[test]
fn a_client_that_knows_no_tls_1_2_is_refused() {
    let server = Server::plain();
    for version in [TLS_1_0, TLS_1_1] {
        for port in [Port::Submissions, Port::Pop3s] {
            let alert = alert(&server, port, &hello(version, &GOOD_SUITES, NONE));
            let is_refusal = matches!(alert, Some(HANDSHAKE_FAILURE | PROTOCOL_VERSION));
            assert!(is_refusal, "{version:?} on {port:?}: {alert:?}");
        }
    }
}

/// RFC 9325 4.1, 4.2: nothing without forward secrecy and authenticated encryption.
#[test]
fn a_client_that_knows_weak_suites_alone_is_refused() {
    let server = Server::plain();
    for suite in BAD_SUITES {
        let alert = alert(&server, Port::Pop3s, &hello(TLS_1_2, &[suite], NONE));
        assert_eq!(alert, Some(HANDSHAKE_FAILURE), "{suite:#06x}");
    }
}

/// RFC 9325 3.3.
#[test]
fn a_client_that_wants_compression_is_refused() {
    let server = Server::plain();
    let alert = alert(&server, Port::Pop3s, &hello(TLS_1_2, &GOOD_SUITES, DEFLATE));
    assert_eq!(alert, Some(ILLEGAL_PARAMETER));
}

/// RFC 7301 6: the names of the registry. A browser that was led here speaks HTTP, and is told so
/// by the handshake.
#[test]
fn a_port_speaks_its_own_protocol_or_none() {
    let server = Server::plain();
    for (port, own, other) in [
        (Port::Submissions, "smtp", "pop3"),
        (Port::Pop3s, "pop3", "smtp"),
    ] {
        let agreed = |names: &[&str]| agree(&server, port, &offering(names));
        assert_eq!(agreed(&[own, other]), Agreement::On(own.to_owned()));
        assert_eq!(agreed(&[]), Agreement::OnNothing);
        assert_eq!(agreed(&[other]), Agreement::Refused);
        assert_eq!(agreed(&["h2", "http/1.1"]), Agreement::Refused);
    }
}

/// RFC 9325 3.10: what is sent before the handshake has ended could be sent again by others.
#[test]
fn nobody_gets_to_send_early_data() {
    let server = Server::plain();
    let mut config = offering(&[]);
    Arc::make_mut(&mut config).enable_early_data = true;
    for _ in 0..2 {
        let mut wire = Wire::connect(server.port(Port::Pop3s)).expect("listens");
        let mut connection = client(&config);
        assert!(connection.early_data().is_none());
        let mut greeting = [0; 3];
        rustls::Stream::new(&mut connection, &mut wire)
            .read_exact(&mut greeting)
            .expect("greets");
        assert_eq!(&greeting, b"+OK");
    }
}

/// What a handshake leads to.
#[derive(Debug, PartialEq, Eq)]
enum Agreement {
    On(String),
    /// TLS is there, and nobody has spoken of protocols.
    OnNothing,
    Refused,
}

fn agree(server: &Server, port: Port, config: &Arc<ClientConfig>) -> Agreement {
    let mut wire = Wire::connect(server.port(port)).expect("listens");
    let mut connection = client(config);
    while connection.is_handshaking() {
        if connection.complete_io(&mut wire).is_err() {
            return Agreement::Refused;
        }
    }
    match connection.alpn_protocol() {
        Some(name) => Agreement::On(String::from_utf8_lossy(name).into_owned()),
        None => Agreement::OnNothing,
    }
}

fn offering(names: &[&str]) -> Arc<ClientConfig> {
    let mut config = cassmail_e2e::credulous().expect("the library has versions and suites");
    config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

fn alert(server: &Server, port: Port, hello: &[u8]) -> Option<u8> {
    let mut wire = Wire::connect(server.port(port)).expect("listens");
    wire.write_all(hello).expect("takes a hello");
    let mut answer = Vec::new();
    // A reset behind the alert is an ending, too.
    drop(wire.read_to_end(&mut answer));
    match *answer {
        [21, _, _, 0, 2, _, description, ..] => Some(description),
        _ => None,
    }
}

/// A record with a `ClientHello`.
fn hello(version: [u8; 2], suites: &[u16], compression: u8) -> Vec<u8> {
    let suites: Vec<u8> = suites
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    let body = [
        &version[..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, compression],
    ]
    .concat();
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    [&[22][..], &TLS_1_0, &length(&handshake), &handshake].concat()
}

fn length(octets: &[u8]) -> [u8; 2] {
    u16::try_from(octets.len())
        .expect("hellos are short")
        .to_be_bytes()
}
