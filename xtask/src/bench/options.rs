//! What may follow `bench embedded` and the others.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::place::Build;

/// How to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Numbers without a name, in their order.
    pub(super) numbers: Vec<u32>,
    /// Where the servers keep their files, in a folder of their own that is removed at the end.
    pub(super) folder: PathBuf,
    /// Where the figures go as JSON.
    pub(super) json: Option<PathBuf>,
    /// Whether the tables go into docs/benchmarks.md.
    pub(super) write: bool,
    /// The store of cassmail; anything but embedded is for trying this program.
    pub(super) store: String,
    /// Whether Postfix and Dovecot take part.
    pub(super) peers: bool,
    /// A small run, for trying this program.
    pub(super) quick: bool,
    /// The addresses of the cluster of Cassandra, if one is used: 127.0.NET.x.
    pub(super) net: u8,
    /// How long a load lasts, and how many mails a second come, where that can be chosen.
    pub(super) minutes: Option<u32>,
    pub(super) rate: Option<u32>,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            numbers: Vec::new(),
            // Not /tmp, which is often in memory; and Postfix, which gives up its rights, must be
            // able to reach it, so it is not below somebody's home.
            folder: "/var/tmp".into(),
            json: None,
            write: false,
            store: "embedded".into(),
            peers: true,
            quick: false,
            net: 0,
            minutes: None,
            rate: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().copied();
                value.with_context(|| format!("{word} wants a value"))
            };
            match *word {
                "--dir" => options.folder = value()?.into(),
                "--json" => options.json = Some(value()?.into()),
                "--net" => options.net = value()?.parse().context("--net is a number up to 255")?,
                "--minutes" => options.minutes = Some(number_in(word, value()?)?),
                "--rate" => options.rate = Some(number_in(word, value()?)?),
                "--rounds" => options.numbers.push(number_in(word, value()?)?),
                "--store" => value()?.clone_into(&mut options.store),
                "--write" => options.write = true,
                "--no-peers" => options.peers = false,
                "--quick" => options.quick = true,
                number => match number.parse() {
                    Ok(number) => options.numbers.push(number),
                    Err(_) => bail!("unknown argument: {number}"),
                },
            }
        }
        if options.write && (options.quick || options.store != "embedded") {
            bail!("--write is for whole runs, with no other store");
        }
        Ok(options)
    }

    /// What is measured, where a small run may do with what the tests have built.
    pub(super) fn build(&self) -> Build {
        if self.quick {
            Build::Debug
        } else {
            Build::Release
        }
    }

    /// What stands behind the store in the text of such a run.
    pub(super) fn doubt(&self) -> &'static str {
        match self.build() {
            Build::Debug => ", debug build: the figures mean little",
            Build::Release => "",
        }
    }

    /// The number at this place, else the default.
    pub(super) fn number(&self, place: usize, default: u32) -> u32 {
        self.numbers.get(place).copied().unwrap_or(default)
    }

    /// Fails when there are more numbers than the command knows.
    pub(super) fn at_most(self, numbers: usize) -> Result<Self> {
        match self.numbers.get(numbers) {
            Some(number) => bail!("unknown argument: {number}"),
            None => Ok(self),
        }
    }
}

fn number_in(option: &str, value: &str) -> Result<u32> {
    let number = value.parse();
    number.with_context(|| format!("{option} wants a number, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn numbers_and_named_values_may_stand_in_any_order() {
        let options = Options::parse(&["20", "--dir", "/x", "500", "--no-peers"]).unwrap();
        assert_eq!((options.number(0, 200), options.number(1, 7)), (20, 500));
        assert_eq!(options.number(2, 7), 7);
        assert_eq!(options.folder.as_os_str(), "/x");
        assert!(!options.peers);
        assert!(options.at_most(1).is_err());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(Options::parse(&["--dir"]).is_err());
        assert!(Options::parse(&["--fast"]).is_err());
        assert!(Options::parse(&["-1"]).is_err());
        assert!(Options::parse(&["--minutes", "x"]).is_err());
    }

    #[test]
    fn only_whole_runs_get_into_the_document() {
        assert!(Options::parse(&["--write"]).is_ok());
        assert!(Options::parse(&["--write", "--quick"]).is_err());
        assert!(Options::parse(&["--store", "memory", "--write"]).is_err());
    }
}
