//! `/v1/statistics`: how verdicts came out lately, and how long they took.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use evidence::UnixTime;
use serde::{Deserialize, Serialize};

use super::{App, json as body, no_store};
use crate::problem::{Problem, ProblemCode};
use crate::statistics::{SLOT_S, Slot, Subject, bounds_us};

/// Longest step, in seconds.
const MAX_STEP_S: u32 = 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "body::present")]
    step_s: Option<u32>,
}

#[derive(Serialize)]
struct Shown {
    as_of: UnixTime,
    step_s: i64,
    latency_bounds_us: Vec<u64>,
    steps: Vec<ShownStep>,
}

#[derive(Serialize)]
struct ShownStep {
    at: UnixTime,
    verdicts: Vec<ShownVerdict>,
    latency: Vec<u32>,
}

#[derive(Serialize)]
struct ShownVerdict {
    of: Subject,
    verdict: &'static str,
    count: u32,
}

/// The last day, in steps of as many seconds as are asked for.
pub(super) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    app.operator.authorize(&headers)?;
    let Query(asked) = query.map_err(|_| malformed())?;
    let step_s = step(asked.step_s)?;
    let now = app.clock.now();
    let steps = app.proceedings.statistics.read(now, step_s);
    Ok(no_store(Json(Shown {
        as_of: now,
        step_s,
        latency_bounds_us: bounds_us().into(),
        steps: steps.into_iter().map(ShownStep::of).collect(),
    })))
}

fn step(asked: Option<u32>) -> Result<i64, Problem> {
    let Some(asked) = asked else {
        return Ok(SLOT_S);
    };
    let step_s = i64::from(asked);
    let is_step = (SLOT_S..=MAX_STEP_S.into()).contains(&step_s) && step_s % SLOT_S == 0;
    is_step.then_some(step_s).ok_or_else(malformed)
}

fn malformed() -> Problem {
    Problem::new(ProblemCode::QueryMalformed)
        .detail("expected step_s, a multiple of 60 of at most 3600")
}

impl ShownStep {
    fn of(slot: Slot) -> Self {
        let verdicts = slot.verdicts.into_iter();
        Self {
            at: slot.at,
            verdicts: verdicts
                .map(|((of, verdict), count)| ShownVerdict { of, verdict, count })
                .collect(),
            latency: slot.latency.into(),
        }
    }
}
