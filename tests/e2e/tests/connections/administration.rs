//! The HTTP API on its ports: with TLS, and in clear on this machine.

use cassmail_e2e::{Port, Server, Wire, ask, write_certificate};

use crate::house::settled;

fn secured(server: &Server) -> Wire {
    let wire = Wire::connect(server.port(Port::Api)).expect("somebody listens");
    wire.into_tls_of("here.example").expect("shakes hands")
}

fn in_clear(server: &Server) -> Wire {
    Wire::connect(server.port(Port::ApiInClear)).expect("somebody listens")
}

fn token(server: &Server, words: &[&str]) -> String {
    let words = [&["token", "add", "test"], words].concat();
    server.answer(&words, "").trim_end().to_owned()
}

#[test]
fn a_token_opens_what_it_is_for_on_both_ports() {
    let server = settled();
    let token = token(
        &server,
        &["--scope", "accounts:read", "--domain", "here.example"],
    );
    for wire in [secured, in_clear] {
        let accounts = "GET /v1/accounts?domain=here.example";
        let answer = ask(wire(&server), accounts, &token);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("\"address\":\"bob@here.example\""),
            "{answer}"
        );
        let answer = ask(
            wire(&server),
            "DELETE /v1/accounts/bob%40here.example",
            &token,
        );
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("accounts:write"), "{answer}");
        let answer = ask(wire(&server), accounts, "");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let answer = ask(wire(&server), "GET /metrics", &token);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[test]
fn what_was_done_over_tcp_is_in_the_audit_log_with_its_source() {
    let server = settled();
    let token = token(&server, &[]);
    let answer = ask(
        secured(&server),
        "DELETE /v1/accounts/bob%40here.example",
        &token,
    );
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let log = server.answer(&["audit", "--limit", "1"], "");
    assert!(log.contains("\ttoken "), "{log}");
    assert!(log.contains(" of owner\t127.0.0.1\tDELETE /v1/accounts/bob@here.example\t204"));
}

#[test]
fn a_new_certificate_is_shown_after_it_was_loaded_through_the_api() {
    let server = settled();
    let token = token(
        &server,
        &["--scope", "service:write", "--scope", "service:read"],
    );
    let before = secured(&server).certificate();
    let own = ["certificate.pem", "key.pem"].map(|name| server.folder().join(name));
    write_certificate(&["here.example", "new.example"], &own[0], &own[1]);
    let answer = ask(secured(&server), "POST /v1/certificates/reload", &token);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_ne!(secured(&server).certificate(), before);
    let answer = ask(secured(&server), "GET /v1/certificates", &token);
    assert!(answer.contains("\"new.example\""), "{answer}");
    std::fs::write(&own[0], "nonsense").expect("the file is ours");
    let answer = ask(secured(&server), "POST /v1/certificates/reload", &token);
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(answer.contains("tls.certificate"), "{answer}");
}
