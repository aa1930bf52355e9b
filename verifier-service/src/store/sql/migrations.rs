//! Brings a database up to the tables this program works with. A database of a later version is left as it is.
//!
//! Two processes that start on one database at the same time must both succeed. On PostgreSQL they take turns by an
//! advisory lock. On SQLite a migration that another process was just making fails, and is looked at again.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

use crate::store::StoreError;

/// What a process waits that met another at a step: about as long as a step takes.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

type Step = (i64, &'static str, &'static str);

const SQLITE: [Step; 19] = [
    (
        1,
        "challenges and receipts",
        include_str!("../../../migrations/sqlite/0001_challenges_and_receipts.sql"),
    ),
    (
        2,
        "challenges by agent",
        include_str!("../../../migrations/sqlite/0002_challenges_by_agent.sql"),
    ),
    (
        3,
        "policies",
        include_str!("../../../migrations/sqlite/0003_policies.sql"),
    ),
    (
        4,
        "locks",
        include_str!("../../../migrations/sqlite/0004_locks.sql"),
    ),
    (
        5,
        "parties and agents",
        include_str!("../../../migrations/sqlite/0005_parties_and_agents.sql"),
    ),
    (
        6,
        "jobs",
        include_str!("../../../migrations/sqlite/0006_jobs.sql"),
    ),
    (
        7,
        "clerk",
        include_str!("../../../migrations/sqlite/0007_clerk.sql"),
    ),
    (
        8,
        "challenges refuted",
        include_str!("../../../migrations/sqlite/0008_challenges_refuted.sql"),
    ),
    (
        9,
        "webhooks",
        include_str!("../../../migrations/sqlite/0009_webhooks.sql"),
    ),
    (
        10,
        "days",
        include_str!("../../../migrations/sqlite/0010_days.sql"),
    ),
    (
        11,
        "signing keys",
        include_str!("../../../migrations/sqlite/0011_signing_keys.sql"),
    ),
    (
        12,
        "receipts by agent",
        include_str!("../../../migrations/sqlite/0012_receipts_by_agent.sql"),
    ),
    (
        13,
        "audit",
        include_str!("../../../migrations/sqlite/0013_audit.sql"),
    ),
    (
        14,
        "open jobs",
        include_str!("../../../migrations/sqlite/0014_open_jobs.sql"),
    ),
    (
        15,
        "owners and retention",
        include_str!("../../../migrations/sqlite/0015_owners_and_retention.sql"),
    ),
    (
        16,
        "outages",
        include_str!("../../../migrations/sqlite/0016_outages.sql"),
    ),
    (
        17,
        "untaken offers",
        include_str!("../../../migrations/sqlite/0017_untaken_offers.sql"),
    ),
    (
        18,
        "collateral",
        include_str!("../../../migrations/sqlite/0018_collateral.sql"),
    ),
    (
        19,
        "all jobs",
        include_str!("../../../migrations/sqlite/0019_all_jobs.sql"),
    ),
];

const POSTGRES: [Step; 16] = [
    (
        1,
        "challenges, receipts, policies",
        include_str!("../../../migrations/postgres/0001_challenges_receipts_policies.sql"),
    ),
    (
        2,
        "parties and agents",
        include_str!("../../../migrations/postgres/0002_parties_and_agents.sql"),
    ),
    (
        3,
        "jobs",
        include_str!("../../../migrations/postgres/0003_jobs.sql"),
    ),
    (
        4,
        "clerk",
        include_str!("../../../migrations/postgres/0004_clerk.sql"),
    ),
    (
        5,
        "challenges refuted",
        include_str!("../../../migrations/postgres/0005_challenges_refuted.sql"),
    ),
    (
        6,
        "webhooks",
        include_str!("../../../migrations/postgres/0006_webhooks.sql"),
    ),
    (
        7,
        "days",
        include_str!("../../../migrations/postgres/0007_days.sql"),
    ),
    (
        8,
        "signing keys",
        include_str!("../../../migrations/postgres/0008_signing_keys.sql"),
    ),
    (
        9,
        "receipts by agent",
        include_str!("../../../migrations/postgres/0009_receipts_by_agent.sql"),
    ),
    (
        10,
        "audit",
        include_str!("../../../migrations/postgres/0010_audit.sql"),
    ),
    (
        11,
        "open jobs",
        include_str!("../../../migrations/postgres/0011_open_jobs.sql"),
    ),
    (
        12,
        "owners and retention",
        include_str!("../../../migrations/postgres/0012_owners_and_retention.sql"),
    ),
    (
        13,
        "outages",
        include_str!("../../../migrations/postgres/0013_outages.sql"),
    ),
    (
        14,
        "untaken offers",
        include_str!("../../../migrations/postgres/0014_untaken_offers.sql"),
    ),
    (
        15,
        "collateral",
        include_str!("../../../migrations/postgres/0015_collateral.sql"),
    ),
    (
        16,
        "all jobs",
        include_str!("../../../migrations/postgres/0016_all_jobs.sql"),
    ),
];

pub(super) async fn sqlite(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let migrator = migrator(&SQLITE);
    // Each failure means that another process was at a step: making it, or noting that it is made.
    for _ in 0..4 * SQLITE.len() {
        if migrator.run(writer).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let migrated = migrator.run(writer).await;
    migrated.map_err(|error| failed(error, &path.display().to_string()))
}

pub(super) async fn postgres(pool: &PgPool, database: &str) -> Result<(), StoreError> {
    let migrated = migrator(&POSTGRES).run(pool).await;
    migrated.map_err(|error| failed(error, database))
}

/// A database as an earlier version left it.
#[cfg(test)]
pub(super) async fn sqlite_as_of(writer: &SqlitePool, version: usize) {
    migrator(&SQLITE[..version]).run(writer).await.unwrap();
}

/// The same on PostgreSQL.
#[cfg(test)]
pub(super) async fn postgres_as_of(pool: &PgPool, version: usize) {
    migrator(&POSTGRES[..version]).run(pool).await.unwrap();
}

fn migrator(steps: &[Step]) -> Migrator {
    let migrations = steps.iter().map(|(version, description, sql)| {
        Migration::new(
            *version,
            (*description).into(),
            MigrationType::Simple,
            (*sql).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

fn failed(error: MigrateError, store: &str) -> StoreError {
    match error {
        MigrateError::Execute(error) => StoreError::from(error),
        error => StoreError::Migrate {
            store: store.to_owned(),
            source: Box::new(error),
        },
    }
}
