//! The contract, kept by a faulty store whose script is empty: it adds nothing of its own.

use std::sync::Arc;

use cassmail_store::{Faulty, MemoryStore, Script, Store};
use cassmail_store_contract::{Subject, contract_tests};

struct Untouched(Arc<MemoryStore>);

impl Subject for Untouched {
    async fn fresh() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Faulty::new(self.0.clone(), &Script::new()))
    }

    async fn reopen(&mut self) {
        self.store().close().await.expect("closing");
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

contract_tests!(Untouched);
