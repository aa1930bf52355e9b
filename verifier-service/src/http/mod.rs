//! The HTTP interface (DESIGN section 7): which path goes where, and what every request goes through.
//!
//! A request passes, in this order, a request id and a line in the log, refusals for the audit log, panics turned into
//! answers, a time limit, and the route; its answer then takes a share of the memory for answers. Routes read the
//! request, call other modules, and answer.

mod accept;
mod agents;
mod answers;
mod api;
mod assignments;
mod attribution;
mod audit;
mod books;
mod caller;
mod challenges;
mod console;
mod coverage;
mod encoding;
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
mod openapi;
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
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use crate::agents::Agents;
use crate::archive::Archivist;
use crate::audit::Recorder;
use crate::body::BodyReader;
use crate::budget::Budget;
use crate::clerk::{Clerk, HANDED_IN_A_SECOND};
use crate::clock::Clock;
use crate::collateral::Collateral;
use crate::config::Config;
use crate::flights::Flights;
use crate::hub::Hub;
use crate::judge::Proceedings;
use crate::keys::Keys;
use crate::metrics::HttpMeters;
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
    bodies_of_agents: BodyReader,
    answers: Budget,
    desk: Desk,
    book: Book,
    archivist: Archivist,
    simulator: Simulator,
    operator: OperatorToken,
    credentials: Credentials,
    agents: Agents,
    audit: Recorder,
    clerk: Clerk,
    webhooks: Webhooks,
    hub: Hub,
    keys: Keys,
    nvidia: Arc<Issuer>,
    readiness: health::Readiness,
    meters: HttpMeters,
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
    /// Who did what.
    pub(crate) audit: Recorder,
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
            audit,
            hub,
            nvidia,
        } = parts;
        let workers = proceedings.workers.clone();
        let limit = proceedings.patience;
        let simulator = Simulator::new(Arc::clone(book.store()), proceedings.clone(), limit);
        let meters = HttpMeters::default();
        let bodies = || {
            let bodies = BodyReader::new(config.body_budget_bytes, config.body_timeout());
            bodies.metered(meters.clone())
        };
        Self {
            bodies: bodies(),
            bodies_of_agents: bodies().at_rate(HANDED_IN_A_SECOND),
            answers: Budget::new(config.body_budget_bytes),
            meters,
            desk: Desk {
                store: Arc::clone(&store),
                proceedings: proceedings.clone(),
                workers: workers.clone(),
                clock: Arc::clone(&clock),
                audience: config.audience.as_slice().into(),
                flights: Flights::new(),
            },
            archivist: Archivist::new(
                Arc::new(clerk.store().clone()),
                Arc::clone(book.store()),
                workers.clone(),
            ),
            book,
            simulator,
            operator,
            credentials,
            agents,
            audit,
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

    /// How requests go.
    pub(crate) fn meters(&self) -> &HttpMeters {
        &self.meters
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

    /// How long a request may take, by its route.
    fn time_limits(&self) -> layers::TimeLimits {
        let all = self.config.request_timeout();
        let largest = self.bodies_of_agents.time_for(self.config.body_limit_bytes);
        layers::TimeLimits {
            all,
            handing_in: all.saturating_add(largest.saturating_sub(self.config.body_timeout())),
        }
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

/// The OpenAPI document of this interface, as it is served.
pub(crate) fn document() -> &'static str {
    &api::document().json
}

/// Every route: those of the table, and the pages for people.
pub(crate) fn router(app: App) -> Router {
    let pages = match app.config.console {
        true => console::routes(),
        false => Router::new(),
    };
    api::routes()
        .merge(pages)
        .fallback(|| async { Problem::new(ProblemCode::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(from_fn_with_state(app.time_limits(), layers::limit_time))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn_with_state(app.clone(), audit::record_refusals))
        .layer(from_fn_with_state(app.answers.clone(), answers::bound))
        .layer(from_fn_with_state(app.meters.clone(), layers::observe))
        .with_state(app)
}

#[cfg(test)]
mod tests;
