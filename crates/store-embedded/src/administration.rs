//! Administrators, tokens and the audit log: rows, read from the published state, changed by the
//! writer.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cassmail_mail::{MessageId, UnixTime};
use cassmail_store::{
    AdminName, Administrator, Administrators, Audit, AuditRecord, AuditSpan, Token, TokenId, Work,
};

use crate::Embedded;
use crate::front::{Verb, damaged_row, unreadable};
use crate::index::{Space, go_on_while};
use crate::rows::{Admin, audit_key, audited_id};
use crate::writer::{Group, Refusal};

impl Administrators for Embedded {
    fn administrators(&self) -> Work<'_, Vec<Administrator>> {
        const VERB: Verb = "list the administrators";
        Box::pin(async {
            let decode = |_: &[u8], value: &[u8]| Administrator::decode(value).ok().map(Some);
            let space = (Space::Admin, Admin::Administrator.prefix());
            self.read_all(VERB, space, None, decode, usize::MAX)
        })
    }

    fn administrator(&self, name: AdminName) -> Work<'_, Option<Administrator>> {
        let key = Admin::Administrator.key(name.as_str());
        Box::pin(async move { self.read("read the administrator", &key, Administrator::decode) })
    }

    fn put_administrator(&self, administrator: Administrator) -> Work<'_, ()> {
        self.change_row("put the administrator", move |group| {
            let key = Admin::Administrator.key(administrator.name.as_str());
            group.draft.put(key, administrator.encode());
            Ok(())
        })
    }

    fn remove_administrator(&self, name: AdminName) -> Work<'_, ()> {
        self.change_row("remove the administrator", move |group| {
            group.draft.remove(Admin::Administrator.key(name.as_str()));
            Ok(())
        })
    }

    fn tokens(&self) -> Work<'_, Vec<Token>> {
        const VERB: Verb = "list the tokens";
        Box::pin(async {
            let decode = |_: &[u8], value: &[u8]| Token::decode(value).ok().map(Some);
            let space = (Space::Admin, Admin::Token.prefix());
            self.read_all(VERB, space, None, decode, usize::MAX)
        })
    }

    fn token(&self, id: TokenId) -> Work<'_, Option<Token>> {
        let key = Admin::Token.key(id.as_str());
        Box::pin(async move { self.read("read the token", &key, Token::decode) })
    }

    fn put_token(&self, token: Token) -> Work<'_, ()> {
        self.change_row("put the token", move |group| {
            let key = Admin::Token.key(token.id.as_str());
            group.draft.put(key, token.encode());
            Ok(())
        })
    }

    fn remove_token(&self, id: TokenId) -> Work<'_, ()> {
        self.change_row("remove the token", move |group| {
            group.draft.remove(Admin::Token.key(id.as_str()));
            Ok(())
        })
    }
}

impl Audit for Embedded {
    fn put_audit(&self, record: AuditRecord, kept_for: Duration) -> Work<'_, ()> {
        self.change_row("put into the audit log", move |group| {
            put_audit(group, &record)?;
            forget_before(group, earlier(record.id.minted_at(), kept_for))
        })
    }

    fn audit(&self, span: AuditSpan) -> Work<'_, Vec<AuditRecord>> {
        const VERB: Verb = "read the audit log";
        Box::pin(async move {
            let snapshot = self.front.snapshot(VERB)?;
            let end = MessageId::bound_at(span.until);
            let after = span.behind.map_or(end, |behind| end.min(behind));
            let (space, after) = audit_key(after);
            let mut records = Vec::new();
            let mut is_damaged = false;
            let scanned = snapshot.scan(space, &[], Some(&after), &mut |key, value| {
                match (audited_id(key), AuditRecord::decode(value)) {
                    (Some(id), _) if !span.has(id) => return ControlFlow::Break(()),
                    (Some(_), Ok(record)) => records.push(record),
                    _ => is_damaged = true,
                }
                go_on_while(records.len() < span.limit)
            });
            scanned.map_err(|error| unreadable(VERB, error))?;
            if is_damaged {
                return Err(damaged_row(VERB));
            }
            records.truncate(span.limit);
            Ok(records)
        })
    }
}

fn put_audit(group: &mut Group<'_>, record: &AuditRecord) -> Result<(), Refusal> {
    let key = audit_key(record.id);
    if record.outcome.is_none() {
        let there = group.draft.get(&key)?;
        let there = there.and_then(|value| AuditRecord::decode(&value).ok());
        if there.is_some_and(|there| there.outcome.is_some()) {
            return Ok(());
        }
    }
    group.draft.put(key, record.encode());
    Ok(())
}

/// Removes a few records that are older than this: more than are added.
fn forget_before(group: &mut Group<'_>, time: UnixTime) -> Result<(), Refusal> {
    const STEP: usize = 8;
    let base = Arc::clone(group.draft.base());
    let (space, end) = audit_key(MessageId::bound_at(time));
    let mut old = Vec::new();
    base.scan(space, &[], Some(&end), &mut |key, _| {
        old.push(key.to_vec());
        go_on_while(old.len() < STEP)
    })?;
    for key in old {
        group.draft.remove((space, key));
    }
    Ok(())
}

fn earlier(time: UnixTime, by: Duration) -> UnixTime {
    let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
    UnixTime::from_micros(time.as_micros().saturating_sub(by))
}
