//! NVIDIA's RIM service, or a mirror of it: `GET <base>/v1/rim/<id>` (nvidia-evidence 6.1, rows 75 to 77).
//!
//! In scope: the request, and the JSON around the document. That the document is the one asked for and arrived whole
//! is checked here (nobody else does); whether anybody signed it is not.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::limits::MAX_RIM_BYTES;
use evidence::work::{Hex, StrictValue};
use evidence::{Code, Reason, UnixTime, crypto};
use serde_json::Value;

use crate::config::RimServiceSettings;
use crate::upstream::{Failure, Upstream, UpstreamError};

/// Room for the other members, of which the longest are an id and a digest.
const ENVELOPE_BYTES: usize = 8 * 1024;
/// The largest answer read: base64 adds a third.
const MAX_ANSWER_BYTES: usize = MAX_RIM_BYTES / 3 * 4 + ENVELOPE_BYTES;
/// The one form there is of a GPU's manifest.
const FORMAT: &str = "TCG";

#[derive(Debug)]
pub(super) struct RimService(Upstream);

/// A document that arrived whole, under the id asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) document: Vec<u8>,
    pub(super) sha256: [u8; 32],
    pub(super) last_updated: Option<UnixTime>,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// The service did not give an answer.
    Failed(Failure),
    /// The answer is refused.
    Refused(Reason),
}

impl RimService {
    /// The service in the settings, if there is one.
    pub(super) fn open(settings: &RimServiceSettings) -> Result<Option<Self>, UpstreamError> {
        let url = settings.url.as_deref();
        let open = |url| Upstream::open("the RIM service", url, settings.upstream()).map(Self);
        url.map(open).transpose()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    /// Asks for the manifest of an id, which must be safe in a URL.
    pub(super) async fn manifest(&self, id: &str) -> Result<Delivered, Undelivered> {
        let answer = self.0.get(&["v1", "rim", id], MAX_ANSWER_BYTES).await;
        let answer = answer.map_err(Undelivered::Failed)?;
        read(id, &answer.body).map_err(|reason| {
            Undelivered::Refused(match reason.code {
                Code::RimServiceMalformed => reason.actual(answer.media_type),
                _ => reason,
            })
        })
    }
}

/// Reads an answer. No member may occur twice, known or not: two readers would take two different ones.
fn read(id: &str, body: &[u8]) -> Result<Delivered, Reason> {
    let malformed = |what: &str| {
        Reason::new(Code::RimServiceMalformed, format!("RIM service: {what}"))
            .expected("JSON with id, rim and sha256, no member twice")
    };
    let answer = serde_json::from_slice::<StrictValue>(body);
    let answer = answer.map_err(|_| malformed("the answer is not such JSON"))?;
    let member = |name: &str| answer.as_value().get(name).and_then(Value::as_str);
    let text = |name: &str| {
        let missing = || malformed(&format!("the answer has no text under {name}"));
        member(name).ok_or_else(missing)
    };
    let (actual, rim, stated) = (text("id")?, text("rim")?, text("sha256")?);
    is_of_id(id, actual)?;
    if member("rim_format").is_some_and(|format| format != FORMAT) {
        return Err(malformed("the manifest is of another format than TCG"));
    }
    let document = STANDARD.decode(rim);
    let document = document.map_err(|_| malformed("the manifest is not base64"))?;
    let sha256 = crypto::sha256(&document);
    has_digest(stated, sha256)?;
    Ok(Delivered {
        document,
        sha256,
        last_updated: member("last_updated").and_then(UnixTime::parse_rfc3339),
    })
}

/// Row 75.
fn is_of_id(expected: &str, actual: &str) -> Result<(), Reason> {
    let reason = Reason::new(Code::RimServiceIdMismatch, "RIM service: id in the answer");
    match actual == expected {
        true => Ok(()),
        false => Err(reason.expected(expected).actual(actual)),
    }
}

/// Row 76. The service writes lower-case digits; a mirror may not.
fn has_digest(stated: &str, actual: [u8; 32]) -> Result<(), Reason> {
    let message = "RIM service: SHA-256 of the manifest";
    let reason = Reason::new(Code::RimServiceDigestMismatch, message);
    match Hex::parse(&stated.to_ascii_lowercase()) == Some(Hex(actual)) {
        true => Ok(()),
        false => Err(reason.expected(stated).actual(Hex(actual))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "NV_GPU_DRIVER_GH100_550.90.07";

    fn answer(rim: &str, sha256: &str) -> String {
        format!(
            r#"{{"id":"{ID}","rim":"{rim}","sha256":"{sha256}","rim_format":"TCG","last_updated":"2026-01-02T03:04:05.6Z","request_id":"x"}}"#
        )
    }

    #[test]
    fn a_good_answer_is_read_and_every_lie_refused() {
        let digest = Hex(crypto::sha256(b"<x/>")).to_string();
        let good = answer("PHgvPg==", &digest);
        let delivered = read(ID, good.as_bytes()).unwrap();
        assert_eq!(delivered.document, b"<x/>");
        let updated = UnixTime::parse_rfc3339("2026-01-02T03:04:05Z");
        assert_eq!(delivered.last_updated, updated);
        read(ID, answer("PHgvPg==", &digest.to_uppercase()).as_bytes()).unwrap();

        use Code::{RimServiceDigestMismatch, RimServiceIdMismatch, RimServiceMalformed};
        let table = [
            (
                good.replace(ID, "NV_GPU_DRIVER_GH100_550.90.08"),
                RimServiceIdMismatch,
            ),
            (
                good.replace(&digest, &"0".repeat(64)),
                RimServiceDigestMismatch,
            ),
            (good.replace(&digest, "none"), RimServiceDigestMismatch),
            (
                good.replace("PHgvPg==", "PHgvPgo="),
                RimServiceDigestMismatch,
            ),
            (good.replace("PHgvPg==", "PHgvPg"), RimServiceMalformed),
            (good.replace("PHgvPg==", "<x/>"), RimServiceMalformed),
            (good.replace("\"rim\"", "\"id\""), RimServiceMalformed),
            (
                good.replace("\"request_id\"", "\"rim_format\""),
                RimServiceMalformed,
            ),
            (good.replace("\"TCG\"", "\"CORIM\""), RimServiceMalformed),
            (good.replace("\"rim\"", "\"mir\""), RimServiceMalformed),
            (good.replace("\"PHgvPg==\"", "7"), RimServiceMalformed),
            (good.clone() + "{}", RimServiceMalformed),
            ("[]".to_owned(), RimServiceMalformed),
            ("<html>log in first</html>".to_owned(), RimServiceMalformed),
            (String::new(), RimServiceMalformed),
        ];
        for (body, code) in table {
            let refused = read(ID, body.as_bytes()).unwrap_err();
            assert_eq!(refused.code, code, "{body}");
        }
    }

    #[test]
    fn the_largest_manifest_fits() {
        let rim = STANDARD.encode(vec![b'x'; MAX_RIM_BYTES]);
        assert!(answer(&rim, &"0".repeat(64)).len() + 128 < MAX_ANSWER_BYTES);
    }
}
