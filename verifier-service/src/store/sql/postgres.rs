//! PostgreSQL: a pool of connections to a server, or to a cluster that speaks its protocol.
//!
//! On every connection this layer sets what it relies on, whatever the server's defaults are: `READ COMMITTED`, commits
//! that wait for the disk at least, and time limits of statements and transactions.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, query};
use zeroize::Zeroizing;

use super::{Pools, QUEUE_TIMEOUT, migrations};
use crate::store::StoreError;

/// A connection idle for longer is tried before it is used: the server may have gone meanwhile.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// An unused connection is closed after this, so that a quiet verifier leaves its share to others.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// No connection lives longer: after a failover or a change of addresses all have moved by then.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Which server, and how it is used.
#[derive(Clone)]
pub(crate) struct Postgres {
    /// `postgresql://…`
    pub(crate) url: Zeroizing<String>,
    /// The password, if it is not in the URL.
    pub(crate) password: Option<Zeroizing<String>>,
    /// Most connections at one time.
    pub(crate) max_connections: u32,
    /// How long one statement may take.
    pub(crate) statement_timeout: Duration,
    /// What to call the database in messages; without a password.
    pub(crate) name: String,
}

pub(super) async fn open(settings: &Postgres) -> Result<Pools, StoreError> {
    let options = options(settings)?;
    // On a connection of its own, whose statements may take their time: it may build an index over millions of rows.
    let for_migrations = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(QUEUE_TIMEOUT)
        .connect_with(options.clone())
        .await?;
    migrations::postgres(&for_migrations, &settings.name).await?;
    for_migrations.close().await;
    let statement_timeout = settings.statement_timeout;
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(QUEUE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(prepare(connection, statement_timeout)))
        .before_acquire(|connection, idle| {
            Box::pin(async move {
                if idle.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    Ok(Pools::Postgres(pool))
}

fn options(settings: &Postgres) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(&settings.url)?
        .application_name("pogw-verifier")
        .disable_statement_logging();
    Ok(match &settings.password {
        Some(password) => options.password(password),
        None => options,
    })
}

async fn prepare(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    let statement_ms = statement_timeout.as_millis().to_string();
    query(
        "SELECT set_config('default_transaction_isolation', 'read committed', false),
                set_config('statement_timeout', $1, false),
                set_config('lock_timeout', $1, false),
                set_config('idle_in_transaction_session_timeout', $1, false),
                set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                    WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)",
    )
    .bind(statement_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// Without URL and password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({})", self.name)
    }
}
