//! What the spool record of a message says: all that its listing rows are made of.

use std::str::FromStr;

use cassmail_mail::{AccountId, Address, MessageId, SurrogateSize, Uidl};

use crate::listing::{Body, Listed, Place};

/// A row to be, and in whose maildrop.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) account: AccountId,
    pub(crate) listed: Listed,
}

/// The version of the form, so that others can be told from it.
const FORM: u8 = 1;

/// The same, and each share ends with the size of its surrogate, eight octets, or with none. Only
/// messages that have one are written so: whoever knows only the first form can sweep the others.
const WITH_SURROGATES: u8 = 2;

/// The record of a message whose body is in chunks. All shares have the same body.
pub(crate) fn encode(blob: MessageId, count: i16, shares: &[Share]) -> Vec<u8> {
    let has_surrogate = |share: &Share| share.listed.surrogate_size.is_some();
    let form = if shares.iter().any(has_surrogate) {
        WITH_SURROGATES
    } else {
        FORM
    };
    let mut record = vec![form];
    record.extend_from_slice(&blob.to_key());
    record.extend_from_slice(&count.to_be_bytes());
    for share in shares {
        record.extend_from_slice(&share.account.to_key());
        record.extend_from_slice(&share.listed.place.bucket.to_key());
        record.extend_from_slice(&share.listed.size.to_be_bytes());
        let recipient = share.listed.recipient.as_ref().map(Address::to_string);
        put_text(&mut record, recipient.as_deref());
        put_text(&mut record, share.listed.uidl.as_ref().map(Uidl::as_str));
        if form == WITH_SURROGATES {
            put_size(&mut record, share.listed.surrogate_size);
        }
    }
    record
}

/// Reads a record; none if it is none.
pub(crate) fn decode(id: MessageId, record: &[u8]) -> Option<Vec<Share>> {
    let mut rest = record;
    let [form] = array::<1>(&mut rest)?;
    if !matches!(form, FORM | WITH_SURROGATES) {
        return None;
    }
    let blob = MessageId::from_key(array(&mut rest)?);
    let count = i16::from_be_bytes(array(&mut rest)?);
    let body = Body::Chunks {
        blob,
        count,
        shared: true,
    };
    let mut shares = Vec::new();
    while !rest.is_empty() {
        let account = AccountId::from_key(array(&mut rest)?);
        let bucket = MessageId::from_key(array(&mut rest)?);
        let size = u64::from_be_bytes(array(&mut rest)?);
        let recipient = parse_if_any(take_text(&mut rest)?)?;
        let uidl = parse_if_any(take_text(&mut rest)?)?;
        let surrogate_size = match form {
            WITH_SURROGATES => take_size(&mut rest)?,
            _ => None,
        };
        let listed = Listed {
            place: Place { id, bucket, body },
            size,
            surrogate_size,
            recipient,
            uidl,
        };
        shares.push(Share { account, listed });
    }
    Some(shares)
}

/// An empty text stands for none: neither an address nor a UIDL is empty.
fn put_text(record: &mut Vec<u8>, text: Option<&str>) {
    let text = text.unwrap_or_default();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

/// One octet says whether there is one.
fn put_size(record: &mut Vec<u8>, size: Option<SurrogateSize>) {
    record.push(u8::from(size.is_some()));
    record.extend(size.iter().flat_map(|size| size.octets().to_be_bytes()));
}

/// Fails for what cannot be read only.
#[expect(clippy::option_option, reason = "the outer one is for ?")]
fn take_size(rest: &mut &[u8]) -> Option<Option<SurrogateSize>> {
    match array(rest)? {
        [0] => Some(None),
        [1] => Some(Some(SurrogateSize::new(u64::from_be_bytes(array(rest)?)))),
        _ => None,
    }
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = u16::from_be_bytes(array(rest)?);
    let (text, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

/// Fails for what cannot be parsed only.
#[expect(clippy::option_option, reason = "the outer one is for ?")]
fn parse_if_any<T: FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() {
        return Some(None);
    }
    text.parse().ok().map(Some)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId, UnixTime};

    use super::*;

    #[test]
    fn a_record_comes_back_and_what_is_cut_does_not() {
        let minter = IdMinter::new(NodeId::from_random(1));
        let [id, blob, bucket] = [1, 2, 3].map(|now| minter.mint(UnixTime::from_micros(now)));
        let body = Body::Chunks {
            blob,
            count: 7,
            shared: true,
        };
        let share = |name: &str, uidl: Option<&str>| Share {
            account: AccountId::of(&name.parse().unwrap(), 1),
            listed: Listed {
                place: Place { id, bucket, body },
                size: 1234,
                surrogate_size: None,
                recipient: uidl.is_none().then(|| name.parse().unwrap()),
                uidl: uidl.map(|uidl| uidl.parse().unwrap()),
            },
        };
        let mut shares = [
            share("a@x.example", None),
            share("b@x.example", Some("old")),
        ];
        for (form, surrogate_size) in [(1, None), (2, Some(SurrogateSize::new(1200)))] {
            shares[0].listed.surrogate_size = surrogate_size;
            let record = encode(blob, 7, &shares);
            assert_eq!(record[0], form);
            let back = decode(id, &record).unwrap();
            assert_eq!(format!("{back:?}"), format!("{shares:?}"));
            for end in 1..record.len() {
                let cut = decode(id, &record[..end]);
                assert!(cut.is_none_or(|cut| cut.len() < 2), "{end}");
            }
        }
    }
}
