use std::collections::BTreeSet;

use axum::body::to_bytes;
use evidence::{Check, CheckId, Code, Reason, Status};
use serde_json::Value;

use super::*;

async fn json_of(problem: Problem) -> (Response, Value) {
    let (parts, body) = problem.into_response().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let value = serde_json::from_slice(&bytes).unwrap();
    (
        Response::from_parts(parts, axum::body::Body::empty()),
        value,
    )
}

fn refused(checks: Vec<Check>) -> Problem {
    let located: Vec<_> = checks.iter().map(|check| (check, None)).collect();
    let deny = vec![Denial {
        code: "no".into(),
        message: "not today".into(),
    }];
    findings::refused(&located, deny)
}

#[test]
fn codes_are_unique_snake_case_explained_and_none_of_the_evidence() {
    let ours: BTreeSet<_> = ProblemCode::ALL
        .iter()
        .map(|(code, _)| code.as_str())
        .collect();
    assert_eq!(ours.len(), ProblemCode::ALL.len());
    for (code, meaning) in ProblemCode::ALL {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(code.as_str().chars().all(snake), "{code}");
        assert!(
            meaning.trim().ends_with('.') && !meaning.trim().is_empty(),
            "{code}"
        );
        assert!(
            StatusCode::from_u16(code.status()).unwrap().as_u16() >= 400,
            "{code}"
        );
    }
    let theirs = Code::ALL.iter().map(|(code, _)| code.as_str());
    assert_eq!(
        theirs
            .filter(|code| ours.contains(code))
            .collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}

#[test]
fn the_readme_lists_every_code() {
    let readme = include_str!("../../README.md");
    for (code, _) in ProblemCode::ALL {
        let row = format!("| {} | `{code}` |", code.status());
        assert!(readme.contains(&row), "{row}");
    }
}

#[tokio::test]
async fn the_shape_is_rfc_9457() {
    let problem = Problem::new(ProblemCode::TooManyChallenges)
        .detail("10 are open")
        .retry_after_s(7);
    let (response, value) = json_of(problem).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    let expected = serde_json::json!({
        "type": "urn:pogw:problem:too_many_challenges",
        "title": "Too many challenges wait for an answer.",
        "status": 429,
        "detail": "10 are open",
        "code": "too_many_challenges",
    });
    assert_eq!(value, expected);
}

#[tokio::test]
async fn a_cause_is_for_the_log_alone() {
    let inner = std::io::Error::other("disk serial 1234");
    let (response, value) = json_of(Problem::caused(ProblemCode::StoreFailed, inner)).await;
    assert!(!value.to_string().contains("1234"), "{value}");
    assert_eq!(
        response.extensions().get::<Cause>().unwrap().chain(),
        "disk serial 1234"
    );
    assert_eq!(
        response.extensions().get::<AnsweredCode>().unwrap().0,
        "store_failed"
    );
}

#[tokio::test]
async fn a_refusal_lists_what_is_not_affirmed() {
    let reason = Reason::new(Code::NonceMismatch, "nonce in the report")
        .expected("aa")
        .actual("bb");
    let problem = refused(vec![
        Check::refuted_by(
            CheckId::OutputCommitment,
            vec![Reason::new(Code::EvidenceRefuted, "x")],
        ),
        Check::affirmed(CheckId::Job),
        Check::not_requested(CheckId::Revocation),
        Check::refuted_by(CheckId::Nonce, vec![reason]),
    ]);
    let (response, value) = json_of(problem).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        value["code"], "nonce_mismatch",
        "the first in the order of the checks"
    );
    assert_eq!(value["checks"].as_array().unwrap().len(), 2);
    let expected = serde_json::json!({
        "id": "nonce",
        "status": "refuted",
        "reasons": [{
            "code": "nonce_mismatch",
            "message": "nonce in the report",
            "expected": "aa",
            "actual": "bb",
        }],
        "remedy": CheckId::Nonce.remedy(),
    });
    assert_eq!(value["checks"][1], expected);
    assert_eq!(value["deny"][0]["code"], "no");
}

#[test]
fn what_is_not_refuted_is_told_apart() {
    let unverifiable = |id, code| Check::unverifiable(id, Reason::new(code, "x"));
    let revoked = [Code::OcspStale, Code::CertificateRevoked].map(|code| Reason::new(code, "x"));
    let table = [
        (
            vec![Check::refuted_by(CheckId::Revocation, revoked.to_vec())],
            422,
            "certificate_revoked",
        ),
        (vec![Check::affirmed(CheckId::Job)], 422, "policy_denied"),
        (
            vec![unverifiable(CheckId::DriverRim, Code::RimNotAvailable)],
            503,
            "unverifiable",
        ),
        (
            vec![unverifiable(CheckId::OutputDigest, Code::OutputNotProvided)],
            422,
            "output_not_provided",
        ),
        (
            vec![Check::with(CheckId::Job, Status::Refuted, vec![])],
            422,
            "policy_denied",
        ),
    ];
    for (checks, status, code) in table {
        let problem = refused(checks);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
    }
}

#[test]
fn an_answer_about_revocation_of_no_use_is_an_outage_whatever_is_wrong_with_it() {
    let of_the_certificate = [
        Code::CertificateRevoked,
        Code::CertificateOnHold,
        Code::CertificateStatusUnknown,
    ];
    let wrong = Code::ALL.iter().map(|(code, _)| *code);
    let wrong = wrong.filter(|code| !of_the_certificate.contains(code));
    for code in wrong {
        let reasons = vec![Reason::new(code, "x")];
        let check = Check::with(CheckId::Revocation, Status::Unverifiable, reasons.clone());
        let problem = refused(vec![check]);
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (503, "unverifiable"),
            "{code}"
        );
        // Beside a revocation it is not what the refusal is named after.
        let revoked = [reasons, vec![Reason::new(Code::CertificateRevoked, "x")]].concat();
        let problem = refused(vec![Check::refuted_by(CheckId::Revocation, revoked)]);
        assert_eq!(problem.code(), "certificate_revoked", "{code}");
    }
}
