//! NVIDIA's RIM service, or a mirror of it: `GET <base>/v1/rim/<id>` (nvidia-evidence 6.1, rows 75 to 77).
//!
//! In scope: the requests, for a manifest and for the ids that there are, and the JSON around the document. Here it is
//! checked that the document is the one asked for and arrived whole, since nobody else checks that; whether anybody
//! signed it is not checked here.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::device::is_rim_id;
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
/// The largest list of ids read: NVIDIA's has some thousand of about 40 bytes.
const MAX_LIST_BYTES: usize = 1024 * 1024;
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

    /// Asks for the ids of the manifests that it has.
    pub(super) async fn ids(&self) -> Result<Vec<String>, Undelivered> {
        let answer = self.0.get(&["v1", "rim", "ids"], MAX_LIST_BYTES).await;
        let answer = answer.map_err(Undelivered::Failed)?;
        read_ids(&answer.body).map_err(Undelivered::Refused)
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

/// Reads the list of ids: those of them that a device of a kind known here could ask for.
fn read_ids(body: &[u8]) -> Result<Vec<String>, Reason> {
    let malformed = || {
        Reason::new(Code::RimServiceMalformed, "RIM service: list of ids")
            .expected("JSON with an array of ids")
    };
    let answer = serde_json::from_slice::<StrictValue>(body).map_err(|_| malformed())?;
    let ids = answer.as_value().get("ids").and_then(Value::as_array);
    let ids = ids.ok_or_else(malformed)?.iter().filter_map(Value::as_str);
    Ok(ids.filter(|id| is_rim_id(id)).map(str::to_owned).collect())
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

/// Whether what was said beside a 404 is the word of a RIM service that it has no such manifest: NVIDIA's has
/// `"message": "RIM_NOT_FOUND"`, a mirror like ours `"code": "rim_not_found"`.
pub(super) fn is_the_service_s_word(said: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<StrictValue>(said) else {
        return false;
    };
    let has =
        |name: &str, word: &str| said.as_value().get(name).and_then(Value::as_str) == Some(word);
    has("message", "RIM_NOT_FOUND") || has("code", "rim_not_found")
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
    fn of_a_list_what_a_device_asks_for_is_read() {
        let other = r#"{"ids":["NV_NIC_FIRMWARE_CX7_28.39.4082-LTS_MCX713104AC-ADA","../x",7,"ids"],"request_id":"x"}"#;
        assert_eq!(read_ids(other.as_bytes()), Ok(Vec::new()));
        let listed = other.replace("../x", ID);
        assert_eq!(read_ids(listed.as_bytes()), Ok(vec![ID.to_owned()]));
        for body in [
            "{}",
            "[]",
            r#"{"ids":"x"}"#,
            r#"{"ids":[],"ids":[]}"#,
            "<html/>",
        ] {
            let refused = read_ids(body.as_bytes()).unwrap_err();
            assert_eq!(refused.code, Code::RimServiceMalformed, "{body}");
        }
    }

    #[test]
    fn not_every_404_is_the_service_s_word() {
        let table = [
            (r#"{"message":"RIM_NOT_FOUND","request_id":"x"}"#, true),
            (
                r#"{"type":"about:blank","status":404,"code":"rim_not_found"}"#,
                true,
            ),
            (r#"{"code":"not_found"}"#, false),
            (r#"{"message":"no Route matched with those values"}"#, false),
            (
                r#"{"message":"Not Found","message":"RIM_NOT_FOUND"}"#,
                false,
            ),
            (r#"["RIM_NOT_FOUND"]"#, false),
            ("<html>RIM_NOT_FOUND</html>", false),
            ("{}", false),
            ("", false),
        ];
        for (said, is_word) in table {
            assert_eq!(is_the_service_s_word(said.as_bytes()), is_word, "{said}");
        }
    }

    #[test]
    fn the_largest_manifest_fits() {
        let rim = STANDARD.encode(vec![b'x'; MAX_RIM_BYTES]);
        assert!(answer(&rim, &"0".repeat(64)).len() + 128 < MAX_ANSWER_BYTES);
    }
}
