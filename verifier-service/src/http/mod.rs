//! The HTTP interface (DESIGN section 7): which path goes where, and what every request goes through.
//!
//! From the outside in: a request id and a line in the log, panics made into answers, a time limit, the route. The
//! routes read, ask, and answer; what they ask is elsewhere.

mod accept;
mod agents;
mod assignments;
mod books;
mod caller;
mod challenges;
mod console;
mod coverage;
mod etag;
mod events;
mod facts;
mod health;
mod jobs;
mod json;
mod layers;
mod media_type;
mod nvidia;
mod ocsp;
mod page;
mod parties;
mod policies;
mod receipts;
mod rims;
mod shown_devices;
mod signed;
mod statements;
mod statistics;
mod verify;
mod webhooks;
mod well_known;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use evidence::UnixTime;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use crate::agents::Agents;
use crate::body::BodyReader;
use crate::clerk::Clerk;
use crate::clock::Clock;
use crate::collateral::Collateral;
use crate::config::Config;
use crate::flights::Flights;
use crate::hub::Hub;
use crate::judge::Proceedings;
use crate::keys::Keys;
use crate::nvidia::Issuer;
use crate::operator::OperatorToken;
use crate::parties::Credentials;
use crate::policies::Book;
use crate::policies::simulation::Simulator;
use crate::problem::{Problem, ProblemCode};
use crate::store::Store;
use crate::submission::Desk;
use crate::webhooks::{Reach, Vault, Webhooks};
use crate::workers::Workers;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct App {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    proceedings: Proceedings,
    collateral: Arc<Collateral>,
    workers: Workers,
    bodies: BodyReader,
    desk: Desk,
    book: Book,
    simulator: Simulator,
    operator: OperatorToken,
    credentials: Credentials,
    agents: Agents,
    clerk: Clerk,
    webhooks: Webhooks,
    hub: Hub,
    keys: Keys,
    nvidia: Arc<Issuer>,
    readiness: health::Readiness,
}

/// What a service is made of.
pub(crate) struct Parts {
    /// Its settings.
    pub(crate) config: Arc<Config>,
    /// Says when.
    pub(crate) clock: Arc<dyn Clock>,
    /// Remembers.
    pub(crate) store: Arc<dyn Store>,
    /// Knows good evidence from bad.
    pub(crate) proceedings: Proceedings,
    /// Drives jobs.
    pub(crate) clerk: Clerk,
    /// Manifests and answers about revocation.
    pub(crate) collateral: Arc<Collateral>,
    /// The keys to publish.
    pub(crate) keys: Keys,
    /// Where secrets of webhooks are kept.
    pub(crate) vault: Arc<Vault>,
    /// The policies.
    pub(crate) book: Book,
    /// Who may change them, and make parties.
    pub(crate) operator: OperatorToken,
    /// Who else may ask.
    pub(crate) credentials: Credentials,
    /// Who does the work.
    pub(crate) agents: Agents,
    /// Who waits for what.
    pub(crate) hub: Hub,
    /// Signs in NVIDIA's form.
    pub(crate) nvidia: Issuer,
}

impl App {
    /// The parts of a service, put together.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            config,
            clock,
            store,
            proceedings,
            clerk,
            collateral,
            keys,
            vault,
            book,
            operator,
            credentials,
            agents,
            hub,
            nvidia,
        } = parts;
        let workers = proceedings.workers.clone();
        let limit = proceedings.patience;
        let simulator = Simulator::new(Arc::clone(book.store()), proceedings.clone(), limit);
        Self {
            bodies: BodyReader::new(config.body_budget_bytes, config.body_timeout()),
            desk: Desk {
                store: Arc::clone(&store),
                proceedings: proceedings.clone(),
                workers: workers.clone(),
                clock: Arc::clone(&clock),
                audience: config.audience.as_slice().into(),
                flights: Flights::new(),
            },
            book,
            simulator,
            operator,
            credentials,
            agents,
            webhooks: Webhooks::new(
                Arc::new(clerk.store().clone()),
                Arc::clone(&clock),
                Reach::of(&config),
                vault,
            ),
            clerk,
            hub,
            keys,
            nvidia: Arc::new(nvidia),
            readiness: health::Readiness::default(),
            config,
            clock,
            store,
            proceedings,
            collateral,
            workers,
        }
    }

    /// Who is told of events.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// When a request that waits for collateral has to stop waiting: with time left to answer.
    fn collateral_deadline(&self) -> Instant {
        let patience = self.config.request_timeout() * 4 / 5;
        Instant::now() + patience.min(self.collateral.longest_request() + Duration::from_secs(1))
    }

    /// When a request that waits for news has to stop waiting: after so many seconds, or sooner, with time left to answer.
    fn news_deadline(&self, wait_s: u32) -> Instant {
        let longest = self.config.request_timeout() * 9 / 10;
        Instant::now() + longest.min(Duration::from_secs(wait_s.into()))
    }

    /// A limit of this interface, or the configured one if that is lower.
    fn body_limit(&self, limit: usize) -> usize {
        self.config.body_limit_bytes.min(limit)
    }
}

/// An answer that no cache on the way may keep or hand to another.
fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn later(now: UnixTime, seconds: u32) -> UnixTime {
    UnixTime::from_secs(now.secs().saturating_add(seconds.into()))
}

/// Every route.
pub(crate) fn router(app: App) -> Router {
    let pages = match app.config.console {
        true => console::routes(),
        false => Router::new(),
    };
    Router::new()
        .route("/v1/challenges", post(challenges::create))
        .route("/v1/challenges/{id}", get(challenges::read))
        .route("/v1/receipts", get(receipts::list).post(receipts::submit))
        .route("/v1/receipts/{id}", get(receipts::read))
        .route("/v1/verify", post(verify::verify))
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/by-sha256/{digest}", get(policies::by_sha256))
        .route(
            "/v1/policies/{id}",
            get(policies::versions).put(policies::upload),
        )
        .route(
            "/v1/policies/{id}/versions/{version}",
            get(policies::version),
        )
        .route(
            "/v1/policies/{id}/versions/{version}/activate",
            post(policies::activate),
        )
        .route(
            "/v1/policies/{id}/versions/{version}/simulate",
            post(policies::simulate),
        )
        .route("/v1/parties", get(parties::list).post(parties::create))
        .route("/v1/parties/me", get(parties::read_own))
        .route("/v1/parties/{id}", get(parties::read))
        .route(
            "/v1/parties/{id}/keys",
            get(parties::list_keys).post(parties::create_key),
        )
        .route("/v1/parties/{id}/keys/{key}", delete(parties::revoke_key))
        .route("/v1/enrolment-tokens", post(agents::create_token))
        .route("/v1/enrolment-tokens/{id}", delete(agents::delete_token))
        .route("/v1/agents", get(agents::list).post(agents::enrol))
        .route("/v1/agents/{id}", get(agents::read).delete(agents::remove))
        .route("/v1/agents/{id}/devices", get(agents::devices))
        .route("/v1/agents/{id}/heartbeat", post(agents::heartbeat))
        .route("/v1/jobs", get(jobs::list).post(jobs::create))
        .route("/v1/jobs/{id}", get(jobs::read))
        .route("/v1/jobs/{id}/events", get(events::follow))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel))
        .route("/v1/jobs/{id}/dispute", post(jobs::dispute))
        .route("/v1/jobs/{id}/receipts", get(jobs::receipts))
        .route("/v1/assignments/next", post(assignments::next))
        .route("/v1/assignments/{id}/accept", post(assignments::accept))
        .route("/v1/assignments/{id}/renew", post(assignments::renew))
        .route("/v1/assignments/{id}/release", post(assignments::release))
        .route(
            "/v1/assignments/{id}/commitment",
            post(assignments::commitment),
        )
        .route("/v1/assignments/{id}/opening", post(assignments::opening))
        .route("/v1/assignments/{id}/answer", post(assignments::answer))
        .route("/v1/deposits", post(books::deposit))
        .route("/v1/withdrawals", post(books::withdraw))
        .route("/v1/accounts/{party}", get(statements::account))
        .route("/v1/providers/{id}/statement", get(statements::read))
        .route("/v1/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/v1/webhooks/{id}",
            get(webhooks::read).delete(webhooks::remove),
        )
        .route("/v1/webhooks/{id}/rotate", post(webhooks::rotate))
        .route(
            "/v1/webhooks/{id}/dead-letters",
            get(webhooks::dead_letters),
        )
        .route("/v1/webhooks/{id}/redeliver", post(webhooks::redeliver))
        .route("/v1/service", get(facts::read))
        .route("/v1/statistics", get(statistics::read))
        .route("/v1/coverage", get(coverage::read))
        .route("/v1/rim/ids", get(rims::ids))
        .route("/v1/rim/{id}", get(rims::read))
        .route("/v1/ocsp", post(ocsp::relay))
        .route("/v1/ocsp/", post(ocsp::relay))
        .route("/ocsp", post(ocsp::relay))
        // NVIDIA's Python client ends the address with a slash.
        .route("/ocsp/", post(ocsp::relay))
        .route("/ocsp/{*request}", get(ocsp::relay_in_path))
        .route("/v3/attest/gpu", post(nvidia::v3_gpu))
        .route("/v3/attest/switch", post(nvidia::v3_switch))
        .route("/v4/attest/gpu", post(nvidia::v4_gpu))
        .route("/v4/attest/switch", post(nvidia::v4_switch))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(pages)
        .fallback(|| async { Problem::new(ProblemCode::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(from_fn_with_state(
            app.config.request_timeout(),
            layers::limit_time,
        ))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::observe))
        .with_state(app)
}

#[cfg(test)]
mod tests;
