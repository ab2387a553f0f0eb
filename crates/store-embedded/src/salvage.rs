//! The last resort: a new index, made of what the segments say of themselves.
//!
//! Everything that was not cleaned away comes back, removed mail too. Passwords are lost: accounts
//! that can be recognized are made again without one, in their old generation, so that their mail
//! is theirs; an account is recognized when one of its messages names its address as the recipient.
//! Mail of others waits for an account with the same address to be created.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use cassmail_mail::{AccountId, Address, LocalPart, MessageId, Owner, UnixTime};
use cassmail_store::{
    AccountState, AddressEntry, Credentials, DomainEntry, Profile, Quota, Retention,
    delivered_size, delivered_surrogate_size,
};

use crate::OpenError;
use crate::bytes_in::octets;
use crate::disk::{Disk, FolderDisk, SegmentFile, SegmentNumber};
use crate::folder::Folder;
use crate::index::{Change, FjallIndex, Index, Space};
use crate::opening;
use crate::rows::{
    MaildropRow, MessageRow, account_key, address_key, domain_key, maildrop_key, message_key, meta,
    meta_key, segment_key,
};
use crate::segment::{
    Chunk, Damage, Extent, Head, Kind, PREAMBLE, Position, ReadError, StoreId, next_header,
    read_header, read_preamble, read_record,
};

/// What was found.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Messages that are listed again.
    pub messages: u64,
    /// Messages of which a part is missing or damaged.
    pub incomplete: u64,
    /// Accounts that were recognized; they need new passwords.
    pub accounts: BTreeSet<Address>,
    /// How many accounts with mail were not recognized.
    pub unknown_accounts: u64,
    /// Octets that could not be understood.
    pub damage: Vec<Damage>,
}

/// Generations that are tried to recognize an account.
const GENERATIONS: u64 = 64;

/// So many changes go into one batch.
const BATCH: usize = 4096;

/// Builds a new index for the store in `folder`; the old one, if any is left, is kept beside it
/// under another name. Blocks for as long as it takes to read all bodies.
///
/// # Errors The folder cannot be read, another process has it open, or there is nothing to salvage.
/// Then it can be repeated.
pub fn salvage(folder: &Path) -> Result<Salvaged, OpenError> {
    let folder = Folder::new(folder);
    let _lock = folder.lock()?;
    let disk = FolderDisk::new(folder.bodies());
    let mut segments = disk
        .list()
        .map_err(OpenError::file("list", folder.bodies()))?;
    segments.sort_unstable();
    let store = match folder.read_format() {
        Ok(Some(store)) => store,
        Ok(None) | Err(OpenError::BadFormat(_)) => store_of_segments(&disk, &segments)?,
        Err(error) => return Err(error),
    };
    put_aside(&folder)?;
    let index = FjallIndex::open(&folder.index(), 8 * 1024 * 1024)
        .map_err(OpenError::other("make a new index"))?;
    let mut salvage = Salvage {
        disk: &disk,
        store,
        index: &index,
        batch: Vec::new(),
        chunks: BTreeMap::new(),
        live: BTreeMap::new(),
        seen: BTreeSet::new(),
        accounts: BTreeMap::new(),
        report: Salvaged::default(),
    };
    salvage.walk_all(&segments, Salvage::note_chunk)?;
    salvage.report.damage.clear();
    salvage.walk_all(&segments, Salvage::list)?;
    let report = salvage.finish()?;
    // From here on the folder is a store again.
    opening::make_index(&index, store)?;
    prove_all(&index, &segments)?;
    index.settle();
    Box::new(index).close();
    folder.write_format(store)?;
    Ok(report)
}

fn store_of_segments(
    disk: &dyn Disk,
    segments: &[(SegmentNumber, u64)],
) -> Result<StoreId, OpenError> {
    let preamble = |&(segment, _): &(SegmentNumber, u64)| {
        let at = Position { segment, offset: 0 };
        read_preamble(&*disk.open(segment).ok()?, at).ok()
    };
    let nothing = || OpenError::other("salvage the store")("there are no bodies");
    segments.iter().find_map(preamble).ok_or_else(nothing)
}

/// Renames the old index.
fn put_aside(folder: &Folder) -> Result<(), OpenError> {
    let index = folder.index();
    if !index.exists() {
        return Ok(());
    }
    let names = (1..).map(|n: u32| folder.path().join(format!("index.lost-{n}")));
    for name in names.take(10_000) {
        if !name.exists() {
            let renamed = std::fs::rename(&index, &name);
            return renamed.map_err(OpenError::file("put aside", &index));
        }
    }
    Err(OpenError::NotNew(folder.path().join("index.lost-10000")))
}

/// All of it was just read.
fn prove_all(index: &dyn Index, segments: &[(SegmentNumber, u64)]) -> Result<(), OpenError> {
    let last = segments.last().copied().unwrap_or_default();
    let proven = Position {
        segment: last.0,
        offset: last.1,
    };
    let row = (meta_key(meta::PROVEN), Some(proven.encode().to_vec()));
    index
        .apply(vec![row])
        .and_then(|()| index.sync())
        .map_err(OpenError::other("write the new index"))
}

struct Salvage<'a> {
    disk: &'a dyn Disk,
    store: StoreId,
    index: &'a dyn Index,
    batch: Vec<Change>,
    /// By message, attempt and number.
    chunks: BTreeMap<(MessageId, u64, u64), Extent>,
    live: BTreeMap<SegmentNumber, u64>,
    seen: BTreeSet<MessageId>,
    /// What is known of the owners' addresses, with the generation.
    accounts: BTreeMap<AccountId, Option<(Address, u64)>>,
    report: Salvaged,
}

/// What a walk does with a record that verified.
type Visit<'a> = fn(&mut Salvage<'a>, Kind, MessageId, Extent, &[u8]) -> Result<(), OpenError>;

impl<'a> Salvage<'a> {
    fn walk_all(
        &mut self,
        segments: &[(SegmentNumber, u64)],
        visit: Visit<'a>,
    ) -> Result<(), OpenError> {
        for &(segment, length) in segments {
            let file = self.disk.open(segment);
            let file = file.map_err(OpenError::other("open a segment"))?;
            self.walk(&file, segment, length, visit)?;
        }
        Ok(())
    }

    /// Goes from header to header. Where there is none, the next one is searched: a header is bound
    /// to its place, so nothing else can be taken for one.
    fn walk(
        &mut self,
        file: &Arc<dyn SegmentFile>,
        segment: SegmentNumber,
        length: u64,
        visit: Visit<'a>,
    ) -> Result<(), OpenError> {
        let mut at = Position {
            segment,
            offset: octets(PREAMBLE),
        };
        loop {
            let found = match read_header(&**file, self.store, at) {
                Ok(header) => Some((at, header)),
                Err(_) => next_header(&**file, self.store, at, length)
                    .map_err(OpenError::other("read a segment"))?,
            };
            let Some((place, header)) = found else {
                return Ok(());
            };
            if place != at {
                let damage = Damage::new(at, "the octets up to the next record are damaged");
                self.report.damage.push(damage);
            }
            let extent = Extent {
                segment,
                offset: place.offset,
                length: header.length(),
            };
            match read_record(&**file, self.store, extent) {
                Ok((header, payload)) => visit(self, header.kind, header.id, extent, &payload)?,
                Err(ReadError::Damaged(damage)) => self.report.damage.push(damage),
                Err(ReadError::Read(_, error)) => {
                    return Err(OpenError::other("read a segment")(error));
                }
            }
            at = extent.end();
        }
    }

    /// Remembers where a chunk is.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a visit may fail, this one cannot"
    )]
    fn note_chunk(
        &mut self,
        kind: Kind,
        id: MessageId,
        extent: Extent,
        payload: &[u8],
    ) -> Result<(), OpenError> {
        if kind == Kind::Chunk
            && let Some(chunk) = Chunk::parse(payload)
        {
            self.chunks
                .insert((id, chunk.attempt, chunk.number), extent);
        }
        Ok(())
    }

    /// Lists a message, once: the cleaner may have left two copies of it.
    fn list(
        &mut self,
        kind: Kind,
        id: MessageId,
        extent: Extent,
        payload: &[u8],
    ) -> Result<(), OpenError> {
        if kind != Kind::Head || self.seen.contains(&id) {
            return Ok(());
        }
        let head = Head::parse(payload);
        let extents = head.as_ref().and_then(|h| self.extents(id, extent, h));
        let Some((head, extents)) = head.zip(extents) else {
            self.report.incomplete += 1;
            return Ok(());
        };
        self.seen.insert(id);
        self.report.messages += 1;
        for extent in &extents {
            *self.live.entry(extent.segment).or_default() += extent.length;
        }
        // The first share of an account is the one that it was given.
        let mut owners: Vec<Owner> = Vec::new();
        for owner in head.delivery.owners {
            if owners.iter().all(|other| other.account != owner.account) {
                owners.push(owner);
            }
        }
        let row = MessageRow {
            owners: octets(owners.len()),
            size: head.size,
            hash: head.hash,
            extents,
        };
        self.put(message_key(id), row.encode());
        for owner in owners {
            self.recognize(owner.account, owner.recipient.as_ref());
            let listed = MaildropRow {
                size: delivered_size(head.size, owner.recipient.as_ref()),
                surrogate_size: delivered_surrogate_size(
                    head.size,
                    head.delivery.surrogate_size,
                    owner.recipient.as_ref(),
                ),
                recipient: owner.recipient,
                imported_uidl: owner.uidl,
            };
            self.put(maildrop_key(owner.account, id), listed.encode());
        }
        self.write_when(BATCH)
    }

    /// The head and the chunks of the same attempt; none if one is missing.
    fn extents(&self, id: MessageId, head_at: Extent, head: &Head) -> Option<Vec<Extent>> {
        let chunk = |number| self.chunks.get(&(id, head.attempt, number)).copied();
        let chunks: Option<Vec<_>> = (0..head.chunks).map(chunk).collect();
        Some([vec![head_at], chunks?].concat())
    }

    /// An account's id is made of its address and generation, so the right guess proves itself.
    fn recognize(&mut self, account: AccountId, recipient: Option<&Address>) {
        let known = self.accounts.entry(account).or_default();
        if known.is_some() {
            return;
        }
        let Some(recipient) = recipient else {
            return;
        };
        *known = spellings(recipient).into_iter().find_map(|address| {
            let mut generations = 1..=GENERATIONS;
            let right = generations.find(|&n| AccountId::of(&address, n) == account)?;
            Some((address, right))
        });
    }

    fn put(&mut self, key: crate::index::Key, value: Vec<u8>) {
        self.batch.push((key, Some(value)));
    }

    fn write_when(&mut self, enough: usize) -> Result<(), OpenError> {
        if self.batch.len() < enough {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let written = self.index.apply(batch);
        written.map_err(OpenError::other("write the new index"))
    }

    fn finish(mut self) -> Result<Salvaged, OpenError> {
        for (number, live) in std::mem::take(&mut self.live) {
            self.put(segment_key(number), live.to_be_bytes().to_vec());
        }
        let mut last: BTreeMap<Address, (u64, AccountId)> = BTreeMap::new();
        let mut recognized = Vec::new();
        for (id, known) in std::mem::take(&mut self.accounts) {
            let Some((address, generation)) = known else {
                self.report.unknown_accounts += 1;
                continue;
            };
            recognized.push(id);
            let newest = last.entry(address).or_insert((generation, id));
            *newest = (*newest).max((generation, id));
        }
        let newest: BTreeSet<_> = last.values().map(|(_, id)| *id).collect();
        // Those of earlier generations were removed.
        for id in recognized {
            if !newest.contains(&id) {
                self.put(account_key(Space::Leaving, id), Vec::new());
            }
        }
        for (address, (generation, id)) in last {
            self.make_account(id, address, generation);
        }
        self.write_when(0)?;
        Ok(self.report)
    }

    /// Nobody can log in with these credentials, since no password has such a hash.
    fn make_account(&mut self, id: AccountId, address: Address, generation: u64) {
        let domain = address.domain().clone();
        self.put(
            domain_key(&domain),
            DomainEntry::new(domain.clone()).encode(),
        );
        let entry = AddressEntry::Account { id, generation };
        self.put(address_key(&address), entry.encode());
        let credentials = Credentials::of_hash("*");
        self.put(account_key(Space::Credentials, id), credentials.encode());
        self.report.accounts.insert(address.clone());
        let profile = Profile {
            address,
            state: AccountState::Enabled,
            created_at: UnixTime::from_micros(0),
            retention: Retention::default(),
            quota: Quota::default(),
        };
        self.put(account_key(Space::Profile, id), profile.encode());
    }
}

/// How the directory may have the address that a sender named: in lower case, without a tag.
fn spellings(named: &Address) -> Vec<Address> {
    let mut locals = vec![named.local().clone(), named.local().to_lowercase()];
    for separator in ['+', '-', '_', '=', '#'] {
        let name = named
            .local()
            .as_str()
            .split(separator)
            .next()
            .unwrap_or_default();
        if let Ok(local) = LocalPart::from_name(name) {
            locals.push(local.to_lowercase());
            locals.push(local);
        }
    }
    locals.dedup();
    locals
        .into_iter()
        .map(|local| named.with_local(local))
        .collect()
}
