//! The client's side of SCRAM (RFC 5802 3), written for tests from the RFC.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use cassmail_wire::sasl::scram::ScramStart;
use ring::{digest, hmac, pbkdf2};

/// `client-final-message` without a binding to the channel.
pub(crate) fn client_final(
    client_first_bare: &str,
    server_first: &str,
    password: &str,
    start: &ScramStart,
) -> String {
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        start.iterations.try_into().unwrap(),
        &start.salt,
        password.as_bytes(),
        &mut salted,
    );
    let nonce = server_first.split(',').next().unwrap();
    let without_proof = format!("c=biws,{nonce}");
    let message = [client_first_bare, server_first, &without_proof].join(",");
    let client_key = signature(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signed = signature(stored_key.as_ref(), &message);
    let proof: Vec<u8> = client_key.iter().zip(&signed).map(|(a, b)| a ^ b).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

fn signature(key: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

/// As both protocols encode a response.
pub(crate) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// As both protocols decode a challenge.
pub(crate) fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}
