//! Whether the verifier has the manifests that these devices ask for: `GET /v1/coverage?rim=ID&rim=ID`.
//!
//! In scope: asking, and reading the answer of a service that may be newer, or that may not know the question.
//! Out of scope: the manifests.

use evidence::UnixTime;
use serde::Deserialize;

use super::network::Reading;
use super::{Finding, FindingId, now};
use crate::clock::Clock;
use crate::problem::ProblemReason;
use crate::verifier::Verifier;

/// What a verifier says of its manifests. Unknown members are ignored.
#[derive(Debug, Deserialize)]
struct Coverage {
    as_of: Option<String>,
    manifests: Vec<Manifest>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    id: String,
    status: String,
    #[serde(default)]
    valid_until: Option<String>,
    #[serde(default)]
    reasons: Vec<ProblemReason>,
}

/// One finding for each id, and the verifier's time.
pub(super) async fn examine(
    verifier: &Verifier,
    ids: &[String],
    clock: &dyn Clock,
) -> (Vec<Finding>, Option<Reading>) {
    if ids.is_empty() {
        let open = Finding::open(FindingId::ReferenceManifest, FindingId::ReportForm);
        return (vec![open], None);
    }
    let query: Vec<_> = ids.iter().map(|id| ("rim", id.as_str())).collect();
    let answer = match verifier.get("v1/coverage", &query).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return (untold(ids, &crate::http::chain(&error)), None),
        Err(error) => return (untold(ids, &error.to_string()), None),
    };
    if answer.status != 200 {
        let problem = answer.problem().to_string();
        return (untold(ids, &problem), None);
    }
    match serde_json::from_slice::<Coverage>(&answer.body) {
        Ok(coverage) => {
            let findings = ids.iter().map(|id| coverage.of(id)).collect();
            (findings, coverage.reading(now(clock)))
        }
        Err(error) => {
            let why = format!("the answer is not one about coverage: {error}");
            (untold(ids, &why), None)
        }
    }
}

fn untold(ids: &[String], why: &str) -> Vec<Finding> {
    let id = FindingId::ReferenceManifest;
    let found = format!("the verifier does not tell: {why}");
    let finding = |rim: &String| {
        Finding::unknown(id, found.clone()).of_manifest(rim).mend(
            "Nothing here says no: a verifier that does not know the question answers when evidence comes.",
        )
    };
    ids.iter().map(finding).collect()
}

impl Coverage {
    /// A manifest that is named twice is as good as the first says: the verifier answers in order.
    fn of(&self, id: &str) -> Finding {
        let named = self.manifests.iter().find(|manifest| manifest.id == id);
        let finding = match named {
            Some(manifest) => manifest.finding(),
            None => Finding::unknown(
                FindingId::ReferenceManifest,
                "the verifier's answer does not name it",
            ),
        };
        finding.of_manifest(id)
    }

    fn reading(&self, now: UnixTime) -> Option<Reading> {
        let as_of = UnixTime::parse_rfc3339(self.as_of.as_deref()?)?;
        Some(Reading {
            of: "the time the verifier judges at",
            ahead_s: now.secs().saturating_sub(as_of.secs()),
        })
    }
}

impl Manifest {
    fn finding(&self) -> Finding {
        let id = FindingId::ReferenceManifest;
        let mut found = self.status.clone();
        if let Some(until) = &self.valid_until {
            found = format!("{found}, valid until {until}");
        }
        for reason in &self.reasons {
            found = format!("{found}; {reason}");
        }
        let finding = match self.status.as_str() {
            "available" => return Finding::ok(id, found),
            "expired" | "not_yet_valid" | "refused" | "missing" => Finding::problem(id, found),
            _ => Finding::unknown(id, found),
        };
        let codes = self.reasons.iter().map(|reason| reason.code.clone());
        codes.fold(finding, Finding::code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindingStatus;
    use super::*;

    #[test]
    fn every_status_has_its_verdict() {
        let table = [
            ("available", FindingStatus::Ok),
            ("expired", FindingStatus::Problem),
            ("not_yet_valid", FindingStatus::Problem),
            ("refused", FindingStatus::Problem),
            ("missing", FindingStatus::Problem),
            ("unreachable", FindingStatus::Unknown),
            ("invented_later", FindingStatus::Unknown),
        ];
        for (status, expected) in table {
            let json = format!(
                r#"{{"as_of":"2026-01-01T00:00:00Z","covered":true,"later":1,"manifests":[{{"role":"driver_rim",
                "id":"A","status":"{status}","valid_until":null,"reasons":[{{"code":"rim_not_available",
                "message":"no manifest","expected":"A","actual":null}}]}}]}}"#
            );
            let coverage: Coverage = serde_json::from_str(&json).unwrap();
            let finding = coverage.of("A");
            assert_eq!(finding.status, expected, "{status}");
            assert_eq!(finding.manifest.as_deref(), Some("A"));
            assert_eq!(coverage.of("B").status, FindingStatus::Unknown);
            let reading = coverage
                .reading(UnixTime::from_secs(1_767_225_601))
                .unwrap();
            assert_eq!(reading.ahead_s, 1);
        }
    }
}
