//! Cases that are each wrong in one way, grouped by the module whose rules they break.

mod authenticity;
mod choice;
mod finding;
mod form;
mod freshness;
mod mutation;
mod request;
mod status;

use super::fixture::{
    ASKED, NOON, PKI, RESPONDER, THIS_UPDATE, answer, explicit, nonce, recipe, sequence, time,
};
use super::*;
use crate::crypto;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::{Authentic, Examined};

fn codes(reasons: &[Reason]) -> Vec<Code> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// The reasons for which `der` is not read.
fn refused(defect: &str, der: &[u8]) -> Vec<Reason> {
    match OcspResponse::parse(der) {
        Ok(_) => panic!("{defect}: was read"),
        Err(reasons) => reasons,
    }
}

/// The answer, which has to be authentic for the certificate asked about.
fn authentic(der: &[u8]) -> Authentic<OcspResponse> {
    let response = OcspResponse::parse(der).unwrap();
    response.authenticate(&PKI.link(ASKED)).unwrap()
}

#[test]
fn a_good_answer_says_what_it_says() {
    let der = recipe().der();
    let response = authentic(&der);
    assert!(response.is_simulated());
    let response = response.get();
    assert_eq!(response.id(), &PKI.link(ASKED).id());
    assert_eq!(response.status(), CertificateStatus::Good);
    assert_eq!(response.produced_at(), UnixTime::from_secs(NOON));
    assert_eq!(response.this_update(), UnixTime::from_secs(NOON));
    let tomorrow = UnixTime::from_secs(NOON + fixture::DAY);
    assert_eq!(response.next_update(), Some(tomorrow));
    assert_eq!(response.nonce(), None);
    assert_eq!(response.sha256(), &crypto::sha256(&der));
    let responder = response.responder().unwrap();
    assert_eq!(responder.der(), RESPONDER.certificate);
    let issuer = PKI.link(ASKED).issuer();
    assert_eq!(response.responder_no_check(issuer), Some(false));
}

#[test]
fn the_times_are_each_their_own() {
    let der = answer(|recipe| {
        recipe.produced_at = time("20250701120001Z");
        recipe.single.next_update = explicit(0, &time("20250701120003Z"));
    });
    let response = authentic(&der);
    let response = response.get();
    assert_eq!(response.this_update().secs(), NOON);
    assert_eq!(response.produced_at().secs(), NOON + 1);
    assert_eq!(response.valid_until().secs(), NOON + 3);
}

#[test]
fn examine_is_parse_and_authenticate() {
    let examine = |der: &[u8]| OcspResponse::examine(der, &PKI.link(ASKED));
    assert!(matches!(examine(&recipe().der()), Examined::Authentic(_)));
    assert!(matches!(examine(b""), Examined::Unreadable(_)));
    let about_another = OcspResponse::examine(&recipe().der(), &PKI.link(ASKED + 1));
    assert!(matches!(about_another, Examined::Refuted(_)));
}

#[test]
fn a_nonce_matches_or_not_or_is_absent() {
    let with = |bytes: &[u8]| {
        let extensions = explicit(1, &sequence(&[&nonce(bytes)]));
        authentic(&answer(|recipe| recipe.extensions = extensions))
    };
    let sent = [7; 32];
    let verdict = |response: &Authentic<OcspResponse>| response.get().nonce_verdict(&sent);
    assert_eq!(verdict(&with(&sent)), NonceVerdict::Match);
    let others: [&[u8]; 4] = [&[8; 32], &[7; 31], &[7; 33], &[7]];
    for other in others {
        assert_eq!(with(other).get().nonce(), Some(other));
        assert_eq!(verdict(&with(other)), NonceVerdict::Mismatch, "{other:?}");
    }
    assert_eq!(verdict(&authentic(&recipe().der())), NonceVerdict::Absent);
}

/// Rows 58 and 60: neither the leaf nor the root is asked about, and how many are is fixed.
#[test]
fn a_device_chain_has_three_links() {
    let links = Link::of_device(PKI.chain());
    let positions: Vec<_> = links.iter().map(Link::position).collect();
    assert_eq!(positions, [1, 2, 3]);
    let names = |link: &Link<'_>| {
        let (subject, issuer) = (link.subject(), link.issuer());
        (
            subject.common_name().to_owned(),
            issuer.common_name().to_owned(),
        )
    };
    let wanted = [
        ("test L4", "test L3"),
        ("test L3", "test L2"),
        ("test L2", "test root"),
    ];
    for (link, (subject, issuer)) in links.iter().zip(wanted) {
        assert_eq!(names(link), (subject.to_owned(), issuer.to_owned()));
    }
}

/// Row 59.
#[test]
fn a_manifest_has_a_link_for_each_certificate_below_the_root() {
    use crate::cert::ChainProfile;
    let chain = PKI.chain().get();
    let links: Vec<_> = link::links(ChainProfile::Rim, chain, false).collect();
    let positions: Vec<_> = links.iter().map(Link::position).collect();
    assert_eq!(positions, [0, 1, 2, 3]);
}

#[test]
fn the_fixture_is_dated_as_it_says() {
    let noon = UnixTime::parse_rfc3339("2025-07-01T12:00:00Z");
    assert_eq!(noon, Some(UnixTime::from_secs(NOON)));
    assert_eq!(THIS_UPDATE, "20250701120000Z");
}

#[test]
fn an_owned_link_is_the_link_it_came_from() {
    let der = recipe().der();
    for link in Link::of_device(PKI.chain()) {
        let owned = OwnedLink::from(&link);
        let again = owned.as_link();
        assert_eq!((again.id(), again.position()), (link.id(), link.position()));
        assert_eq!(again.is_simulated(), link.is_simulated());
        let judged = |link: &Link<'_>| match OcspResponse::examine(&der, link) {
            Examined::Authentic(response) => Ok(response.is_simulated()),
            examined => Err(codes(&examined.reasons_at(fixture::WITHIN))),
        };
        assert_eq!(judged(&again), judged(&link));
        assert_eq!(judged(&again).is_ok(), link.position() == ASKED);
    }
}
