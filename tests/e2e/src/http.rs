//! A request to the HTTP API, as octets.

use std::io::{Read as _, Write as _};

use crate::Wire;

/// The whole answer to a request such as `GET /v1/self`, its header included; `token` may be empty.
///
/// # Panics
///
/// When nobody listens, or the answer is no text.
pub fn ask(wire: Wire, request: &str, token: &str) -> String {
    ask_with(wire, request, token, "", "")
}

/// The same with more lines of the header, each with its end, and a body of JSON.
///
/// # Panics
///
/// As above.
pub fn ask_with(mut wire: Wire, request: &str, token: &str, more: &str, body: &str) -> String {
    let authorization = if token.is_empty() {
        String::new()
    } else {
        format!("Authorization: Bearer {token}\r\n")
    };
    let words = format!(
        "{request} HTTP/1.1\r\nHost: here.example\r\n{authorization}{more}\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    wire.write_all(words.as_bytes()).expect("it listens");
    let mut answer = Vec::new();
    // Some ends come without the farewell of TLS.
    let _ = wire.read_to_end(&mut answer);
    String::from_utf8(answer).expect("answers are text")
}
