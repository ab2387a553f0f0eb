//! Whole tables read at a quorum in every data center, which repairs what one of them lacks.
//!
//! The nodes do this themselves for what they acknowledged without a data center (`breaker.rs`),
//! as long as they live. This is for what a node had in mind that died, after a cut that was longer
//! than hints are kept.

use scylla::value::{CqlTimeuuid, Row};

use super::{AT_ONCE, Count, Run, SCRUB, ScrubError};
use crate::profiles::Profile;
use crate::rows::{id_of, row};
use crate::statements::Cql;
use crate::together::each_at_once;

/// No set of owners is larger: it is read in one page, since a part of it must not be repaired.
const WHOLE: i32 = 1_000_000;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Domains,
    Addresses,
    Names,
    Accounts,
    Directories,
    Rows,
    Bodies,
    Chunks,
    Sets,
    Spool,
    Admins,
    Audit,
}

impl Table {
    /// What is listed before what lists it, and accounts before their mail.
    pub(super) const ALL: &[Self] = &[
        Self::Domains,
        Self::Addresses,
        Self::Names,
        Self::Accounts,
        Self::Chunks,
        Self::Sets,
        Self::Bodies,
        Self::Rows,
        Self::Directories,
        Self::Spool,
        Self::Admins,
        Self::Audit,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Domains => "heal domains",
            Self::Addresses => "heal addresses",
            Self::Names => "heal names",
            Self::Accounts => "heal accounts",
            Self::Directories => "heal directories",
            Self::Rows => "heal listings",
            Self::Bodies => "heal bodies",
            Self::Chunks => "heal chunks",
            Self::Sets => "heal sets of owners",
            Self::Spool => "heal the spool",
            Self::Admins => "heal administrators",
            Self::Audit => "heal the audit log",
        }
    }

    fn cql(self) -> Cql {
        match self {
            Self::Domains => Cql::HealDomains,
            Self::Addresses => Cql::HealAddresses,
            Self::Names => Cql::HealNames,
            Self::Accounts => Cql::HealAccounts,
            Self::Directories => Cql::HealDirectories,
            Self::Rows => Cql::HealRows,
            Self::Bodies => Cql::HealBodies,
            Self::Chunks => Cql::HealChunks,
            Self::Sets => Cql::HealSets,
            Self::Spool => Cql::HealSpool,
            Self::Admins => Cql::HealAdmins,
            Self::Audit => Cql::HealDays,
        }
    }

    /// So many rows are about one MiB.
    fn page(self) -> i32 {
        match self {
            Self::Bodies => 32,
            Self::Chunks => 8,
            Self::Audit => 100,
            _ => 500,
        }
    }
}

impl Run<'_> {
    pub(super) async fn heal(
        &mut self,
        table: Table,
        from: i64,
        to: i64,
    ) -> Result<i64, ScrubError> {
        const PAGES: i32 = 4;
        let (page, range) = (table.page(), (from, to));
        if table == Table::Sets {
            let token = |row: &(i64, CqlTimeuuid)| row.0;
            let how = (page, page);
            let slice = self.slice_of(how, Cql::HealSets, range, token).await?;
            self.heal_sets(slice.rows).await;
            return Ok(slice.end);
        }
        let how = (page * PAGES, page);
        let slice = self.slice_of(how, table.cql(), range, token_of).await?;
        let count = crate::rows::octets(slice.rows.len());
        self.report.add(Count::Healed, count);
        Ok(slice.end)
    }

    async fn heal_sets(&mut self, sets: Vec<(i64, CqlTimeuuid)>) {
        type Cells = (Option<uuid::Uuid>, Option<i32>);
        let engine = &self.core.engine;
        let mut reads = Vec::with_capacity(sets.len());
        for id in sets.into_iter().filter_map(|(_, id)| id_of(id)) {
            let (level, key) = (Profile::Heal, row![id]);
            reads.push(engine.read_in_pages::<Cells>(WHOLE, level, SCRUB, Cql::ReadRefs, key));
        }
        let read = each_at_once(AT_ONCE, reads).await;
        for owners in self.succeeded(read) {
            let count = crate::rows::octets(owners.len());
            self.report.add(Count::Healed, count);
        }
    }
}

/// The first column of every walk.
fn token_of(row: &Row) -> i64 {
    let token = row.columns.first().and_then(Option::as_ref);
    token
        .and_then(scylla::value::CqlValue::as_bigint)
        .unwrap_or(i64::MAX)
}
