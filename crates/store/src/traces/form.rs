//! The form in which events are kept: records, each behind its length, in pages.
//!
//! | part of a record | octets |
//! |---|---|
//! | version, kind | 1, 1 |
//! | id | 16 |
//! | node | text |
//! | session, source | 1 and 8 if there is one; 0, or 4 or 16 behind that number |
//! | what happened | by kind |
//!
//! Texts stand behind their length, lists behind their number; both are varints. What is of another
//! version or kind is left out by who reads it, so nodes of two versions share a store.

use std::net::IpAddr;

use cassmail_mail::{AccountId, Address, MessageId, ReversePath};

use super::{Arrival, EventId, Happened, Reached, Refusal, Remover, Rule, TraceEvent, Traced, Way};

const VERSION: u8 = 1;

const ACCEPTED: u8 = 1;
const REFUSED: u8 = 2;
const RETRIEVED: u8 = 3;
const REMOVED: u8 = 4;

/// A page has no more events, and is begun anew when it has so many octets: reading one is cheap.
const EVENTS: usize = 64;
const OCTETS: usize = 32 * 1024;

/// Some events as they are kept, and what finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub octets: Vec<u8>,
    /// How many.
    pub events: usize,
    /// The oldest of them.
    pub oldest: EventId,
    /// The newest.
    pub newest: EventId,
    /// The digests of all their keys, sorted, each once.
    pub digests: Vec<u32>,
}

/// Puts events into pages, in their order.
pub fn pack(events: &[TraceEvent]) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::with_capacity(events.len().div_ceil(EVENTS));
    for event in events {
        let has_room = |page: &&mut Page| page.events < EVENTS && page.octets.len() < OCTETS;
        match pages.last_mut().filter(has_room) {
            Some(page) => page.put(event),
            None => pages.push(Page::of(event)),
        }
    }
    for page in &mut pages {
        page.digests.sort_unstable();
        page.digests.dedup();
    }
    pages
}

/// The events of a page; none if it is none.
pub fn unpack(octets: &[u8]) -> Option<Vec<TraceEvent>> {
    let mut take = Take(octets);
    let mut events = Vec::new();
    while !take.0.is_empty() {
        let length = take.length()?;
        events.extend(decode(take.slice(length)?));
    }
    Some(events)
}

impl Page {
    fn of(event: &TraceEvent) -> Self {
        let mut page = Self {
            octets: Vec::with_capacity(256),
            events: 0,
            oldest: event.id,
            newest: event.id,
            digests: Vec::with_capacity(8),
        };
        page.put(event);
        page
    }

    fn put(&mut self, event: &TraceEvent) {
        let record = encode(event);
        put_varint(&mut self.octets, as_u64(record.len()));
        self.octets.extend_from_slice(&record);
        self.events += 1;
        self.oldest = self.oldest.min(event.id);
        self.newest = self.newest.max(event.id);
        let digests = event.keys().into_iter().map(|key| key.digest());
        self.digests.extend(digests);
    }
}

fn encode(event: &TraceEvent) -> Vec<u8> {
    let kind = match &event.what {
        Happened::Accepted(_) => ACCEPTED,
        Happened::Refused(_) => REFUSED,
        Happened::Retrieved { .. } => RETRIEVED,
        Happened::Removed { .. } => REMOVED,
    };
    let mut out = Vec::with_capacity(256);
    out.extend([VERSION, kind]);
    out.extend(event.id.0.to_key());
    put_text(&mut out, &event.node);
    put_option(&mut out, event.session.as_ref(), |out, session| {
        out.extend(session.to_be_bytes());
    });
    match event.source {
        None => out.push(0),
        Some(IpAddr::V4(address)) => {
            out.push(4);
            out.extend(address.octets());
        }
        Some(IpAddr::V6(address)) => {
            out.push(16);
            out.extend(address.octets());
        }
    }
    put_what(&mut out, &event.what);
    out
}

fn put_what(out: &mut Vec<u8>, what: &Happened) {
    match what {
        Happened::Accepted(accepted) => put_arrival(out, accepted),
        Happened::Refused(refused) => put_refusal(out, refused),
        Happened::Retrieved { of, octets } => {
            out.extend(of.message.to_key());
            out.extend(of.account.to_key());
            put_text(out, &of.user.to_string());
            put_varint(out, *octets);
        }
        Happened::Removed {
            messages,
            account,
            user,
            by,
        } => {
            out.push(match by {
                Remover::Owner => 1,
                Remover::Retention => 2,
            });
            out.extend(account.to_key());
            put_text(out, &user.to_string());
            put_list(out, messages, |out, id| out.extend(id.to_key()));
        }
    }
}

fn put_arrival(out: &mut Vec<u8>, accepted: &Arrival) {
    out.extend(accepted.message.to_key());
    put_text(out, &accepted.way.helo);
    put_text(out, &accepted.way.with);
    put_option(out, accepted.way.tls.as_deref(), put_text);
    put_option(out, accepted.user.as_ref(), put_address);
    put_path(out, &accepted.reverse_path);
    put_varint(out, accepted.size);
    put_option(out, accepted.header_id.as_deref(), put_text);
    put_list(out, &accepted.recipients, |out, recipient| {
        put_option(out, recipient.named.as_ref(), put_address);
        put_list(out, &recipient.accounts, |out, id| out.extend(id.to_key()));
    });
}

fn put_refusal(out: &mut Vec<u8>, refused: &Refusal) {
    out.push(refused.rule.number());
    put_text(out, &refused.command);
    put_option(out, refused.message.as_ref(), |out, id| {
        out.extend(id.to_key());
    });
    put_option(out, refused.user.as_ref(), put_address);
    put_option(out, refused.reverse_path.as_ref(), put_path);
    put_list(out, &refused.recipients, put_address);
    put_option(out, refused.about.as_deref(), put_text);
    put_option(out, refused.recipient.as_ref(), put_address);
    put_text(out, &refused.reply);
}

fn put_option<T: ?Sized>(out: &mut Vec<u8>, some: Option<&T>, put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(some.is_some()));
    if let Some(some) = some {
        put(out, some);
    }
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_varint(out, as_u64(list.len()));
    for one in list {
        put(out, one);
    }
}

fn put_address(out: &mut Vec<u8>, address: &Address) {
    put_text(out, &address.to_string());
}

/// The null path is an empty text, which no address is.
fn put_path(out: &mut Vec<u8>, path: &ReversePath) {
    match path {
        ReversePath::Null => put_text(out, ""),
        ReversePath::Mailbox(address) => put_address(out, address),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, as_u64(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits an octet, the lowest first, the top bit set when more follow.
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A record; none if it is of another version or kind, or damaged.
fn decode(record: &[u8]) -> Option<TraceEvent> {
    let mut take = Take(record);
    if take.u8()? != VERSION {
        return None;
    }
    let kind = take.u8()?;
    let id = EventId(take.id()?);
    let node = take.text()?;
    let session = take.option(|take| take.array().map(u64::from_be_bytes))?;
    let source = match take.u8()? {
        0 => None,
        4 => Some(IpAddr::from(take.array::<4>()?)),
        16 => Some(IpAddr::from(take.array::<16>()?)),
        _ => return None,
    };
    let what = match kind {
        ACCEPTED => Happened::Accepted(Box::new(arrival(&mut take)?)),
        REFUSED => Happened::Refused(Box::new(refusal(&mut take)?)),
        RETRIEVED => Happened::Retrieved {
            of: Traced {
                message: take.id()?,
                account: take.account()?,
                user: take.address()?,
            },
            octets: take.varint()?,
        },
        REMOVED => removal(&mut take)?,
        _ => return None,
    };
    Some(TraceEvent {
        id,
        node,
        session,
        source,
        what,
    })
}

fn arrival(take: &mut Take<'_>) -> Option<Arrival> {
    Some(Arrival {
        message: take.id()?,
        way: Way {
            helo: take.text()?,
            with: take.text()?,
            tls: take.option(Take::text)?,
        },
        user: take.option(Take::address)?,
        reverse_path: take.path()?,
        size: take.varint()?,
        header_id: take.option(Take::text)?,
        recipients: take.list(|take| {
            Some(Reached {
                named: take.option(Take::address)?,
                accounts: take.list(Take::account)?,
            })
        })?,
    })
}

fn refusal(take: &mut Take<'_>) -> Option<Refusal> {
    let number = take.u8()?;
    let rule = Rule::ALL.iter().find(|rule| rule.number() == number);
    Some(Refusal {
        rule: rule.copied().unwrap_or(Rule::Other),
        command: take.text()?,
        message: take.option(Take::id)?,
        user: take.option(Take::address)?,
        reverse_path: take.option(Take::path)?,
        recipients: take.list(Take::address)?,
        about: take.option(Take::text)?,
        recipient: take.option(Take::address)?,
        reply: take.text()?,
    })
}

fn removal(take: &mut Take<'_>) -> Option<Happened> {
    let by = match take.u8()? {
        1 => Remover::Owner,
        2 => Remover::Retention,
        _ => return None,
    };
    Some(Happened::Removed {
        by,
        account: take.account()?,
        user: take.address()?,
        messages: take.list(Take::id)?,
    })
}

/// The rest of some octets. Every method takes what it names off the front, or answers none.
struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.u8()?;
            value |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let text = std::str::from_utf8(self.slice(length)?).ok()?;
        Some(text.to_owned())
    }

    fn id(&mut self) -> Option<MessageId> {
        self.array().map(MessageId::from_key)
    }

    fn account(&mut self) -> Option<AccountId> {
        self.array().map(AccountId::from_key)
    }

    fn address(&mut self) -> Option<Address> {
        self.text()?.parse().ok()
    }

    fn path(&mut self) -> Option<ReversePath> {
        let text = self.text()?;
        if text.is_empty() {
            return Some(ReversePath::Null);
        }
        text.parse().ok().map(ReversePath::Mailbox)
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read, as everywhere here"
    )]
    fn option<T>(&mut self, some: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => some(self).map(Some),
            _ => None,
        }
    }

    /// Not made room for beforehand: the number may be any.
    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::new();
        for _ in 0..self.length()? {
            list.push(one(self)?);
        }
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, UnixTime};

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn events() -> Vec<TraceEvent> {
        let minter = IdMinter::new(NodeId::from_random(7));
        let id = || minter.mint(UnixTime::from_micros(1_700_000_000_000_000));
        let bob = address("bob@here.example");
        let account = AccountId::of(&bob, 1);
        let message = id();
        let accepted = Arrival {
            message,
            way: Way {
                helo: "client.example".to_owned(),
                with: "ESMTPS".to_owned(),
                tls: Some("TLSv1.3".to_owned()),
            },
            user: Some(bob.clone()),
            reverse_path: ReversePath::Null,
            size: 12_345,
            header_id: Some("x@y".to_owned()),
            recipients: vec![Reached {
                named: None,
                accounts: vec![account],
            }],
        };
        let refused = Refusal {
            command: "RCPT".to_owned(),
            message: Some(message),
            user: None,
            reverse_path: Some(ReversePath::Mailbox(address("a@b.example"))),
            recipients: vec![bob.clone()],
            about: Some("<nobody@here.example>".to_owned()),
            recipient: Some(address("nobody@here.example")),
            reply: "550 5.1.1 no such mailbox".to_owned(),
            rule: Rule::UnknownRecipient,
        };
        let retrieved = Happened::Retrieved {
            of: Traced {
                message,
                account,
                user: bob.clone(),
            },
            octets: 99,
        };
        let removed = Happened::Removed {
            messages: vec![message, id()],
            account,
            user: bob,
            by: Remover::Retention,
        };
        let event = |what, source: Option<&str>| TraceEvent {
            id: EventId(id()),
            node: "mx.example".to_owned(),
            session: source.map(|_| 0xABCD),
            source: source.map(|text| text.parse().unwrap()),
            what,
        };
        vec![
            event(Happened::Accepted(Box::new(accepted)), Some("192.0.2.1")),
            event(Happened::Refused(Box::new(refused)), Some("2001:db8::1")),
            event(retrieved, Some("192.0.2.2")),
            event(removed, None),
        ]
    }

    #[test]
    fn events_of_every_kind_come_back_from_their_page() {
        let events = events();
        let pages = pack(&events);
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].events, 4);
        assert_eq!(unpack(&pages[0].octets), Some(events));
        assert!(pages[0].digests.is_sorted());
    }

    #[test]
    fn pages_are_small_and_have_everything() {
        let events: Vec<_> = std::iter::repeat_with(events).take(100).flatten().collect();
        let pages = pack(&events);
        assert!(pages.iter().all(|page| page.events <= EVENTS));
        let unpacked = pages.iter().filter_map(|page| unpack(&page.octets));
        assert_eq!(unpacked.flatten().collect::<Vec<_>>(), events);
    }

    #[test]
    fn a_record_of_another_version_or_kind_is_left_out_alone() {
        let mut octets = pack(&events())[0].octets.clone();
        for (at, other) in [(1, 9), (2, 9)] {
            // The first record begins behind two octets of its length.
            octets[at + 1] = other;
            let left = unpack(&octets).unwrap();
            assert_eq!(left, events()[1..], "octet {at}");
        }
    }

    #[test]
    fn octets_that_were_cut_or_changed_do_no_harm() {
        let octets = pack(&events())[0].octets.clone();
        for at in 0..octets.len() {
            unpack(&octets[..at]);
            for bit in 0..8 {
                let mut changed = octets.clone();
                changed[at] ^= 1 << bit;
                unpack(&changed);
            }
        }
    }
}
