//! The judgement about one certificate, and about several.

use serde_json::json;

use super::super::fixture::{
    DAY, NOON, Recipe, SERIAL, STRANGER, UNKNOWN, WITHIN, answer, explicit, nonce, recipe, revoked,
    sequence,
};
use super::{ASKED, PKI, codes};
use crate::cert::ChainProfile;
use crate::check::{CheckId, Status};
use crate::ocsp::{Answer, Hold, Link, OcspResponse, RevocationFinding, RevocationStatus, Terms};
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::Examined;

const TERMS: Terms = Terms {
    as_of: WITHIN,
    max_age_secs: None,
    hold: Hold::Refuted,
};

fn examined(edit: impl FnOnce(&mut Recipe)) -> Examined<OcspResponse> {
    OcspResponse::examine(&answer(edit), &PKI.link(ASKED))
}

/// An answer to a question without a nonce.
fn without_nonce(response: &Examined<OcspResponse>) -> Option<Answer<'_>> {
    let nonce_sent = None;
    Some(Answer {
        response,
        nonce_sent,
    })
}

fn finding(response: &Examined<OcspResponse>, terms: &Terms) -> RevocationFinding {
    RevocationFinding::of(&PKI.link(ASKED), without_nonce(response), terms)
}

fn at(secs: i64) -> Terms {
    let as_of = UnixTime::from_secs(secs);
    Terms { as_of, ..TERMS }
}

fn with_status(status: &[u8]) -> Examined<OcspResponse> {
    examined(|recipe| recipe.single.status = status.to_vec())
}

/// Row 70.
#[test]
fn a_current_answer_decides() {
    use RevocationStatus::{Good, OnHold, Revoked, Unknown};
    const AT: &str = "20250101000000Z";
    #[rustfmt::skip]
    let table: [(&[u8], RevocationStatus, Status, &[Code]); 5] = [
        (&[0x80, 0], Good, Status::Affirmed, &[]),
        (&revoked(AT, None), Revoked, Status::Refuted, &[Code::CertificateRevoked]),
        (&revoked(AT, Some(1)), Revoked, Status::Refuted, &[Code::CertificateRevoked]),
        (&revoked(AT, Some(6)), OnHold, Status::Refuted, &[Code::CertificateOnHold]),
        (UNKNOWN, Unknown, Status::Refuted, &[Code::CertificateStatusUnknown]),
    ];
    for (stated, status, verdict, reasons) in table {
        let finding = finding(&with_status(stated), &TERMS);
        assert_eq!((finding.status(), finding.verdict()), (status, verdict));
        assert_eq!(codes(finding.reasons()), reasons, "{status:?}");
    }
}

/// What is not current is not known, except a revocation that had come into force.
#[test]
fn only_a_revocation_outlives_its_answer() {
    use RevocationStatus::{NotChecked, Revoked};
    let after = at(NOON + 2 * DAY);
    let good = finding(&with_status(&[0x80, 0]), &after);
    assert_eq!(good.status(), NotChecked);
    assert_eq!(good.verdict(), Status::Unverifiable);
    assert_eq!(codes(good.reasons()), [Code::OcspStale]);
    assert_eq!(good.this_update(), Some(UnixTime::from_secs(NOON)));

    let hold = with_status(&revoked("20250101000000Z", Some(6)));
    let hold = finding(&hold, &after);
    assert_eq!(hold.status(), NotChecked);
    let both = [Code::OcspStale, Code::CertificateOnHold];
    assert_eq!(codes(hold.reasons()), both);

    let gone = with_status(&revoked("20250630000000Z", Some(1)));
    let later = finding(&gone, &after);
    assert_eq!(
        (later.status(), later.verdict()),
        (Revoked, Status::Refuted)
    );
    let both = [Code::OcspStale, Code::CertificateRevoked];
    assert_eq!(codes(later.reasons()), both);

    // Before the answer, yet after the revocation; and before both.
    let revocation = NOON - DAY - 12 * 60 * 60;
    assert_eq!(finding(&gone, &at(revocation)).status(), Revoked);
    let before = finding(&gone, &at(revocation - 1));
    assert_eq!(
        (before.status(), before.verdict()),
        (NotChecked, Status::Unverifiable)
    );
}

/// An answer that nobody stands behind says nothing, not even the worst.
#[test]
fn what_is_not_authentic_is_not_believed() {
    let forged = examined(|recipe| {
        recipe.single.status = revoked("20250101000000Z", Some(1));
        recipe.signer = Box::leak(Box::new(STRANGER.responder(ASKED, |_| ())));
    });
    let finding_of_forged = finding(&forged, &TERMS);
    assert_eq!(finding_of_forged.status(), RevocationStatus::NotChecked);
    assert_eq!(finding_of_forged.verdict(), Status::Unverifiable);
    let reasons = codes(finding_of_forged.reasons());
    assert_eq!(reasons, [Code::OcspSignatureInvalid]);
    assert_eq!(finding_of_forged.this_update(), None);
    assert_eq!(finding_of_forged.revoked_at(), None);

    let unreadable = OcspResponse::examine(b"", &PKI.link(ASKED));
    let finding = finding(&unreadable, &TERMS);
    assert_eq!(finding.status(), RevocationStatus::NotChecked);
    assert_eq!(codes(finding.reasons()), [Code::OcspMalformed]);
}

/// An answer filed under the wrong certificate is authentic, but not for this one.
#[test]
fn an_answer_counts_for_its_own_certificate_alone() {
    let response = OcspResponse::examine(&recipe().der(), &PKI.link(ASKED));
    assert!(matches!(response, Examined::Authentic(_)));
    let answer = without_nonce(&response);
    let elsewhere = [PKI.link(ASKED + 1), STRANGER.link(ASKED)];
    for link in elsewhere {
        let finding = RevocationFinding::of(&link, answer, &TERMS);
        assert_eq!(finding.status(), RevocationStatus::NotChecked);
        assert_eq!(finding.verdict(), Status::Unverifiable);
        let found = codes(finding.reasons());
        assert!(found.contains(&Code::OcspCertificateMismatch), "{found:?}");
        assert_eq!(finding.this_update(), None);
    }
}

/// Row 67.
#[test]
fn a_nonce_that_was_sent_comes_back() {
    let sent = [7; 32];
    let with = |bytes: &[u8]| {
        let extensions = explicit(1, &sequence(&[&nonce(bytes)]));
        examined(|recipe| recipe.extensions = extensions)
    };
    #[rustfmt::skip]
    let table: [(Examined<OcspResponse>, &[Code]); 3] = [
        (with(&sent), &[]),
        (with(&[8; 32]), &[Code::OcspNonceMismatch]),
        (examined(|_| ()), &[Code::OcspNonceAbsent]),
    ];
    for (response, reasons) in &table {
        let answer = Answer {
            response,
            nonce_sent: Some(&sent),
        };
        let judged = RevocationFinding::of(&PKI.link(ASKED), Some(answer), &TERMS);
        assert_eq!(codes(judged.reasons()), *reasons);
        let is_good = judged.status() == RevocationStatus::Good;
        assert_eq!(is_good, reasons.is_empty());
        // Nobody asked for a nonce: the answer may have been made for another question.
        assert_eq!(finding(response, &TERMS).status(), RevocationStatus::Good);
    }
}

#[test]
fn the_callers_bound_on_age_counts() {
    let response = examined(|_| ());
    let within = |max_age_secs| Terms {
        max_age_secs: Some(max_age_secs),
        ..TERMS
    };
    let half_a_day = 12 * 60 * 60;
    let young = finding(&response, &within(half_a_day));
    assert_eq!(young.status(), RevocationStatus::Good);
    let old = finding(&response, &within(half_a_day - 1));
    assert_eq!(old.status(), RevocationStatus::NotChecked);
    assert_eq!(codes(old.reasons()), [Code::OcspTooOld]);
}

/// Row 71.
#[test]
fn a_hold_is_tolerated_on_request_in_chains_of_manifests() {
    let response = with_status(&revoked("20250101000000Z", Some(6)));
    let answer = without_nonce(&response);
    let device = PKI.link(ASKED);
    let rim = Link {
        profile: ChainProfile::Rim,
        ..device
    };
    let tolerant = Terms {
        hold: Hold::ToleratedForRims,
        ..TERMS
    };
    let table = [
        (device, TERMS, Status::Refuted),
        (device, tolerant, Status::Refuted),
        (rim, TERMS, Status::Refuted),
        (rim, tolerant, Status::Affirmed),
    ];
    for (link, terms, verdict) in table {
        let finding = RevocationFinding::of(&link, answer, &terms);
        assert_eq!(finding.verdict(), verdict);
        assert_eq!(finding.status(), RevocationStatus::OnHold);
        assert_eq!(codes(finding.reasons()), [Code::CertificateOnHold]);
    }
    // Never issued is no hold, and a revocation is none either.
    for (at, reason) in [("19700101000000Z", 6), ("20250101000000Z", 4)] {
        let response = with_status(&revoked(at, Some(reason)));
        let answer = without_nonce(&response);
        let finding = RevocationFinding::of(&rim, answer, &tolerant);
        assert_eq!(finding.verdict(), Status::Refuted);
    }
    let response = with_status(&[0x80, 0]);
    let stale = without_nonce(&response);
    let late = Terms {
        as_of: UnixTime::from_secs(NOON + 2 * DAY),
        ..tolerant
    };
    let finding = RevocationFinding::of(&rim, stale, &late);
    assert_eq!(finding.verdict(), Status::Unverifiable);
}

#[test]
fn no_answer_is_a_finding_and_never_a_pass() {
    let link = PKI.link(ASKED);
    let none = RevocationFinding::of(&link, None, &TERMS);
    let timeout = Reason::new(Code::OcspNotAvailable, "connection timed out");
    let why = RevocationFinding::not_checked(&link, timeout);
    for finding in [&none, &why] {
        assert_eq!(finding.status(), RevocationStatus::NotChecked);
        assert_eq!(finding.verdict(), Status::Unverifiable);
        assert_eq!(codes(finding.reasons()), [Code::OcspNotAvailable]);
    }
    assert_eq!(
        why.reasons()[0].message,
        "certificate 1 (test L4): connection timed out"
    );
}

#[test]
fn a_finding_is_told_in_words() {
    let response = examined(|recipe| {
        recipe.single.status = revoked("20250101000000Z", Some(1));
    });
    let link = PKI.link(ASKED);
    assert_eq!(link.subject().serial()[0], 0);
    let found = serde_json::to_value(finding(&response, &TERMS)).unwrap();
    let wanted = json!({
        "position": 1,
        "subject": "test L4",
        "serial": hex::encode(SERIAL),
        "status": "revoked",
        "verdict": "refuted",
        "revoked_at": "2025-01-01T00:00:00Z",
        "revocation_reason": "key_compromise",
        "this_update": "2025-07-01T12:00:00Z",
        "next_update": "2025-07-02T12:00:00Z",
        "response_sha256": hex::encode(response.peek().unwrap().sha256()),
        "responder_no_check": false,
        "nonce_matches": null,
        "reasons": [{
            "code": "certificate_revoked",
            "message": "certificate 1 (test L4): status",
            "expected": "good",
            "actual": "revoked at 2025-01-01T00:00:00Z: key_compromise",
        }],
    });
    assert_eq!(found, wanted);
    let rim = Link {
        profile: ChainProfile::Rim,
        ..link
    };
    let finding = RevocationFinding::of(&rim, None, &TERMS);
    let about = "RIM certificate 1 (test L4): no OCSP response at hand";
    assert_eq!(finding.reasons()[0].message, about);
}

#[test]
fn one_refuted_outweighs_unverifiable_outweighs_affirmed() {
    let good = finding(&examined(|_| ()), &TERMS);
    let missing = RevocationFinding::of(&PKI.link(ASKED), None, &TERMS);
    let gone = with_status(&revoked("20250101000000Z", None));
    let gone = finding(&gone, &TERMS);
    #[rustfmt::skip]
    let table: [(&[&RevocationFinding], Status, usize); 6] = [
        (&[], Status::Unverifiable, 1),
        (&[&good, &good], Status::Affirmed, 0),
        (&[&good, &missing], Status::Unverifiable, 1),
        (&[&missing, &missing], Status::Unverifiable, 2),
        (&[&gone, &missing, &good], Status::Refuted, 2),
        (&[&good, &gone], Status::Refuted, 1),
    ];
    for (findings, status, reasons) in table {
        let check = RevocationFinding::check(findings.iter().copied());
        assert_eq!(check.id, CheckId::Revocation);
        assert_eq!(check.status, status);
        assert_eq!(check.reasons.len(), reasons);
    }
}
