//! What can be typed about those who administer.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Make an administrator, who logs in to the HTTP API with a password
    Add {
        /// The name, such as alice or alice@example.org
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List administrators: name, domains, scopes
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what an administrator may do
    Set {
        /// Who
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Change an administrator's password
    Password {
        /// Whose
        name: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove an administrator, with the tokens that it has made
    Remove {
        /// Who
        name: String,
    },
    /// List the scopes, with what each allows
    Scopes,
}

/// What somebody may do.
#[derive(Debug, Args)]
pub(crate) struct Rights {
    /// Only what belongs to this domain; can be given several times [default: everything]
    #[arg(long = "domain", value_name = "DOMAIN")]
    pub(crate) domains: Vec<String>,
    /// Only this, such as accounts:read; can be given several times [default: all]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token for a program and print it; it cannot be shown again
    Add {
        /// What it is for
        label: String,
        #[command(flatten)]
        rights: Rights,
        /// After so many days it is worth nothing
        #[arg(long, value_name = "DAYS", default_value_t = 365)]
        days: u32,
        /// Print JSON, with the id and the end
        #[arg(long)]
        json: bool,
    },
    /// List tokens: id, end, owner, label, domains, scopes
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token: it is worth nothing from now on
    Revoke {
        /// Its id
        id: String,
    },
}

/// What of the audit log.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only changes by those in whose name this is
    #[arg(long, value_name = "TEXT")]
    pub(crate) who: Option<String>,
    /// Only changes of what has this in its path, such as bob@example.org
    #[arg(long, value_name = "TEXT")]
    pub(crate) resource: Option<String>,
    /// Only changes of what belongs to this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Only changes since then: a day such as 2026-11-27, or a time such as 2026-11-27T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only changes before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How many at most, the latest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON, with what was there before and what was asked for
    #[arg(long)]
    pub(crate) json: bool,
}
