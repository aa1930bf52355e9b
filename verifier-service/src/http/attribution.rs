//! Whose a request is: found out by whoever checks its credential, and read by whoever records what came of it.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::App;
use crate::audit::{Actor, Asked, By};
use crate::problem::Problem;

/// The header of W3C Trace Context, level 1.
const TRACEPARENT: &str = "traceparent";
/// Where version, trace id, parent id and flags end in it.
const TRACE_ID: std::ops::Range<usize> = 3..35;
const TRACEPARENT_CHARS: usize = 55;

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
    /// Of a request whose answer will have this id.
    pub(super) fn new(request_id: &str, headers: &HeaderMap) -> Self {
        let asked = Asked {
            request: Some(request_id.to_owned()),
            trace: trace_of(headers),
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

/// The trace a request says it is part of: nobody has verified it.
fn trace_of(headers: &HeaderMap) -> Option<String> {
    let parent = headers.get(TRACEPARENT)?.to_str().ok()?;
    let id = parent.get(TRACE_ID)?;
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let has_form = parent.len() >= TRACEPARENT_CHARS
        && parent.as_bytes()[2] == b'-'
        && parent.as_bytes()[TRACE_ID.end] == b'-';
    let is_one = id.bytes().all(is_hex) && id.bytes().any(|b| b != b'0');
    (has_form && is_one).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_over_in_its_one_form() {
        let trace = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, value.parse().unwrap());
            trace_of(&headers)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            trace(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(),
            Some(id)
        );
        let zeros = "0".repeat(32);
        for wrong in [
            "",
            "00",
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            &format!("00_{id}-00f067aa0ba902b7-01"),
            &format!("00-{id}"),
        ] {
            assert_eq!(trace(wrong), None, "{wrong}");
        }
        assert_eq!(trace_of(&HeaderMap::new()), None);
    }
}
