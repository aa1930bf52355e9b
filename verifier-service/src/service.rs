//! The service put together from a configuration, and its life from listening to an orderly end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evidence::policy::RevocationMode;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::agents::Agents;
use crate::appraiser::{Appraiser, OpenError};
use crate::audit::Recorder;
use crate::clerk::{self, Clerk, ClerkError};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::connections::{self, CertificateFileError, Certificates};
use crate::http::{App, Parts, router};
use crate::hub::{Events, Hub};
use crate::judge::{Bench, Proceedings};
use crate::keys::{self, KeyError, Keys};
use crate::metrics::{Exposition, Listener, Meters, Readings};
use crate::nvidia::{CertificateError, Issuer};
use crate::operator::{OperatorToken, OperatorTokenError};
use crate::parties::{Credentials, oidc};
use crate::policies::{Book, BookError};
use crate::private_files::{self, PrivateFileError};
use crate::store::agents::AgentStore;
use crate::store::audit::AuditStore;
use crate::store::keys::KeyStore;
use crate::store::parties::PartyStore;
use crate::store::policies::PolicyStore;
use crate::store::{SqlStore, Store, StoreError};
use crate::upstream::UpstreamError;
use crate::webhooks::{Courier, Reach, Sender};

pub(crate) const DATABASE: &str = "verifier.sqlite";
const OPERATOR_TOKEN: &str = "operator-token";
/// How long the store gets to close once nothing uses it any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the service cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state directory is not ours alone.
    #[error(transparent)]
    StateDirectory(#[from] PrivateFileError),
    /// Certificate or key of TLS cannot be used.
    #[error("http.tls: {0}")]
    Tls(#[from] CertificateFileError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The operator token cannot be used.
    #[error(transparent)]
    OperatorToken(#[from] OperatorTokenError),
    /// The policies in the store cannot be used.
    #[error(transparent)]
    Policies(#[from] BookError),
    /// The OpenID issuer cannot be asked as configured.
    #[error("oidc: {0}")]
    Oidc(#[source] UpstreamError),
    /// The key for NVIDIA's form cannot be published.
    #[error(transparent)]
    NvidiaKey(#[from] CertificateError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Jobs cannot be gone on with.
    #[error("jobs: {0}")]
    Jobs(String),
    /// Nobody can be told of events.
    #[error("webhooks: {0}")]
    Webhooks(String),
    /// Policy, anchors or manifests cannot be used.
    #[error(transparent)]
    Appraiser(#[from] OpenError),
    /// Nobody can scrape where the configuration says.
    #[error("cannot listen on {address} for metrics: {source}")]
    Metrics {
        /// `metrics.listen`.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// A service ready to listen: configuration valid, keys and policy loaded, store open and up to date.
pub struct Service {
    app: App,
    audit: Recorder,
    clerk: Clerk,
    keys: Keys,
    courier: Courier,
    hub: Hub,
    book: Book,
    store: Arc<dyn Store>,
    appraiser: Arc<Appraiser>,
    certificates: Option<Certificates>,
    metrics: Option<(Listener, Exposition)>,
    shutdown_timeout: Duration,
}

/// What can be read again while the service runs.
#[derive(Clone, Debug)]
pub struct Reload(Option<Certificates>);

impl Reload {
    /// Reads certificate and key again, where the service speaks TLS. What cannot be used is logged, and changes nothing.
    pub fn now(&self) {
        match &self.0 {
            Some(certificates) => certificates.reload(),
            None => tracing::info!("nothing is read again: http.tls is not set"),
        }
    }
}

fn untold(error: reqwest::Error) -> ServiceError {
    ServiceError::Webhooks(error.to_string())
}

/// What the policy in force asks for and nothing in the configuration can give: the service runs, and most evidence will
/// be unverifiable, which the operator should read before the first tenant does.
fn warn_of_missing_sources(appraiser: &Appraiser) {
    let (policy, collateral) = (appraiser.policy().current(), appraiser.collateral());
    let asks = policy.revocation().mode != RevocationMode::Off;
    let policy = &policy.identity().id;
    if asks && !collateral.has_source_of_answers() {
        tracing::warn!(
            policy,
            "the policy asks about revocation, and neither appraisal.ocsp.url nor appraisal.ocsp.dir is set: \
             no certificate will be known to be good"
        );
    }
    if !collateral.has_source_of_manifests() {
        tracing::warn!(
            policy,
            "neither appraisal.rim_dir nor appraisal.rim_service.url is set: no measurement will be compared"
        );
    }
}

impl Service {
    /// Opens everything a service needs, making state directory, database and key if there are none.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, ServiceError> {
        config.validate()?;
        // What changes nothing comes first: a service that cannot start leaves nothing behind.
        let state: &Path = &config.state_dir;
        let on_clock = Arc::clone(&clock);
        let appraiser = Appraiser::with_state(&config.appraisal, on_clock, Some(state))?;
        let appraiser = Arc::new(appraiser);
        let courier = Courier::new(Reach::of(&config)).map_err(untold)?;
        let certificates = Certificates::open(&config.http.tls)?;
        private_files::directory(state)?;
        let nvidia = Issuer::new(
            keys::nvidia(state)?,
            &config.issuer,
            config.nvidia.clone(),
            clock.now(),
        )?;
        let vault = Arc::new(keys::webhook_vault(state)?);
        let own_token = state.join(OPERATOR_TOKEN);
        let handed_over = daemon::credential::path(OPERATOR_TOKEN);
        let configured = config
            .operator_token_file
            .as_deref()
            .or(handed_over.as_deref());
        let operator = OperatorToken::open(&own_token, configured)?;
        let store = Arc::new(SqlStore::open(&config.store, &state.join(DATABASE)).await?);
        let on_clock = Arc::clone(&clock);
        let keys = Keys::open(&config, Arc::clone(&store) as Arc<dyn KeyStore>, on_clock).await?;
        let book = Book::open(
            Arc::clone(&store) as Arc<dyn PolicyStore>,
            appraiser.policy().clone(),
            config.appraisal.policy_pinned,
            Arc::clone(&clock),
        );
        let book = book.await?;
        warn_of_missing_sources(&appraiser);
        let credentials = Credentials::new(
            Arc::clone(&store) as Arc<dyn PartyStore>,
            oidc::Issuer::open(&config.oidc, Arc::clone(&clock)).map_err(ServiceError::Oidc)?,
            Arc::clone(&clock),
        );
        let bench = Arc::new(Bench {
            appraiser: Arc::clone(&appraiser),
            keys: keys.clone(),
            clock: Arc::clone(&clock),
            issuer: config.issuer.clone(),
            lifetime_s: config.receipt_lifetime_s,
        });
        let proceedings = Proceedings::new(bench, &config);
        let of_jobs = proceedings.of_jobs(&config);
        let hub = Hub::start(Arc::clone(&store) as Arc<dyn Events>);
        let clerk = Clerk::new(clerk::Parts {
            store: SqlStore::clone(&store),
            proceedings: of_jobs.clone(),
            book: book.clone(),
            hub: hub.clone(),
            clock: Arc::clone(&clock),
            wall: Arc::new(SystemClock),
            audience: config.audience.clone(),
            body_limit: config.body_limit_bytes,
            most_open_jobs: config.max_open_jobs_per_tenant.get(),
            opening_retention_s: config.opening_retention_s,
        });
        let agents = Agents::new(
            Arc::clone(&store) as Arc<dyn AgentStore>,
            Arc::new(clerk.clone()),
            Arc::clone(&clock),
        );
        let audit = Recorder::new(
            Arc::clone(&store) as Arc<dyn AuditStore>,
            Arc::clone(&clock),
        );
        let readings = Readings {
            proceedings: proceedings.clone(),
            of_jobs,
            collateral: Arc::clone(appraiser.collateral()),
            keys: keys.clone(),
            certificates: certificates.clone(),
            hub: hub.clone(),
            store: SqlStore::clone(&store),
            clock: Arc::clone(&clock),
        };
        let scrapes = scrapes(config.metrics.listen).await?;
        let store_meters = store.meters().clone();
        let store: Arc<dyn Store> = store;
        let shutdown_timeout = config.shutdown_timeout();
        let app = App::new(Parts {
            config: Arc::new(config),
            clock,
            store: Arc::clone(&store),
            proceedings,
            clerk: clerk.clone(),
            collateral: Arc::clone(appraiser.collateral()),
            keys: keys.clone(),
            vault,
            book: book.clone(),
            operator,
            credentials,
            agents,
            audit: audit.clone(),
            hub: hub.clone(),
            nvidia,
        });
        let verdicts = readings.proceedings.clone();
        let meters: [&dyn Meters; 8] = [
            app.meters(),
            verdicts.statistics.meters(),
            verdicts.result_checks.meters(),
            appraiser.collateral().meters(),
            keys.meters(),
            &store_meters,
            clerk.meters(),
            app.webhooks().meters(),
        ];
        let exposition = Exposition::new(readings, &meters);
        Ok(Self {
            metrics: scrapes.map(|listener| (listener, exposition)),
            app,
            audit,
            clerk,
            keys,
            courier,
            hub,
            book,
            store,
            appraiser,
            certificates,
            shutdown_timeout,
        })
    }

    /// What can be read again while the service runs.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload(self.certificates.clone())
    }

    /// Where it can be scraped, if it can.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.0.address().ok()
    }

    /// What judges evidence for this service.
    #[must_use]
    pub fn appraiser(&self) -> &Arc<Appraiser> {
        &self.appraiser
    }

    /// Answers requests until `shutdown` is ready, then finishes those in progress, within the configured time.
    ///
    /// # Errors
    /// [`ServiceError::Jobs`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServiceError> {
        // Agents can be heard once connections are taken, so the outage that ends with that is recorded first.
        self.clerk.resume().await.map_err(not_resumed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (rest, rested) = oneshot::channel::<()>();
        let sender = Sender::start(self.app.webhooks(), self.courier);
        // Ends with this function, however that ends.
        let mut followers = JoinSet::new();
        followers.spawn(self.book.follow());
        followers.spawn(self.audit.clone().follow());
        if let Some((listener, exposition)) = self.metrics {
            followers.spawn(scraped(listener, exposition));
        }
        let attending = self.clerk.clone().run(async move { drop(rested.await) });
        let attending = tokio::spawn(attending);
        let (leave, left) = oneshot::channel::<()>();
        let keys = tokio::spawn(self.keys.run(async move { drop(left.await) }));
        let server = connections::serve(listener, self.certificates, router(self.app), async {
            drop(stopped.await);
        });
        let mut server = std::pin::pin!(server);
        tokio::select! {
            () = &mut server => {}
            () = shutdown => {
                tracing::info!("stopping");
                // Before the door closes: from then on nobody is late, however long requests in progress take.
                self.clerk.leave();
                let _ = stop.send(());
                // Whoever waits for news is answered that there are none.
                self.hub.close();
                finish(server, self.shutdown_timeout).await;
            }
        }
        // What is under way is finished; what is not done is due again, here or elsewhere.
        drop(rest);
        drop(leave);
        drop(keys.await);
        if tokio::time::timeout(self.shutdown_timeout, attending)
            .await
            .is_err()
        {
            tracing::warn!("jobs were still attended to; whoever comes next goes on");
        }
        sender.stop(self.shutdown_timeout).await;
        followers.shutdown().await;
        self.audit.finish().await;
        if tokio::time::timeout(CLOSE_TIMEOUT, self.store.close())
            .await
            .is_err()
        {
            tracing::warn!("store is still in use; its log is folded in at the next start");
        }
        Ok(())
    }
}

async fn scrapes(address: Option<SocketAddr>) -> Result<Option<Listener>, ServiceError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let failed = |source| ServiceError::Metrics { address, source };
    let listener = Listener::bind(address).await.map_err(failed)?;
    Ok(Some(listener))
}

async fn scraped(listener: Listener, exposition: Exposition) {
    if let Err(error) = listener.serve(exposition).await {
        tracing::error!(cause = %error, "metrics are served no more");
    }
}

/// Opens a service and serves.
///
/// # Errors
/// See [`ServiceError`].
pub async fn serve(
    config: Config,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServiceError> {
    Service::open(config, clock)
        .await?
        .serve(listener, shutdown)
        .await
}

fn not_resumed(error: ClerkError) -> ServiceError {
    match error {
        ClerkError::Store(error) => ServiceError::Store(error),
        other => ServiceError::Jobs(other.to_string()),
    }
}

async fn finish(server: impl Future<Output = ()>, within: Duration) {
    if tokio::time::timeout(within, server).await.is_err() {
        tracing::warn!(
            within_s = within.as_secs(),
            "requests were still in progress and are cut off"
        );
    }
}

#[cfg(test)]
mod tests;
