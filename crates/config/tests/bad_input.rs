//! What is wrong with a configuration is said in one line each, with place, key and expectation.

use cassmail_config::{Problems, check, load};

fn errors(file: &str) -> String {
    match load(Some(("cassmail.toml", file)), []) {
        Err(problems) => problems.to_string(),
        Ok(loaded) => {
            check(&loaded).map_or_else(|problems| problems.to_string(), |_| String::new())
        }
    }
}

fn variable(name: &str, value: &str) -> Result<String, Problems> {
    let loaded = load(None, [(name.to_owned(), value.to_owned())])?;
    check(&loaded).map(|advice| advice.join("\n"))
}

const CLUSTER: &str = "[store]\nkind = \"cassandra\"\n[store.cassandra]\n";

#[test]
fn a_cluster_has_to_be_described_whole() {
    for (lines, told) in [
        (
            "local_datacenter = \"dc1\"\n",
            "default: store.cassandra.contact_points: expected addresses with ports, such as \
             [\"10.0.1.1:9042\"], got none",
        ),
        (
            "contact_points = [\"127.0.0.1\"]\nlocal_datacenter = \"dc1\"\n",
            "cassmail.toml:4: store.cassandra.contact_points: expected addresses with ports, such \
             as [\"10.0.1.1:9042\"], got \"127.0.0.1\"",
        ),
        (
            "contact_points = [\"127.0.0.1:9042\"]\n",
            "default: store.cassandra.local_datacenter: expected the data center of this server as \
             Cassandra calls it, such as \"dc1\" (nodetool status shows it), got \"\"",
        ),
        (
            "contact_points = [\"db:9042\"]\nlocal_datacenter = \"dc1\"\nuser = \"mail\"\n",
            "default: store.cassandra.password_file: expected the file with the password of \
             store.cassandra.user, got none",
        ),
        (
            "contact_points = [\"db:9042\"]\nlocal_datacenter = \"dc1\"\n\
             certificate = \"c.pem\"\nkey = \"k.pem\"\n",
            "default: store.cassandra.ca_certificate: expected the certificates that sign those of \
             Cassandra, since store.cassandra.certificate is set; got none",
        ),
        (
            "replication = { dc1 = 0 }\n",
            "cassmail.toml:4: store.cassandra.replication: expected the number of replicas of each \
             data center, such as { dc1 = 3, dc2 = 3 }, got { dc1 = 0 }",
        ),
    ] {
        assert_eq!(errors(&format!("{CLUSTER}{lines}")), told);
    }
    let whole = "contact_points = [\"db:9042\"]\nlocal_datacenter = \"dc1\"\n\
                 [store.cassandra.replication]\ndc1 = 3\ndc2 = 3\n";
    assert_eq!(errors(&format!("{CLUSTER}{whole}")), "");
}

#[test]
fn what_belongs_together_in_logins_is_told() {
    let oauth = "[login.oauth]\njwks_file = \"keys.json\"\n";
    for (file, told) in [
        (
            "[login]\nscram_iterations = 4095\n".to_owned(),
            "cassmail.toml:2: login.scram_iterations: expected a whole number from 4096 to \
             10000000, got 4095",
        ),
        (
            oauth.to_owned(),
            "default: login.oauth.issuer: expected who makes the tokens that \
             login.oauth.jwks_file is for, got none",
        ),
        (
            format!("{oauth}issuer = \"https://login.example\"\n"),
            "default: login.oauth.audience: expected for whom the tokens are made that \
             login.oauth.jwks_file is for, got none",
        ),
        (
            "[login.oauth]\nissuer = \"https://login.example\"\n".to_owned(),
            "default: login.oauth.jwks_file: expected the file with the keys of those who make \
             tokens, got none",
        ),
        (
            "[login.oauth]\naccount_claim = \"\"\n".to_owned(),
            "cassmail.toml:2: login.oauth.account_claim: expected the claim that names the \
             account, such as \"email\", got \"\"",
        ),
        (
            "[login.oauth]\nscope = 'a\"b'\n".to_owned(),
            "cassmail.toml:2: login.oauth.scope: expected words of ASCII without quotes or \
             backslashes, got \"a\\\"b\"",
        ),
    ] {
        assert_eq!(errors(&file), told);
    }
    let issuer = "issuer = \"https://login.example\"\naudience = \"mail\"\n";
    assert_eq!(errors(&format!("{oauth}{issuer}")), "");
}

#[test]
fn each_value_of_another_type_or_out_of_bounds_has_its_line() {
    for (file, line) in [
        (
            "[smtp]\nmax_recipients = \"many\"\n",
            "cassmail.toml:2: smtp.max_recipients: expected a whole number from 100 to 100000, \
             got \"many\"",
        ),
        (
            "[smtp]\nmax_recipients = 0\n",
            "cassmail.toml:2: smtp.max_recipients: expected a whole number from 100 to 100000, \
             got 0",
        ),
        (
            "[smtp]\nmax_recipients = 99999999999999999999\n",
            "cassmail.toml:2: smtp.max_recipients: expected a whole number from 100 to 100000, \
             got a number that is too large",
        ),
        (
            "[smtp]\n\nmax_message_size = 50\n",
            "cassmail.toml:3: smtp.max_message_size: expected a size from \"64 KiB\" to \"4 GiB\", \
             got 50",
        ),
        (
            "[smtp]\nidle_timeout = \"5\"\n",
            "cassmail.toml:2: smtp.idle_timeout: expected a time from \"30s\" to \"1h\", got \"5\"",
        ),
        (
            "smtp.max_hops = 1.5\n",
            "cassmail.toml:1: smtp.max_hops: expected a whole number from 30 to 1000, got a number \
             with a fraction",
        ),
        (
            "[pop3]\nclear_text_login = \"no\"\n",
            "cassmail.toml:2: pop3.clear_text_login: expected true or false, got \"no\"",
        ),
        (
            "hostname = \"a..b\"\n",
            "cassmail.toml:1: hostname: expected a domain, such as \"example.org\", or \"\", got \
             \"a..b\"",
        ),
        (
            "postmaster = \"bob\\n@\"\n",
            "cassmail.toml:1: postmaster: expected an address, such as \"bob@example.org\", or \
             \"\", got \"bob\\u000A@\"",
        ),
        (
            "[store]\nkind = \"postgres\"\n",
            "cassmail.toml:2: store.kind: expected \"embedded\", \"cassandra\" or \"memory\", got \
             \"postgres\"",
        ),
        (
            "[admin]\nreadings = \"2080\"\n",
            "cassmail.toml:2: admin.readings: expected an address with a port, such as \
             \"127.0.0.1:2080\", or \"\", got \"2080\"",
        ),
        (
            "[directory]\ntag_separator = \"--\"\n",
            "cassmail.toml:2: directory.tag_separator: expected one character in quotes, or \"\", \
             got \"--\"",
        ),
        (
            "[limits]\nexempt = [10]\n",
            "cassmail.toml:2: limits.exempt: expected a list in square brackets, each a text in \
             quotes, got [10]",
        ),
    ] {
        assert_eq!(errors(file), line);
    }
}

#[test]
fn each_name_that_is_not_there_has_its_line_and_the_one_that_was_meant() {
    for (file, line) in [
        (
            "\n[smtp]\nmax_recipient = 5\n",
            "cassmail.toml:3: smtp.max_recipient: there is no such setting; did you mean \
             smtp.max_recipients?",
        ),
        (
            "max_recipients = 500\n",
            "cassmail.toml:1: max_recipients: there is no such setting; did you mean \
             smtp.max_recipients?",
        ),
        (
            "[smpt]\n",
            "cassmail.toml:1: smpt: there is no such setting; did you mean smtp?",
        ),
        (
            "[relay]\nxyzzy = 1\n",
            "cassmail.toml:2: relay.xyzzy: there is no such setting; list them with: cassmail \
             config default",
        ),
        (
            "smtp = 5\n",
            "cassmail.toml:1: smtp: expected a table; write [smtp] above its settings",
        ),
        (
            "[hostname]\n",
            "cassmail.toml:1: hostname: there is no such setting; list them with: cassmail config \
             default",
        ),
    ] {
        assert_eq!(errors(file), line);
    }
}

#[test]
fn each_mistake_about_listeners_has_its_line() {
    for (file, line) in [
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\n",
            "cassmail.toml:1: listener.addresses: is missing; expected a list in square brackets, \
             each an address with a port, such as \"127.0.0.1:2080\"",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"imap\"\naddresses = []\n",
            "cassmail.toml:3: listener.role: expected \"mx\", \"submission\", \"submissions\", \
             \"lmtp\", \"pop3\" or \"pop3s\", got \"imap\"",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddresses = [\"0.0.0.0\"]\n",
            "cassmail.toml:4: listener.addresses: expected a list in square brackets, each an \
             address with a port, such as \"127.0.0.1:2080\", got [\"0.0.0.0\"]",
        ),
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddress = []\naddresses = []\n",
            "cassmail.toml:4: address: there is no such setting; did you mean addresses?",
        ),
        (
            "[listener]\nname = \"mx\"\n",
            "cassmail.toml:1: listener: expected a table for each listener; write [[listener]] \
             above its name, role and addresses",
        ),
        (
            "listener = []\n",
            "cassmail.toml:1: listener: expected a table for each listener; write [[listener]] \
             above its name, role and addresses",
        ),
        (
            "[[listener]]\nname = \"a\"\nrole = \"mx\"\naddresses = [\"[::1]:25\"]\n\
             [[listener]]\nname = \"a\"\nrole = \"mx\"\naddresses = []\n",
            "cassmail.toml:6: listener.name: expected a name that no other listener has, got \"a\"",
        ),
        (
            "[[listener]]\nname = \"a\"\nrole = \"mx\"\naddresses = [\"[::1]:25\"]\n\
             [[listener]]\nname = \"b\"\nrole = \"mx\"\naddresses = [\"[::1]:25\"]\n",
            "cassmail.toml:8: listener.addresses: expected addresses of its own, got [::1]:25, \
             which \"a\" has",
        ),
        (
            "[[listener]]\nname = \"a\"\nrole = \"pop3\"\naddresses = []\n\
             bare_newline = \"convert\"\n",
            "cassmail.toml:5: listener.bare_newline: expected \"\", since nobody sends mail to a \
             listener for POP3",
        ),
        (
            "[[listener]]\nname = \"a\"\nrole = \"mx\"\naddresses = []\n\
             proxy_protocol_from = [\"10.0.0.0/33\"]\n",
            "cassmail.toml:5: listener.proxy_protocol_from: expected networks, such as \
             \"10.0.0.5\" or \"fd00::/8\", got \"10.0.0.0/33\"",
        ),
    ] {
        assert_eq!(errors(file), line);
    }
}

#[test]
fn each_mistake_about_lmtp_has_its_line() {
    const LMTP: &str = "[[listener]]\nname = \"a\"\nrole = \"lmtp\"\naddresses = ";
    for (rest, line) in [
        (
            "[\"127.0.0.1:24\", \"0.0.0.0:24\"]\n",
            "cassmail.toml:4: listener.addresses: expected addresses of the loopback, got \
             0.0.0.0:24; nobody logs in to LMTP, so set beyond_loopback = true only where the \
             network keeps strangers out",
        ),
        (
            "[]\nsocket = \"lmtp.sock\"\n",
            "cassmail.toml:5: listener.socket: expected a full path of at most 107 octets, got \
             \"lmtp.sock\"",
        ),
        (
            "[]\nsocket_mode = \"rw\"\n",
            "cassmail.toml:5: listener.socket_mode: expected a mode of three octal digits in \
             quotes, such as \"0660\", got \"rw\"",
        ),
    ] {
        assert_eq!(errors(&format!("{LMTP}{rest}")), line);
    }
    let taken = format!(
        "{LMTP}[]\nsocket = \"/run/a\"\n{}[]\nsocket = \"/run/a\"\n",
        LMTP.replace("\"a\"", "\"b\"")
    );
    assert_eq!(
        errors(&taken),
        "cassmail.toml:10: listener.socket: expected a path of its own, got \"/run/a\", which \
         \"a\" has"
    );
    let on_mx = LMTP.replace("lmtp", "mx") + "[]\nsocket = \"/run/a\"\n";
    assert_eq!(
        errors(&on_mx),
        "cassmail.toml:5: listener.socket: expected \"\", since a Unix socket is for lmtp alone"
    );
    let on_mx = LMTP.replace("lmtp", "mx") + "[]\nbeyond_loopback = true\n";
    assert_eq!(
        errors(&on_mx),
        "cassmail.toml:5: listener.beyond_loopback: expected false, since it is for lmtp alone; \
         others are open to the network"
    );
}

#[test]
fn lmtp_may_be_open_where_that_is_said() {
    let file = "[[listener]]\nname = \"a\"\nrole = \"lmtp\"\naddresses = [\"10.0.0.1:24\"]\n\
                beyond_loopback = true\nsocket = \"/run/a\"\nsocket_mode = \"0600\"\n";
    assert_eq!(errors(file), "");
}

#[test]
fn further_certificates_are_pairs_of_files_beside_a_first() {
    assert_eq!(
        errors("[tls]\nfurther = { \"/a\" = \"/b\" }\n"),
        "cassmail.toml:2: tls.further: expected none, since there is no tls.certificate for \
         clients that ask for no name"
    );
    assert_eq!(
        errors("[tls.further]\n\"/a\" = 7\n"),
        "cassmail.toml:1: tls.further: expected files with the file that belongs to each, such as \
         { \"/a/chain.pem\" = \"/a/key.pem\" }, got { \"/a\" = 7 }"
    );
    for file in [
        "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\nfurther = { \"/a\" = \"/b\" }\n",
        "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[tls.further]\n\"/a\" = \"/b\"\n",
    ] {
        assert_eq!(errors(file), "");
    }
}

#[test]
fn each_value_that_does_not_fit_another_has_its_line() {
    let long = "x".repeat(100);
    let long_line = "cassmail.toml:1: data_dir: expected a folder with room for a socket, its path \
                     would be 111 octets and can be 107; set run_dir to a shorter one, such as \
                     \"/run/cassmail\"";
    for (file, line) in [
        (format!("data_dir = \"{long}\"\n").as_str(), long_line),
        (
            format!("data_dir = \"{long}\"\nrun_dir = \"/run/cassmail\"\n").as_str(),
            "",
        ),
        (
            "data_dir = \"\"\n",
            "cassmail.toml:1: data_dir: expected the path of a folder, got \"\"",
        ),
        (
            "[tls]\ncertificate = \"cert.pem\"\n",
            "default: tls.key: expected the private key of tls.certificate, got none",
        ),
        (
            "[tls]\nkey = \"key.pem\"\n",
            "default: tls.certificate: expected the certificate that belongs to tls.key, got none",
        ),
        (
            "[store.embedded]\nlow_water = \"511 MiB\"\n",
            "cassmail.toml:2: store.embedded.low_water: expected at least two segments of \
             \"256 MiB\", got \"511 MiB\"",
        ),
        ("[store.embedded]\nlow_water = \"512 MiB\"\n", ""),
        (
            "[login]\nmemory = \"8 KiB\"\nparallelism = 2\n",
            "cassmail.toml:2: login.memory: expected at least \"16 KiB\" for 2 lanes, got \
             \"8 KiB\"",
        ),
        (
            "[limits]\nexempt = [\"10.0.0.0/8\", \"10.0.0.0/33\"]\n",
            "cassmail.toml:2: limits.exempt: expected networks, such as \"10.0.0.0/8\" or \"::1\", \
             got \"10.0.0.0/33\"",
        ),
        (
            "[pop3]\nimplementation = \"two\\nlines\"\n",
            "cassmail.toml:2: pop3.implementation: expected at most 100 printable ASCII \
             characters, got \"two\\nlines\"",
        ),
        (
            "[pop3]\nlanguage = \"fr\"\n",
            "cassmail.toml:2: pop3.language: expected \"en\" or \"de\", got \"fr\"",
        ),
        (
            "[retention]\ndays = 20\n",
            "cassmail.toml:2: retention.days: expected at least retention.shortest_days, 30, got \
             20",
        ),
        (
            "[log]\nlevel = \"info,cassmail_net=loud\"\n",
            "cassmail.toml:2: log.level: expected error, warn, info, debug or trace, got \
             \"cassmail_net=loud\"",
        ),
    ] {
        assert_eq!(errors(file), line);
    }
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    for (file, start) in [
        (
            "hostname = \"\"\n[smtp\n",
            "cassmail.toml:2: not valid TOML: ",
        ),
        ("[smtp]\n[smtp]\n", "cassmail.toml:2: not valid TOML: "),
        ("a = 1\na = 2\n", "cassmail.toml:2: not valid TOML: "),
        ("hostname =\n", "cassmail.toml:1: not valid TOML: "),
    ] {
        let told = errors(file);
        assert!(told.starts_with(start), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn several_mistakes_are_all_told() {
    let told = errors("hostname = 5\nfoo = 1\n[smtp]\nmax_hops = true\n[tsl]\n");
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (name, value, line) in [
        (
            "CASSMAIL_SMTP__MAX_RECIPIENT",
            "300",
            "CASSMAIL_SMTP__MAX_RECIPIENT: there is no such setting; did you mean \
             CASSMAIL_SMTP__MAX_RECIPIENTS?",
        ),
        (
            "CASSMAIL_smtp__max_recipients",
            "300",
            "CASSMAIL_smtp__max_recipients: there is no such setting; did you mean \
             CASSMAIL_SMTP__MAX_RECIPIENTS?",
        ),
        (
            "CASSMAIL_XYZZY_AND_MORE",
            "",
            "CASSMAIL_XYZZY_AND_MORE: there is no such setting; list them with: cassmail config \
             default",
        ),
        (
            "CASSMAIL_SMTP__MAX_RECIPIENTS",
            "many",
            "CASSMAIL_SMTP__MAX_RECIPIENTS: smtp.max_recipients: expected a whole number from 100 \
             to 100000, got \"many\"",
        ),
        (
            "CASSMAIL_LISTENER",
            "[{name = \"in\", role = \"mx\"}]",
            "CASSMAIL_LISTENER: listener.addresses: is missing; expected a list in square \
             brackets, each an address with a port, such as \"127.0.0.1:2080\"",
        ),
        (
            "CASSMAIL_TLS__KEY",
            "key.pem",
            "default: tls.certificate: expected the certificate that belongs to tls.key, got none",
        ),
    ] {
        assert_eq!(variable(name, value).unwrap_err().to_string(), line);
    }
}
