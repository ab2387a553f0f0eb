//! What is in the index: the keys and the values of each space.
//!
//! | space | key | value |
//! |---|---|---|
//! | meta | a name of [`meta`] | a position, an id, a number; behind `note.`: a worker's note; |
//! |      |                    | behind `used.` and an account: how full its maildrop is |
//! | maildrop | account, message | size as given out, imported UIDL, recipient as named; then, if |
//! |          |                  | there is one, the size of the surrogate |
//! | message | message | how many owners are left, size, hash, where it is |
//! | unproven | where the bodies of a group end | the messages that it added, and whose they are |
//! | segment | number | how many octets of it are alive |
//! | domain | name | a record of the store crate |
//! | address | domain, NUL, local part | the same |
//! | profile, credentials | account | the same |
//! | leaving | an account whose mail is still to be removed | nothing |
//! | admin | `a` and the name of an administrator, `t` and the id of a token | as domains |
//! | audit | the id of a record, each bit turned, so that the latest stands first | as domains |
//!
//! Every other key sorts as what it stands for: ids by their time, numbers by their value.

use cassmail_mail::{AccountId, Address, Domain, Entry, LocalPart, MessageId, SurrogateSize, Uidl};

use crate::bytes_in::{Take, octets, put_text, put_varint};
use crate::disk::SegmentNumber;
use crate::index::{Key, Space};
use crate::segment::{Extent, Position, optional, parse_optional};

/// The names in the space of single values.
pub(crate) mod meta {
    /// Up to here every octet of every body is known to be on disk.
    pub(crate) const PROVEN: &[u8] = b"proven";
    /// Whose index this is.
    pub(crate) const STORE: &[u8] = b"store";
    /// How often the store was opened.
    pub(crate) const OPENED: &[u8] = b"opened";
    /// In front of the name of a worker: what it noted.
    pub(crate) const NOTE: &[u8] = b"note.";
    /// In front of an account: what is noted of how full its maildrop is.
    pub(crate) const USED: &[u8] = b"used.";
}

pub(crate) fn meta_key(name: &[u8]) -> Key {
    (Space::Meta, name.to_vec())
}

pub(crate) fn note_key(worker: &str) -> Key {
    meta_key(&[meta::NOTE, worker.as_bytes()].concat())
}

pub(crate) fn usage_key(account: AccountId) -> Key {
    meta_key(&[meta::USED, &account.to_key()].concat())
}

pub(crate) fn maildrop_key(account: AccountId, id: MessageId) -> Key {
    let key = [account.to_key(), id.to_key()].concat();
    (Space::Maildrop, key)
}

/// The message of a key of the space maildrop.
pub(crate) fn listed_id(key: &[u8]) -> Option<MessageId> {
    key.last_chunk().copied().map(MessageId::from_key)
}

/// The account of a key that begins with one.
pub(crate) fn account_of(key: &[u8]) -> Option<AccountId> {
    key.first_chunk().copied().map(AccountId::from_key)
}

pub(crate) fn message_key(id: MessageId) -> Key {
    (Space::Message, id.to_key().to_vec())
}

pub(crate) fn segment_key(number: SegmentNumber) -> Key {
    (Space::Segment, number.0.to_be_bytes().to_vec())
}

pub(crate) fn unproven_key(end: Position) -> Key {
    (Space::Unproven, end.encode().to_vec())
}

pub(crate) fn domain_key(name: &Domain) -> Key {
    (Space::Domain, name.as_str().as_bytes().to_vec())
}

pub(crate) fn address_key(address: &Address) -> Key {
    let mut key = address_prefix(address.domain());
    key.extend_from_slice(address.local().as_str().as_bytes());
    (Space::Address, key)
}

/// Neither part of an address can contain a NUL.
pub(crate) fn address_prefix(domain: &Domain) -> Vec<u8> {
    let mut key = domain.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

/// The address of a key.
pub(crate) fn address_of(key: &[u8]) -> Option<Address> {
    let (domain, local) = std::str::from_utf8(key).ok()?.split_once('\0')?;
    let local = LocalPart::from_name(local).ok()?;
    Some(Address::new(local, domain.parse().ok()?))
}

pub(crate) fn account_key(space: Space, account: AccountId) -> Key {
    (space, account.to_key().to_vec())
}

/// Whose row it is in the space of those who administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admin {
    Administrator,
    Token,
}

impl Admin {
    /// What the keys of all of them begin with.
    pub(crate) fn prefix(self) -> &'static [u8] {
        match self {
            Self::Administrator => b"a",
            Self::Token => b"t",
        }
    }

    pub(crate) fn key(self, name: &str) -> Key {
        (Space::Admin, [self.prefix(), name.as_bytes()].concat())
    }
}

/// The latest record stands first.
pub(crate) fn audit_key(id: MessageId) -> Key {
    (Space::Audit, id.to_key().map(|octet| !octet).to_vec())
}

/// The record of a key of the space audit.
pub(crate) fn audited_id(key: &[u8]) -> Option<MessageId> {
    let turned: [u8; 16] = key.try_into().ok()?;
    Some(MessageId::from_key(turned.map(|octet| !octet)))
}

impl Position {
    /// Sixteen octets that sort as positions do.
    pub(crate) fn encode(self) -> [u8; 16] {
        let both = (u128::from(self.segment.0) << 64) | u128::from(self.offset);
        both.to_be_bytes()
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut take = Take(value);
        Some(Self {
            segment: SegmentNumber(take.u64()?),
            offset: take.u64()?,
        })
    }
}

pub(crate) fn decode_number(value: &[u8]) -> Option<u64> {
    Take(value).u64()
}

/// A message that a group added, and whose it is: all that an opening needs to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) id: MessageId,
    pub(crate) owners: Vec<AccountId>,
}

pub(crate) fn encode_added(added: &[Added]) -> Vec<u8> {
    let mut value = Vec::with_capacity(added.len().saturating_mul(33));
    for one in added {
        value.extend_from_slice(&one.id.to_key());
        put_varint(&mut value, octets(one.owners.len()));
        for owner in &one.owners {
            value.extend_from_slice(&owner.to_key());
        }
    }
    value
}

pub(crate) fn decode_added(value: &[u8]) -> Option<Vec<Added>> {
    let mut take = Take(value);
    let mut added = Vec::new();
    while !take.is_empty() {
        let id = MessageId::from_key(take.array()?);
        let mut owners = Vec::new();
        for _ in 0..take.varint()? {
            owners.push(AccountId::from_key(take.array()?));
        }
        added.push(Added { id, owners });
    }
    Some(added)
}

/// A message, as it is kept once for all its owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) owners: u64,
    /// Of the body as it was written.
    pub(crate) size: u64,
    pub(crate) hash: u128,
    /// The head record first; if there are more, the body is in those, in their order.
    pub(crate) extents: Vec<Extent>,
}

impl MessageRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(48);
        put_varint(&mut value, self.owners);
        put_varint(&mut value, self.size);
        value.extend_from_slice(&self.hash.to_be_bytes());
        for extent in &self.extents {
            put_varint(&mut value, extent.segment.0);
            put_varint(&mut value, extent.offset);
            put_varint(&mut value, extent.length);
        }
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut take = Take(value);
        let mut row = Self {
            owners: take.varint()?,
            size: take.varint()?,
            hash: u128::from_be_bytes(take.array()?),
            extents: Vec::new(),
        };
        while !take.is_empty() {
            row.extents.push(Extent {
                segment: SegmentNumber(take.varint()?),
                offset: take.varint()?,
                length: take.varint()?,
            });
        }
        (!row.extents.is_empty()).then_some(row)
    }
}

/// A message, as one owner lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MaildropRow {
    /// As it is given out: with the line that names the recipient.
    pub(crate) size: u64,
    /// The same, of the surrogate. Rows from before there were surrogates end in front of it.
    pub(crate) surrogate_size: Option<SurrogateSize>,
    pub(crate) recipient: Option<Address>,
    pub(crate) imported_uidl: Option<Uidl>,
}

impl MaildropRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(40);
        put_varint(&mut value, self.size);
        put_text(&mut value, &optional(self.imported_uidl.as_ref()));
        put_text(&mut value, &optional(self.recipient.as_ref()));
        if let Some(size) = self.surrogate_size {
            put_varint(&mut value, size.octets());
        }
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut take = Take(value);
        Some(Self {
            size: take.varint()?,
            imported_uidl: parse_optional(take.text()?)?,
            recipient: parse_optional(take.text()?)?,
            surrogate_size: take_surrogate_size(&mut take)?,
        })
    }

    /// Reads only what a listing needs.
    pub(crate) fn decode_entry(id: MessageId, value: &[u8]) -> Option<Entry> {
        let mut take = Take(value);
        let size = take.varint()?;
        let imported_uidl: Option<Uidl> = parse_optional(take.text()?)?;
        let _recipient = take.text()?;
        Some(Entry {
            id,
            size,
            surrogate_size: take_surrogate_size(&mut take)?,
            imported_uidl: imported_uidl.map(Box::new),
        })
    }
}

/// `Some(None)` where the row ends, `None` for a wrong one.
#[expect(clippy::option_option, reason = "absent and wrong are not the same")]
fn take_surrogate_size(take: &mut Take<'_>) -> Option<Option<SurrogateSize>> {
    if take.is_empty() {
        return Some(None);
    }
    take.varint().map(SurrogateSize::new).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(segment: u64, offset: u64) -> Extent {
        Extent {
            segment: SegmentNumber(segment),
            offset,
            length: 77,
        }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let message = MessageRow {
            owners: 3,
            size: 10_000,
            hash: 7 << 100,
            extents: vec![extent(1, 64), extent(2, 1 << 40)],
        };
        assert_eq!(MessageRow::decode(&message.encode()), Some(message));
        let listed = MaildropRow {
            size: 10_040,
            surrogate_size: Some(SurrogateSize::new(9_000)),
            recipient: "\"a b\"@x.example".parse().ok(),
            imported_uidl: "old".parse().ok(),
        };
        assert_eq!(MaildropRow::decode(&listed.encode()), Some(listed));
        let plain = MaildropRow {
            size: 1,
            surrogate_size: None,
            recipient: None,
            imported_uidl: None,
        };
        assert_eq!(MaildropRow::decode(&plain.encode()), Some(plain));
    }

    /// The form that rows had before there were surrogates.
    #[test]
    fn a_row_without_a_surrogate_is_as_it_always_was() {
        let mut value = Vec::new();
        put_varint(&mut value, 300);
        put_text(&mut value, "old");
        put_text(&mut value, "b@x.example");
        let row = MaildropRow::decode(&value).unwrap();
        assert_eq!((row.size, row.surrogate_size), (300, None));
        assert_eq!(row.encode(), value);
        let id = MessageId::from_key([1; 16]);
        let entry = MaildropRow::decode_entry(id, &value).unwrap();
        assert_eq!((entry.size, entry.surrogate_size), (300, None));
    }

    #[test]
    fn what_a_group_added_comes_back() {
        let alice = AccountId::of(&"alice@example.org".parse().unwrap(), 1);
        let added = [3_u8, 1].map(|n| Added {
            id: MessageId::from_key([n; 16]),
            owners: vec![alice; usize::from(n)],
        });
        let value = encode_added(&added);
        assert_eq!(decode_added(&value).as_deref(), Some(&added[..]));
        assert_eq!(decode_added(&value[..value.len() - 1]), None);
        assert_eq!(decode_added(&[]), Some(Vec::new()));
    }

    #[test]
    fn rows_that_end_early_are_none() {
        let message = MessageRow {
            owners: 1,
            size: 1,
            hash: 1,
            extents: vec![extent(1, 300)],
        };
        let value = message.encode();
        for end in 0..value.len() {
            assert_eq!(MessageRow::decode(&value[..end]), None);
        }
    }

    #[test]
    fn positions_sort_as_their_keys_do() {
        let mut positions = [extent(2, 5), extent(1, 1 << 40), extent(256, 0)].map(|e| e.start());
        positions.sort();
        let keys = positions.map(Position::encode);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(|key| Position::decode(&key).unwrap()), positions);
    }

    #[test]
    fn records_of_the_audit_log_sort_from_the_latest_on() {
        let ids = [3, 2, 1].map(|n| MessageId::from_key([n; 16]));
        let keys = ids.map(|id| audit_key(id).1);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(|key| audited_id(&key).unwrap()), ids);
    }

    #[test]
    fn addresses_come_back_from_their_keys() {
        for text in ["alice@example.org", "\"a b\"@x.example"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address_of(&address_key(&address).1), Some(address));
        }
    }
}
