//! The labels of metrics: closed lists, so that nothing of a mail or a peer can become a label.

use std::fmt;
use std::marker::PhantomData;

/// A label of metrics with all its values.
pub trait Label: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The name of the label.
    const NAME: &'static str;
    /// All values.
    const ALL: &'static [Self];

    /// The value as it is written.
    fn text(self) -> &'static str;

    /// The value that is written so, if there is one.
    fn named(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|value| value.text().eq_ignore_ascii_case(text))
    }
}

macro_rules! labels {
    ($($(#[doc = $doc:literal])+ $label:ident $name:literal {
        $($(#[doc = $value_doc:literal])+ $value:ident = $text:literal,)+
    })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $label { $($(#[doc = $value_doc])+ $value,)+ }

        impl Label for $label {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }
        }
    )+};
}

labels! {
    /// Which protocol.
    Protocol "protocol" {
        /// SMTP.
        Smtp = "smtp",
        /// POP3.
        Pop3 = "pop3",
    }

    /// How it went.
    Outcome "outcome" {
        /// As asked.
        Ok = "ok",
        /// Not as asked.
        Failed = "failed",
    }

    /// What became of an event of the message trace.
    TraceFate "outcome" {
        /// It is in the store.
        Written = "written",
        /// There was no room for it, here or in the store.
        Dropped = "dropped",
    }

    /// Who has to act after a refusal.
    Duty "duty" {
        /// The peer: 5xx, -ERR.
        Peer = "peer",
        /// We, or time: 4xx, -ERR [SYS/TEMP].
        Us = "us",
    }

    /// Something that there may be no more of than so much.
    Limit "limit" {
        /// Connections of the process.
        Connections = "connections",
        /// Octets that the process holds for its peers.
        OctetsInFlight = "octets_in_flight",
        /// Connections of a listener.
        ConnectionsPerListener = "connections_per_listener",
        /// New connections of a listener.
        ConnectionRatePerListener = "connection_rate_per_listener",
        /// Connections of a source.
        ConnectionsPerSource = "connections_per_source",
        /// New connections of a source.
        ConnectionRatePerSource = "connection_rate_per_source",
        /// Messages of a source.
        MessagesPerSource = "messages_per_source",
        /// Recipients named by a source.
        RecipientsPerSource = "recipients_per_source",
        /// Messages of an account.
        MessagesPerAccount = "messages_per_account",
        /// Recipients named by an account.
        RecipientsPerAccount = "recipients_per_account",
        /// Sessions of an account.
        SessionsPerAccount = "sessions_per_account",
        /// Wrong passwords of a source.
        GuessesPerSource = "guesses_per_source",
        /// Wrong passwords for an account.
        GuessesPerAccount = "guesses_per_account",
        /// How long a peer may not read its replies.
        SlowReader = "slow_reader",
    }

    /// A command of SMTP.
    SmtpVerb "verb" {
        /// EHLO.
        Ehlo = "ehlo",
        /// HELO.
        Helo = "helo",
        /// LHLO.
        Lhlo = "lhlo",
        /// STARTTLS.
        StartTls = "starttls",
        /// AUTH.
        Auth = "auth",
        /// MAIL.
        Mail = "mail",
        /// RCPT.
        Rcpt = "rcpt",
        /// DATA.
        Data = "data",
        /// BDAT.
        Bdat = "bdat",
        /// RSET.
        Rset = "rset",
        /// NOOP.
        Noop = "noop",
        /// VRFY.
        Vrfy = "vrfy",
        /// EXPN.
        Expn = "expn",
        /// HELP.
        Help = "help",
        /// QUIT.
        Quit = "quit",
        /// Anything else.
        Other = "other",
    }

    /// The first digit of an SMTP reply.
    ReplyClass "class" {
        /// 2xx.
        Done = "2xx",
        /// 3xx.
        Continue = "3xx",
        /// 4xx.
        TryLater = "4xx",
        /// 5xx.
        Never = "5xx",
    }

    /// What was asked of the store.
    StoreOperation "operation" {
        /// Keep a message: its 250 depends on it.
        Commit = "commit",
        /// Remove messages: the +OK of QUIT depends on it.
        Remove = "remove",
        /// Anything else.
        Other = "other",
    }

    /// What the store could not do.
    StoreFault "fault" {
        /// There is no room.
        NoRoom = "no_room",
        /// Too much is waiting.
        Overloaded = "overloaded",
        /// It is being closed.
        Closing = "closing",
        /// The engine failed.
        Engine = "engine",
        /// It may have happened.
        Indeterminate = "indeterminate",
        /// Somebody else was first.
        Conflict = "conflict",
        /// What was asked for is not there.
        Missing = "missing",
        /// What is there is damaged.
        Corrupt = "corrupt",
    }
}

/// One metric for each value of a label, made beforehand: to count is an addition, never a search
/// in a table.
#[derive(Debug)]
pub struct By<A, M> {
    metrics: Box<[M]>,
    labels: PhantomData<A>,
}

impl<A: Label, M> By<A, M> {
    pub(crate) fn new(metric: impl FnMut(A) -> M) -> Self {
        Self {
            metrics: A::ALL.iter().copied().map(metric).collect(),
            labels: PhantomData,
        }
    }

    /// The metric of one value.
    pub fn of(&self, label: A) -> &M {
        &self.metrics[position(label)]
    }
}

/// One metric for each pair of values of two labels; see [`By`].
#[derive(Debug)]
pub struct ByBoth<A, B, M> {
    metrics: By<A, By<B, M>>,
}

impl<A: Label, B: Label, M> ByBoth<A, B, M> {
    pub(crate) fn new(mut metric: impl FnMut(A, B) -> M) -> Self {
        Self {
            metrics: By::new(|a| By::new(|b| metric(a, b))),
        }
    }

    /// The metric of one pair.
    pub fn of(&self, first: A, second: B) -> &M {
        self.metrics.of(first).of(second)
    }
}

/// The lists are short: a few comparisons.
fn position<A: Label>(label: A) -> usize {
    let found = A::ALL.iter().position(|value| *value == label);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_metric_of_its_own() {
        let both = ByBoth::<Protocol, StoreFault, _>::new(|a, b| (a, b));
        for protocol in Protocol::ALL {
            for fault in StoreFault::ALL {
                assert_eq!(both.of(*protocol, *fault), &(*protocol, *fault));
            }
        }
    }

    #[test]
    fn values_are_found_by_what_they_are_written_as() {
        assert_eq!(SmtpVerb::named("STARTTLS"), Some(SmtpVerb::StartTls));
        assert_eq!(SmtpVerb::named("XYZZY"), None);
    }
}
