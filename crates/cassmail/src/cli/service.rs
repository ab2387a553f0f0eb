//! What can be typed about the service as it runs.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Node {
    /// List the processes that serve the store: id, data center, state, when last seen
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell load balancers, by /readyz, to send mail elsewhere; what comes is served all the same
    Drain,
    /// Be ready again
    Fill,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ban {
    /// List who has tried wrong passwords lately, and whether more are looked at
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forgive a network, an account or an administrator
    Lift {
        /// An IP address, an address of an account, or the name of an administrator
        who: String,
        /// It is the name of an administrator, though it looks like an address
        #[arg(long)]
        administrator: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Session {
    /// List accounts that have sessions on this node: address, service, how many
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Certificate {
    /// List the certificates in use: names, end, days left
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Load the configuration and the certificates anew, as SIGHUP does, and say what changed
    Reload,
}

/// A shell that can be helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}
