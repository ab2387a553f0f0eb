//! The binary: the command line and the composition root, nothing else.
//!
//! To see how the parts are joined, read `serve.rs` from top to bottom; how a setting becomes an
//! option of a crate, `wiring.rs`.

mod cli;
mod clock;
mod cluster;
mod commands;
mod dev;
mod exit;
mod http;
mod keeper;
mod place;
mod print;
mod reception;
mod reload;
mod salt;
mod serve;
mod service;
mod settings;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, Outcome};

/// Gives memory back to the system when connections end. That of the C library keeps what thousands
/// of them had, since something small always lives above it: see ADR 22.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::remark(failure.line());
            failure.code()
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let which = cli.which;
    which.check()?;
    match cli.command {
        Command::Serve(how) => runtime()?.block_on(serve::serve(&which, how)),
        Command::Config(command) => commands::config::run(&which, command),
        Command::Domain(command @ cli::Domain::Add { .. }) => {
            place::with_client_of_new(&runtime()?, &which, async |client| {
                commands::directory::domain(client, command).await
            })
        }
        Command::Domain(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::directory::domain(client, command).await
        }),
        Command::Account(command) => {
            commands::directory::check(&command)?;
            place::with_client(&runtime()?, &which, async |client| {
                commands::directory::account(client, command).await
            })
        }
        Command::Alias(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::directory::alias(client, command).await
        }),
        Command::Mailbox(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::mailbox::run(client, command).await
        }),
        Command::Admin(cli::Admin::Scopes) => {
            commands::administrators::scopes();
            Ok(())
        }
        Command::Admin(command) => {
            commands::administrators::check(&command)?;
            place::with_client(&runtime()?, &which, async |client| {
                commands::administrators::admin(client, command).await
            })
        }
        Command::Token(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::administrators::token(client, command).await
        }),
        Command::Audit(asked) => place::with_client(&runtime()?, &which, async |client| {
            commands::administrators::audit(client, asked).await
        }),
        Command::Retention { domain, all } => {
            place::with_client(&runtime()?, &which, async |client| {
                commands::retention::show(client, domain, all).await
            })
        }
        Command::Node(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::service::node(client, command).await
        }),
        Command::Ban(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::service::ban(client, command).await
        }),
        Command::Session(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::service::session(client, command).await
        }),
        Command::Certificate(command) => place::with_client(&runtime()?, &which, async |client| {
            commands::service::certificate(client, command).await
        }),
        Command::Completions { shell } => {
            commands::help::completions(shell);
            Ok(())
        }
        Command::Man { words } => commands::help::manual(&words),
        Command::Message(cli::Message::Trace(which_messages)) => {
            place::with_client(&runtime()?, &which, async |client| {
                commands::message::trace(client, &which_messages).await
            })
        }
        Command::Store(command) => commands::store::run(&runtime()?, &which, command),
        Command::Copy(what) => commands::copy::run(&runtime()?, &what),
        Command::Scrub(how) => commands::scrub::run(&runtime()?, &which, &how),
        Command::Version => {
            print::data(concat!("cassmail ", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    }
}

/// Half of the processors serve sessions; the store, the log and password hashes have threads of
/// their own. Measured on two: one worker instead of two takes a quarter less processor time for a
/// poll, and a tenth less for a mail, since sessions are not handed from one to the other.
fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let failed = |error: std::io::Error| {
        Failure::software(anyhow::Error::new(error).context("failed to start the runtime"))
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .enable_all()
        .build()
        .map_err(failed)
}
