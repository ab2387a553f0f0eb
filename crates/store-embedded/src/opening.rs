//! Opening: what a crash left is made whole before anybody sees it.
//!
//! The index is the truth. Rows whose bodies lie before `proven` are trusted: a checksum that fails
//! there later is damage. The messages of the last groups, which the index names, are verified:
//!
//! 1. What does not verify was never acknowledged, and is dropped.
//! 2. What verifies is written again to a new segment and synced, since the page cache may show
//!    what the disk lacks. *Crash*: the next opening begins anew.
//! 3. Only then one batch points the rows there, and proves them. *Crash*: as before or after it.
//! 4. The old head is cut off behind its last row, and segments without rows are removed. *Crash*:
//!    the next opening does it.
//!
//! So opening takes a time that does not depend on the amount of mail.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use cassmail_mail::{AccountId, MessageId};

use crate::OpenError;
use crate::disk::Disk;
use crate::index::{Index, Snapshot, Space};
use crate::rows::{
    Added, decode_added, decode_number, maildrop_key, message_key, meta, meta_key, segment_key,
};
use crate::segment::{Extent, Position, ReadError, Record, StoreId, read_record};
use crate::writer::{Bodies, Breakdown, Group, Refusal};

/// What an opening made of the files.
pub(crate) struct Opened {
    pub(crate) bodies: Bodies,
    pub(crate) proven: Position,
    /// How often the store was opened, this time included.
    pub(crate) count: u64,
}

/// So much of the last groups is read before it is written again.
const REWRITE_STEP: u64 = 4 * 1024 * 1024;

/// Makes a new index that of a store.
pub(crate) fn make_index(index: &dyn Index, store: StoreId) -> Result<(), OpenError> {
    let rows = vec![
        (meta_key(meta::STORE), Some(store.0.to_vec())),
        (
            meta_key(meta::PROVEN),
            Some(Position::default().encode().to_vec()),
        ),
    ];
    index
        .apply(rows)
        .and_then(|()| index.sync())
        .map_err(OpenError::other("make the index"))
}

/// The store that an index belongs to.
pub(crate) fn store_of(snapshot: &dyn Snapshot) -> Result<Option<StoreId>, OpenError> {
    let value = get_meta(snapshot, meta::STORE)?;
    Ok(value.and_then(|value| value.try_into().ok()).map(StoreId))
}

/// Makes disk and index whole.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    index: &dyn Index,
    store: StoreId,
    segment_size: u64,
) -> Result<Opened, OpenError> {
    let snapshot = index.snapshot();
    let proven = get_meta(&*snapshot, meta::PROVEN)?;
    let proven = proven.as_deref().and_then(Position::decode);
    let proven = proven.ok_or(OpenError::DamagedRow)?;
    let count = get_meta(&*snapshot, meta::OPENED)?;
    let count = count.as_deref().and_then(decode_number).unwrap_or(0);
    let count = count.wrapping_add(1);

    let sealed = disk.list().map_err(OpenError::other("list the segments"))?;
    let sealed: BTreeMap<_, _> = sealed.into_iter().collect();
    let mut bodies = Bodies::new(Arc::clone(disk), store, segment_size, sealed, proven);

    let mut group = Group::new(&mut bodies, Arc::clone(&snapshot));
    // One that was removed and delivered again is named twice; what was written again a moment ago
    // could not be read yet.
    let mut named: BTreeMap<MessageId, Vec<AccountId>> = BTreeMap::new();
    for (key, added) in unproven(&*snapshot)? {
        for message in added {
            named.entry(message.id).or_default().extend(message.owners);
        }
        group.draft.remove((Space::Unproven, key));
    }
    for (id, owners) in named {
        let rescued = rescue(&mut group, &**disk, proven, &Added { id, owners });
        rescued.map_err(|error| of_refusal("verify the last messages", error))?;
    }
    let Group { mut draft, .. } = group;
    bodies.seal().map_err(broken)?;
    let now_proven = bodies.synced();
    draft.put(meta_key(meta::PROVEN), now_proven.encode().to_vec());
    draft.put(meta_key(meta::OPENED), count.to_be_bytes().to_vec());
    index
        .apply(draft.into_changes())
        .and_then(|()| index.sync())
        .map_err(OpenError::other("write to the index"))?;

    cut_off(&**disk, &mut bodies, proven)?;
    remove_dead(&mut bodies, &*index.snapshot())?;
    Ok(Opened {
        bodies,
        proven: now_proven,
        count,
    })
}

fn get_meta(snapshot: &dyn Snapshot, name: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
    let (space, key) = meta_key(name);
    let read = snapshot.get(space, &key);
    read.map_err(OpenError::other("read the index"))
}

/// A key of the space of unproven groups, and what the group added.
type Unproven = (Vec<u8>, Vec<Added>);

fn unproven(snapshot: &dyn Snapshot) -> Result<Vec<Unproven>, OpenError> {
    let mut groups = Vec::new();
    snapshot
        .scan(Space::Unproven, &[], None, &mut |key, value| {
            groups.push((key.to_vec(), decode_added(value)));
            ControlFlow::Continue(())
        })
        .map_err(OpenError::other("read the index"))?;
    let decoded = groups.into_iter().map(|(key, added)| Some((key, added?)));
    decoded.collect::<Option<_>>().ok_or(OpenError::DamagedRow)
}

/// Verifies a message of the last groups; writes what verifies again, drops what does not.
fn rescue(
    group: &mut Group<'_>,
    disk: &dyn Disk,
    proven: Position,
    message: &Added,
) -> Result<(), Refusal> {
    // It may have been removed since, or moved to where it is proven.
    let Some(mut row) = group.message(message.id)? else {
        return Ok(());
    };
    let before = row.clone();
    for extent in &mut row.extents {
        if extent.end() <= proven {
            continue;
        }
        match rewrite(group, disk, *extent) {
            Ok(new) => *extent = new,
            Err(RewriteError::Damaged(error)) => {
                tracing::warn!(
                    event = crate::MAINTAINED,
                    message = %message.id,
                    ?error,
                    "a message that was never acknowledged is dropped"
                );
                return drop_message(group, message, &before.extents);
            }
            Err(RewriteError::Refused(refusal)) => return Err(refusal),
        }
    }
    if row != before {
        group.draft.put(message_key(message.id), row.encode());
        group.deaden(&before.extents)?;
        group.enliven(&row.extents)?;
    }
    Ok(())
}

enum RewriteError {
    Damaged(ReadError),
    Refused(Refusal),
}

fn rewrite(group: &mut Group<'_>, disk: &dyn Disk, at: Extent) -> Result<Extent, RewriteError> {
    let store = group.bodies.store();
    let file = match disk.open(at.segment) {
        Ok(file) => file,
        // The name of the file was not durable: nobody was told of what it had.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(RewriteError::Damaged(ReadError::Read(at.start(), error)));
        }
        Err(error) => {
            let broken = Breakdown::of("open a segment")(error);
            return Err(RewriteError::Refused(broken.into()));
        }
    };
    let (header, payload) = match read_record(&*file, store, at) {
        Ok(record) => record,
        Err(ReadError::Read(at, error)) => {
            tracing::error!(event = crate::MAINTAINED, ?at, "a segment cannot be read");
            let broken = Breakdown::of("read a segment")(error);
            return Err(RewriteError::Refused(broken.into()));
        }
        Err(damaged) => return Err(RewriteError::Damaged(damaged)),
    };
    let record = Record {
        kind: header.kind,
        id: header.id,
        payload: payload.into(),
        checksum: header.checksum,
    };
    let new = group.append(&record).map_err(RewriteError::Refused)?;
    if new.offset % REWRITE_STEP < new.length {
        let written = group.bodies.write_out();
        written.map_err(|error| RewriteError::Refused(error.into()))?;
    }
    Ok(new)
}

fn drop_message(group: &mut Group<'_>, message: &Added, extents: &[Extent]) -> Result<(), Refusal> {
    for &owner in &message.owners {
        group.draft.remove(maildrop_key(owner, message.id));
    }
    group.draft.remove(message_key(message.id));
    group.deaden(extents)
}

/// Cuts the old head off behind its last row: all of them lie before what was proven.
fn cut_off(disk: &dyn Disk, bodies: &mut Bodies, proven: Position) -> Result<(), OpenError> {
    let length = bodies.sealed().get(&proven.segment).copied();
    if length.is_none_or(|length| length <= proven.offset) {
        return Ok(());
    }
    let file = disk.open(proven.segment);
    let cut = file.and_then(|file| {
        file.truncate(proven.offset)?;
        file.sync()
    });
    cut.map_err(OpenError::other("cut off a segment"))?;
    bodies.was_cut_off(proven);
    Ok(())
}

fn remove_dead(bodies: &mut Bodies, snapshot: &dyn Snapshot) -> Result<(), OpenError> {
    let mut dead = Vec::new();
    for &number in bodies.sealed().keys() {
        let (space, key) = segment_key(number);
        let live = snapshot.get(space, &key);
        if live.map_err(OpenError::other("read the index"))?.is_none() {
            dead.push(number);
        }
    }
    if dead.is_empty() {
        return Ok(());
    }
    let removed = bodies.remove(&dead);
    removed.map_err(OpenError::other("remove dead segments"))
}

fn of_refusal(operation: &'static str, refusal: Refusal) -> OpenError {
    match refusal {
        Refusal::Broken(breakdown) => OpenError::other(operation)(breakdown),
        Refusal::Unreadable(error) => OpenError::other(operation)(error),
        Refusal::Refused(cassmail_store::ErrorKind::Corrupt) => OpenError::DamagedRow,
        Refusal::Refused(_) => OpenError::other(operation)("there is no room"),
    }
}

fn broken(breakdown: Breakdown) -> OpenError {
    OpenError::other("write the last messages again")(breakdown)
}
