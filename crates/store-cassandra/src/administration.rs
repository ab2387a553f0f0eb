//! Administrators, tokens and the audit log.
//!
//! A record of the audit log is written at the time of its id, and with its outcome one microsecond
//! later: so the outcome wins, in whatever order the two arrive.

use std::collections::VecDeque;
use std::time::Duration;

use cassmail_mail::{MessageId, UnixTime};
use cassmail_store::{
    AdminName, Administrator, Administrators, Audit, AuditRecord, AuditSpan, RecordError,
    StoreResult, Token, TokenId, Work,
};
use scylla::value::CqlTimeuuid;

use crate::Cassandra;
use crate::cassandra::Core;
use crate::engine::USUAL;
use crate::error::{Verb, corrupt};
use crate::rows::{Micros, row};
use crate::statements::Cql;
use crate::together::at_once;

/// The partitions of the table.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Administrator,
    Token,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Token => "token",
        }
    }
}

const DAY: Duration = Duration::from_hours(24);

/// So many days are read at once: an empty one costs next to nothing.
const AT_ONCE: usize = 16;

impl Core {
    async fn admins<T>(
        &self,
        verb: Verb,
        kind: Kind,
        decode: impl Fn(&[u8]) -> Result<T, RecordError>,
    ) -> StoreResult<Vec<T>> {
        let read =
            self.engine
                .read::<(String, Option<Vec<u8>>)>(verb, Cql::ReadAdmins, row![kind.name()]);
        let entries = read.await?.into_iter().filter_map(|(_, entry)| entry);
        let entries = entries.filter(|entry| !entry.is_empty());
        let decoded = entries.map(|entry| decode(&entry).map_err(|error| corrupt(verb, error)));
        decoded.collect()
    }

    async fn admin(
        &self,
        verb: Verb,
        kind: Kind,
        name: &str,
    ) -> StoreResult<(Option<Vec<u8>>, Option<i64>)> {
        let key = row![kind.name(), name];
        let read = self
            .engine
            .read::<(Option<Vec<u8>>, Option<i64>)>(verb, Cql::ReadAdmin, key);
        let (entry, written_at) = read.await?.pop().unwrap_or_default();
        Ok((entry.filter(|entry| !entry.is_empty()), written_at))
    }

    async fn put_admin(
        &self,
        verb: Verb,
        kind: Kind,
        name: &str,
        entry: Vec<u8>,
    ) -> StoreResult<()> {
        let (_, written_at) = self.admin(verb, kind, name).await?;
        let row = row![kind.name(), name, entry, self.later_than(written_at)];
        let change = vec![(Cql::PutAdmin, row)];
        let deadline = self.engine.deadline(USUAL);
        self.engine.change(verb, deadline, change).await
    }

    async fn put_audit(
        &self,
        verb: Verb,
        record: AuditRecord,
        kept_for: Duration,
    ) -> StoreResult<()> {
        let id = record.id;
        let at = Micros::of(id).plus(i64::from(record.outcome.is_some()));
        let kept_for = i32::try_from(kept_for.as_secs()).unwrap_or(i32::MAX);
        let row = row![day_of(id.minted_at()), id, record.encode(), at, kept_for];
        let change = vec![(Cql::PutAudit, row)];
        let deadline = self.engine.deadline(USUAL);
        self.engine.change(verb, deadline, change).await
    }

    /// Days from the last one on, until there are enough records.
    async fn audit(&self, verb: Verb, span: AuditSpan) -> StoreResult<Vec<AuditRecord>> {
        let end = MessageId::bound_at(span.until);
        let end = span.behind.map_or(end, |behind| end.min(behind));
        let last = day_of(end.minted_at());
        let first = day_of(span.from);
        let mut days: VecDeque<i32> = (first..=last).rev().collect();
        let mut found = Vec::new();
        while found.len() < span.limit && !days.is_empty() {
            let some = days.drain(..AT_ONCE.min(days.len()));
            let reads = some.map(|day| self.audit_of_day(verb, day, end, span.limit));
            let reads = reads.collect();
            let records = at_once(AT_ONCE, reads).await?.into_iter().flatten();
            found.extend(records.filter(|record| span.has(record.id)));
        }
        found.truncate(span.limit);
        Ok(found)
    }

    async fn audit_of_day(
        &self,
        verb: Verb,
        day: i32,
        end: MessageId,
        limit: usize,
    ) -> StoreResult<Vec<AuditRecord>> {
        let most = i32::try_from(limit).unwrap_or(i32::MAX);
        let key = row![day, bound(end), most];
        let read = self
            .engine
            .read::<(CqlTimeuuid, Option<Vec<u8>>)>(verb, Cql::ReadAudit, key);
        let entries = read.await?.into_iter().filter_map(|(_, entry)| entry);
        let decoded = entries.map(|entry| AuditRecord::decode(&entry));
        decoded
            .map(|decoded| decoded.map_err(|error| corrupt(verb, error)))
            .collect()
    }
}

/// Cassandra compares the octets behind the time as signed ones, so the least of them is not zero.
fn bound(end: MessageId) -> CqlTimeuuid {
    let mut key = end.to_key();
    if key[8..] == [0; 8] {
        key[8..].fill(0x80);
    }
    CqlTimeuuid::from(MessageId::from_key(key).to_uuid())
}

fn day_of(time: UnixTime) -> i32 {
    i32::try_from(time.as_secs() / DAY.as_secs()).unwrap_or(i32::MAX)
}

impl Administrators for Cassandra {
    fn administrators(&self) -> Work<'_, Vec<Administrator>> {
        const VERB: Verb = "list the administrators";
        Box::pin(async {
            let _pass = self.core.engine.enter(VERB)?;
            self.core
                .admins(VERB, Kind::Administrator, Administrator::decode)
                .await
        })
    }

    fn administrator(&self, name: AdminName) -> Work<'_, Option<Administrator>> {
        const VERB: Verb = "read the administrator";
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(VERB)?;
            let (entry, _) = self
                .core
                .admin(VERB, Kind::Administrator, name.as_str())
                .await?;
            let decoded = entry.map(|entry| Administrator::decode(&entry)).transpose();
            decoded.map_err(|error| corrupt(VERB, error))
        })
    }

    fn put_administrator(&self, administrator: Administrator) -> Work<'_, ()> {
        const VERB: Verb = "put the administrator";
        self.core.carry_out(VERB, move |core| async move {
            let (name, entry) = (administrator.name.as_str(), administrator.encode());
            core.put_admin(VERB, Kind::Administrator, name, entry).await
        })
    }

    fn remove_administrator(&self, name: AdminName) -> Work<'_, ()> {
        const VERB: Verb = "remove the administrator";
        self.core.carry_out(VERB, move |core| async move {
            core.put_admin(VERB, Kind::Administrator, name.as_str(), Vec::new())
                .await
        })
    }

    fn tokens(&self) -> Work<'_, Vec<Token>> {
        const VERB: Verb = "list the tokens";
        Box::pin(async {
            let _pass = self.core.engine.enter(VERB)?;
            self.core.admins(VERB, Kind::Token, Token::decode).await
        })
    }

    fn token(&self, id: TokenId) -> Work<'_, Option<Token>> {
        const VERB: Verb = "read the token";
        Box::pin(async move {
            let _pass = self.core.engine.enter_in_turn(VERB)?;
            let (entry, _) = self.core.admin(VERB, Kind::Token, id.as_str()).await?;
            let decoded = entry.map(|entry| Token::decode(&entry)).transpose();
            decoded.map_err(|error| corrupt(VERB, error))
        })
    }

    fn put_token(&self, token: Token) -> Work<'_, ()> {
        const VERB: Verb = "put the token";
        self.core.carry_out(VERB, move |core| async move {
            core.put_admin(VERB, Kind::Token, token.id.as_str(), token.encode())
                .await
        })
    }

    fn remove_token(&self, id: TokenId) -> Work<'_, ()> {
        const VERB: Verb = "remove the token";
        self.core.carry_out(VERB, move |core| async move {
            core.put_admin(VERB, Kind::Token, id.as_str(), Vec::new())
                .await
        })
    }
}

impl Audit for Cassandra {
    fn put_audit(&self, record: AuditRecord, kept_for: Duration) -> Work<'_, ()> {
        const VERB: Verb = "put into the audit log";
        self.core.carry_out(VERB, move |core| async move {
            core.put_audit(VERB, record, kept_for).await
        })
    }

    fn audit(&self, span: AuditSpan) -> Work<'_, Vec<AuditRecord>> {
        const VERB: Verb = "read the audit log";
        Box::pin(async move {
            let _pass = self.core.engine.enter(VERB)?;
            self.core.audit(VERB, span).await
        })
    }
}
