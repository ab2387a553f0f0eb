//! What SIGHUP changes, and what it leaves.

use std::path::PathBuf;

use cassmail_e2e::{Port, Server, Wire, write_certificate};

use crate::house::{greeted, settled};

fn file(server: &Server) -> PathBuf {
    server.folder().join("cassmail.toml")
}

/// Changes the configuration; what was to be replaced has to be there.
fn replace(server: &Server, old: &str, new: &str) {
    let text = std::fs::read_to_string(file(server)).expect("the file is ours");
    assert!(text.contains(old), "{text}");
    std::fs::write(file(server), text.replacen(old, new, 1)).expect("there is room");
}

/// What is announced to a new client of the MX port.
fn announced(server: &Server) -> String {
    greeted(server, Port::Mx, "220 ")
        .extensions("EHLO")
        .join("\n")
}

#[test]
fn settings_of_sessions_hold_for_those_that_begin_afterwards() {
    let server = settled();
    let mut before = greeted(&server, Port::Mx, "220 ");
    assert!(announced(&server).contains("SIZE 52428800"));
    let new = "[smtp]\nmax_recipients = 150\nmax_message_size = \"1 MiB\"\n";
    replace(&server, "[smtp]\n", new);
    let line = server.hang_up("service.reloaded");
    assert!(
        line.contains("smtp.max_message_size smtp.max_recipients"),
        "{line}"
    );
    let after = announced(&server);
    assert!(after.contains("SIZE 1048576"), "{after}");
    assert!(after.contains("LIMITS RCPTMAX=150"), "{after}");
    let old = before.extensions("EHLO").join("\n");
    assert!(
        old.contains("SIZE 52428800"),
        "an open session keeps its own: {old}"
    );
}

#[test]
fn what_needs_a_restart_is_named_and_not_changed() {
    let server = settled();
    replace(
        &server,
        "hostname = \"here.example\"",
        "hostname = \"new.example\"",
    );
    let line = server.hang_up("service.reloaded");
    assert!(line.contains("needs_restart=\"hostname\""), "{line}");
    assert!(announced(&server).starts_with("here.example"));
    let again = server.hang_up("service.reloaded");
    assert!(
        again.contains("needs_restart=\"hostname\""),
        "still: {again}"
    );
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let server = settled();
    let new = "[smtp]\nmax_recipients = 150\nmax_message_sise = \"1 MiB\"\n";
    replace(&server, "[smtp]\n", new);
    let line = server.hang_up("service.reloaded");
    assert!(line.contains("nothing is changed"), "{line}");
    assert!(
        line.contains("did you mean smtp.max_message_size?"),
        "{line}"
    );
    assert!(announced(&server).contains("LIMITS RCPTMAX=1000"));
    std::fs::remove_file(file(&server)).expect("the file is ours");
    let line = server.hang_up("service.reloaded");
    assert!(line.contains("nothing is changed"), "{line}");
}

/// The certificate that a client sees who asks for a name.
fn shown(server: &Server, name: &str) -> Vec<u8> {
    let wire = Wire::connect(server.port(Port::Submissions)).expect("somebody listens");
    let wire = wire.into_tls_of(name).expect("shakes hands");
    wire.certificate()
}

#[test]
fn certificates_are_chosen_by_name_and_replaced_together() {
    let server = settled();
    let first = shown(&server, "here.example");
    let [chain, key] = ["other.pem", "other.key"].map(|name| server.folder().join(name));
    write_certificate(&["other.example", "*.other.example"], &chain, &key);
    let further = format!(
        "[tls]\nfurther = {{ \"{}\" = \"{}\" }}\n",
        chain.display(),
        key.display()
    );
    replace(&server, "[tls]\n", &further);
    let line = server.hang_up("service.reloaded");
    assert!(line.contains("changed=\"tls.further\""), "{line}");
    let other = shown(&server, "mail.other.example");
    assert_ne!(other, first);
    assert_eq!(shown(&server, "other.example"), other);
    assert_eq!(shown(&server, "here.example"), first);
    assert_eq!(shown(&server, "unknown.example"), first);

    // A new first one, and a damaged other one: both stay as they are.
    let own = ["certificate.pem", "key.pem"].map(|name| server.folder().join(name));
    write_certificate(&["here.example"], &own[0], &own[1]);
    std::fs::write(&chain, "damaged").expect("there is room");
    let line = server.hang_up("service.reloaded");
    assert!(line.contains("nothing is changed"), "{line}");
    assert!(line.contains("other.pem"), "{line}");
    assert_eq!(shown(&server, "here.example"), first);
    assert_eq!(shown(&server, "other.example"), other);

    write_certificate(&["other.example"], &chain, &key);
    server.hang_up("service.reloaded");
    assert_ne!(shown(&server, "here.example"), first);
    assert_ne!(shown(&server, "other.example"), other);
}
