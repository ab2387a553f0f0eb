//! Ids that need no coordination: minted in the process, or made of names.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Address, UnixTime, base32};

/// Between the epoch of version 1 UUIDs (1582-10-15) and that of Unix, in ticks of 100 ns.
const GREGORIAN_TO_UNIX: u64 = 0x01B2_1DD2_1381_4000;

/// The id of a message: a TimeUUID (RFC 9562 5.1), kept as its time and the rest, in that order.
///
/// It names the transaction, is the base of the UIDL and, as microseconds, the write timestamp of
/// everything that is written for it. Ordered by time; the bytes of a version 1 UUID are not, so
/// never order those.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Ticks of 100 ns since 1582-10-15, 60 bits.
    time: u64,
    /// Variant, clock sequence and node, as the last eight bytes of the UUID.
    rest: u64,
}

/// A text or a number that is no message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id has 26 characters from 0-9 and a-v")]
pub struct MessageIdError;

impl MessageId {
    /// When it was minted.
    pub fn minted_at(self) -> UnixTime {
        UnixTime::from_micros(self.time.saturating_sub(GREGORIAN_TO_UNIX) / 10)
    }

    /// In front of all ids that are minted at this time, and behind all earlier ones: for bounds.
    pub fn bound_at(time: UnixTime) -> Self {
        let ticks = time.as_micros().saturating_mul(10);
        Self {
            time: ticks.saturating_add(GREGORIAN_TO_UNIX) & 0x0FFF_FFFF_FFFF_FFFF,
            rest: 0,
        }
    }

    /// Sixteen bytes that sort as the ids do: for keys.
    pub fn to_key(self) -> [u8; 16] {
        self.to_u128().to_be_bytes()
    }

    /// Reads what [`MessageId::to_key`] wrote.
    pub fn from_key(key: [u8; 16]) -> Self {
        Self::from_u128(u128::from_be_bytes(key))
    }

    /// The id as a version 1 UUID, as other programs know it.
    pub fn to_uuid(self) -> Uuid {
        let low = u32::try_from(self.time & 0xFFFF_FFFF).unwrap_or_default();
        let mid = u16::try_from((self.time >> 32) & 0xFFFF).unwrap_or_default();
        let high = u16::try_from((self.time >> 48) & 0x0FFF).unwrap_or_default();
        Uuid::from_fields(low, mid, high | 0x1000, &self.rest.to_be_bytes())
    }

    /// Reads a version 1 UUID; none for other versions.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        if uuid.get_version_num() != 1 {
            return None;
        }
        let (low, mid, high, rest) = uuid.as_fields();
        let time = (u64::from(high & 0x0FFF) << 48) | (u64::from(mid) << 32) | u64::from(low);
        Some(Self {
            time,
            rest: u64::from_be_bytes(*rest),
        })
    }

    /// The id of a copy of this message that only one account has: minted at the same time, and
    /// always the same one.
    #[must_use]
    pub fn apart_for(self, account: AccountId) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.to_key());
        hash.update(account.to_key());
        let digest = hash.finalize();
        let mut bits = [0; 8];
        for (to, from) in bits.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self {
            time: self.time,
            rest: NodeId::from_random(u64::from_be_bytes(bits)).0,
        }
    }

    /// 26 printable characters that sort as the ids do.
    pub(crate) fn text(self) -> base32::Text {
        base32::encode(self.to_u128())
    }

    fn to_u128(self) -> u128 {
        (u128::from(self.time) << 64) | u128::from(self.rest)
    }

    fn from_u128(value: u128) -> Self {
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
        Self {
            time: half(value >> 64),
            rest: half(value),
        }
    }
}

impl fmt::Display for MessageId {
    /// Writes 26 printable characters that sort as the ids do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        base32::decode(text)
            .map(Self::from_u128)
            .ok_or(MessageIdError)
    }
}

/// Who mints: drawn at random at every start of the process, so that no two processes share one,
/// cloned machines included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(u64);

impl NodeId {
    /// Makes a node id of random bits: 14 for the clock sequence, 47 for the node, the multicast
    /// bit set as RFC 9562 6.10 asks for nodes that are no network card.
    pub fn from_random(random: u64) -> Self {
        const VARIANT: u64 = 0x8000_0000_0000_0000;
        const MULTICAST: u64 = 0x0000_0100_0000_0000;
        Self((random & 0x3FFF_FFFF_FFFF_FFFF) | VARIANT | MULTICAST)
    }
}

/// Mints ids that strictly increase within the process, whatever the wall clock does.
#[derive(Debug)]
pub struct IdMinter {
    node: AtomicU64,
    last: AtomicU64,
}

impl IdMinter {
    /// A minter for one process start.
    pub fn new(node: NodeId) -> Self {
        Self {
            node: AtomicU64::new(node.0),
            last: AtomicU64::new(0),
        }
    }

    /// Who mints now.
    pub fn node(&self) -> NodeId {
        NodeId(self.node.load(Ordering::Relaxed))
    }

    /// Goes on as somebody else: this process may have become the copy of one that goes on
    /// elsewhere, and two must never mint the same id. Ids go on to increase.
    pub fn renew(&self, node: NodeId) {
        self.node.store(node.0, Ordering::Relaxed);
    }

    /// Mints an id at `now`, or one tick after the last one when the clock did not move on.
    pub fn mint(&self, now: UnixTime) -> MessageId {
        let ticks = now
            .as_micros()
            .saturating_mul(10)
            .saturating_add(GREGORIAN_TO_UNIX);
        let after = |last: u64| last.saturating_add(1).max(ticks);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| Some(after(l)));
        let time = after(last.unwrap_or_else(|last| last)) & 0x0FFF_FFFF_FFFF_FFFF;
        MessageId {
            time,
            rest: self.node().0,
        }
    }
}

/// The id of an account and of its maildrop: made of address and generation, so that two nodes
/// which create the same account make the same one, and a re-created address starts empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Uuid);

impl AccountId {
    /// The account at `address` (in the directory's canonical form) in its n-th life.
    ///
    /// A name-based UUID of version 8 over SHA-256 (RFC 9562 5.8 and appendix B.2).
    pub fn of(address: &Address, generation: u64) -> Self {
        let mut hash = Sha256::new();
        for part in [address.domain().as_str(), address.local().as_str()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(generation.to_be_bytes());
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Sixteen bytes: for keys.
    pub fn to_key(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// Reads what [`AccountId::to_key`] wrote.
    pub fn from_key(key: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(key))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_stands_between_the_ids_of_two_times() {
        let [early, late] = [1_000, 1_001].map(UnixTime::from_micros);
        let minter = minter();
        let ids = [early, late].map(|time| minter.mint(time));
        assert!(MessageId::bound_at(early) < ids[0]);
        assert!(ids[0] < MessageId::bound_at(late));
        assert!(MessageId::bound_at(late) < ids[1]);
        assert_eq!(MessageId::bound_at(late).minted_at(), late);
    }

    fn minter() -> IdMinter {
        IdMinter::new(NodeId::from_random(0x1234_5678_9abc_def0))
    }

    #[test]
    fn ids_increase_even_when_the_clock_goes_back() {
        let minter = minter();
        let first = minter.mint(UnixTime::from_micros(1_000_000));
        let second = minter.mint(UnixTime::from_micros(1_000_000));
        let third = minter.mint(UnixTime::from_micros(500_000));
        assert!(first < second && second < third);
        assert_eq!(first.minted_at(), UnixTime::from_micros(1_000_000));
    }

    #[test]
    fn a_renewed_minter_goes_on_as_somebody_else() {
        let minter = minter();
        let first = minter.mint(UnixTime::from_micros(1_000_000));
        let other = NodeId::from_random(7);
        minter.renew(other);
        let second = minter.mint(UnixTime::from_micros(500_000));
        assert!(first < second, "though the clock went back");
        assert_ne!(
            first.to_uuid().as_fields().3,
            second.to_uuid().as_fields().3
        );
        assert_eq!(minter.node(), other);
    }

    #[test]
    fn an_id_survives_key_text_and_uuid() {
        let id = minter().mint(UnixTime::from_micros(1_700_000_000_123_456));
        assert_eq!(MessageId::from_key(id.to_key()), id);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(MessageId::from_uuid(id.to_uuid()), Some(id));
        assert_eq!(id.to_uuid().get_version_num(), 1);
        assert_eq!(id.to_uuid().get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn a_copy_apart_has_the_time_and_an_id_of_its_own() {
        let id = minter().mint(UnixTime::from_micros(1_700_000_000_123_456));
        let [alice, bob] = ["alice@example.org", "bob@example.org"]
            .map(|address| AccountId::of(&address.parse().unwrap(), 1));
        let apart = id.apart_for(alice);
        assert_eq!(apart, id.apart_for(alice));
        assert_ne!(apart, id.apart_for(bob));
        assert_ne!(apart, id);
        assert_eq!(apart.minted_at(), id.minted_at());
        assert_eq!(MessageId::from_uuid(apart.to_uuid()), Some(apart));
        assert_eq!(apart.to_uuid().get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn keys_and_texts_sort_like_ids() {
        let minter = minter();
        let ids: Vec<_> = (0..100)
            .map(|n| minter.mint(UnixTime::from_micros(n * 77_777_777_777)))
            .collect();
        assert!(ids.is_sorted());
        assert!(
            ids.iter()
                .map(|id| id.to_key())
                .collect::<Vec<_>>()
                .is_sorted()
        );
        assert!(
            ids.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .is_sorted()
        );
    }

    #[test]
    fn two_creators_make_the_same_account_and_a_new_life_another() {
        let address: Address = "bob@example.org".parse().unwrap();
        assert_eq!(AccountId::of(&address, 1), AccountId::of(&address, 1));
        assert_ne!(AccountId::of(&address, 1), AccountId::of(&address, 2));
        let shifted: Address = "bo@bexample.org".parse().unwrap();
        assert_ne!(AccountId::of(&address, 1), AccountId::of(&shifted, 1));
    }
}
