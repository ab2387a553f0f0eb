//! `serve`: what keeps it from starting, what it says at its start, and its end.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::run::{House, Service, cassmail, is_root, run, run_with, talk};

/// A service that keeps nothing, on ports that are free.
pub(crate) const MEMORY: &str = "hostname = \"mx.here.example\"\n[store]\nkind = \"memory\"\n\
                                 [login]\nmemory = \"1 MiB\"\niterations = 1\n\
                                 [[listener]]\nname = \"mx\"\nrole = \"mx\"\n\
                                 addresses = [\"127.0.0.1:0\"]\n";

/// A user who is not the one of the tests.
const NOBODY: u32 = 65534;

#[test]
fn a_port_in_use_is_named_with_the_listener_and_the_remedy() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let house = House::configured(&MEMORY.replace("127.0.0.1:0", &address.to_string()));
    let ended = house.run(&["serve"]);
    let error = ended.error(69);
    assert!(
        error.starts_with(&format!("failed to listen on {address} for 'mx': ")),
        "{error}"
    );
    assert!(
        error.ends_with(
            "listens there already; stop it, or choose another address in the \
                         configuration"
        ),
        "{error}"
    );
    assert!(!house.path("data/admin.sock").exists());
}

#[test]
fn a_port_for_readings_that_is_in_use_is_named_with_its_setting() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let house = House::configured(&format!("{MEMORY}[admin]\nreadings = \"{address}\"\n"));
    let ended = house.run(&["serve"]);
    let expected = format!("failed to listen on {address}; set admin.readings to another: ");
    assert!(ended.error(69).starts_with(&expected), "{ended:?}");
}

#[test]
fn a_folder_that_is_served_already_is_not_served_twice() {
    let house = House::running(MEMORY);
    let ended = house.run(&["serve"]);
    let socket = house.path("data/admin.sock");
    assert_eq!(
        ended.error(69),
        format!(
            "{} is in use by another process; stop it, or set run_dir to another folder",
            socket.display()
        )
    );
    house.run(&["domain", "list"]).done();
}

#[test]
fn a_folder_of_another_user_is_refused_with_the_remedy() {
    let house = House::configured(MEMORY);
    let folder = house.path("data");
    let owner = if is_root() {
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(NOBODY), None).unwrap();
        NOBODY
    } else {
        // Everybody's machine has a folder of another user.
        std::os::unix::fs::symlink("/", &folder).unwrap();
        fs::metadata("/").unwrap().uid()
    };
    assert_eq!(fs::metadata(&folder).unwrap().uid(), owner);
    for words in [&["serve"][..], &["account", "list"]] {
        let ended = house.run(words);
        let error = ended.error(77);
        assert!(
            error.starts_with(&format!("{} belongs to ", folder.display())),
            "{error}"
        );
        assert!(
            error.contains("; do this as that user, such as: sudo -u "),
            "{error}"
        );
    }
}

#[test]
fn a_folder_without_permission_is_refused_with_the_remedy() {
    let house = House::configured(MEMORY);
    let parent = house.path("closed");
    fs::create_dir(&parent).unwrap();
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(house.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = parent.join("data");
    let mut serve = house.command(&["serve"]);
    serve.env("CASSMAIL_DATA_DIR", &data);
    if is_root() {
        serve.uid(NOBODY);
    }
    let ended = run_with(&mut serve, b"");
    let error = ended.error(77);
    let expected = format!(
        "failed to make the folder {}: Permission denied",
        data.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(
        error.contains("; make it for this user with: install -d -m 700 -o "),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_no_folder_is_refused() {
    let house = House::configured(MEMORY);
    fs::write(house.path("data"), "a file").unwrap();
    let ended = house.run(&["serve"]);
    let expected = format!(
        "failed to make the folder {}: ",
        house.path("data").display()
    );
    assert!(ended.error(69).starts_with(&expected), "{ended:?}");
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_mended_with_run_dir() {
    let house = House::configured(MEMORY);
    let long = house.path(&"x".repeat(100));
    let text = format!("data_dir = {long:?}\n{MEMORY}");
    fs::write(house.path("cassmail.toml"), &text).unwrap();
    for command in [&["serve"][..], &["config", "check"]] {
        let ended = house.run(command);
        let error = ended.error(78);
        assert!(
            error.contains("cassmail.toml:1: data_dir: expected a folder"),
            "{error}"
        );
        assert!(
            error.contains("; set run_dir to a shorter one, such as"),
            "{error}"
        );
    }
    let run_dir = house.path("run");
    let text = format!("run_dir = {run_dir:?}\n{text}");
    fs::write(house.path("cassmail.toml"), text).unwrap();
    let socket = run_dir.join("admin.sock");
    let _service = Service::start(&mut house.command(&["serve"]), &house.path("log"), &socket);
    house.run(&["domain", "list"]).done();
    let mode = fs::metadata(&run_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "for the service's user alone");
}

#[test]
fn a_folder_of_the_command_line_that_is_too_long_has_another_remedy() {
    let long = format!("/tmp/{}", "x".repeat(100));
    for words in [
        &["config", "check"][..],
        &["serve", "--dev", "--store", "memory"],
    ] {
        let ended = run(&[words, &["--data", &long]].concat());
        let error = ended.error(2);
        assert!(
            error.starts_with("--data: expected a folder with room"),
            "{error}"
        );
        assert!(
            error.ends_with(
                "name a shorter one, or set data_dir and run_dir in a file for --config"
            ),
            "{error}"
        );
        assert!(!Path::new(&long).exists());
    }
}

#[test]
fn the_start_says_what_is_left_out_without_a_certificate_and_without_a_domain() {
    let more = "[[listener]]\nname = \"submissions\"\nrole = \"submissions\"\n\
                addresses = [\"127.0.0.1:0\"]\n";
    let mut house = House::running(&format!("{MEMORY}{more}"));
    let (code, log) = house.stop();
    assert_eq!(code, Some(0));
    for said in [
        "WARN there is no certificate, so nothing that needs TLS is offered; set tls.certificate \
         and tls.key",
        "WARN a listener is left out: it needs a certificate",
        "WARN no domain is served, so every recipient is refused; add one with: cassmail domain \
         add NAME, and: cassmail account add ADDRESS",
        "WARN the store is memory: all mail is gone when the process ends",
    ] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    let left_out = log
        .lines()
        .find(|line| line.contains("is left out"))
        .unwrap();
    assert!(left_out.contains("listener=\"submissions\""), "{left_out}");
    assert!(
        !house.path("data/admin.sock").exists(),
        "the end leaves no socket"
    );
}

#[test]
fn a_service_that_lacks_a_domain_takes_mail_once_one_is_added() {
    let mut house = House::running(MEMORY);
    let log = house.log_with("service.started");
    let ready = log
        .lines()
        .find(|line| line.contains("listener=\"mx\""))
        .unwrap();
    let (_, address) = ready.split_once("server.address=").unwrap();
    let address: SocketAddr = address.split_whitespace().next().unwrap().parse().unwrap();
    let rcpt = || {
        let lines = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.example>\r\nQUIT\r\n";
        let answers = talk(address, lines);
        answers.lines().rev().nth(1).unwrap().to_owned()
    };
    assert!(rcpt().starts_with("550 5.7.1 "), "{}", rcpt());
    house.run(&["domain", "add", "here.example"]).done();
    assert!(rcpt().starts_with("550 5.1.1 "), "{}", rcpt());
    let add = ["account", "add", "bob@here.example", "--password-stdin"];
    house.run_with(&add, "open sesame\n").done();
    assert!(rcpt().starts_with("250 2.1.5 "), "{}", rcpt());
}

/// An offset with which the ports of development mode are free.
fn free_offset() -> u16 {
    let start = u16::try_from(std::process::id() % 250).unwrap() * 100;
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let all_free = |offset: &u16| {
        let ports = [2525, 2587, 2465, 2110, 2995, 2080];
        ports.into_iter().all(|port| is_free(port + offset))
    };
    (start..30_000).find(all_free).expect("some ports are free")
}

#[test]
fn development_mode_is_a_whole_server_on_the_loopback_and_passwords_change_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let offset = free_offset();
    let text = offset.to_string();
    let mut serve = cassmail(&["serve", "--dev", "--store", "memory", "--dev-plaintext"]);
    serve.args(["--data", data, "--port-offset", &text]);
    let socket = folder.path().join("data/admin.sock");
    let mut service = Service::start(&mut serve, &folder.path().join("log"), &socket);
    service.wait_for(|log| log.contains("service.started"));
    let log = service.log();
    for line in log
        .lines()
        .filter(|line| line.contains("net.listener.ready"))
    {
        assert!(line.contains("server.address=127.0.0.1:"), "{line}");
    }
    assert!(
        log.contains("accounts     alice bob carol dave erin @example.org"),
        "{log}"
    );
    let accounts = run(&["account", "list", "--data", data]);
    assert_eq!(accounts.done().lines().count(), 5);
    let log_in = |password: &str| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 2110 + offset));
        let answers = talk(address, &format!("USER bob\r\nPASS {password}\r\nQUIT\r\n"));
        answers.lines().nth(2).unwrap().to_owned()
    };
    assert!(log_in("cassmail-dev").starts_with("+OK"));
    let words = ["account", "passwd", "bob@example.org", "--password-stdin"];
    let mut passwd = cassmail(&[&words[..], &["--data", data]].concat());
    run_with(&mut passwd, b"new one\n").done();
    assert!(log_in("cassmail-dev").starts_with("-ERR [AUTH]"));
    assert!(log_in("new one").starts_with("+OK"));
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn development_mode_refuses_what_would_be_open_to_others() {
    for (more, address) in [
        (
            "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddresses = [\"0.0.0.0:2525\"]\n",
            "0.0.0.0:2525",
        ),
        ("[admin]\nreadings = \"[::]:2080\"\n", "[::]:2080"),
    ] {
        let house = House::configured(more);
        let ended = house.run(&["serve", "--dev", "--store", "memory"]);
        let error = ended.error(2);
        let expected = "serve --dev listens on the loopback alone, but the configuration asks for ";
        assert!(
            error.starts_with(&format!("{expected}{address}; ")),
            "{error}"
        );
    }
}
