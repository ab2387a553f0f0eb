//! `copy`: everything of one store into another.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cassmail_store::Patience;
use cassmail_store::copy::{Copied, CopyError, CopyOptions, Progress, copy};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Runtime;

use crate::cli::{Copy, Which};
use crate::cluster::NoSchema;
use crate::exit::{Failure, Outcome};
use crate::{place, print, settings, wiring};

/// So many messages are under way at once: enough for group commits, and for a cluster.
const AT_ONCE: usize = 16;

/// How often the bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// A store, as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// An embedded store in its data folder.
    Embedded(PathBuf),
    /// The keyspace that the `[store.cassandra]` of a configuration names.
    Cassandra(PathBuf),
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("embedded", folder)) if !folder.is_empty() => Ok(Self::Embedded(folder.into())),
            Some(("cassandra", file)) if !file.is_empty() => Ok(Self::Cassandra(file.into())),
            _ => Err("expected embedded:DIR or cassandra:FILE, a configuration"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(folder) => write!(f, "embedded:{}", folder.display()),
            Self::Cassandra(file) => write!(f, "cassandra:{}", file.display()),
        }
    }
}

/// Which end of the copy a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Target,
}

/// Copies, and tells what came of it.
pub(crate) fn run(runtime: &Runtime, what: &Copy) -> Outcome {
    if what.from == what.to {
        return Err(Failure::usage("--from and --to name the same store"));
    }
    runtime.block_on(async {
        let source = open(&what.from, End::Source).await?;
        let target = match open(&what.to, End::Target).await {
            Ok(target) => target,
            Err(failure) => {
                source.close().await?;
                return Err(failure);
            }
        };
        warn(what);
        let copied = copy_until_told(&source, &target).await;
        let closed = target.close().await;
        source.close().await?;
        let copied = copied?;
        closed?;
        tell(&copied)
    })
}

/// Opening an embedded store is refused while a service has it.
async fn open(named: &Named, end: End) -> Outcome<wiring::Ready> {
    let (config, data) = match named {
        Named::Embedded(folder) => (None, Some(folder.clone())),
        Named::Cassandra(file) => (Some(file.clone()), None),
    };
    let which = Which { config, data };
    let mut loaded = settings::load(&which)?;
    loaded.settings.store.kind = match named {
        Named::Embedded(_) => cassmail_config::StoreKind::Embedded,
        Named::Cassandra(_) => cassmail_config::StoreKind::Cassandra,
    };
    settings::check(&loaded, &which.given())?;
    if let Named::Embedded(folder) = named {
        place::check_owner(folder)?;
        match end {
            End::Source if !folder.exists() => {
                let folder = folder.display();
                let error = anyhow::anyhow!("there is no store in {folder}");
                return Err(Failure::unavailable(error));
            }
            End::Source => {}
            End::Target => place::prepare(folder)?,
        }
    }
    let opened = wiring::open_for_copy(&loaded.settings, NoSchema::IsRefused).await;
    opened.map_err(|failure| failure.about(&format!("{named}:")))
}

/// What no lock can see.
fn warn(what: &Copy) {
    if let Named::Cassandra(_) = &what.from {
        print::remark(
            "no cassmail may serve the source while it is copied: mail that comes meanwhile may be \
             left behind, and what is removed meanwhile may come over",
        );
    }
    if let Named::Cassandra(_) = &what.to {
        print::remark("no cassmail may serve these domains from the target before this has ended");
    }
}

async fn copy_until_told(source: &wiring::Ready, target: &wiring::Ready) -> Outcome<Copied> {
    let options = CopyOptions {
        at_once: AT_ONCE,
        patience: Patience(Duration::from_mins(1)),
    };
    let progress = Progress::default();
    let bar = Bar::new(&progress);
    tokio::select! {
        copied = copy(&source.store, &target.store, options, &progress) => {
            copied.map_err(ended_early)
        }
        never = bar.draw() => match never {},
        lost = source.hold() => Err(lost),
        lost = target.hold() => Err(lost),
        _ = tokio::signal::ctrl_c() => Err(Failure::failed(anyhow::anyhow!(
            "interrupted; the same command goes on where this one ended"
        ))),
    }
}

fn ended_early(error: CopyError) -> Failure {
    let again = "the copy ended early; the same command goes on where this one ended";
    Failure::unavailable(anyhow::Error::new(error).context(again))
}

/// Draws how far it has come, where somebody looks.
struct Bar<'p> {
    progress: &'p Progress,
    bar: ProgressBar,
}

impl<'p> Bar<'p> {
    fn new(progress: &'p Progress) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let form = "[{bar:30}] {pos}/{len} accounts, {msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { progress, bar }
    }

    async fn draw(&self) -> std::convert::Infallible {
        loop {
            let now = self.progress.reading();
            self.bar.set_length(now.accounts);
            self.bar.set_position(now.done);
            self.bar.set_message(format!(
                "{} messages written ({}), {} verified",
                now.messages,
                HumanBytes(now.octets),
                now.verified
            ));
            tokio::time::sleep(DRAWN_EVERY).await;
        }
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn tell(copied: &Copied) -> Outcome {
    for fault in &copied.faults {
        print::data(fault);
    }
    print::data(format!(
        "{} domains, {} addresses, {} accounts; {} messages written, {} were there already, {} \
         octets; {} have another id than at the source",
        copied.domains,
        copied.addresses,
        copied.accounts,
        copied.messages,
        copied.present,
        copied.octets,
        copied.renamed
    ));
    match copied.faults.len() {
        0 => {
            print::data("everything was read back and is the same");
            Ok(())
        }
        faults => Err(Failure::failed(anyhow::anyhow!(
            "{faults} things did not arrive as they were; everything else was read back and is the \
             same"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_kind_and_its_place() {
        let parsed = |text: &str| text.parse::<Named>();
        let folder = Named::Embedded("/var/lib/cassmail".into());
        assert_eq!(parsed("embedded:/var/lib/cassmail"), Ok(folder.clone()));
        assert_eq!(folder.to_string(), "embedded:/var/lib/cassmail");
        let file = Named::Cassandra("a:b.toml".into());
        assert_eq!(parsed("cassandra:a:b.toml"), Ok(file));
        for wrong in ["", "embedded:", "memory:", "/var/lib/cassmail", "cassandra"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
