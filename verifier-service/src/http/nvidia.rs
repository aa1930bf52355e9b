//! `/v3|v4/attest/{gpu,switch}`: NVIDIA's Remote Attestation Service, as its clients ask it (nvidia-evidence 9.3, 9.4).
//!
//! | Found | Answer |
//! |---|---|
//! | all evidence could be judged | 200 and a detached EAT, whatever the result: refuted evidence is an answer |
//! | something refuted, something else not at hand | 200: nothing that arrives later changes the result |
//! | nothing refuted, a manifest or an answer about revocation not at hand | 503 and `Retry-After`: an outage of ours must not look like bad evidence, as a signed "false" would |
//! | nothing but an answer about revocation not at hand, which the policy tolerates and the operator waives | 200 and a detached EAT that says `x-pogw-revocation` |
//! | the request is malformed, or of another kind of device, or has a device twice | 400 |
//!
//! Errors are problem details as elsewhere, with NVIDIA's four members on top: `code` (a number here), `httpStatus`,
//! `message`, `description`.
//!
//! A request with a device twice is refused instead of answered: each submodule would pass by itself, and a reader who
//! counts them would count two.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use evidence::appraise::EvidenceAppraisal;
use evidence::device::{Architecture, DeviceKind};
use evidence::forms::{self, ClaimsVersion, Form as EvidenceForm};
use evidence::policy::Decision;
use evidence::{CheckId, Code, Overall, Reason, Status};
use serde_json::{Map, Value, json};

use super::{App, json, media_type};
use crate::appraiser::DeviceSubmission;
use crate::nvidia::claims::{Form, Waivers};
use crate::nvidia::errors::{self, ErrorCode};
use crate::problem::{Problem, ProblemCode, word_of_devices};
use crate::statistics::Subject;

const ALLOW_HOLD: &str = "x-nvidia-ocsp-allow-cert-hold";
/// Seconds after which collateral may have arrived.
const COLLATERAL_RETRY_S: u32 = 60;
/// Most faults of a request that are told.
const MAX_FAULTS: usize = 8;

/// Which of the four routes.
#[derive(Clone, Copy)]
struct Route {
    kind: DeviceKind,
    /// The claims of a request that names no version.
    default: ClaimsVersion,
    /// Whether claims of version 3 have what NVIDIA's C++ client adds to them.
    extended: bool,
}

type Answer = Result<json::Written, Problem>;

pub(super) async fn v3_gpu(app: State<App>, request: Request) -> Answer {
    attest(app, request, Route::v3(DeviceKind::Gpu)).await
}

pub(super) async fn v3_switch(app: State<App>, request: Request) -> Answer {
    attest(app, request, Route::v3(DeviceKind::Switch)).await
}

pub(super) async fn v4_gpu(app: State<App>, request: Request) -> Answer {
    attest(app, request, Route::v4(DeviceKind::Gpu)).await
}

pub(super) async fn v4_switch(app: State<App>, request: Request) -> Answer {
    attest(app, request, Route::v4(DeviceKind::Switch)).await
}

impl Route {
    /// Asked by NVIDIA's Python client.
    const fn v3(kind: DeviceKind) -> Self {
        Self {
            kind,
            default: ClaimsVersion::V2,
            extended: false,
        }
    }

    /// Asked by NVIDIA's C++ client.
    const fn v4(kind: DeviceKind) -> Self {
        Self {
            kind,
            default: ClaimsVersion::V3,
            extended: true,
        }
    }

    /// Of switches NVIDIA's C++ client knows version 3 alone.
    fn has_version_4(self) -> bool {
        self.extended && self.kind == DeviceKind::Gpu
    }
}

/// What a request asks for.
struct Asked {
    nonce: [u8; 32],
    devices: Vec<DeviceSubmission>,
    form: Form,
    hold_asked: bool,
}

async fn attest(State(app): State<App>, request: Request, route: Route) -> Answer {
    answer(app, request, route).await.map_err(in_nvidias_form)
}

async fn answer(app: App, request: Request, route: Route) -> Answer {
    media_type::require(request.headers(), media_type::JSON)?;
    let hold_asked = hold_asked(&app, request.headers());
    let limit = app.body_limit(forms::MAX_JSON_BYTES);
    let body = app.bodies.read(request, limit).await?;
    let asked = read(&app, body.bytes(), route, hold_asked)?;
    drop(body);
    let as_of = app.clock.now();
    let proceedings = &app.proceedings;
    let inquiry = proceedings.inquiry().with_hold(asked.hold_asked);
    let issuer = app.nvidia;
    let begun = Instant::now();
    let token = proceedings.conduct(inquiry, move |judge, inquiry| {
        let pass = judge.examine(&asked.nonce, &asked.devices, as_of, inquiry)?;
        pass.try_map(|decision| {
            let unknown_revocation_waived = issuer.waives_unknown_revocation(&decision);
            is_answerable(&decision, route, unknown_revocation_waived)?;
            let verdict = word_of_devices(&decision);
            // Times count from when the evidence was judged: a token promises nothing about later.
            issuer
                .detached_eat(&decision, &asked.nonce, asked.form, as_of)
                .map_err(|error| Problem::caused(ProblemCode::Internal, error))
                .and_then(|token| Ok((json::Written::of(&token)?, verdict)))
        })
    });
    let (token, verdict) = token.await?;
    let counts = &app.proceedings.statistics;
    counts.note(app.clock.now(), Subject::Devices, verdict, begun.elapsed());
    Ok(token)
}

/// Row 71: on request only, and only if the operator allows it; the policy has to, too.
fn hold_asked(app: &App, headers: &HeaderMap) -> bool {
    let asked = headers
        .get(ALLOW_HOLD)
        .and_then(|value| value.to_str().ok());
    let asked = asked.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    asked && app.nvidia.settings().allow_cert_hold
}

fn read(app: &App, body: &[u8], route: Route, hold_asked: bool) -> Result<Asked, Problem> {
    let submitted = forms::read(body).map_err(|reasons| not_a_request(&reasons))?;
    let (EvidenceForm::NrasRequest, Some(nonce)) = (submitted.form, submitted.nonce) else {
        let detail = "expected an object of nonce, arch and evidence_list";
        return Err(Problem::new(ProblemCode::RequestMalformed).detail(detail));
    };
    let claimed = submitted.devices.iter().filter_map(|device| device.claimed);
    if let Some(other) = claimed
        .map(Architecture::kind)
        .find(|kind| *kind != route.kind)
    {
        return Err(other_kind(route.kind, other));
    }
    let devices = submitted
        .devices
        .into_iter()
        .map(|device| DeviceSubmission {
            arch: device.claimed,
            report: device.report,
            chain: device.chain_pem,
        });
    let version = submitted.claims_version.unwrap_or(route.default);
    if version == ClaimsVersion::V4 && !route.has_version_4() {
        let detail = "claims_version: 4.0 is of GPUs at /v4, expected 2.0 or 3.0";
        return Err(Problem::new(ProblemCode::RequestMalformed).detail(detail));
    }
    let settings = app.nvidia.settings();
    Ok(Asked {
        nonce,
        devices: devices.collect(),
        form: Form {
            version,
            extended: route.extended,
            waivers: Waivers {
                without_revocation: settings.danger_result_without_revocation,
                // Known only when the policy has been asked.
                unknown_revocation: false,
                simulated: settings.simulated_claims,
            },
        },
        hold_asked,
    })
}

/// Places and rules, nothing of what was sent.
fn not_a_request(reasons: &[Reason]) -> Problem {
    let faults = reasons.iter().take(MAX_FAULTS);
    let faults: Vec<_> = faults
        .map(|reason| match &reason.expected {
            Some(expected) => format!("{}, expected {expected}", reason.message),
            None => reason.message.clone(),
        })
        .collect();
    let is_nonce = |reason: &Reason| {
        reason.code == Code::NonceMalformed || reason.message.starts_with("nonce:")
    };
    let problem = match reasons.first().map(|reason| reason.code) {
        Some(Code::EvidenceNotJson) => Problem::new(ProblemCode::JsonMalformed),
        _ => Problem::new(ProblemCode::RequestMalformed),
    };
    let detail = faults.join("; ");
    if reasons.iter().any(is_nonce) {
        let error = ErrorCode::InvalidNonce.details("", &detail);
        return problem.detail(detail).members(members(&error));
    }
    problem.detail(detail)
}

fn other_kind(expected: DeviceKind, actual: DeviceKind) -> Problem {
    let word = |kind| match kind {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Switch => "switch",
    };
    let (expected, actual) = (word(expected), word(actual));
    let detail = format!("expected evidence of a {expected}, got that of a {actual}");
    Problem::new(ProblemCode::RequestMalformed).detail(detail)
}

/// Whether there is anything to sign.
fn is_answerable(
    decision: &Decision<EvidenceAppraisal>,
    route: Route,
    unknown_revocation_waived: bool,
) -> Result<(), Problem> {
    let appraisal = decision.appraisal();
    let kinds = appraisal.devices().iter().map(|device| device.kind());
    if let Some(other) = kinds.into_iter().find(|kind| *kind != route.kind) {
        return Err(other_kind(route.kind, other));
    }
    let reasons = appraisal.checks().iter().flat_map(|check| &check.reasons);
    let mut repeated = reasons.filter(|reason| reason.code == Code::DeviceRepeated);
    if let Some(reason) = repeated.next() {
        let error = ErrorCode::Refuted.details(reason.code.as_str(), &reason.message);
        return Err(Problem::new(ProblemCode::RequestMalformed)
            .detail(&reason.message)
            .members(members(&error)));
    }
    match missing(appraisal, unknown_revocation_waived) {
        None => Ok(()),
        Some(detail) => Err(Problem::new(ProblemCode::Unverifiable)
            .detail(detail)
            .retry_after_s(COLLATERAL_RETRY_S)),
    }
}

/// What the verifier, not the sender, would have had to provide, where nothing but that keeps the evidence from being
/// judged. Answers about revocation may have been waived.
fn missing(appraisal: &EvidenceAppraisal, unknown_revocation_waived: bool) -> Option<String> {
    const PROVIDED: [CheckId; 3] = [CheckId::DriverRim, CheckId::VbiosRim, CheckId::Revocation];
    if appraisal.overall() != Overall::Incomplete {
        return None;
    }
    let checks = appraisal
        .devices()
        .iter()
        .flat_map(|device| device.checks());
    let unmade = checks.filter(|check| {
        let waived = unknown_revocation_waived && check.id == CheckId::Revocation;
        check.status == Status::Unverifiable && PROVIDED.contains(&check.id) && !waived
    });
    let words: std::collections::BTreeSet<_> = unmade.map(|check| check.id.as_str()).collect();
    let words: Vec<_> = words.into_iter().collect();
    (!words.is_empty()).then(|| format!("not at hand for: {}", words.join(", ")))
}

/// Adds NVIDIA's members to a problem that has none.
fn in_nvidias_form(problem: Problem) -> Problem {
    if problem.has_members() {
        return problem;
    }
    let code = match problem.status().as_u16() {
        500.. => ErrorCode::Unverifiable,
        _ => ErrorCode::Refuted,
    };
    let mut error = code.details(problem.code(), problem.text());
    error.http_status = errors::http_status(problem.status().as_u16());
    problem.members(members(&error))
}

fn members(error: &errors::ErrorDetails) -> Map<String, Value> {
    match json!(error) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
