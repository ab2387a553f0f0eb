//! Notes of workers: rows among the single values.

use cassmail_store::{Work, Workers};

use crate::Embedded;
use crate::front::unreadable;
use crate::rows::note_key;
use crate::writer::Group;

impl Workers for Embedded {
    fn note(&self, worker: String) -> Work<'_, Option<Vec<u8>>> {
        const VERB: &str = "read a note";
        Box::pin(async move {
            let (space, key) = note_key(&worker);
            let found = self.front.snapshot(VERB)?.get(space, &key);
            found.map_err(|error| unreadable(VERB, error))
        })
    }

    fn put_note(&self, worker: String, note: Vec<u8>) -> Work<'_, ()> {
        let octets = note.len();
        let step = move |group: &mut Group<'_>| {
            group.draft.put(note_key(&worker), note);
            Ok(())
        };
        Box::pin(self.front.change("put a note", octets, step))
    }
}
