//! What receipts rest on. Digests are written in ascending order, so that two writers of the same documents cannot
//! deadlock: one waits.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use lru::LruCache;

use super::{SqlStore, receipts};
use crate::collateral::{Piece, Used};
use crate::id::Id;
use crate::lock::lock;
use crate::store::archive::{ArchiveStore, Archived, Grounds};
use crate::store::sql::{Session, Transaction, values};
use crate::store::{Answer, StoreError};

/// Documents that are known to be kept: those of all devices of a site, for a few days.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");
const DIGEST_BYTES: usize = 32;

/// Which documents are known to be kept already, so that they need not be sent to the database with every receipt.
pub(super) struct Filed(Mutex<LruCache<[u8; 32], ()>>);

impl Filed {
    fn has(&self, sha256: &[u8; 32]) -> bool {
        lock(&self.0).get(sha256).is_some()
    }

    /// After they were committed, not before.
    pub(super) fn note(&self, used: &Used) {
        let mut known = lock(&self.0);
        for (sha256, _) in used.iter() {
            known.put(*sha256, ());
        }
    }
}

impl Default for Filed {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl std::fmt::Debug for Filed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filed({})", lock(&self.0).len())
    }
}

/// Keeps what a bundle was judged by.
pub(super) async fn file(
    tx: &mut Transaction,
    grounds: &Grounds,
    filed: &Filed,
) -> Result<(), StoreError> {
    let used = &grounds.collateral;
    let mut digests = Vec::with_capacity(used.iter().len() * DIGEST_BYTES);
    for (sha256, piece) in used.iter() {
        digests.extend_from_slice(sha256);
        if !filed.has(sha256) {
            tx.execute(
                "INSERT INTO collateral (sha256, kind, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                values![*sha256, piece.kind.as_str(), &*piece.bytes],
            )
            .await?;
        }
    }
    tx.execute(
        "INSERT INTO grounds (bundle, collateral) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        values![grounds.bundle_sha256, digests],
    )
    .await?;
    Ok(())
}

impl ArchiveStore for SqlStore {
    fn archived(&self, id: Id) -> Answer<'_, Option<Archived>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let Some(receipt) = receipts::by_id(&mut session, id).await? else {
                return Ok(None);
            };
            let row = session
                .fetch_optional(
                    "SELECT sha256, bytes FROM bundles
                     WHERE sha256 = (SELECT bundle FROM receipts WHERE id = $1)",
                    values![id],
                )
                .await?;
            let row = row.ok_or(StoreError::Malformed { column: "bundle" })?;
            let collateral = judged_by(&mut session, row.array("sha256")?).await?;
            Ok(Some(Archived {
                receipt,
                bundle: row.bytes("bytes")?,
                collateral,
            }))
        })
    }
}

async fn judged_by(session: &mut Session, bundle: [u8; 32]) -> Result<Used, StoreError> {
    let rows = session
        .fetch(
            "SELECT collateral FROM grounds WHERE bundle = $1",
            values![bundle],
        )
        .await?;
    let mut used = Used::default();
    for row in rows {
        let digests = row.bytes("collateral")?;
        let (digests, rest) = digests.as_chunks::<DIGEST_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::Malformed {
                column: "collateral",
            });
        }
        for sha256 in digests {
            used.insert(*sha256, piece(session, *sha256).await?);
        }
    }
    Ok(used)
}

async fn piece(session: &mut Session, sha256: [u8; 32]) -> Result<Piece, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT kind, bytes FROM collateral WHERE sha256 = $1",
            values![sha256],
        )
        .await?;
    let row = row.ok_or(StoreError::Malformed {
        column: "collateral",
    })?;
    Ok(Piece {
        kind: row.parsed("kind")?,
        bytes: row.bytes("bytes")?.into(),
    })
}
