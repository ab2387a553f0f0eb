//! Development mode: a whole mail server on the loopback, with people in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use cassmail_config::{Settings, StoreKind};
use cassmail_mail::{Address, Secret};
use cassmail_net::Certificates;
use cassmail_office::{Administration, AdministrationError, NewPassword};

use crate::exit::{Failure, Outcome};
use crate::print;

/// Who is there; alice is postmaster.
pub(crate) const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
/// Everybody's password.
pub(crate) const PASSWORD: &str = "cassmail-dev";
/// The domain.
pub(crate) const DOMAIN: &str = "example.org";

/// The ports, before the offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    offset: u16,
}

impl Ports {
    /// All ports, `offset` higher.
    ///
    /// # Errors
    /// A port would be above 65535.
    pub(crate) fn with_offset(offset: u16) -> Outcome<Self> {
        match offset.checked_add(2995) {
            Some(_) => Ok(Self { offset }),
            None => Err(Failure::usage(format!(
                "--port-offset {offset}: expected at most {}, so that all ports are below 65536",
                u16::MAX - 2995
            ))),
        }
    }

    pub(crate) fn mx(self) -> SocketAddr {
        self.loopback(2525)
    }

    pub(crate) fn submission(self) -> SocketAddr {
        self.loopback(2587)
    }

    pub(crate) fn submissions(self) -> SocketAddr {
        self.loopback(2465)
    }

    pub(crate) fn pop3(self) -> SocketAddr {
        self.loopback(2110)
    }

    pub(crate) fn pop3s(self) -> SocketAddr {
        self.loopback(2995)
    }

    pub(crate) fn admin(self) -> SocketAddr {
        self.loopback(2080)
    }

    fn loopback(self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port + self.offset).into()
    }
}

/// A folder that is removed when this is dropped, unless the user named one.
pub(crate) enum Folder {
    /// The user's.
    Kept(PathBuf),
    /// Ours, until the end.
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// The named folder, or a temporary one.
    pub(crate) fn choose(named: Option<&Path>) -> Outcome<Self> {
        if let Some(folder) = named {
            return Ok(Self::Kept(folder.to_owned()));
        }
        let made = tempfile::Builder::new().prefix("cassmail-dev-").tempdir();
        let failed = |error: std::io::Error| {
            Failure::unavailable(anyhow::Error::new(error).context("failed to make a folder"))
        };
        Ok(Self::Temporary(made.map_err(failed)?))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// A certificate for the loopback, signed by itself.
pub(crate) fn certificates() -> Outcome<Certificates> {
    let names = ["localhost", "127.0.0.1", "::1", DOMAIN].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| {
        Failure::software(anyhow::Error::new(error).context("failed to make a certificate"))
    })?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Certificates::from_pem(chain.as_bytes(), key.as_bytes()).map_err(Failure::software)
}

/// Makes the domain and the people who are not there yet.
pub(crate) async fn settle(administration: &Administration) -> Outcome {
    let domain = DOMAIN.parse().map_err(Failure::software)?;
    let postmaster = Some(person(PEOPLE[0])?);
    administration
        .add_domain(domain, postmaster)
        .await
        .map_err(Failure::unavailable)?;
    for name in PEOPLE {
        let password = NewPassword::Clear(Secret::new(PASSWORD.to_owned()));
        match administration.add_account(&person(name)?, password).await {
            Ok(()) | Err(AdministrationError::AddressInUse(_)) => {}
            Err(error) => return Err(Failure::unavailable(error)),
        }
    }
    Ok(())
}

fn person(name: &str) -> Outcome<Address> {
    format!("{name}@{DOMAIN}")
        .parse()
        .map_err(Failure::software)
}

/// Says what is there and how to use it, with commands that can be pasted.
pub(crate) fn introduce(ports: Ports, folder: &Folder, settings: &Settings) {
    let [mx, submission, submissions, pop3, pop3s, admin] = [
        ports.mx(),
        ports.submission(),
        ports.submissions(),
        ports.pop3(),
        ports.pop3s(),
        ports.admin(),
    ];
    let kept = match (settings.store.kind, folder) {
        (StoreKind::Memory, _) => "kept nowhere but in memory".to_owned(),
        (StoreKind::Cassandra, _) => format!(
            "kept in the keyspace {} of Cassandra at {}",
            settings.cassandra.keyspace,
            settings.cassandra.contact_points.join(", ")
        ),
        (StoreKind::Embedded, Folder::Kept(path)) => format!("kept in {}", path.display()),
        (StoreKind::Embedded, Folder::Temporary(folder)) => {
            format!("in {}, removed at the end", folder.path().display())
        }
    };
    print::data(format!(
        "cassmail is ready for development, on the loopback alone. Mail is {kept}.\n\
         \n\
         accounts     {people} @{DOMAIN}, password {PASSWORD}\n\
         MX           {mx}   (STARTTLS)\n\
         submission   {submission}   (STARTTLS, login)\n\
         submissions  {submissions}   (TLS, login)\n\
         POP3         {pop3}   (STLS)\n\
         POP3S        {pop3s}   (TLS)\n\
         readings     http://{admin}/metrics /healthz /readyz\n\
         \n\
         Send a first mail to bob:\n\
         \n  \
         printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl smtp://{mx} \
         --mail-from alice@{DOMAIN} --mail-rcpt bob@{DOMAIN} --upload-file -\n\
         \n\
         Fetch it as bob:\n\
         \n  \
         curl --insecure --user bob:{PASSWORD} pop3s://{pop3s}/1\n",
        people = PEOPLE.join(" "),
    ));
}
