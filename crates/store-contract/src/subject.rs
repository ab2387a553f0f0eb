//! What a back-end must offer to be tested.

use std::future::Future;
use std::sync::Arc;

use cassmail_store::Store;

/// A back-end under test: one store, and what happens to it from outside.
///
/// Write the methods as `async fn`. They panic when they fail. When one is called, no verb is in
/// progress and the test holds no `Arc` of the store, except where it is said.
pub trait Subject: Sized + 'static {
    /// How many random histories each test in [`model`](crate::model) runs.
    const HISTORIES: u32 = 24;

    /// Makes a new, empty store that shares nothing with others.
    fn fresh() -> impl Future<Output = Self>;

    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again.
    fn reopen(&mut self) -> impl Future<Output = ()>;

    /// Opens what a crash at this moment would leave, without closing the store. Writers, readers
    /// and an `Arc` of the old store may still be alive, and verbs may have been dropped half way;
    /// nothing of the old store may write any more when this returns.
    fn crash(&mut self) -> impl Future<Output = ()>;

    /// Takes all room away, so that no message can be kept any more. Writers may be open.
    fn exhaust(&mut self) -> impl Future<Output = ()>;

    /// Gives the room back, and returns when the store has noticed.
    fn relieve(&mut self) -> impl Future<Output = ()>;

    /// Damages the octets of all bodies that are kept now, behind the back of the open store.
    /// Listings and accounts stay as they are.
    fn damage(&mut self) -> impl Future<Output = ()>;
}
