//! The contract, kept by the memory store; the shortest example of a subject.

use std::sync::Arc;

use cassmail_store::{MemoryStore, Store};
use cassmail_store_contract::{Subject, contract_tests};

struct Memory(Arc<MemoryStore>);

impl Subject for Memory {
    const HISTORIES: u32 = 128;

    async fn fresh() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    async fn reopen(&mut self) {
        self.0.close().await.expect("closing");
        self.crash().await;
    }

    async fn crash(&mut self) {
        self.0 = Arc::new(self.0.reopened());
    }

    async fn exhaust(&mut self) {
        self.0.set_room(Some(0));
    }

    async fn relieve(&mut self) {
        self.0.set_room(None);
    }

    async fn damage(&mut self) {
        self.0.damage_bodies();
    }
}

contract_tests!(Memory);
