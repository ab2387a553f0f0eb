//! Several requests at once, but not all of them.

use std::future::Future;

use cassmail_store::StoreResult;
use futures_util::{StreamExt, TryStreamExt, stream};

/// Runs works, at most so many at once, and answers in their order; ends with the first failure.
///
/// They are made before the first is run: closures that borrow do not live well across an await.
pub(crate) async fn at_once<T, F>(most: usize, works: Vec<F>) -> StoreResult<Vec<T>>
where
    F: Future<Output = StoreResult<T>>,
{
    stream::iter(works).buffered(most).try_collect().await
}

/// The same to the end, whatever fails.
pub(crate) async fn each_at_once<T, F>(most: usize, works: Vec<F>) -> Vec<StoreResult<T>>
where
    F: Future<Output = StoreResult<T>>,
{
    all_at_once(most, works).await
}

/// The same for works that cannot fail.
pub(crate) async fn all_at_once<T, F>(most: usize, works: Vec<F>) -> Vec<T>
where
    F: Future<Output = T>,
{
    stream::iter(works).buffered(most).collect().await
}
