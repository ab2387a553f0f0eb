//! What was asked for.

use anyhow::{Context as _, Result, bail};

use super::layout::{Layout, Net};
use super::process::Process;
use super::settings::{Encryption, Jit, Logins, Settings, Sync};
use super::status::Form;

/// A command, on the cluster of a net.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) net: Net,
    pub(super) form: Form,
    pub(super) verb: Verb,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    Start {
        settings: Settings,
        /// The cluster ends with this process.
        owner: Option<Process>,
    },
    Stop,
    Wipe,
    Status,
    Kill(String),
    Pause(String),
    Resume(String),
    Up(String),
    Replace(String),
    Cut(String),
    Heal,
    Nodetool {
        node: String,
        words: Vec<String>,
    },
    Cql {
        node: String,
        level: String,
        text: String,
    },
    Selftest(Vec<Layout>),
    /// How this program starts its keeper.
    Keep {
        layout: Layout,
        owner: u32,
    },
}

impl Asked {
    pub(super) fn parse(words: &[&str]) -> Result<Self> {
        let (verb, rest) = words.split_first().context("no command")?;
        let mut options = Options::default();
        let words = options.take(rest, *verb == "nodetool")?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        options.check(verb)?;
        Ok(Self {
            net: Net(options.net),
            form: options.form(),
            verb: options.verb(verb, &words)?,
        })
    }
}

/// What was given with two dashes.
#[derive(Default)]
struct Options {
    net: u8,
    level: Option<String>,
    json: bool,
    /// Options that only `start` has, as they were given.
    start: Vec<(String, String)>,
    file: Option<String>,
}

impl Options {
    /// Takes the options from among the words. Those behind the first word of nodetool are its own.
    fn take(&mut self, words: &[&str], is_nodetool: bool) -> Result<Vec<String>> {
        let mut others: Vec<String> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is_for_nodetool = is_nodetool && !others.is_empty();
            if is_for_nodetool || !word.starts_with("--") {
                others.push((*word).to_owned());
                continue;
            }
            if !self.take_alone(word) {
                let value = words
                    .next()
                    .with_context(|| format!("{word} wants a value"))?;
                self.take_pair(word, value)?;
            }
        }
        Ok(others)
    }

    fn take_alone(&mut self, option: &str) -> bool {
        match option {
            "--json" => self.json = true,
            "--auth" | "--tls" => self.start.push((option.to_owned(), String::new())),
            _ => return false,
        }
        true
    }

    fn take_pair(&mut self, option: &str, value: &str) -> Result<()> {
        let value = value.to_owned();
        match option {
            "--net" => self.net = value.parse().context("--net is a number up to 255")?,
            "--level" => self.level = Some(value),
            "--file" => self.file = Some(value),
            "--sync" | "--jit" | "--heap" | "--for" | "--yaml" | "--jvm" => {
                self.start.push((option.to_owned(), value));
            }
            _ => bail!("unknown option: {option}"),
        }
        Ok(())
    }

    /// An option that does nothing is an error of who gave it.
    fn check(&self, verb: &str) -> Result<()> {
        let is_cql = self.level.is_some() || self.file.is_some();
        if !self.start.is_empty() && verb != "start" {
            bail!("{} belongs to start", self.start[0].0);
        }
        if is_cql && verb != "cql" {
            bail!("--level and --file belong to cql");
        }
        if self.json && !["start", "status"].contains(&verb) {
            bail!("--json belongs to start and status");
        }
        Ok(())
    }

    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    fn verb(self, verb: &str, words: &[&str]) -> Result<Verb> {
        Ok(match (verb, words) {
            ("install", []) => Verb::Install,
            ("start", [layout]) => self.start(Layout::parse(layout)?)?,
            ("stop", []) => Verb::Stop,
            ("wipe", []) => Verb::Wipe,
            ("status", []) => Verb::Status,
            ("kill", [nodes]) => Verb::Kill((*nodes).to_owned()),
            ("pause", [nodes]) => Verb::Pause((*nodes).to_owned()),
            ("resume", [nodes]) => Verb::Resume((*nodes).to_owned()),
            ("up", [nodes]) => Verb::Up((*nodes).to_owned()),
            ("replace", [node]) => Verb::Replace((*node).to_owned()),
            ("cut", [nodes]) => Verb::Cut((*nodes).to_owned()),
            ("heal", []) => Verb::Heal,
            ("nodetool", [node, words @ ..]) => Verb::Nodetool {
                node: (*node).to_owned(),
                words: words.iter().map(|word| (*word).to_owned()).collect(),
            },
            ("cql", [node, words @ ..]) => self.cql(node, words)?,
            ("selftest", layouts) => Verb::Selftest(parse_layouts(layouts)?),
            (super::keeper::VERB, [layout, owner]) => Verb::Keep {
                layout: Layout::parse(layout)?,
                owner: owner.parse()?,
            },
            _ => bail!("not understood: cassandra {verb} {}", words.join(" ")),
        })
    }

    fn start(&self, layout: Layout) -> Result<Verb> {
        let mut settings = Settings::new(layout);
        let mut owner = None;
        for (option, value) in &self.start {
            match option.as_str() {
                "--sync" => settings.sync = Sync::parse(value)?,
                "--jit" => settings.jit = Jit::parse(value)?,
                "--heap" => settings.heap_mib = value.parse().context("--heap is in MiB")?,
                "--yaml" => settings.yaml.push(value.clone()),
                "--jvm" => settings.jvm.push(value.clone()),
                "--for" => owner = Some(parse_owner(value)?),
                "--tls" => settings.encryption = Encryption::Offered,
                _ => settings.logins = Logins::On,
            }
        }
        Ok(Verb::Start { settings, owner })
    }

    fn cql(self, node: &str, words: &[&str]) -> Result<Verb> {
        let level = self.level.unwrap_or_else(|| "LOCAL_QUORUM".to_owned());
        if !super::cql::LEVELS.contains(&level.as_str()) {
            bail!("no such level of consistency: {level}");
        }
        let text = match (self.file, words) {
            (Some(file), []) => std::fs::read_to_string(&file).context(file)?,
            (None, [_, ..]) => words.join(" "),
            _ => bail!("cql wants statements, or a --file of them"),
        };
        Ok(Verb::Cql {
            node: node.to_owned(),
            level,
            text,
        })
    }
}

fn parse_layouts(words: &[&str]) -> Result<Vec<Layout>> {
    if words.is_empty() {
        return Ok(vec![Layout::Single, Layout::TwoCenters]);
    }
    words.iter().map(|word| Layout::parse(word)).collect()
}

fn parse_owner(word: &str) -> Result<Process> {
    let id = word
        .parse()
        .context("--for wants the number of a process")?;
    Process::find(id).with_context(|| format!("no process {id} runs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked> {
        Asked::parse(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn a_start_has_modes() {
        let line = "start 2x3 --sync periodic --jit full --auth --net 7 --json --heap 400";
        let asked = parse(line).unwrap();
        let Verb::Start { settings, owner } = asked.verb else {
            panic!("no start");
        };
        assert_eq!((asked.net, asked.form), (Net(7), Form::Json));
        assert_eq!((settings.sync, settings.jit), (Sync::Periodic, Jit::Full));
        assert_eq!((settings.logins, settings.heap_mib), (Logins::On, 400));
        assert_eq!(owner, None);
    }

    #[test]
    fn a_start_without_modes_is_durable_quick_and_open() {
        let Verb::Start { settings, .. } = parse("start 1x1").unwrap().verb else {
            panic!("no start");
        };
        assert_eq!(settings, Settings::new(Layout::Single));
        assert_eq!((settings.sync, settings.jit), (Sync::Batch, Jit::C1));
    }

    #[test]
    fn a_cluster_can_be_started_for_a_process_that_runs() {
        let own = std::process::id();
        let Verb::Start { owner, .. } = parse(&format!("start 1x1 --for {own}")).unwrap().verb
        else {
            panic!("no start");
        };
        assert_eq!(owner, Process::find(own));
        assert!(parse("start 1x1 --for 4194305").is_err());
    }

    #[test]
    fn nodetool_gets_its_options_untouched() {
        let asked = parse("nodetool --net 3 2 status --json").unwrap();
        assert_eq!(asked.net, Net(3));
        let words = vec!["status".to_owned(), "--json".to_owned()];
        let node = "2".to_owned();
        assert_eq!(asked.verb, Verb::Nodetool { node, words });
    }

    #[test]
    fn a_statement_has_a_level() {
        let asked = parse("cql 1 --level EACH_QUORUM SELECT 1").unwrap();
        let expected = Verb::Cql {
            node: "1".to_owned(),
            level: "EACH_QUORUM".to_owned(),
            text: "SELECT 1".to_owned(),
        };
        assert_eq!(asked.verb, expected);
        assert!(parse("cql 1 --level MOST SELECT 1").is_err());
        assert!(parse("cql 1").is_err());
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        for line in [
            "start",
            "start 3x3",
            "start 1x1 2x3",
            "start 1x1 --sync never",
            "start 1x1 --net 256",
            "start 1x1 --level ONE",
            "stop --jit c1",
            "stop --json",
            "kill",
            "heal dc2",
            "status --verbose yes",
            "keep 1x1",
            "dance",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
