//! The store itself: opened, used, closed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use cassmail_store::{Health, Store, StoreError, Work};

use crate::disk::{Disk, FolderDisk};
use crate::folder::{Folder, Lock};
use crate::front::{Front, State, engine};
use crate::inbox::End;
use crate::index::{FjallIndex, Index};
use crate::library::Library;
use crate::opening::{self, Opened};
use crate::segment::{CHUNK, StoreId};
use crate::traces::Shelf;
use crate::writer::{Beside, Cleaning, InThread, Start, Writer};
use crate::{OpenError, Options, Pace};

/// A store in one folder. Implements [`Store`]; see there for what it promises.
///
/// Opening and the end of [`Embedded::abandon`] block; everything else waits without a thread.
/// Reading from the disk itself, and long listings, are given to the threads that the runtime has
/// for blocking work.
pub struct Embedded {
    pub(crate) front: Arc<Front>,
    pub(crate) shelf: Arc<Shelf>,
    writer: Mutex<WriterIs>,
}

/// Who does the writer's work.
enum WriterIs {
    InThread(JoinHandle<()>),
    /// A simulation says when.
    #[cfg(test)]
    Here(Box<Writer>),
    Gone,
}

/// What a store is made of.
pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) index: Box<dyn Index>,
    pub(crate) store: StoreId,
    pub(crate) beside: Box<dyn Beside>,
    pub(crate) lock: Option<Lock>,
    /// At most [`CHUNK`]; simulations have smaller ones.
    pub(crate) chunk: usize,
}

impl Embedded {
    /// Opens the store in a folder; makes one if the folder is empty or not there.
    ///
    /// Makes whole what a crash left, see the front of `opening.rs`.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what to do. Nothing is changed when there is one.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let parts = open_parts(options)?;
        let (ticking, ended) = sync_channel(0);
        let (front, writer) = assemble(parts, options, Some(ticking))?;
        let ticker = Arc::clone(&front);
        let pace = options.pace;
        start_thread("store-maintenance", move || tick(&ticker, pace, &ended))?;
        let thread = start_thread("store-writer", move || writer.run())?;
        Ok(Self {
            front,
            shelf: shelf(options),
            writer: Mutex::new(WriterIs::InThread(thread)),
        })
    }

    /// Stops as if the process had been killed: what is not on disk yet is not finished, nobody is
    /// answered. When it returns, the store can be opened again. For tests of what a crash leaves.
    pub fn abandon(&self) {
        self.front.become_(State::Closing);
        self.front.inbox.end(End::Abrupt);
        self.shelf.close();
        match std::mem::replace(&mut *self.lock_writer(), WriterIs::Gone) {
            // A writer that panicked has let go of everything, too.
            WriterIs::InThread(thread) => drop(thread.join()),
            #[cfg(test)]
            WriterIs::Here(writer) => writer.let_go(),
            WriterIs::Gone => {}
        }
        self.front.publish(None);
    }

    /// From now on deliveries are refused below so much free space, in octets. Takes effect before
    /// it returns.
    pub fn set_low_water(&self, octets: u64) {
        self.front.set_low_water(octets);
    }

    fn lock_writer(&self) -> std::sync::MutexGuard<'_, WriterIs> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Embedded {
    /// A store whose writer works only in [`Embedded::turn`].
    pub(crate) fn open_by_hand(parts: Parts, options: &Options) -> Result<Self, OpenError> {
        let (front, writer) = assemble(parts, options, None)?;
        Ok(Self {
            front,
            shelf: shelf(options),
            writer: Mutex::new(WriterIs::Here(Box::new(writer))),
        })
    }

    /// Has the writer work on everything that waits, as one group.
    pub(crate) fn turn(&self) {
        let batch = self.front.inbox.take();
        let mut writer = self.lock_writer();
        let WriterIs::Here(here) = &mut *writer else {
            return;
        };
        if here.work(batch) == crate::writer::Flow::Ended
            && let WriterIs::Here(here) = std::mem::replace(&mut *writer, WriterIs::Gone)
        {
            here.let_go();
        }
    }

    /// Takes a step of maintenance; says whether there is more.
    pub(crate) fn maintain(&self) -> crate::writer::More {
        self.front.inbox.ask_for_maintenance();
        self.turn();
        match &*self.lock_writer() {
            WriterIs::Here(writer) => writer.more(),
            _ => crate::writer::More::No,
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("state", &self.front.state())
            .finish_non_exhaustive()
    }
}

impl Drop for Embedded {
    /// A store that is dropped closes in the background.
    fn drop(&mut self) {
        self.front.inbox.end(End::Orderly);
    }
}

fn shelf(options: &Options) -> Arc<Shelf> {
    let folder = Folder::new(&options.folder).trace();
    Arc::new(Shelf::new(folder, options.trace_size))
}

fn open_parts(options: &Options) -> Result<Parts, OpenError> {
    let folder = Folder::new(&options.folder);
    folder.make()?;
    let lock = folder.lock()?;
    let disk = FolderDisk::new(folder.bodies());
    let format = folder.read_format()?;
    let has_bodies = !disk
        .list()
        .map_err(OpenError::file("list", folder.bodies()))?
        .is_empty();
    if format.is_none() && has_bodies {
        return Err(OpenError::FormatLost(folder.path().join("FORMAT")));
    }
    match (format, FjallIndex::is_at(&folder.index())) {
        (Some(_), false) => return Err(OpenError::IndexLost(folder.path().to_owned())),
        (None, false) => folder.clear_index()?,
        (_, true) => {}
    }
    let index = FjallIndex::open(&folder.index(), options.index_cache)
        .map_err(OpenError::other("open the index"))?;
    let found = opening::store_of(&*index.snapshot())?;
    let store = match (format, found) {
        (Some(store), Some(found)) if store == found => store,
        (Some(_), _) => return Err(OpenError::IndexLost(folder.path().to_owned())),
        // Making a store was interrupted, or begins here.
        (None, found) => {
            let store = found.map_or_else(new_store_id, Ok)?;
            opening::make_index(&index, store)?;
            folder.write_format(store)?;
            store
        }
    };
    let beside = InThread::start().map_err(OpenError::other("start a thread"))?;
    Ok(Parts {
        disk: Arc::new(disk),
        index: Box::new(index),
        store,
        beside: Box::new(beside),
        lock: Some(lock),
        chunk: CHUNK,
    })
}

pub(crate) fn new_store_id() -> Result<StoreId, OpenError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(OpenError::other("draw a random number"))?;
    Ok(StoreId(id))
}

fn assemble(
    parts: Parts,
    options: &Options,
    ticking: Option<SyncSender<()>>,
) -> Result<(Arc<Front>, Writer), OpenError> {
    let Parts {
        disk,
        index,
        store,
        beside,
        lock,
        chunk,
    } = parts;
    let Opened {
        bodies,
        proven,
        count,
    } = opening::recover(&disk, &*index, store, options.segment_size)?;
    let library = Library::new(Arc::clone(&disk), store, options.open_files);
    let front = Front::new(disk, library, chunk, options);
    // Unique as long as one opening takes fewer than 2^32 messages, and harmless after that: the
    // number only tells attempts at the same message apart.
    front.begin_attempts_at(count << 32);
    front.look_for_room();
    let front = Arc::new(front);
    let start = Start {
        index,
        beside,
        bodies,
        cleaning: Cleaning::new(options.cleaning_step, options.segment_size),
        proven,
        lock,
        ticking,
    };
    let writer = Writer::new(Arc::clone(&front), start);
    Ok((front, writer))
}

fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder
        .spawn(work)
        .map_err(OpenError::other("start a thread"))
}

/// Calls for maintenance until the writer has ended.
fn tick(front: &Front, pace: Pace, ended: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(front.pause(pace)) {
        front.inbox.ask_for_maintenance();
    }
}

impl Store for Embedded {
    fn health(&self) -> Health {
        self.front.health()
    }

    fn poisoned(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + '_>> {
        Box::pin(async {
            let is_poisoned = |state: &State| matches!(state, State::Poisoned(_));
            let why = match self.front.until(is_poisoned).await {
                State::Poisoned(why) => why.to_string(),
                _ => String::new(),
            };
            engine("keep the store", why)
        })
    }

    /// The end begins with the call, not with the first poll of what it answers.
    fn close(&self) -> Work<'_, ()> {
        self.front.become_(State::Closing);
        self.front.inbox.end(End::Orderly);
        #[cfg(test)]
        self.turn();
        Box::pin(async {
            if !self.shelf.close_unseen() {
                let shelf = Arc::clone(&self.shelf);
                // A thread that is lost has not synced, which nothing depends on.
                let _ = tokio::task::spawn_blocking(move || shelf.close()).await;
            }
            let is_over = |state: &State| matches!(state, State::Closed | State::Poisoned(_));
            match self.front.until(is_over).await {
                State::Poisoned(why) => {
                    self.front.publish(None);
                    Err(engine("close the store", why.to_string()))
                }
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use cassmail_store::ErrorKind;

    use super::*;
    use crate::writer::{Group, Refusal};

    #[tokio::test]
    async fn a_panic_of_the_writer_is_the_end_of_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(&Options::small(folder.path())).unwrap();
        let panicking = |_: &mut Group<'_>| -> Result<(), Refusal> { panic!("as it must not") };
        let done = store.front.change("panic", 0, panicking).await;
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Indeterminate);
        store.poisoned().await;
        assert!(matches!(store.health(), Health::Poisoned(_)));
        store
            .front
            .change("go on", 0, |_| Ok(()))
            .await
            .unwrap_err();
        store.close().await.unwrap_err();
    }
}
