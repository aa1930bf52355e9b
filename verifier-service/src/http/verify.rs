//! `/v1/verify`: devices judged alone, nothing kept.

use std::time::Instant;

use axum::extract::{Request, State};
use evidence::device::Architecture;
use evidence::limits::{MAX_CHAIN_BYTES, MAX_DEVICES, MAX_REPORT_BYTES};
use evidence::work::{Blob, Hex};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer};

use super::{App, json};
use crate::appraiser::{DeviceSubmission, Inquiry};
use crate::judge::Judge;
use crate::problem::{Problem, ProblemCode, word_of_devices};
use crate::report::AppraisalReport;
use crate::statistics::Subject;

/// As many devices as an appraisal takes, each as large as it may be: base64 adds a third, names and quotes the rest.
pub(super) const MAX_BODY_BYTES: usize = MAX_DEVICES * (MAX_REPORT_BYTES + MAX_CHAIN_BYTES) * 3 / 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    nonce: AnyCaseHex,
    devices: Vec<Device>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    #[serde(default, deserialize_with = "present_arch")]
    arch: Option<Architecture>,
    report: Blob,
    chain: Blob,
}

/// 32 bytes in hexadecimal of either case: the tools nonces come from write both.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct AnyCaseHex([u8; 32]);

/// Answers with the findings, whatever they are.
pub(super) async fn verify(
    State(app): State<App>,
    request: Request,
) -> Result<json::Written, Problem> {
    let Evidence { nonce, devices } = json::read(&app, request, MAX_BODY_BYTES).await?;
    if devices.len() > MAX_DEVICES {
        let detail = format!(
            "expected at most {MAX_DEVICES} devices, got {}",
            devices.len()
        );
        return Err(Problem::new(ProblemCode::RequestMalformed).detail(detail));
    }
    let devices: Vec<_> = devices.into_iter().map(DeviceSubmission::from).collect();
    let as_of = app.clock.now();
    let examine = move |judge: &dyn Judge, inquiry: &Inquiry| {
        judge.examine(&nonce.0, &devices, as_of, inquiry)
    };
    let proceedings = &app.proceedings;
    let begun = Instant::now();
    let decision = proceedings.conduct(proceedings.inquiry(), examine).await?;
    let (verdict, counts) = (word_of_devices(&decision), &proceedings.statistics);
    counts.note(app.clock.now(), Subject::Devices, verdict, begun.elapsed());
    let write = move || json::Written::of(&AppraisalReport::from(&decision));
    app.workers.run(write).await
}

/// Absent or a name, read as a string first: serde_json takes anything else in place of a name for a fault of syntax.
fn present_arch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Architecture>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Architecture::deserialize(name.into_deserializer()).map(Some)
}

impl From<Device> for DeviceSubmission {
    fn from(device: Device) -> Self {
        Self {
            arch: device.arch,
            report: device.report.0,
            chain: device.chain.0,
        }
    }
}

impl TryFrom<String> for AnyCaseHex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = Hex::parse(&text.to_ascii_lowercase());
        digits
            .map(|Hex(bytes)| Self(bytes))
            .ok_or("expected 64 hexadecimal digits")
    }
}
