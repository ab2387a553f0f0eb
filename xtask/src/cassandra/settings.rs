//! How a cluster is to run; kept beside its data, so that a node comes up again as it was.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::layout::Layout;

/// When a write is acknowledged: before or after its commit log is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// After; writes that come within 5 ms share a sync.
    Group,
    /// After; a sync begins as soon as the one before has ended.
    Batch,
    /// Before; a sync every ten seconds.
    Periodic,
}

impl Sync {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let all = [Self::Group, Self::Batch, Self::Periodic];
        let found = all.into_iter().find(|sync| sync.name() == text);
        found.with_context(|| format!("no commit log mode: {text}; batch, group or periodic"))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Batch => "batch",
            Self::Periodic => "periodic",
        }
    }
}

/// Which compilers of the Java machine work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jit {
    /// The fast one: starts in half the time, runs at half the speed. For tests.
    C1,
    /// Both: for measurements, after a minute or two of warming up.
    Full,
}

impl Jit {
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "c1" => Ok(Self::C1),
            "full" => Ok(Self::Full),
            _ => bail!("no such compiler: {text}; c1 or full"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::C1 => "c1",
            Self::Full => "full",
        }
    }
}

/// Whether clients log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logins {
    Off,
    /// As `cassmail`, with the same word as the password.
    On,
}

/// Whether clients may encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    /// With certificates on both sides, or not at all.
    Offered,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) layout: Layout,
    pub(super) sync: Sync,
    pub(super) jit: Jit,
    pub(super) logins: Logins,
    pub(super) encryption: Encryption,
    pub(super) heap_mib: u32,
    /// Lines for `cassandra.yaml`; they win over ours.
    pub(super) yaml: Vec<String>,
    /// Options for `java`.
    pub(super) jvm: Vec<String>,
}

impl Settings {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            sync: Sync::Batch,
            jit: Jit::C1,
            logins: Logins::Off,
            encryption: Encryption::Off,
            heap_mib: 512,
            yaml: Vec::new(),
            jvm: Vec::new(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "layout": self.layout.name(),
            "sync": self.sync.name(),
            "jit": self.jit.name(),
            "logins": self.logins == Logins::On,
            "encryption": self.encryption == Encryption::Offered,
            "heap_mib": self.heap_mib,
            "yaml": self.yaml,
            "jvm": self.jvm,
        })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let text = |name: &str| {
            let text = value[name].as_str();
            text.with_context(|| format!("no {name} in the settings of the cluster"))
        };
        let logins = value["logins"].as_bool().unwrap_or_default();
        let encrypts = value["encryption"].as_bool().unwrap_or_default();
        let encryption = if encrypts {
            Encryption::Offered
        } else {
            Encryption::Off
        };
        Ok(Self {
            layout: Layout::parse(text("layout")?)?,
            sync: Sync::parse(text("sync")?)?,
            jit: Jit::parse(text("jit")?)?,
            logins: if logins { Logins::On } else { Logins::Off },
            encryption,
            heap_mib: u32::try_from(value["heap_mib"].as_u64().context("no heap_mib")?)?,
            yaml: texts(&value["yaml"]),
            jvm: texts(&value["jvm"]),
        })
    }
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_kept() {
        let mut settings = Settings::new(Layout::TwoCenters);
        settings.logins = Logins::On;
        settings.encryption = Encryption::Offered;
        settings.sync = Sync::Periodic;
        settings.yaml = vec!["max_hint_window: 1m".to_owned()];
        assert_eq!(Settings::from_json(&settings.to_json()).unwrap(), settings);
    }
}
