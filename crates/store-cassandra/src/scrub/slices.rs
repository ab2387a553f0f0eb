//! Pieces of a walk: whole partitions, in the order of their tokens.

use std::ops::ControlFlow;

use cassmail_store::StoreResult;
use scylla::deserialize::row::DeserializeRow;

use super::{Run, SCRUB};
use crate::rows::row;
use crate::statements::Cql;

/// No partition has this token.
pub(super) const BEFORE_ALL: i64 = i64::MIN;
pub(super) const LAST: i64 = i64::MAX;

/// How much of the ring is asked for at once: all of it, or less when that fails.
#[derive(Debug, Default)]
pub(super) struct Span {
    shift: u32,
}

impl Span {
    const STEP: u32 = 4;
    const NARROWEST: u32 = 12;

    pub(super) fn end(&self, from: i64) -> i64 {
        let width = (1_i128 << 64) >> self.shift;
        i64::try_from(i128::from(from) + width).unwrap_or(LAST)
    }

    pub(super) fn widen(&mut self) {
        self.shift = self.shift.saturating_sub(1);
    }

    /// Breaks when it is as narrow as it gets.
    pub(super) fn narrow(&mut self) -> ControlFlow<()> {
        if self.shift >= Self::NARROWEST {
            return ControlFlow::Break(());
        }
        self.shift += Self::STEP;
        ControlFlow::Continue(())
    }
}

/// The rows of all partitions up to a token.
pub(super) struct Slice<R> {
    pub(super) rows: Vec<R>,
    pub(super) end: i64,
}

impl<R> Slice<R> {
    /// Leaves out what lies behind a token.
    pub(super) fn cut(&mut self, end: i64, token: impl Fn(&R) -> i64) {
        if end < self.end {
            self.rows.retain(|row| token(row) <= end);
            self.end = end;
        }
    }
}

impl Run<'_> {
    /// Reads about as many rows as one piece has, and no partition in part.
    pub(super) async fn slice<R>(
        &mut self,
        cql: Cql,
        (from, to): (i64, i64),
        token: impl Fn(&R) -> i64,
    ) -> StoreResult<Slice<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        self.slice_of((self.piece(), self.piece()), cql, (from, to), token)
            .await
    }

    /// The same with so many rows, in pages of so many.
    pub(super) async fn slice_of<R>(
        &mut self,
        (rows, page): (i32, i32),
        cql: Cql,
        (from, to): (i64, i64),
        token: impl Fn(&R) -> i64,
    ) -> StoreResult<Slice<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let mut limit = rows;
        loop {
            let key = row![from, to, limit];
            let engine = &self.core.engine;
            let read = engine.read_in_pages::<R>(page, cql.profile(), SCRUB, cql, key);
            let mut rows = read.await?;
            self.took(rows.len());
            if rows.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
                return Ok(Slice { rows, end: to });
            }
            if let Some(end) = cut_last(&mut rows, &token) {
                return Ok(Slice { rows, end });
            }
            // One partition has more rows than that.
            limit = limit.saturating_mul(4);
        }
    }
}

/// Leaves out the last partition, which may be there in part, and answers where the rest ends.
fn cut_last<R>(rows: &mut Vec<R>, token: impl Fn(&R) -> i64) -> Option<i64> {
    let last = token(rows.last()?);
    rows.retain(|row| token(row) != last);
    rows.last().map(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_covers_the_ring_until_it_is_narrowed() {
        let mut span = Span::default();
        assert_eq!(span.end(BEFORE_ALL), LAST);
        assert!(span.narrow().is_continue());
        assert_eq!(span.end(BEFORE_ALL), i64::MIN + (1 << 60));
        assert_eq!(span.end(i64::MAX - 5), LAST);
        while span.narrow().is_continue() {}
        assert_eq!(span.end(0), 1 << 52);
        for _ in 0..20 {
            span.widen();
        }
        assert_eq!(span.end(BEFORE_ALL), LAST);
    }

    #[test]
    fn a_partition_is_never_cut() {
        let mut rows = vec![(1, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (3, 'e')];
        assert_eq!(cut_last(&mut rows, |row| row.0), Some(2));
        assert_eq!(rows.len(), 3);
        let mut one = vec![(7, 'a'), (7, 'b')];
        assert_eq!(cut_last(&mut one, |row| row.0), None);
    }
}
