//! The budgets of the stores, and what a figure means for them.
//!
//! A budget is what we want; half-way is what the first version must reach. Figures are CPU time
//! per operation or ratios to a peer in the same run, since absolute times differ between machines.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::report::Table;

/// How a figure is held against its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// At most so much.
    AtMost,
    /// More than so much.
    MoreThan,
}

/// What must be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Budget {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) bound: Bound,
    pub(super) wanted: f64,
    /// None where the whole budget is the first aim.
    pub(super) half_way: Option<f64>,
    /// Decimals worth showing.
    decimals: usize,
}

pub(super) const ACCEPT_CPU: Budget = Budget {
    what: "SMTP accept to synced 250, 10 KiB, 32 open connections, pipelined: CPU per mail",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 0.10,
    half_way: Some(0.20),
    decimals: 3,
};
pub(super) const ACCEPT_RATE: Budget = Budget {
    what: "the same: mails per second, to Postfix writing Maildir",
    unit: "times",
    bound: Bound::MoreThan,
    wanted: 5.0,
    half_way: Some(1.0),
    decimals: 1,
};
pub(super) const POLL_CPU: Budget = Budget {
    what: "POP3 poll (connect, login, STAT, UIDL, QUIT), 100 messages: CPU per session",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 0.10,
    half_way: Some(0.15),
    decimals: 3,
};
pub(super) const POLL_RATE: Budget = Budget {
    what: "the same: sessions per second, to Dovecot",
    unit: "times",
    bound: Bound::MoreThan,
    wanted: 3.0,
    half_way: None,
    decimals: 1,
};
pub(super) const DRAIN_CPU: Budget = Budget {
    what: "drain (RETR and DELE of all, QUIT): CPU per message, to Dovecot",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 1.0 / 3.0,
    half_way: None,
    decimals: 2,
};
pub(super) const STAT: Budget = Budget {
    what: "mailbox of 100 000 messages, warm: login to the answer to STAT",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 40.0,
    half_way: None,
    decimals: 1,
};
pub(super) const MEMORY_IDLE: Budget = Budget {
    what: "memory of the process, idle",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 30.0,
    half_way: Some(60.0),
    decimals: 1,
};
pub(super) const MEMORY_CROWD: Budget = Budget {
    what: "memory while 1000 connections deliver",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 100.0,
    half_way: None,
    decimals: 1,
};
pub(super) const MEMORY_LARGE: Budget = Budget {
    what: "memory while receiving 32 mails of 25 MB at once",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 150.0,
    half_way: None,
    decimals: 1,
};
pub(super) const START: Budget = Budget {
    what: "start of the process to the first 220, with 100 000 messages",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 100.0,
    half_way: None,
    decimals: 1,
};

pub(super) const HOSTILE_SLOWEST: Budget = Budget {
    what: "a delivery or poll of the neighbour, the slowest of all scenes",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 1000.0,
    half_way: None,
    decimals: 0,
};
pub(super) const HOSTILE_FAILED: Budget = Budget {
    what: "deliveries and polls of the neighbour that failed, most in a scene",
    unit: "",
    bound: Bound::AtMost,
    wanted: 0.0,
    half_way: None,
    decimals: 0,
};
pub(super) const HOSTILE_IDLE_MEMORY: Budget = Budget {
    what: "memory of the process with 5000 idle connections, 500 of them under TLS",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 100.0,
    half_way: None,
    decimals: 1,
};
pub(super) const HOSTILE_MEMORY: Budget = Budget {
    what: "memory of the process, most of all scenes",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 150.0,
    half_way: None,
    decimals: 1,
};
pub(super) const HOSTILE_RETURN: Budget = Budget {
    what: "memory after all scenes, to that before the first",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 1.2,
    half_way: None,
    decimals: 2,
};
pub(super) const HOSTILE_LEFT: Budget = Budget {
    what: "scenes after which sockets or sessions were left (0: none, 1: some)",
    unit: "",
    bound: Bound::AtMost,
    wanted: 0.0,
    half_way: None,
    decimals: 0,
};

pub(super) const CLUSTER_ACCEPT_CPU: Budget = Budget {
    what: "SMTP accept to 250, 10 KiB, 32 open connections, pipelined: CPU of cassmail per mail",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 0.20,
    half_way: None,
    decimals: 3,
};
pub(super) const CLUSTER_WHOLE_CPU: Budget = Budget {
    what: "the same with Cassandra's: CPU per mail",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 0.70,
    half_way: None,
    decimals: 3,
};
// One and some more for what is read again from time to time.
pub(super) const CLUSTER_ACCEPT_REQUESTS: Budget = Budget {
    what: "the same: requests to Cassandra per mail",
    unit: "",
    bound: Bound::AtMost,
    wanted: 1.05,
    half_way: None,
    decimals: 2,
};
// The login, the directory, and the only bucket.
pub(super) const CLUSTER_POLL_REQUESTS: Budget = Budget {
    what: "POP3 poll of a new mailbox (connect, login, STAT, UIDL, QUIT): requests per session",
    unit: "",
    bound: Bound::AtMost,
    wanted: 3.05,
    half_way: None,
    decimals: 2,
};
pub(super) const CLUSTER_RETRIEVE_REQUESTS: Budget = Budget {
    what: "RETR of all, 10 KiB each: requests per message",
    unit: "",
    bound: Bound::AtMost,
    wanted: 1.05,
    half_way: None,
    decimals: 2,
};
pub(super) const CLUSTER_REMOVE_REQUESTS: Budget = Budget {
    what: "what DELE of all adds to that: requests per message",
    unit: "",
    bound: Bound::AtMost,
    wanted: 0.10,
    half_way: None,
    decimals: 2,
};
pub(super) const CLUSTER_MEMORY_IDLE: Budget = Budget {
    what: "memory of cassmail, idle, with its connections to Cassandra",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 60.0,
    half_way: None,
    decimals: 1,
};
pub(super) const CLUSTER_MEMORY_LOAD: Budget = Budget {
    what: "memory of cassmail under all these loads, and while 1000 connections deliver",
    unit: "MiB",
    bound: Bound::AtMost,
    wanted: 150.0,
    half_way: None,
    decimals: 1,
};

pub(super) const TOMBSTONES_READ: Budget = Budget {
    what: "rows and tombstones read by a listing, at most in all days",
    unit: "",
    bound: Bound::AtMost,
    wanted: 1000.0,
    half_way: None,
    decimals: 0,
};
pub(super) const TOMBSTONES_TIME: Budget = Budget {
    what: "a listing at the end, to that of a new mailbox with as many mails",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 2.0,
    half_way: None,
    decimals: 2,
};
/// Where that is so quick that a ratio says little.
pub(super) const TOMBSTONES_QUICK: Budget = Budget {
    what: "a listing at the end",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 5.0,
    half_way: None,
    decimals: 1,
};

pub(super) const TRACE_RATE: Budget = Budget {
    what: "the message trace: mails per second without it, to those with it",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 1.05,
    half_way: None,
    decimals: 3,
};
pub(super) const TRACE_CPU: Budget = Budget {
    what: "the same: CPU per mail with it, to that without",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 1.05,
    half_way: None,
    decimals: 3,
};

pub(super) const IMPORT: Budget = Budget {
    what: "10 000 accounts with hashes imported into an empty store",
    unit: "s",
    bound: Bound::AtMost,
    wanted: 5.0,
    half_way: None,
    decimals: 2,
};
pub(super) const LIST: Budget = Budget {
    what: "a page of a list, the slowest of all lists: median",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 100.0,
    half_way: None,
    decimals: 1,
};
pub(super) const TRACE_LOOK: Budget = Budget {
    what: "the trace of a message, by its id: median",
    unit: "ms",
    bound: Bound::AtMost,
    wanted: 50.0,
    half_way: None,
    decimals: 1,
};
pub(super) const FULL_CPU: Budget = Budget {
    what: "CPU per mail with all messages there, to that with none",
    unit: "times",
    bound: Bound::AtMost,
    wanted: 1.5,
    half_way: None,
    decimals: 2,
};

/// A budget with what was measured; nothing when a peer was missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) budget: Budget,
    pub(super) measured: Option<f64>,
}

/// What a figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    HalfWay,
    Missed,
    NotMeasured,
}

/// The table of budgets that have no half-way.
pub(super) fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&["what", "budget", "measured", "verdict"]);
    for line in lines {
        let mut cells = line.cells();
        cells.remove(2);
        table.row(cells);
    }
    table
}

/// # Errors
/// A budget is missed.
pub(super) fn judge(lines: &[Line]) -> Result<()> {
    let missed = lines
        .iter()
        .filter(|line| line.verdict() == Verdict::Missed);
    match missed.count() {
        0 => Ok(()),
        missed => bail!("{missed} of {} budgets are missed", lines.len()),
    }
}

impl Line {
    pub(super) fn verdict(&self) -> Verdict {
        let Some(measured) = self.measured else {
            return Verdict::NotMeasured;
        };
        let Budget {
            bound,
            wanted,
            half_way,
            ..
        } = self.budget;
        if bound.holds(measured, wanted) {
            Verdict::Met
        } else if half_way.is_some_and(|half_way| bound.holds(measured, half_way)) {
            Verdict::HalfWay
        } else {
            Verdict::Missed
        }
    }

    /// The line in words: what, budget, half-way, measured, verdict.
    pub(super) fn cells(&self) -> Vec<String> {
        let budget = &self.budget;
        let half_way = budget.half_way.map(|half_way| budget.limit(half_way));
        let measured = self.measured.map(|measured| budget.figure(measured));
        vec![
            budget.what.to_owned(),
            budget.limit(budget.wanted),
            half_way.unwrap_or_default(),
            measured.unwrap_or_default(),
            self.verdict().word().to_owned(),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "what": self.budget.what,
            "unit": self.budget.unit,
            "bound": self.budget.bound.words(),
            "budget": self.budget.wanted,
            "half_way": self.budget.half_way,
            "measured": self.measured,
            "verdict": self.verdict().word(),
        })
    }
}

impl Budget {
    fn limit(&self, limit: f64) -> String {
        format!("{} {}", self.bound.words(), self.figure(limit))
    }

    fn figure(&self, figure: f64) -> String {
        format!("{figure:.*} {}", self.decimals, self.unit)
            .trim_end()
            .to_owned()
    }
}

impl Bound {
    fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => measured <= limit,
            Self::MoreThan => measured > limit,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::MoreThan => "more than",
        }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::HalfWay => "half-way",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ACCEPT_CPU, ACCEPT_RATE, Budget, DRAIN_CPU, Line, Verdict};

    fn verdict(budget: Budget, measured: f64) -> Verdict {
        let measured = Some(measured);
        Line { budget, measured }.verdict()
    }

    #[test]
    fn a_figure_meets_the_budget_or_only_the_half_way_mark() {
        assert_eq!(verdict(ACCEPT_CPU, 0.1), Verdict::Met);
        assert_eq!(verdict(ACCEPT_CPU, 0.2), Verdict::HalfWay);
        assert_eq!(verdict(ACCEPT_CPU, 0.201), Verdict::Missed);
        assert_eq!(verdict(ACCEPT_RATE, 5.1), Verdict::Met);
        assert_eq!(verdict(ACCEPT_RATE, 5.0), Verdict::HalfWay);
        assert_eq!(verdict(ACCEPT_RATE, 1.0), Verdict::Missed);
        assert_eq!(verdict(DRAIN_CPU, 0.34), Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_says_so() {
        let line = Line {
            budget: ACCEPT_RATE,
            measured: None,
        };
        assert_eq!(line.verdict(), Verdict::NotMeasured);
        let cells = line.cells();
        assert_eq!(
            cells.get(1).map(String::as_str),
            Some("more than 5.0 times")
        );
        assert_eq!(cells.last().map(String::as_str), Some("not measured"));
    }
}
