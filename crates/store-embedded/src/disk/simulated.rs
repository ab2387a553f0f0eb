//! A disk that keeps only what it must: everything that was not synced may be lost at a crash, in
//! any part and order. Deterministic from its seed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, SegmentFile, SegmentNumber};
use crate::index::Change;

/// Small, so that histories of small mail have torn pages too.
const PAGE: usize = 128;

/// What disk and index of one simulated machine have in common.
#[derive(Debug, Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct State {
    random: u64,
    /// Operations that change something or make it durable, since the beginning.
    operations: u64,
    fault: Option<Fault>,
    /// Nothing works until the machine or the process starts again.
    is_down: bool,
    /// How many octets files may take; none is no limit.
    pub(crate) capacity: Option<u64>,
    pub(crate) files: BTreeMap<SegmentNumber, SimulatedContents>,
    /// Files whose removal is not durable yet.
    removed: BTreeMap<SegmentNumber, SimulatedContents>,
    pub(crate) batches: Vec<Vec<Change>>,
    pub(crate) synced_batches: usize,
}

/// What goes wrong, at which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This operation answers with an error, later ones work again.
    Fail(u64),
    /// This operation is done in part, and nothing after it.
    Stop(u64),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedContents {
    pub(crate) now: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync. A write that a failed sync lost is no longer here, but still in `now`.
    unsynced: Vec<(usize, Vec<u8>)>,
    name_is_durable: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: seed.wrapping_mul(2).wrapping_add(1),
            operations: 0,
            fault: None,
            is_down: false,
            capacity: None,
            files: BTreeMap::new(),
            removed: BTreeMap::new(),
            batches: Vec::new(),
            synced_batches: 0,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// The machine lost its power and has it back.
    pub(crate) fn lose_power(&self) {
        let state = &mut *self.state();
        state.is_down = false;
        state.fault = None;
        for (number, file) in std::mem::take(&mut state.removed) {
            if state.random.chance(2) {
                state.files.entry(number).or_insert(file);
            }
        }
        let random = &mut state.random;
        state
            .files
            .retain(|_, file| file.name_is_durable || random.chance(2));
        for file in state.files.values_mut() {
            file.lose_power(random);
        }
        let kept = random.between(state.synced_batches, state.batches.len());
        state.batches.truncate(kept);
        state.synced_batches = kept;
    }

    /// The process was killed and starts again: the page cache is as it was.
    pub(crate) fn start_process_again(&self) {
        let mut state = self.state();
        state.is_down = false;
        state.fault = None;
    }

    /// Flips one bit, as a bad disk would.
    pub(crate) fn flip(&self, number: SegmentNumber, at: u64, bit: u32) {
        let mut state = self.state();
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let byte = state.files.get_mut(&number).and_then(|f| f.now.get_mut(at));
        if let Some(byte) = byte {
            *byte ^= 1_u8.rotate_left(bit);
        }
    }
}

impl State {
    /// Counts an operation. `Ok(true)`: do it; `Ok(false)`: do a part of it, then answer an error.
    pub(crate) fn begin_operation(&mut self) -> io::Result<Whole> {
        if self.is_down {
            return Err(io::Error::other("the machine is down"));
        }
        self.operations = self.operations.wrapping_add(1);
        match self.fault {
            Some(Fault::Stop(at)) if at == self.operations => {
                self.is_down = true;
                Ok(Whole::No)
            }
            Some(Fault::Fail(at)) if at == self.operations => Ok(Whole::No),
            _ => Ok(Whole::Yes),
        }
    }

    pub(crate) fn random(&mut self) -> &mut u64 {
        &mut self.random
    }

    fn used(&self) -> u64 {
        let files = self.files.values();
        files
            .map(|file| u64::try_from(file.now.len()).unwrap_or_default())
            .sum()
    }

    fn free(&self) -> u64 {
        self.capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }
}

/// Whether an operation is done wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

pub(crate) fn injected() -> io::Error {
    io::Error::other("injected")
}

impl SimulatedContents {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        put(&mut self.now, bytes, offset);
        self.unsynced.push((offset, bytes.to_vec()));
    }

    fn sync(&mut self) {
        for (offset, bytes) in self.unsynced.drain(..) {
            put(&mut self.durable, &bytes, offset);
        }
        self.durable.resize(self.now.len(), 0);
    }

    /// Any pages of what was not synced are there, and of one of them only a part.
    fn lose_power(&mut self, random: &mut u64) {
        self.durable.resize(self.now.len(), 0);
        for (offset, bytes) in self.unsynced.drain(..) {
            let tear = random.between(0, bytes.len());
            let odds = random.between(1, 4);
            for (number, page) in bytes.chunks(PAGE).enumerate() {
                let at = number.wrapping_mul(PAGE);
                if !random.chance(odds) {
                    continue;
                }
                let is_torn = (at..at.wrapping_add(page.len())).contains(&tear);
                let length = if is_torn {
                    tear.wrapping_sub(at)
                } else {
                    page.len()
                };
                let kept = page.get(..length).unwrap_or(page);
                put(&mut self.durable, kept, offset.wrapping_add(at));
            }
        }
        self.now.clone_from(&self.durable);
        self.name_is_durable = true;
    }
}

fn put(contents: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    let end = offset.saturating_add(bytes.len());
    if contents.len() < end {
        contents.resize(end, 0);
    }
    if let Some(place) = contents.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

/// The folder of segment files of a world.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk {
    world: World,
}

impl SimulatedDisk {
    pub(crate) fn new(world: &World) -> Self {
        let world = world.clone();
        Self { world }
    }

    fn file(&self, number: SegmentNumber) -> Arc<dyn SegmentFile> {
        let world = self.world.clone();
        Arc::new(SimulatedFile { world, number })
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, number: SegmentNumber, size: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let mut state = self.world.state();
        let whole = state.begin_operation()?;
        if state.free() < size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let room = usize::try_from(size).map_err(io::Error::other)?;
        if whole == Whole::Yes || state.random.chance(2) {
            let file = SimulatedContents {
                now: vec![0; room],
                ..SimulatedContents::default()
            };
            state.files.insert(number, file);
        }
        match whole {
            Whole::Yes => Ok(self.file(number)),
            Whole::No => Err(injected()),
        }
    }

    fn open(&self, number: SegmentNumber) -> io::Result<Arc<dyn SegmentFile>> {
        if self.world.state().files.contains_key(&number) {
            Ok(self.file(number))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn list(&self) -> io::Result<Vec<(SegmentNumber, u64)>> {
        let state = self.world.state();
        let length = |file: &SimulatedContents| u64::try_from(file.now.len()).unwrap_or_default();
        Ok(state.files.iter().map(|(&n, f)| (n, length(f))).collect())
    }

    fn remove(&self, number: SegmentNumber) -> io::Result<()> {
        let mut state = self.world.state();
        if state.begin_operation()? == Whole::No && state.random.chance(2) {
            return Err(injected());
        }
        let file = state.files.remove(&number);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        state.removed.insert(number, file);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.world.state();
        if state.begin_operation()? == Whole::No {
            return Err(injected());
        }
        state.removed.clear();
        for file in state.files.values_mut() {
            file.name_is_durable = true;
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(self.world.state().free())
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn link(&self, _from: &dyn Disk, _number: SegmentNumber) -> io::Result<bool> {
        Ok(false)
    }
}

struct SimulatedFile {
    world: World,
    number: SegmentNumber,
}

impl SimulatedFile {
    /// Runs on the contents, also when the name is gone already.
    fn with<T>(
        &self,
        state: &mut State,
        step: impl FnOnce(&mut SimulatedContents) -> T,
    ) -> io::Result<T> {
        let file = match state.files.get_mut(&self.number) {
            Some(file) => Some(file),
            None => state.removed.get_mut(&self.number),
        };
        file.map(step).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SegmentFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.world.state();
        let whole = state.begin_operation()?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let length = match whole {
            Whole::Yes => bytes.len(),
            Whole::No => state.random.between(0, bytes.len()),
        };
        let done = bytes.get(..length).unwrap_or(bytes);
        self.with(&mut state, |file| file.write(done, offset))?;
        match whole {
            Whole::Yes => Ok(()),
            Whole::No => Err(injected()),
        }
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let state = &mut *self.world.state();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(state, |file| {
            let end = offset.saturating_add(into.len());
            let found = file.now.get(offset..end);
            let found = found.ok_or(io::ErrorKind::UnexpectedEof)?;
            into.copy_from_slice(found);
            Ok(())
        })?
    }

    /// After a failed sync the page cache shows what the disk lacks, and a later sync that works
    /// does not change that.
    fn sync(&self) -> io::Result<()> {
        let mut state = self.world.state();
        let whole = state.begin_operation()?;
        let is_down = state.is_down;
        self.with(&mut state, |file| match whole {
            Whole::Yes => {
                file.sync();
                Ok(())
            }
            Whole::No if is_down => Err(injected()),
            Whole::No => {
                file.unsynced.clear();
                Err(injected())
            }
        })?
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.world.state();
        let whole = state.begin_operation()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if whole == Whole::Yes {
            self.with(&mut state, |file| file.now.truncate(length))?;
            return Ok(());
        }
        Err(injected())
    }
}

/// Draws from a xorshift generator: good enough to choose, the same everywhere.
pub(crate) trait Draw {
    /// The next number.
    fn draw(&mut self) -> u64;

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: usize, high: usize) -> usize {
        let span = high.saturating_sub(low).saturating_add(1);
        let drawn = usize::try_from(self.draw() >> 33).unwrap_or_default();
        low.saturating_add(drawn.checked_rem(span).unwrap_or_default())
    }

    /// Whether one chance in so many came up.
    fn chance(&mut self, one_in: usize) -> bool {
        self.between(1, one_in) == 1
    }
}

impl Draw for u64 {
    fn draw(&mut self) -> u64 {
        *self ^= *self << 13;
        *self ^= *self >> 7;
        *self ^= *self << 17;
        self.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
