//! What a scrub counts and says.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use cassmail_mail::{AccountId, MessageId};

/// So many findings are kept word by word; all are counted.
const MOST_FINDINGS: usize = 1000;

/// What a number means to the one who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// How much there is.
    Size,
    /// Something was not as it should be, and is mended, or will be by a later pass.
    Mended,
    /// An operator has to act.
    Trouble,
}

/// Makes the list of numbers, so that none is without name, meaning and words.
macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident: $meaning:ident, $key:literal, $words:literal;)+) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Count {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Count {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in JSON.
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)+ }
            }

            /// What is counted, for people.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// What it means if it is not zero.
            pub fn meaning(self) -> Meaning {
                match self { $(Self::$name => Meaning::$meaning,)+ }
            }
        }
    };
}

counts! {
    /// Rows of listings.
    Rows: Size, "rows", "messages listed";
    /// Partitions that hold them.
    Buckets: Size, "buckets", "buckets with mail";
    /// Most rows in one bucket.
    LargestBucket: Size, "largest_bucket", "messages in the largest bucket";
    /// Bodies beside their rows.
    Inlines: Size, "inline_bodies", "bodies beside their rows";
    /// Bodies in chunks.
    Bodies: Size, "chunked_bodies", "bodies in chunks";
    /// Their chunks.
    Chunks: Size, "chunks", "chunks";
    /// Maildrops.
    Directories: Size, "directories", "directories of buckets";
    /// Buckets that they list.
    Listed: Size, "listed_buckets", "buckets listed";
    /// Most buckets in one directory.
    LargestDirectory: Size, "largest_directory", "buckets in the largest directory";
    /// Addresses in use.
    Addresses: Size, "addresses", "addresses in use";
    /// Names in the lists of domains.
    Names: Size, "names", "names in the lists of domains";
    /// Bodies that were read and verified.
    Verified: Size, "verified", "bodies verified";
    /// Rows that were read at a quorum in every data center.
    Healed: Size, "healed_rows", "rows read back in every data center";

    /// Buckets with mail that no directory listed.
    Unlisted: Mended, "unlisted_buckets", "buckets with mail that were not listed";
    /// Of these, listed again.
    ListedAgain: Mended, "buckets_listed_again", "of these, listed again";
    /// Maildrops that did not know that their account lives.
    Lifeless: Mended, "lifeless_maildrops", "maildrops that did not know their account";
    /// Of these, told.
    Revived: Mended, "maildrops_revived", "of these, mended";
    /// Directory rows that are not known to be in every data center.
    Unspread: Mended, "waiting_for_healing", "buckets not known to be listed in every data center";
    /// Of these, listed everywhere.
    Spread: Mended, "healed_buckets", "of these, listed everywhere";
    /// Bodies beside no row.
    OrphanInlines: Mended, "orphan_inline_bodies", "bodies without their row";
    /// Of these, seen by an earlier pass already.
    ConfirmedInlines: Mended, "orphan_inline_bodies_confirmed", "of these, confirmed";
    /// Of these, deleted.
    RemovedInlines: Mended, "orphan_inline_bodies_removed", "of these, deleted";
    /// Bodies in chunks without any owner's row.
    OrphanBodies: Mended, "orphan_bodies", "bodies in chunks that nobody lists";
    /// Of these, seen by an earlier pass already.
    ConfirmedBodies: Mended, "orphan_bodies_confirmed", "of these, confirmed";
    /// Of these, deleted.
    RemovedBodies: Mended, "orphan_bodies_removed", "of these, deleted";
    /// Chunks without a first one.
    OrphanChunks: Mended, "orphan_chunks", "chunks without the first one of their body";
    /// Of these, seen by an earlier pass already.
    ConfirmedChunks: Mended, "orphan_chunks_confirmed", "of these, confirmed";
    /// Of these, deleted.
    RemovedChunks: Mended, "orphan_chunks_removed", "of these, deleted";
    /// Old buckets that were listed again, and are empty.
    Retirable: Mended, "retirable_buckets", "old empty buckets that had been listed again";
    /// Of these, retired.
    Retired: Mended, "buckets_retired", "of these, retired";
    /// Accounts whose removal was not finished.
    HalfRemoved: Mended, "half_removed_accounts", "accounts whose removal was not finished";
    /// Of these, finished.
    Settled: Mended, "removals_finished", "of these, finished";
    /// Messages and bodies in maildrops of removed accounts.
    Leftovers: Mended, "leftovers", "messages and buckets of removed accounts";
    /// Of these, deleted.
    RemovedLeftovers: Mended, "leftovers_removed", "of these, deleted";
    /// Addresses that their domain did not list.
    NamesMissing: Mended, "names_missing", "addresses that their domain did not list";
    /// Of these, listed.
    NamesAdded: Mended, "names_added", "of these, listed";
    /// Names of addresses that are not in use.
    NamesStale: Mended, "names_stale", "listed names that are no address";
    /// Of these, dropped.
    NamesDropped: Mended, "names_dropped", "of these, dropped";

    /// Rows whose body one pass did not find.
    Suspected: Trouble, "bodies_missing", "messages whose body one pass did not find anywhere";
    /// Rows whose body two passes did not find.
    Lost: Trouble, "bodies_lost", "messages whose body is lost: two passes did not find it";
    /// Bodies that do not verify.
    Damaged: Trouble, "bodies_damaged", "messages whose body does not verify on any replica";
    /// Rows that cannot be read.
    Unreadable: Trouble, "rows_unreadable", "messages whose row cannot be read";
    /// Buckets of accounts that are unknown.
    Unknown: Trouble, "unknown_accounts", "buckets with mail of accounts that are unknown";
    /// Buckets that could not be listed again.
    Unlistable: Trouble, "unlistable_buckets", "buckets that could not be listed again";
    /// Bodies that do not say whose they are.
    Ownerless: Trouble, "ownerless_bodies", "bodies in chunks that do not say whose they are";
    /// Reads that failed: what they would have shown is not known.
    FailedReads: Trouble, "failed_reads", "reads that failed";
    /// Changes that failed or are uncertain.
    FailedChanges: Trouble, "failed_changes", "changes that failed";
}

impl Count {
    fn is_maximum(self) -> bool {
        matches!(self, Self::LargestBucket | Self::LargestDirectory)
    }
}

/// Something that an operator may want to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// As what it was counted.
    pub count: Count,
    /// Whose maildrop it is in.
    pub account: Option<AccountId>,
    /// In which bucket.
    pub bucket: Option<MessageId>,
    /// Which message or body.
    pub id: Option<MessageId>,
}

impl Finding {
    pub(crate) fn of_bucket(count: Count, account: AccountId, bucket: MessageId) -> Self {
        Self {
            count,
            account: Some(account),
            bucket: Some(bucket),
            id: None,
        }
    }

    pub(crate) fn of_body(count: Count, id: MessageId) -> Self {
        Self {
            count,
            account: None,
            bucket: None,
            id: Some(id),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.count.key())?;
        if let Some(account) = self.account {
            write!(f, " account={account}")?;
        }
        if let Some(bucket) = self.bucket {
            write!(f, " bucket={bucket}")?;
        }
        if let Some(id) = self.id {
            write!(f, " id={id}")?;
        }
        Ok(())
    }
}

/// How a scrub ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// It was stopped; the next one goes on.
    #[default]
    Stopped,
    /// All walks are done.
    Finished,
    /// Too many reads failed; the next one goes on.
    GaveUp,
}

/// What a scrub has counted, with what an interrupted one before it had counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub end: End,
    counts: Vec<u64>,
    findings: VecDeque<Finding>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            end: End::default(),
            counts: vec![0; Count::ALL.len()],
            findings: VecDeque::new(),
        }
    }
}

impl Report {
    /// One of the numbers.
    pub fn get(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or_default()
    }

    /// What is not zero and not just a size.
    pub fn remarkable(&self) -> impl Iterator<Item = (Count, u64)> {
        let all = Count::ALL.iter().map(|&count| (count, self.get(count)));
        all.filter(|&(count, number)| number > 0 && count.meaning() != Meaning::Size)
    }

    /// Whether everything was as it should be.
    pub fn is_empty(&self) -> bool {
        self.remarkable().next().is_none()
    }

    /// Whether an operator has to act.
    pub fn has_trouble(&self) -> bool {
        self.remarkable()
            .any(|(count, _)| count.meaning() == Meaning::Trouble)
    }

    /// What this process has found, the latest thousand.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    pub(crate) fn add(&mut self, count: Count, number: u64) {
        if let Some(counted) = self.counts.get_mut(count as usize) {
            *counted = if count.is_maximum() {
                number.max(*counted)
            } else {
                counted.saturating_add(number)
            };
        }
    }

    /// Counts it, keeps it word by word, and says it.
    pub(crate) fn find(&mut self, finding: Finding) {
        self.add(finding.count, 1);
        match finding.count.meaning() {
            Meaning::Trouble => tracing::warn!(%finding, "a scrub found trouble"),
            Meaning::Mended | Meaning::Size => tracing::info!(%finding, "a scrub found something"),
        }
        if self.findings.len() >= MOST_FINDINGS {
            self.findings.pop_front();
        }
        self.findings.push_back(finding);
    }

    /// The numbers in a form that [`Report::from_str`] reads.
    pub(crate) fn encode(&self) -> String {
        let named = Count::ALL.iter().zip(&self.counts);
        let named = named.filter(|(_, number)| **number > 0);
        let lines: Vec<_> = named
            .map(|(count, number)| format!("{} {number}\n", count.key()))
            .collect();
        lines.concat()
    }
}

impl FromStr for Report {
    type Err = std::convert::Infallible;

    /// Numbers with names that are unknown are left out: they are of another version.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut report = Self::default();
        for line in text.lines() {
            let Some((key, number)) = line.split_once(' ') else {
                continue;
            };
            let count = Count::ALL.iter().find(|count| count.key() == key);
            if let (Some(&count), Ok(number)) = (count, number.parse()) {
                report.add(count, number);
            }
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_names_are_distinct() {
        let mut report = Report::default();
        report.add(Count::Rows, 7);
        report.add(Count::LargestBucket, 5);
        report.add(Count::LargestBucket, 3);
        assert!(report.is_empty());
        report.add(Count::Lost, 1);
        assert!(report.has_trouble() && !report.is_empty());
        let back: Report = report.encode().parse().unwrap();
        assert_eq!(back, report);
        assert_eq!(back.get(Count::LargestBucket), 5);
        let mut keys: Vec<_> = Count::ALL.iter().map(|count| count.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Count::ALL.len());
    }

    #[test]
    fn a_thousand_findings_are_kept_and_all_are_counted() {
        let account = AccountId::from_key([1; 16]);
        let bucket = MessageId::from_key([1; 16]);
        let mut report = Report::default();
        for _ in 0..1500 {
            report.find(Finding::of_bucket(Count::Unlisted, account, bucket));
        }
        assert_eq!(report.findings().count(), 1000);
        assert_eq!(report.get(Count::Unlisted), 1500);
    }
}
