//! A cluster of Cassandra that asks who comes, and encrypts.
//!
//! Runs where `CASSMAIL_CASSANDRA` names the contact points of one that was started with
//! `cargo xtask cassandra start 1x1 --auth --tls`, and `CASSMAIL_CASSANDRA_CERTIFICATES` the folder
//! of its certificates.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::run::{Ended, run};

/// The code of what cannot be reached.
const UNAVAILABLE: i32 = 69;

/// Where the cluster is, and what it wants to be shown.
struct Cluster {
    points: String,
    certificates: PathBuf,
}

/// What a configuration says of logins and encryption.
struct Approach<'a> {
    password: &'a str,
    authority: &'a Path,
    shows_certificate: bool,
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn cluster() -> Option<Cluster> {
    let points = std::env::var("CASSMAIL_CASSANDRA");
    let folder = std::env::var("CASSMAIL_CASSANDRA_CERTIFICATES").map(PathBuf::from);
    if let (Ok(points), Ok(certificates)) = (points, folder)
        && certificates.is_dir()
    {
        return Some(Cluster {
            points,
            certificates,
        });
    }
    // Not by macro: that would be captured.
    let left_out = b"left out: no CASSMAIL_CASSANDRA with CASSMAIL_CASSANDRA_CERTIFICATES\n";
    let _ = std::io::stderr().write_all(left_out);
    None
}

impl Cluster {
    fn authority(&self) -> PathBuf {
        self.certificates.join("authority.pem")
    }

    /// Runs a command with a configuration that comes to the cluster in this way.
    fn run(&self, approach: &Approach<'_>, words: &[&str]) -> Ended {
        let folder = self.configuration(approach);
        let file = folder.path().join("cassmail.toml");
        let file = file.to_str().unwrap();
        run(&[words, &["--config", file]].concat())
    }

    fn configuration(&self, approach: &Approach<'_>) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, approach.password).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let mut text = format!(
            "[store]\nkind = \"cassandra\"\n[store.cassandra]\ncontact_points = [{:?}]\n\
             local_datacenter = \"dc1\"\nkeyspace = \"secured_{}\"\nreplication = {{ dc1 = 1 }}\n\
             user = \"cassmail\"\npassword_file = \"{}\"\nca_certificate = \"{}\"\n",
            self.points,
            std::process::id(),
            password.display(),
            approach.authority.display(),
        );
        if approach.shows_certificate {
            let [certificate, key] = ["client.pem", "client.key"].map(|name| self.path(name));
            let _ = writeln!(text, "certificate = \"{}\"", certificate.display());
            let _ = writeln!(text, "key = \"{}\"", key.display());
        }
        fs::write(folder.path().join("cassmail.toml"), text).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.certificates.join(name)
    }
}

#[test]
fn a_secured_cluster_lets_in_who_shows_what_it_asks_for_and_nobody_else() {
    let Some(cluster) = cluster() else { return };
    let authority = cluster.authority();
    let right = Approach {
        password: "cassmail",
        authority: &authority,
        shows_certificate: true,
    };
    cluster.run(&right, &["store", "init"]).done();
    let checked = cluster.run(&right, &["store", "check", "--connect"]);
    assert!(!checked.done().is_empty(), "{checked:?}");

    let wrong_password = Approach {
        password: "guessed",
        ..right
    };
    let anonymous = Approach {
        shows_certificate: false,
        ..right
    };
    // It signed itself, and nothing else.
    let stranger = Approach {
        authority: &cluster.path("client.pem"),
        ..right
    };
    for (wrong, said) in [
        (wrong_password, "incorrect"),
        (anonymous, "certificate"),
        (stranger, "certificate"),
    ] {
        let refused = cluster.run(&wrong, &["store", "init"]);
        let error = refused.error(UNAVAILABLE);
        assert!(error.to_lowercase().contains(said), "{error}");
    }
}
