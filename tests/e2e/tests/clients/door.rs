//! The ways in and out of the server, and what a test of a client needs on each.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use cassmail_e2e::{Ended, PASSWORD, Port, Server, run};

/// How a connection gets its TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all.
    Clear,
    /// By STARTTLS or STLS.
    Upgrade,
    /// Before the first octet.
    Implicit,
}

/// One way in or out, and the account that a test uses for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    pub(crate) port: Port,
    pub(crate) tls: Tls,
    pub(crate) account: &'static str,
}

/// The ways in. Each fills a mailbox of its own.
pub(crate) const IN: [Door; 4] = [
    Door {
        port: Port::Mx,
        tls: Tls::Clear,
        account: "bob",
    },
    Door {
        port: Port::Mx,
        tls: Tls::Upgrade,
        account: "carol",
    },
    Door {
        port: Port::Submission,
        tls: Tls::Upgrade,
        account: "dave",
    },
    Door {
        port: Port::Submissions,
        tls: Tls::Implicit,
        account: "erin",
    },
];

/// The way out for passwords in clear.
pub(crate) const OUT_IN_CLEAR: [Door; 1] = [Door {
    port: Port::Pop3,
    tls: Tls::Clear,
    account: "bob",
}];

/// The ways out under TLS.
pub(crate) const OUT_UNDER_TLS: [Door; 2] = [
    Door {
        port: Port::Pop3,
        tls: Tls::Upgrade,
        account: "bob",
    },
    Door {
        port: Port::Pop3s,
        tls: Tls::Implicit,
        account: "bob",
    },
];

impl Door {
    /// Whether one has to log in to send.
    pub(crate) fn is_submission(self) -> bool {
        matches!(self.port, Port::Submission | Port::Submissions)
    }

    /// The address of its mailbox.
    pub(crate) fn address(self) -> String {
        format!("{}@example.org", self.account)
    }
}

/// Does the same by several doors at once, since most of it is waiting; gives all that went wrong.
pub(crate) fn by_every_door(
    doors: &[Door],
    work: impl Fn(Door) -> Vec<String> + Sync,
) -> Vec<String> {
    let work = &work;
    thread::scope(|scope| {
        let workers: Vec<_> = doors
            .iter()
            .map(|door| scope.spawn(move || work(*door)))
            .collect();
        let failures = workers.into_iter().map(ScopedJoinHandle::join);
        failures
            .flat_map(|failures| failures.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// A client at work: its home, its server, its door.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a Server,
    pub(crate) door: Door,
    pub(crate) home: &'a Path,
}

/// What a client may take for one of its runs.
const LIMIT: Duration = Duration::from_mins(5);

impl Client<'_> {
    /// The number of the port.
    pub(crate) fn port(&self) -> u16 {
        self.server.port(self.door.port)
    }

    /// A command that finds nothing of the user who runs the tests.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home)
            .env("HOME", self.home)
            .env("LC_ALL", "C.UTF-8");
        command
            .env("TERM", "xterm")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("MAIL");
        command
    }

    /// Writes a file that only its owner may read, as clients want it for passwords.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.home.join(name);
        std::fs::write(&path, content).expect("there is room for temporary files");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("the file is ours");
        path
    }

    /// A folder for what is fetched, and a shell script that puts its input there, numbered.
    pub(crate) fn collector(&self) -> (PathBuf, String) {
        let folder = self.home.join("fetched");
        std::fs::create_dir_all(&folder).expect("there is room for temporary files");
        let folder_text = folder.display();
        let script = format!(
            "#!/bin/sh\nn=$(ls {folder_text} | wc -l)\nexec cat > {folder_text}/$(printf %06d $n)\n"
        );
        let path = self.write("collect", script.as_bytes());
        (folder, format!("/bin/sh {}", path.display()))
    }

    /// Runs mutt on a configuration that ends with the keys it is to be pressed.
    pub(crate) fn press(&self, config: &str) {
        let config = self.write("muttrc", config.as_bytes());
        // A terminal whose keyboard stays silent: the end of its input would be a key as well.
        let terminal = format!(
            "mkfifo keys && exec script -qec 'mutt -F {}' /dev/null <> keys",
            config.display()
        );
        well(self.command("sh").args(["-c", &terminal]), b"");
    }

    /// The server's certificate, for clients that will not go without checking one.
    pub(crate) fn certificate(&self) -> PathBuf {
        let ask = "import ssl, sys\n\
            print(ssl.get_server_certificate(('127.0.0.1', int(sys.argv[1]))))";
        let port = self.server.port(Port::Pop3s).to_string();
        let pem = well(self.command("python3").args(["-c", ask, &port]), b"");
        self.write("certificate.pem", &pem.stdout)
    }
}

/// Runs a command; it has to end well.
#[track_caller]
pub(crate) fn well(command: &mut Command, input: &[u8]) -> Ended {
    run(command, input, LIMIT).well()
}

/// The login of an account.
pub(crate) fn login(account: &str) -> String {
    format!("{account}@example.org:{PASSWORD}")
}

/// The files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("the folder is ours");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is ours").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("the file is ours"))
        .collect()
}

/// LF to CRLF, for what a client stores by the custom of Unix. No message has a bare CR or LF, so
/// nothing is lost by it.
pub(crate) fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len() + text.len() / 40);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        all.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        all.extend_from_slice(if line.ends_with(b"\n") { b"\r\n" } else { b"" });
    }
    all
}

/// CRLF to LF, for clients that read messages by the custom of Unix.
pub(crate) fn with_lf(message: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        all.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        all.extend_from_slice(if line.ends_with(b"\r\n") { b"\n" } else { b"" });
    }
    all
}
