//! The store over SQL.

/// SQL: that an assignment takes up one of its agent's places.
macro_rules! takes_a_place {
    () => {
        "is_open = 1 AND status IN ('offered', 'leased', 'committed', 'opening', 'opened')"
    };
}

mod agents;
mod archive;
mod audit;
mod books;
mod challenges;
mod clerk;
mod counts;
mod jobs;
mod journal;
mod keys;
mod outages;
mod outbox;
mod parties;
mod policies;
mod receipts;
mod untaken;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::jobs::IdError;
use evidence::UnixTime;
use zeroize::Zeroizing;

use archive::Filed;
pub(crate) use counts::Counts;

use super::sql::{Database, Postgres, Row, values};
use super::{
    Added, Answer, Challenge, ChallengeBounds, Fate, NewReceipt, Page, Spent, Standing, Store,
    StoreError, StoredReceipt,
};
use crate::config::{StoreSettings, StoreUrl};
use crate::id::Id;
use crate::metrics::StoreMeters;
use crate::{private_files, random};

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Least pauses before further attempts of a transaction, in milliseconds; at most twice that.
const PAUSES_MS: [u64; 5] = [1, 4, 16, 64, 256];
/// No server is known to take a longer one.
const MAX_PASSWORD_BYTES: usize = 1024;

/// See the [module documentation](super). Copies share their connections.
#[derive(Clone, Debug)]
pub(crate) struct SqlStore {
    database: Database,
    filed: Arc<Filed>,
}

impl SqlStore {
    /// Opens what the settings name, the file at `path` if that is SQLite, and brings it up to date.
    ///
    /// # Errors
    /// See [`StoreError`]; what is no database or was made by a later version is left as it is.
    pub(crate) fn open<'a>(settings: &'a StoreSettings, path: &'a Path) -> Answer<'a, Self> {
        Box::pin(async move {
            match &settings.url {
                None => Self::sqlite(path).await,
                Some(url) => Self::postgres(&server(settings, url)?).await,
            }
        })
    }

    /// Opens the file, making it with mode 0600 if there is none.
    pub(crate) async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        Self::sqlite_with(path, BUSY_TIMEOUT).await
    }

    /// Opens the file, waiting for locks as long as told.
    pub(crate) async fn sqlite_with(
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let database = Database::sqlite(path, busy_timeout).await?;
        Ok(Self::over(database))
    }

    /// Connects to a server.
    pub(crate) async fn postgres(server: &Postgres) -> Result<Self, StoreError> {
        let database = Database::postgres(server).await?;
        Ok(Self::over(database))
    }

    fn over(database: Database) -> Self {
        Self {
            database,
            filed: Arc::default(),
        }
    }

    /// Tries again, a few times and a little later each time, what met another transaction.
    async fn again<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        for pause_ms in PAUSES_MS {
            match attempt().await {
                Err(StoreError::Contended(error)) => {
                    tracing::debug!(%error, "transaction is tried again");
                    let [jitter] = random::bytes();
                    let pause_ms = pause_ms + pause_ms * u64::from(jitter) / 256;
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
                answer => return answer,
            }
        }
        attempt().await
    }

    /// How it is used.
    pub(crate) fn meters(&self) -> &StoreMeters {
        self.database.meters()
    }

    #[cfg(test)]
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    async fn write_probe(&self, now: UnixTime) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.execute(
            "INSERT INTO probe (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
            values![now],
        )
        .await?;
        tx.commit().await
    }
}

fn server(settings: &StoreSettings, url: &StoreUrl) -> Result<Postgres, StoreError> {
    let password = settings.password_file.as_deref().map(password);
    Ok(Postgres {
        url: url.to_connect(),
        password: password.transpose()?,
        max_connections: settings.max_connections.get(),
        statement_timeout: settings.statement_timeout(),
        name: url.to_string(),
    })
}

fn password(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let malformed = || StoreError::Password {
        path: path.to_owned(),
    };
    if !private_files::exists_privately(path)? {
        return Err(malformed());
    }
    let text = std::fs::read_to_string(path).map_err(|_| malformed())?;
    let text = Zeroizing::new(text);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let is_one_line =
        (1..=MAX_PASSWORD_BYTES).contains(&line.len()) && !line.contains(['\n', '\0']);
    match is_one_line {
        true => Ok(Zeroizing::new(line.to_owned())),
        false => Err(malformed()),
    }
}

impl Store for SqlStore {
    fn add_challenge(&self, challenge: Challenge, bounds: ChallengeBounds) -> Answer<'_, Added> {
        Box::pin(challenges::insert(&self.database, challenge, bounds))
    }

    fn challenge(&self, id: Id) -> Answer<'_, Option<(Challenge, Fate)>> {
        Box::pin(async move { challenges::by_id(&mut self.database.read().await?, id).await })
    }

    fn standing(&self, value: [u8; 32]) -> Answer<'_, Standing> {
        Box::pin(async move { challenges::standing(&mut self.database.read().await?, value).await })
    }

    fn receipt(&self, id: Id) -> Answer<'_, Option<StoredReceipt>> {
        Box::pin(async move { receipts::by_id(&mut self.database.read().await?, id).await })
    }

    fn receipt_of(&self, bundle_sha256: [u8; 32]) -> Answer<'_, Option<StoredReceipt>> {
        Box::pin(async move { receipts::of(&mut self.database.read().await?, bundle_sha256).await })
    }

    fn bundle_under<'a>(
        &'a self,
        agent_key: [u8; 32],
        key: &'a str,
    ) -> Answer<'a, Option<[u8; 32]>> {
        Box::pin(async move {
            receipts::bundle_under(&mut self.database.read().await?, agent_key, key).await
        })
    }

    fn spend(&self, new: NewReceipt) -> Answer<'_, Spent> {
        Box::pin(receipts::insert(&self.database, &self.filed, new))
    }

    fn refute(&self, challenge: [u8; 32]) -> Answer<'_, ()> {
        Box::pin(challenges::refute(&self.database, challenge))
    }

    fn probe(&self, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(self.write_probe(now))
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.database.close())
    }
}

/// A name with a small alphabet.
fn id<T>(
    row: &Row,
    column: &'static str,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<T, StoreError> {
    parse(&row.text(column)?).map_err(|_| StoreError::Malformed { column })
}

fn optional_id<T>(
    row: &Row,
    column: &'static str,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, StoreError> {
    let text = row.optional_text(column)?;
    let parsed = text.map(|text| parse(&text)).transpose();
    parsed.map_err(|_| StoreError::Malformed { column })
}

/// Where a page begins: below this time and name.
fn after(page: &Page) -> (UnixTime, String) {
    let first = || (UnixTime::from_secs(i64::MAX), String::new());
    page.after.clone().unwrap_or_else(first)
}
