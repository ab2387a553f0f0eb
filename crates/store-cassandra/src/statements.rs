//! Every CQL text, the profile it runs with, and why it is as it is.
//!
//! All of them are idempotent: ids and timestamps are bound, so a repetition changes nothing. None
//! is conditional, none counts, none lets the server choose a time. Every column is named, at every
//! level, since read repair mends only what was read. The tests below read this file.

use crate::profiles::Profile;

/// Makes the list of statements, so that a text cannot be without profile and reason.
macro_rules! statements {
    ($($(#[doc = $why:literal])+ $name:ident: $profile:ident = $text:literal;)+) => {
        /// A statement that is prepared when the store is opened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Cql {
            $($(#[doc = $why])+ $name,)+
        }

        impl Cql {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The text, without a keyspace.
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What it runs with, unless the caller knows better.
            pub(crate) fn profile(self) -> Profile {
                match self {
                    $(Self::$name => Profile::$profile,)+
                }
            }
        }
    };
}

statements! {
    /// One read for each RCPT; the write time makes the next change win over a slow clock.
    ReadAddress: Read =
        "SELECT entry, WRITETIME(entry) FROM address WHERE domain = ? AND local = ?";
    /// The whole entry is one cell, so that two writers never mix.
    PutAddress: Write =
        "INSERT INTO address (domain, local, entry) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// The first page of all records, in the order of their tokens.
    FirstRecords: Read = "SELECT domain, local, entry FROM address LIMIT ?";
    /// The next one: from the token of the last on, since others may have the same.
    NextRecords: Read = "SELECT domain, local, entry FROM address \
        WHERE token(domain, local) >= token(?, ?) LIMIT ?";
    /// A page of names of one shard; the truth about each is read from its address row.
    ReadNames: Read = "SELECT local, kind FROM address_by_domain \
        WHERE domain = ? AND shard = ? AND local > ? LIMIT ?";
    /// Before the address row, so that no account is without its name.
    PutName: Write = "INSERT INTO address_by_domain (domain, shard, local, kind) \
        VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    /// One name, only in order to repair it.
    HealName: Heal = "SELECT local, kind FROM address_by_domain \
        WHERE domain = ? AND shard = ? AND local = ?";
    /// After the address row; a name that stays behind is filtered.
    DropName: Write = "DELETE FROM address_by_domain USING TIMESTAMP ? \
        WHERE domain = ? AND shard = ? AND local = ?";
    /// The whole table, which is small.
    ReadDomains: Read = "SELECT name, entry FROM domain";
    /// As for addresses.
    ReadDomain: Read = "SELECT entry, WRITETIME(entry) FROM domain WHERE name = ?";
    /// An empty entry removes: a deletion could not be outbid by a slow clock.
    PutDomain: Write = "INSERT INTO domain (name, entry) VALUES (?, ?) USING TIMESTAMP ?";
    /// At each login, so that a change counts at once on every node.
    ReadAccount: Read = "SELECT profile, credentials, life, WRITETIME(profile), \
        WRITETIME(credentials) FROM account WHERE uid = ?";
    /// One cell, written whole.
    PutProfile: Write = "INSERT INTO account (uid, profile) VALUES (?, ?) USING TIMESTAMP ?";
    /// One cell, written whole.
    PutCredentials: Write =
        "INSERT INTO account (uid, credentials) VALUES (?, ?) USING TIMESTAMP ?";
    /// The timestamp is the life itself, which only goes on.
    PutAccountLife: Write = "INSERT INTO account (uid, life) VALUES (?, ?) USING TIMESTAMP ?";

    /// Small: the buckets that may hold mail, and whether the account lives.
    ReadDirectory: Read = "SELECT bucket, everywhere, life FROM mbox_dir WHERE uid = ?";
    /// False first and then true, at one timestamp: true wins over false in any order.
    PutBucket: Write =
        "INSERT INTO mbox_dir (uid, bucket, everywhere) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// The timestamp is the life itself, which only goes on.
    PutMaildropLife: Write = "INSERT INTO mbox_dir (uid, life) VALUES (?, ?) USING TIMESTAMP ?";
    /// One microsecond after the bucket was opened; scrub uses later ones.
    DropBucket: Write = "DELETE FROM mbox_dir USING TIMESTAMP ? WHERE uid = ? AND bucket = ?";

    /// A listing: paged, since a maildrop may be large.
    ListBucket: Read = "SELECT id, size, nchunks, codec, blob, shared, rcpt, uidl, surrogate \
        FROM mbox \
        WHERE uid = ? AND bucket = ?";
    /// One message, when its bucket is known or guessed.
    ReadRow: Read = "SELECT id, size, nchunks, codec, blob, shared, rcpt, uidl, surrogate \
        FROM mbox \
        WHERE uid = ? AND bucket = ? AND id = ?";
    /// The point of acceptance of a message with one owner.
    PutRow: Write = "INSERT INTO mbox \
        (uid, bucket, id, size, nchunks, codec, blob, shared, rcpt, uidl, surrogate) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    /// One microsecond after the row was written: no replay of the row can win.
    DropRow: Write =
        "DELETE FROM mbox USING TIMESTAMP ? WHERE uid = ? AND bucket = ? AND id = ?";
    /// In one batch with its row: one mutation.
    PutInline: Write = "INSERT INTO mbox_body (uid, bucket, id, d, hash, rcpt) \
        VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    /// The nearest replica will do: a body is written once, and proves itself.
    ReadInline: Nearest = "SELECT d, hash, rcpt FROM mbox_body \
        WHERE uid = ? AND bucket = ? AND id = ?";
    /// A whole bucket of bodies, in small pages: the read itself is what is wanted.
    HealInlines: Heal = "SELECT id, d, hash, rcpt FROM mbox_body WHERE uid = ? AND bucket = ?";
    /// In one batch with its row.
    DropInline: Write =
        "DELETE FROM mbox_body USING TIMESTAMP ? WHERE uid = ? AND bucket = ? AND id = ?";

    /// While the message comes in.
    PutChunk: Write = "INSERT INTO blob (id, n, d) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// The first chunk is written last and says what the body is and whose.
    PutHead: Write = "INSERT INTO blob (id, n, d, size, csize, nchunks, codec, hash, owners) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    /// The nearest replica will do: a chunk is written once, and proves itself.
    ReadChunk: Nearest = "SELECT d, size, csize, nchunks, codec, hash, owners FROM blob \
        WHERE id = ? AND n = ?";
    /// In the background; what comes back is unreachable, so one data center is enough.
    DropChunk: WriteLocal = "DELETE FROM blob USING TIMESTAMP ? WHERE id = ? AND n = ?";

    /// All owners in one batch, which is one mutation: the set is there whole or not at all.
    PutRef: Write = "INSERT INTO blob_ref (id, total, owner) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// Never in part and never below ALL: a replica that lacks the set must be heard.
    ReadRefs: Proof = "SELECT owner, total FROM blob_ref WHERE id = ?";
    /// At the level of the row's removal.
    DropRef: Write = "DELETE FROM blob_ref USING TIMESTAMP ? WHERE id = ? AND owner = ?";
    /// When the set is empty and the chunks are gone.
    DropRefs: WriteLocal = "DELETE FROM blob_ref USING TIMESTAMP ? WHERE id = ?";

    /// The point of acceptance of a message with several owners.
    PutSpool: Write = "INSERT INTO spool (node, slot, id, env) VALUES (?, ?, ?, ?) \
        USING TIMESTAMP ? AND TTL ?";
    /// Later than the record, with the same TTL; if it is lost, a sweep repeats what is done.
    MarkDone: WriteLocal = "INSERT INTO spool (node, slot, id, done) VALUES (?, ?, ?, ?) \
        USING TIMESTAMP ? AND TTL ?";
    /// One minute of one node.
    ReadSlot: Read = "SELECT id, env, done FROM spool WHERE node = ? AND slot = ?";
    /// Only the node itself moves its mark.
    PutMark: Write =
        "INSERT INTO spool_mark (node, low_slot) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?";
    /// Where a sweep of a dead node begins.
    ReadMark: Read = "SELECT low_slot FROM spool_mark WHERE node = ?";
    /// Everywhere, since other data centers judge by it too.
    PutBeat: Write = "INSERT INTO node (dc, node, addr, beat) VALUES (?, ?, ?, ?) \
        USING TIMESTAMP ? AND TTL ?";
    /// The nodes of one data center.
    ReadNodes: Read = "SELECT node, addr, beat FROM node WHERE dc = ?";

    /// Facts about the keyspace.
    ReadMeta: Read = "SELECT v FROM meta WHERE k = ?";
    /// Written by `init` alone.
    PutMeta: Write = "INSERT INTO meta (k, v) VALUES (?, ?) USING TIMESTAMP ?";
    /// The whole table, which is small: who claims the store for a job.
    ReadFacts: Read = "SELECT k, v FROM meta";
    /// Ends by itself if the claimant dies.
    PutClaim: Write = "INSERT INTO meta (k, v) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?";
    /// At the end of the job.
    DropClaim: Write = "DELETE FROM meta USING TIMESTAMP ? WHERE k = ?";

    /// A scrub reads the truth in the order of tokens. All columns: such a read may repair.
    WalkRows: Read = "SELECT token(uid, bucket), uid, bucket, id, size, nchunks, codec, blob, \
        shared, rcpt, uidl, surrogate FROM mbox \
        WHERE token(uid, bucket) > ? AND token(uid, bucket) <= ? LIMIT ?";
    /// Keys alone, so of one replica: a read in part must not repair.
    WalkInlines: Nearest = "SELECT token(uid, bucket), uid, bucket, id FROM mbox_body \
        WHERE token(uid, bucket) > ? AND token(uid, bucket) <= ? LIMIT ?";
    /// Without the octets, so of one replica.
    WalkChunks: Nearest = "SELECT token(id, n), id, n, WRITETIME(d) FROM blob \
        WHERE token(id, n) > ? AND token(id, n) <= ? LIMIT ?";
    /// Whether a chunk is there, without its octets, so of one replica.
    FindChunk: Nearest = "SELECT n FROM blob WHERE id = ? AND n = ?";
    /// Whose a body is, without its octets, so of one replica.
    FindOwners: Nearest = "SELECT nchunks, owners FROM blob WHERE id = ? AND n = ?";
    /// The rows of a bucket whose ids are of one moment: of these a body of that moment is.
    ReadMoment: Read = "SELECT id, size, nchunks, codec, blob, shared, rcpt, uidl, surrogate \
        FROM mbox \
        WHERE uid = ? AND bucket = ? AND id >= ? AND id <= ?";
    /// The write time tells a bucket that was listed again.
    WalkDirectories: Read = "SELECT token(uid), uid, bucket, everywhere, life, \
        WRITETIME(everywhere) FROM mbox_dir WHERE token(uid) > ? AND token(uid) <= ? LIMIT ?";
    /// The truth about names.
    WalkAddresses: Read = "SELECT token(domain, local), domain, local, entry, WRITETIME(entry) \
        FROM address WHERE token(domain, local) > ? AND token(domain, local) <= ? LIMIT ?";
    /// The names as they are listed.
    WalkNames: Read = "SELECT token(domain, shard), domain, shard, local, kind, WRITETIME(kind) \
        FROM address_by_domain \
        WHERE token(domain, shard) > ? AND token(domain, shard) <= ? LIMIT ?";
    /// Whether an address is in the list of its domain.
    ReadName: Read = "SELECT kind FROM address_by_domain \
        WHERE domain = ? AND shard = ? AND local = ?";
    /// When a pass first found something missing; the table has a time to live.
    ReadSuspect: Read = "SELECT since FROM scrub_suspect WHERE kind = ? AND key = ?";
    /// Another pass has to find the same before anything is done.
    PutSuspect: Write =
        "INSERT INTO scrub_suspect (kind, key, since) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// When it is mended or deleted.
    DropSuspect: Write = "DELETE FROM scrub_suspect USING TIMESTAMP ? WHERE kind = ? AND key = ?";
    /// How far a scrub has come.
    ReadScrub: Read = "SELECT state, WRITETIME(state) FROM scrub_run WHERE k = ?";
    /// One cell, written whole, whenever a piece of a walk is done.
    PutScrub: Write = "INSERT INTO scrub_run (k, state) VALUES (?, ?) USING TIMESTAMP ?";

    /// How far a worker has come.
    ReadWorker: Read = "SELECT state, WRITETIME(state) FROM worker WHERE k = ?";
    /// One cell, written whole, whenever a page of a walk is done.
    PutWorker: Write = "INSERT INTO worker (k, state) VALUES (?, ?) USING TIMESTAMP ?";

    /// All administrators, or all tokens: few.
    ReadAdmins: Read = "SELECT name, entry FROM admin WHERE kind = ?";
    /// At each request of the administration, so that a change counts at once on every node.
    ReadAdmin: Read =
        "SELECT entry, WRITETIME(entry) FROM admin WHERE kind = ? AND name = ?";
    /// An empty entry removes, as for domains.
    PutAdmin: Write =
        "INSERT INTO admin (kind, name, entry) VALUES (?, ?, ?) USING TIMESTAMP ?";
    /// Before the change at the time of its id; with the outcome one microsecond later.
    PutAudit: Write =
        "INSERT INTO audit (day, id, entry) VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?";
    /// The latest records of a day that are earlier than one.
    ReadAudit: Read = "SELECT id, entry FROM audit WHERE day = ? AND id < ? LIMIT ?";
    /// A whole day, only in order to repair it.
    HealAudit: Heal = "SELECT id, entry FROM audit WHERE day = ?";
    /// For what may be lost; gone by itself.
    PutTracePage: WriteLocal =
        "INSERT INTO trace_page (id, n, d) VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?";
    /// One page of events.
    ReadTracePage: Read = "SELECT d FROM trace_page WHERE id = ? AND n = ?";
    /// After the pages that it leads to; for what may be lost, gone by itself.
    PutTraceIndex: WriteLocal = "INSERT INTO trace_index \
        (hour, part, id, oldest, newest, pairs) VALUES (?, ?, ?, ?, ?, ?) \
        USING TIMESTAMP ? AND TTL ?";
    /// An hour of a part of the keys: at most a row for each second and node.
    ReadTraceIndex: Read = "SELECT id, oldest, newest, pairs FROM trace_index \
        WHERE hour = ? AND part = ?";

    /// All that is noted of how full a maildrop is: a few rows.
    ReadUsage: Read = "SELECT writer, brought, counted, WRITETIME(counted) FROM usage \
        WHERE uid = ?";
    /// The row of one process, whole; the table has a time to live.
    PutBrought: Write = "INSERT INTO usage (uid, writer, brought) VALUES (?, ?, ?) \
        USING TIMESTAMP ?";
    /// One cell, written whole; the table has a time to live.
    PutCounted: Write = "INSERT INTO usage (uid, counted) VALUES (?, ?) USING TIMESTAMP ?";

    /// These repair whole tables into a data center that was away: all columns, small pages.
    HealDomains: Heal = "SELECT token(name), name, entry FROM domain \
        WHERE token(name) > ? AND token(name) <= ? LIMIT ?";
    /// As above.
    HealAddresses: Heal = "SELECT token(domain, local), domain, local, entry FROM address \
        WHERE token(domain, local) > ? AND token(domain, local) <= ? LIMIT ?";
    /// As above.
    HealNames: Heal = "SELECT token(domain, shard), domain, shard, local, kind \
        FROM address_by_domain \
        WHERE token(domain, shard) > ? AND token(domain, shard) <= ? LIMIT ?";
    /// As above.
    HealAccounts: Heal = "SELECT token(uid), uid, profile, credentials, life FROM account \
        WHERE token(uid) > ? AND token(uid) <= ? LIMIT ?";
    /// As above.
    HealDirectories: Heal = "SELECT token(uid), uid, bucket, everywhere, life FROM mbox_dir \
        WHERE token(uid) > ? AND token(uid) <= ? LIMIT ?";
    /// As above.
    HealRows: Heal = "SELECT token(uid, bucket), uid, bucket, id, size, nchunks, codec, blob, \
        shared, rcpt, uidl, surrogate FROM mbox \
        WHERE token(uid, bucket) > ? AND token(uid, bucket) <= ? LIMIT ?";
    /// As above.
    HealBodies: Heal = "SELECT token(uid, bucket), uid, bucket, id, d, hash, rcpt FROM mbox_body \
        WHERE token(uid, bucket) > ? AND token(uid, bucket) <= ? LIMIT ?";
    /// As above.
    HealChunks: Heal = "SELECT token(id, n), id, n, d, size, csize, nchunks, codec, hash, owners \
        FROM blob WHERE token(id, n) > ? AND token(id, n) <= ? LIMIT ?";
    /// Names the sets alone: each is then read whole, since a part of a set must never be repaired.
    HealSets: Heal = "SELECT DISTINCT token(id), id FROM blob_ref \
        WHERE token(id) > ? AND token(id) <= ? LIMIT ?";
    /// As above.
    HealAdmins: Heal = "SELECT token(kind), kind, name, entry FROM admin \
        WHERE token(kind) > ? AND token(kind) <= ? LIMIT ?";
    /// As above.
    HealDays: Heal = "SELECT token(day), day, id, entry FROM audit \
        WHERE token(day) > ? AND token(day) <= ? LIMIT ?";
    /// As above.
    HealSpool: Heal = "SELECT token(node, slot), node, slot, id, env, done FROM spool \
        WHERE token(node, slot) > ? AND token(node, slot) <= ? LIMIT ?";
}

impl Cql {
    /// The text as it is prepared. Cassandra warns of prepared statements that take the keyspace
    /// from their connection: it may be another by the time that they are prepared again.
    pub(crate) fn text_in(self, keyspace: &str) -> String {
        let text = self.text();
        let before = if text.starts_with("INSERT") {
            " INTO "
        } else {
            " FROM "
        };
        text.replacen(before, &format!("{before}\"{keyspace}\"."), 1)
    }
}

/// What a change is read back by, in order to repair it into a data center that was away.
pub(crate) struct Healing {
    pub(crate) read: Cql,
    /// Which of the values of the change are the key of that read.
    pub(crate) key: &'static [usize],
}

impl Cql {
    /// None for reads, and for what only this data center needs.
    pub(crate) fn healing(self) -> Option<Healing> {
        let (read, key): (_, &[usize]) = match self {
            Self::PutAddress => (Self::ReadAddress, &[0, 1]),
            Self::PutName => (Self::HealName, &[0, 1, 2]),
            Self::DropName => (Self::HealName, &[1, 2, 3]),
            Self::PutDomain => (Self::ReadDomain, &[0]),
            Self::PutProfile | Self::PutCredentials | Self::PutAccountLife => {
                (Self::ReadAccount, &[0])
            }
            Self::PutBucket | Self::PutMaildropLife => (Self::ReadDirectory, &[0]),
            Self::DropBucket => (Self::ReadDirectory, &[1]),
            Self::PutRow => (Self::ListBucket, &[0, 1]),
            Self::DropRow => (Self::ListBucket, &[1, 2]),
            Self::PutInline => (Self::HealInlines, &[0, 1]),
            Self::DropInline => (Self::HealInlines, &[1, 2]),
            Self::PutChunk | Self::PutHead => (Self::ReadChunk, &[0, 1]),
            Self::PutRef => (Self::ReadRefs, &[0]),
            Self::DropRef => (Self::ReadRefs, &[1]),
            Self::PutSpool => (Self::ReadSlot, &[0, 1]),
            // Other data centers sweep from the mark to the last beat.
            Self::PutMark => (Self::ReadMark, &[0]),
            Self::PutBeat => (Self::ReadNodes, &[0]),
            Self::PutWorker => (Self::ReadWorker, &[0]),
            Self::PutAdmin => (Self::ReadAdmin, &[0, 1]),
            Self::PutAudit => (Self::HealAudit, &[0]),
            Self::PutBrought | Self::PutCounted => (Self::ReadUsage, &[0]),
            _ => return None,
        };
        Some(Healing { read, key })
    }
}

/// Which mode of the commit log a node runs in; asked of each node for itself.
pub(crate) const COMMIT_LOG: &str =
    "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'";

/// What only operators ask, seldom: of one node for itself, or about what all nodes share. Nothing
/// of it is prepared, and nothing of it is mail.
pub(crate) mod asked {
    /// Which version a node is, which schema it has, what its clock says.
    pub(crate) const NODE: &str =
        "SELECT release_version, schema_version, toUnixTimestamp(now()) FROM system.local";
    /// A node's settings, limits included.
    pub(crate) const SETTINGS: &str = "SELECT name, value FROM system_views.settings";
    /// What a node was started with.
    pub(crate) const PROPERTIES: &str = "SELECT name, value FROM system_views.system_properties";
    /// How often a keyspace is kept.
    pub(crate) const KEYSPACE: &str =
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
    /// The options of all tables of a keyspace.
    pub(crate) const TABLES: &str = "SELECT table_name, gc_grace_seconds, default_time_to_live, \
        compaction, compression FROM system_schema.tables WHERE keyspace_name = ?";
    /// Which ranges of a table were repaired, and when.
    pub(crate) const REPAIRS: &str = "SELECT range_begin, range_end, finished_at, status \
        FROM system_distributed.repair_history \
        WHERE keyspace_name = ? AND columnfamily_name = ?";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a text, in capitals.
    fn words(text: &str) -> Vec<String> {
        let split = text.split(|c: char| !(c.is_alphanumeric() || "_*?".contains(c)));
        let words = split.filter(|word| !word.is_empty());
        words.map(str::to_uppercase).collect()
    }

    fn has(words: &[String], phrase: &[&str]) -> bool {
        words.windows(phrase.len()).any(|found| found == phrase)
    }

    fn texts() -> impl Iterator<Item = Vec<String>> {
        Cql::ALL.iter().map(|cql| words(cql.text()))
    }

    #[test]
    fn no_statement_is_conditional_and_none_is_a_counter() {
        for text in texts() {
            assert!(!has(&text, &["IF"]), "{text:?}");
            assert!(!has(&text, &["COUNTER"]), "{text:?}");
        }
        for schema in crate::schema::FILES {
            assert!(!has(&words(schema.text), &["COUNTER"]), "{}", schema.name);
        }
    }

    #[test]
    fn every_statement_names_its_keyspace() {
        let put = Cql::PutDomain.text_in("mail");
        assert!(put.starts_with("INSERT INTO \"mail\".domain ("), "{put}");
        for &cql in Cql::ALL {
            assert_eq!(
                cql.text_in("mail").matches("\"mail\".").count(),
                1,
                "{cql:?}"
            );
        }
    }

    #[test]
    fn no_statement_filters_or_reads_what_it_does_not_name() {
        for text in texts() {
            assert!(!has(&text, &["ALLOW"]), "{text:?}");
            assert!(!has(&text, &["*"]), "{text:?}");
        }
    }

    #[test]
    fn the_server_never_chooses_a_time() {
        for text in texts() {
            for function in ["NOW", "CURRENTTIMEUUID", "CURRENTTIMESTAMP", "TOTIMESTAMP"] {
                assert!(!has(&text, &[function]), "{text:?}");
            }
        }
    }

    #[test]
    fn every_change_has_a_bound_timestamp() {
        for text in texts().filter(|text| text[0] != "SELECT") {
            assert!(
                ["INSERT", "UPDATE", "DELETE"].contains(&text[0].as_str()),
                "{text:?}"
            );
            assert!(has(&text, &["USING", "TIMESTAMP", "?"]), "{text:?}");
        }
    }

    #[test]
    fn changes_have_the_profiles_of_writes_and_reads_those_of_reads() {
        for &cql in Cql::ALL {
            let is_read = cql.text().starts_with("SELECT");
            let expected = match cql.profile() {
                Profile::Read | Profile::Nearest | Profile::Heal | Profile::Proof => true,
                Profile::Write | Profile::Majority | Profile::WriteLocal => false,
            };
            assert_eq!(is_read, expected, "{cql:?}");
        }
    }

    /// The columns that a text binds, in the order of its question marks.
    fn bound(text: &str) -> Vec<String> {
        let words = words(text);
        if words[0] == "INSERT" {
            let values = words.iter().position(|word| word == "VALUES").unwrap();
            return words[3..values].to_vec();
        }
        let marks = words.iter().enumerate().filter(|(_, word)| *word == "?");
        marks.map(|(at, _)| words[at - 1].clone()).collect()
    }

    #[test]
    fn what_heals_a_change_reads_its_partition() {
        let mut healed = 0;
        for &cql in Cql::ALL {
            let Some(Healing { read, key }) = cql.healing() else {
                continue;
            };
            let columns = bound(cql.text());
            let key: Vec<_> = key.iter().map(|&at| columns[at].clone()).collect();
            assert_eq!(key, bound(read.text()), "{cql:?}");
            healed += 1;
        }
        assert_eq!(healed, 26);
    }

    #[test]
    fn there_is_no_cql_in_other_files() {
        let src = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let mut folders = vec![src];
        let mut sources = 0;
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).expect("the sources") {
                let path = file.expect("a source").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let is_exempt = path.ends_with("statements.rs") || path.ends_with("schema.rs");
                if is_exempt || path.extension().is_none_or(|end| end != "rs") {
                    continue;
                }
                sources += 1;
                let source = std::fs::read_to_string(&path).expect("a source");
                for start in ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "BEGIN "] {
                    let quoted = format!("\"{start}");
                    assert!(!source.contains(&quoted), "{}", path.display());
                }
            }
        }
        assert!(sources > 20, "{sources}");
    }
}
