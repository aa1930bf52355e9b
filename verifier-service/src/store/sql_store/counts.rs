//! How much is open and has to be attended to, for operators who watch.
//!
//! Each question is answered from an index that holds only what is open, so its cost grows with what is open, not with
//! all that ever was.

use evidence::UnixTime;

use super::SqlStore;
use crate::store::StoreError;
use crate::store::sql::{PoolLoad, Session, Value, values};

/// How much there is, by the word for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Jobs that have not ended, by status.
    pub(crate) jobs: Vec<(String, i64)>,
    /// Open assignments, by status.
    pub(crate) assignments: Vec<(String, i64)>,
    /// Agents: `present`, `absent`.
    pub(crate) agents: Vec<(String, i64)>,
    /// Messages to webhooks: `pending`, `dead`.
    pub(crate) outbox: Vec<(String, i64)>,
    /// Size of the database.
    pub(crate) bytes: i64,
}

const JOBS: &str =
    "SELECT status AS word, count(*) AS n FROM jobs WHERE due_at IS NOT NULL GROUP BY status";
const ASSIGNMENTS: &str =
    "SELECT status AS word, count(*) AS n FROM assignments WHERE is_open = 1 GROUP BY status";
const AGENTS: &str =
    "SELECT CASE WHEN seen_at >= $1 THEN 'present' ELSE 'absent' END AS word, count(*) AS n
     FROM agents WHERE removed_at IS NULL GROUP BY word";
const PENDING: &str = "SELECT count(*) AS n FROM deliveries WHERE status = 'pending'";
const DEAD: &str = "SELECT count(*) AS n FROM deliveries WHERE status = 'dead'";

impl SqlStore {
    /// How much there is to attend to; agents heard of since then are present.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn counts(&self, since: UnixTime) -> Result<Counts, StoreError> {
        let mut session = self.database.read().await?;
        Ok(Counts {
            jobs: grouped(&mut session, JOBS, values![]).await?,
            assignments: grouped(&mut session, ASSIGNMENTS, values![]).await?,
            agents: grouped(&mut session, AGENTS, values![since]).await?,
            outbox: vec![
                (
                    "pending".into(),
                    session.fetch_int(PENDING, values![]).await?,
                ),
                ("dead".into(), session.fetch_int(DEAD, values![]).await?),
            ],
            bytes: session.size().await?,
        })
    }

    /// How its connections are used now.
    pub(crate) fn pool(&self) -> PoolLoad {
        self.database.load()
    }
}

async fn grouped(
    session: &mut Session,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = session.fetch(sql, values).await?;
    let counts = rows
        .iter()
        .map(|row| Ok((row.text("word")?, row.int("n")?)));
    counts.collect()
}
