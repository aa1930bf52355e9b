//! Whose a request is: written by the code that checks its credential, and read by the code that records the outcome.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use crate::audit::{Actor, Asked, By};
use crate::problem::Problem;

/// Travels in the extensions of a request. Copies share what is found out.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribution(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    asked: Asked,
    actor: OnceLock<Actor>,
}

/// The operator, for routes that take the operator token.
pub(super) struct Operator(pub(super) By);

impl Attribution {
    /// Of a request whose answer will have this id, and that of its trace.
    pub(super) fn new(request_id: &str, trace_id: &str) -> Self {
        let asked = Asked {
            request: Some(request_id.to_owned()),
            trace: Some(trace_id.to_owned()),
        };
        Self(Arc::new(Found {
            asked,
            actor: OnceLock::new(),
        }))
    }

    /// The request.
    pub(super) fn asked(&self) -> Asked {
        self.0.asked.clone()
    }

    /// Whose it is; nobody's while no credential has held.
    pub(super) fn actor(&self) -> Actor {
        self.0.actor.get().cloned().unwrap_or(Actor::Nobody)
    }

    /// A credential held.
    pub(super) fn is_of(&self, actor: &Actor) {
        // A request has one credential.
        let _ = self.0.actor.set(actor.clone());
    }

    /// That of a request; one that did not come through the layers has none.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }
}

impl FromRequestParts<App> for Attribution {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.operator.authorize(&parts.headers)?;
        let attribution = Attribution::of(parts);
        attribution.is_of(&Actor::Operator);
        let by = By::new(Actor::Operator, app.clock.now());
        Ok(Self(by.in_request(attribution.asked())))
    }
}
