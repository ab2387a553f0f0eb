//! All files of traces.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cassmail_mail::UnixTime;
use cassmail_store::{EventId, Search, TraceEvent, pack};

use super::file::{self, Block, Found, Head, Sealed};
use crate::disk::make_private_folder;

/// So many events are in a file, or those of so long: what has to be read after a crash, and what
/// expires at once.
const EVENTS: usize = 16 * 1024;
const SPAN: Duration = Duration::from_hours(24);

/// The files, looked at when they are first needed: opening a store does not wait for them.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    /// So many octets they may have together.
    room: u64,
    files: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unseen,
    Open(Files),
    Closed,
}

#[derive(Debug)]
struct Files {
    folder: PathBuf,
    sealed: BTreeMap<u64, Sealed>,
    head: Option<(u64, Head)>,
}

impl Shelf {
    pub(crate) fn new(folder: PathBuf, room: u64) -> Self {
        Self {
            folder,
            room,
            files: Mutex::new(State::Unseen),
        }
    }

    /// As [`Shelf::close`], if that has nothing to wait for; says whether it was so.
    pub(crate) fn close_unseen(&self) -> bool {
        let mut state = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unseen = matches!(*state, State::Unseen);
        if is_unseen {
            *state = State::Closed;
        }
        is_unseen
    }

    /// Nothing is read or written after this.
    pub(crate) fn close(&self) {
        let mut state = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, State::Closed);
        if let State::Open(Files {
            head: Some((_, head)),
            ..
        }) = before
            && let Err(error) = head.sync()
        {
            let text = "the last traces may be lost when the machine crashes";
            tracing::warn!(event = crate::MAINTAINED, %error, "{text}");
        }
    }

    pub(super) fn put(&self, events: &[TraceEvent]) -> io::Result<()> {
        self.with(|files| {
            files.put(events)?;
            files.make_room(self.room)
        })
    }

    pub(super) fn find(&self, search: &mut Search) -> io::Result<()> {
        self.with(|files| files.find(search))
    }

    pub(super) fn expire(&self, before: UnixTime) -> io::Result<()> {
        self.with(|files| files.expire(before))
    }

    /// After an error the files are looked at anew.
    fn with<T>(&self, work: impl FnOnce(&mut Files) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unseen = *state {
            *state = State::Open(Files::look(&self.folder)?);
        }
        let State::Open(files) = &mut *state else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let done = work(files);
        if done.is_err() {
            *state = State::Unseen;
        }
        done
    }
}

impl Files {
    fn look(folder: &PathBuf) -> io::Result<Self> {
        make_private_folder(folder)?;
        let mut files = Self {
            folder: folder.clone(),
            sealed: BTreeMap::new(),
            head: None,
        };
        let mut unsealed = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_suffix(".trc")?.parse().ok());
            let Some(number) = number else { continue };
            match file::open(&path)? {
                Found::Sealed(sealed) => drop(files.sealed.insert(number, sealed)),
                Found::Unsealed(head) => drop(unsealed.insert(number, head)),
            }
        }
        files.head = unsealed.pop_last();
        // A crash between two files leaves two of them.
        for (number, mut head) in unsealed {
            files.seal(number, &mut head)?;
        }
        Ok(files)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:010}.trc"))
    }

    fn put(&mut self, events: &[TraceEvent]) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let is_enough = |head: &Head| {
            let spans = head.span().map(|(from, to)| to.at().since(from.at()));
            head.events >= EVENTS || spans.is_some_and(|spans| spans > SPAN)
        };
        if self.head.as_ref().is_some_and(|(_, head)| is_enough(head))
            && let Some((number, mut head)) = self.head.take()
        {
            self.seal(number, &mut head)?;
        }
        let (number, mut head) = match self.head.take() {
            Some(head) => head,
            None => self.begin()?,
        };
        let appended = head.append(&pack(events));
        self.head = Some((number, head));
        appended
    }

    fn begin(&self) -> io::Result<(u64, Head)> {
        let last = self
            .sealed
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        let number = last.saturating_add(1);
        Ok((number, Head::create(&self.path(number))?))
    }

    /// One without events is removed.
    fn seal(&mut self, number: u64, head: &mut Head) -> io::Result<()> {
        match head.seal()? {
            Some(sealed) => drop(self.sealed.insert(number, sealed)),
            None => fs::remove_file(self.path(number))?,
        }
        Ok(())
    }

    fn find(&self, search: &mut Search) -> io::Result<()> {
        let mut spans: Vec<(EventId, Option<u64>)> = Vec::with_capacity(self.sealed.len() + 1);
        let query = search.query();
        for (number, sealed) in &self.sealed {
            if query.may_find_between(sealed.oldest, sealed.newest) {
                spans.push((sealed.newest, Some(*number)));
            }
        }
        let of_head = self.head.as_ref().and_then(|(_, head)| head.span());
        spans.extend(of_head.map(|(_, newest)| (newest, None)));
        spans.sort_unstable_by(|one, other| other.cmp(one));
        for (newest, number) in spans {
            if search.is_full_above(newest) {
                break;
            }
            match (number, &self.head) {
                (Some(number), _) => self.find_in_sealed(number, search)?,
                (None, Some((_, head))) => {
                    let blocks = head.blocks(search.query().key.as_ref());
                    read(head.file(), blocks, search)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn find_in_sealed(&self, number: u64, search: &mut Search) -> io::Result<()> {
        let Some(sealed) = self.sealed.get(&number) else {
            return Ok(());
        };
        let file = File::open(self.path(number))?;
        let blocks = sealed.blocks(&file, search.query().key.as_ref())?;
        read(&file, blocks, search)
    }

    fn expire(&mut self, before: UnixTime) -> io::Result<()> {
        let is_old = |newest: EventId| newest.at() < before;
        let old = self.sealed.iter().filter(|(_, file)| is_old(file.newest));
        let old: Vec<_> = old.map(|(number, _)| *number).collect();
        for number in old {
            self.remove(number)?;
        }
        let of_head = self.head.as_ref().and_then(|(_, head)| head.span());
        if of_head.is_some_and(|(_, newest)| is_old(newest))
            && let Some((number, _)) = self.head.take()
        {
            fs::remove_file(self.path(number))?;
        }
        Ok(())
    }

    /// The oldest files go until the others have no more than so much; the last one stays.
    fn make_room(&mut self, room: u64) -> io::Result<()> {
        let of_head = self.head.as_ref().map_or(0, |(_, head)| head.length());
        let sealed = self.sealed.values().map(|file| file.length);
        let mut total = sealed.sum::<u64>().saturating_add(of_head);
        while total > room {
            let Some((&number, file)) = self.sealed.first_key_value() else {
                break;
            };
            total = total.saturating_sub(file.length);
            self.remove(number)?;
        }
        Ok(())
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.sealed.remove(&number);
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Reads blocks, the newest first, as long as they can add something.
fn read(file: &File, mut blocks: Vec<Block>, search: &mut Search) -> io::Result<()> {
    blocks.sort_unstable_by_key(|block| std::cmp::Reverse(block.newest));
    for block in blocks {
        if search.is_full_above(block.newest) {
            break;
        }
        if !search.query().may_find_between(block.oldest, block.newest) {
            continue;
        }
        match block.read(file)? {
            Some(events) => search.offer(events),
            None => {
                let text = "a block of traces is damaged and left out";
                tracing::warn!(event = crate::MAINTAINED, "{text}");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use cassmail_mail::{AccountId, Address, IdMinter, MessageId, NodeId};
    use cassmail_store::{Happened, TraceKey, TraceQuery, Traced};

    use super::*;

    const ROOM: u64 = 1 << 30;
    const HOUR: u64 = 3600 * 1_000_000;
    const START: u64 = 1_700_000_000_000_000;

    struct House {
        folder: tempfile::TempDir,
        minter: IdMinter,
    }

    impl House {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                minter: IdMinter::new(NodeId::from_random(5)),
            }
        }

        fn shelf(&self) -> Shelf {
            Shelf::new(self.folder.path().join("trace"), ROOM)
        }

        fn files(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(self.folder.path().join("trace")).unwrap();
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        }

        fn id(&self, at: u64) -> MessageId {
            self.minter.mint(UnixTime::from_micros(at))
        }

        /// A message of its own was retrieved by user n at this time.
        fn event(&self, n: usize, at: u64) -> TraceEvent {
            let user: Address = format!("user{n}@example.org").parse().unwrap();
            let of = Traced {
                message: self.id(at),
                account: AccountId::of(&user, 1),
                user,
            };
            TraceEvent {
                id: EventId(self.id(at)),
                node: "here".to_owned(),
                session: None,
                source: None,
                what: Happened::Retrieved { of, octets: 1 },
            }
        }

        /// So many of different users, as many batches.
        fn put(&self, shelf: &Shelf, batches: usize, of: usize, at: u64) -> Vec<TraceEvent> {
            let mut all = Vec::new();
            for _ in 0..batches {
                let events: Vec<_> = (0..of).map(|n| self.event(n, at)).collect();
                shelf.put(&events).unwrap();
                all.extend(events);
            }
            all
        }
    }

    fn find(shelf: &Shelf, key: Option<TraceKey>) -> Vec<TraceEvent> {
        let mut search = Search::new(TraceQuery {
            key,
            from: UnixTime::from_micros(0),
            until: UnixTime::from_micros(u64::MAX),
            before: None,
            limit: 100_000,
        });
        shelf.find(&mut search).unwrap();
        search.finish()
    }

    fn find_by(shelf: &Shelf, key: TraceKey) -> Vec<TraceEvent> {
        find(shelf, Some(key))
    }

    fn of_user(n: usize) -> TraceKey {
        let user = format!("user{n}@example.org").parse().unwrap();
        TraceKey::address(&user)
    }

    #[test]
    fn in_sealed_files_everything_is_found_as_before() {
        let house = House::new();
        let shelf = house.shelf();
        let events = house.put(&shelf, 40, 900, START);
        assert_eq!(
            house.files().len(),
            3,
            "two are sealed, and one is the head"
        );
        for shelf in [shelf, house.shelf()] {
            let mut found = find(&shelf, None);
            found.reverse();
            assert!(found == events);
            for n in [0, 1, 450, 899] {
                let found = find_by(&shelf, of_user(n));
                assert_eq!(found.len(), 40, "user {n}");
            }
            assert!(find_by(&shelf, of_user(900)).is_empty());
            for event in events.iter().step_by(3001) {
                let keys = event.keys().into_iter();
                let keys = keys.filter(|key| matches!(key, TraceKey::Message(_)));
                for key in keys {
                    assert_eq!(find(&shelf, Some(key)), std::slice::from_ref(event));
                }
            }
            shelf.close();
        }
    }

    #[test]
    fn what_a_crash_cut_anywhere_is_left_out_and_nothing_else() {
        let house = House::new();
        let shelf = house.shelf();
        house.put(&shelf, 1, 3, START);
        let first = house.files()[0].metadata().unwrap().len();
        house.put(&shelf, 1, 3, START + HOUR);
        shelf.close();
        let whole = fs::read(&house.files()[0]).unwrap();
        for cut in first..=whole.len() as u64 {
            let length = usize::try_from(cut).unwrap();
            fs::write(&house.files()[0], &whole[..length]).unwrap();
            let shelf = house.shelf();
            let left = if length == whole.len() { 6 } else { 3 };
            assert_eq!(find(&shelf, None).len(), left, "cut at {cut}");
            house.put(&shelf, 1, 2, START + 2 * HOUR);
            assert_eq!(find(&shelf, None).len(), left + 2, "cut at {cut}");
            assert_eq!(find_by(&shelf, of_user(1)).len(), left / 3 + 1);
            shelf.close();
        }
    }

    #[test]
    fn a_flipped_bit_costs_a_block_at_most() {
        let house = House::new();
        let shelf = house.shelf();
        house.put(&shelf, 19, 900, START);
        house.put(&shelf, 1, 1, START);
        shelf.close();
        let sealed = house.files()[0].clone();
        let whole = fs::read(&sealed).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 50) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(&sealed, &flipped).unwrap();
            let shelf = house.shelf();
            // A pair that lies leads to a block that is not the right one, or is missed.
            let found = find(&shelf, None).len();
            assert!(found + 64 > 19 * 900, "{found} at {at}");
            find_by(&shelf, of_user(3));
            shelf.close();
        }
    }

    #[test]
    fn files_expire_whole_and_a_day_is_in_one_of_its_own() {
        let house = House::new();
        let shelf = house.shelf();
        for day in 0..5 {
            house.put(&shelf, 2, 3, START + 25 * day * HOUR);
        }
        assert_eq!(find(&shelf, None).len(), 30);
        let before = house.files().len();
        shelf
            .expire(UnixTime::from_micros(START + 60 * HOUR))
            .unwrap();
        assert!(house.files().len() < before);
        let left = find(&shelf, None);
        assert!((12..30).contains(&left.len()), "{}", left.len());
        assert_eq!(
            left.last().unwrap().at().as_micros() / HOUR % 25,
            START / HOUR % 25
        );
        shelf
            .expire(UnixTime::from_micros(START + 900 * HOUR))
            .unwrap();
        assert_eq!(find(&shelf, None), []);
        assert!(house.files().is_empty());
        house.put(&shelf, 1, 3, START);
        assert_eq!(find(&shelf, None).len(), 3);
    }

    #[test]
    fn of_more_than_there_is_room_for_the_oldest_goes() {
        let house = House::new();
        let shelf = Shelf::new(house.folder.path().join("trace"), 4096);
        for day in 0..50 {
            house.put(&shelf, 1, 20, START + 26 * day * HOUR);
        }
        let found = find(&shelf, None);
        assert!((20..500).contains(&found.len()), "{}", found.len());
        assert_eq!(
            found[0].at().as_micros() / HOUR,
            (START + 49 * 26 * HOUR) / HOUR
        );
        let sizes = house
            .files()
            .into_iter()
            .map(|file| file.metadata().unwrap().len());
        assert!(sizes.sum::<u64>() < 8192);
    }

    #[test]
    fn nobody_else_may_read_the_files() {
        let house = House::new();
        let shelf = house.shelf();
        house.put(&shelf, 1, 1, START);
        for path in house.files() {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
