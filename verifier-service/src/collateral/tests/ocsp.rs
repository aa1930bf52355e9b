//! Answers about revocation: from the responder, from a directory, and made for one appraisal.

use evidence::ocsp::{CertificateId, CertificateStatus, Hold, IdHash, NonceVerdict, OcspRequest};

use super::super::fixture::{Answer, Asked, on_hold, revoked, unsuccessful};
use super::*;

const TERMS: Terms = Terms {
    as_of: NOW,
    max_age_secs: None,
    hold: Hold::Refuted,
};

/// Position of the certificate most tests ask about.
const ASKED: usize = 1;

impl Site {
    fn answer(&self) -> Lookup<OcspAtHand> {
        self.answer_within(None)
    }

    fn answer_within(&self, max_age_secs: Option<u64>) -> Lookup<OcspAtHand> {
        let terms = Terms {
            as_of: self.clock.now(),
            max_age_secs,
            ..TERMS
        };
        let link = PKI.link(ASKED);
        self.collateral.look_up_ocsp(
            &self.collateral.filed_answers(),
            &link,
            &terms,
            self.clock.now(),
        )
    }

    async fn want_answer(&self) {
        if let Lookup::Ask(need) = self.answer() {
            self.collateral.fetch(vec![need], soon()).await;
        }
    }

    #[track_caller]
    fn answered(&self) -> OcspAtHand {
        match self.answer() {
            Lookup::Found(found) => found,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn unanswered(&self) -> Absence {
        match self.answer() {
            Lookup::Absent(absence) => absence,
            other => panic!("{other:?}"),
        }
    }
}

fn later_by(secs: i64) -> UnixTime {
    UnixTime::from_secs(NOW.secs() + secs)
}

/// Says this, whatever it is asked.
fn repeats(answer: Answer) -> impl Fn(&Asked) -> Says + Send + Sync {
    let der = answer.der();
    move |_| Says::body(der.clone())
}

/// Answers the question: with its id and nonce.
fn good(asked: &Asked) -> Says {
    let request = OcspRequest::parse(&asked.body).unwrap();
    let position = (1..=3).find(|at| {
        request
            .id()
            .names(PKI.link(*at).subject(), PKI.link(*at).issuer())
    });
    let answer = Answer {
        id: request.id().clone(),
        nonce: request.nonce().map(<[u8]>::to_vec),
        ..PKI.answer(position.unwrap())
    };
    Says::body(answer.der())
}

#[tokio::test]
async fn an_answer_is_asked_for_by_sha_384_without_nonce_and_found() {
    let fake = Fake::new(good).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let needs: Vec<_> = (1..=3)
        .filter_map(|at| {
            match site.collateral.look_up_ocsp(
                &site.collateral.filed_answers(),
                &PKI.link(at),
                &TERMS,
                NOW,
            ) {
                Lookup::Ask(need) => Some(need),
                _ => None,
            }
        })
        .collect();
    assert_eq!(needs.len(), 3);
    let twice = [needs.clone(), needs].concat();
    site.collateral.fetch(twice, soon()).await;
    for at in 1..=3 {
        let found = site.collateral.look_up_ocsp(
            &site.collateral.filed_answers(),
            &PKI.link(at),
            &TERMS,
            NOW,
        );
        let Lookup::Found(found) = found else {
            panic!("{found:?}");
        };
        assert!(found.response.verified_at(NOW).is_some());
        assert_eq!(
            (found.origin, found.fetched_at),
            (Origin::Service, Some(NOW))
        );
        assert_eq!(
            found.response.peek().unwrap().sha256(),
            &crypto::sha256(&found.der)
        );
    }
    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    for asked in asked {
        assert_eq!(asked.headers["content-type"], "application/ocsp-request");
        assert_eq!(asked.headers["accept"], "application/ocsp-response");
        let request = OcspRequest::parse(&asked.body).unwrap();
        assert_eq!(
            (request.id().id_hash(), request.nonce()),
            (IdHash::Sha384, None)
        );
    }
}

#[tokio::test]
async fn an_answer_is_renewed_at_half_its_time_and_ends_with_its_next_update() {
    let fake = Fake::new(good).await;
    let site = Site::new(&with_ocsp(&fake), None);
    site.want_answer().await;
    site.clock.advance_s(DAY / 2 - 1);
    site.answered();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fake.hits(), 1);
    fake.says(|_| Says::status(503));
    site.clock.advance_s(1);
    site.answered();
    fake.until_asked(2).await;
    site.clock.set(later_by(DAY));
    assert!(!site.answered().is_stale());
    site.clock.advance_s(1);
    site.want_answer().await;
    let absence = site.unanswered();
    assert_eq!(absence.reason.message, "OCSP responder: status 503");
    assert_eq!(absence.reason.code, Code::OcspNotAvailable);
}

#[tokio::test]
async fn a_bound_of_the_caller_s_ends_an_answer_earlier() {
    let fake = Fake::new(good).await;
    let site = Site::new(&with_ocsp(&fake), None);
    site.want_answer().await;
    site.clock.advance_s(600);
    assert!(matches!(site.answer_within(Some(600)), Lookup::Found(_)));
    site.clock.advance_s(1);
    assert!(matches!(site.answer_within(Some(600)), Lookup::Ask(_)));
    assert!(matches!(site.answer(), Lookup::Found(_)));
}

/// The responder is another's cache, which hands out what was known a while ago.
#[tokio::test]
async fn a_bound_of_the_caller_s_counts_from_when_a_status_was_known() {
    const MAX_AGE_S: u64 = 3600;
    let known = |secs: i64| Answer {
        this_update: later_by(secs),
        next_update: later_by(secs + DAY),
        ..PKI.answer(ASKED)
    };
    let fake = Fake::new(repeats(known(-3540))).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let want = async || {
        if let Lookup::Ask(need) = site.answer_within(Some(MAX_AGE_S)) {
            let asking = site
                .collateral
                .fetch_missing(vec![need], Some(MAX_AGE_S), soon());
            asking.await;
        }
        match site.answer_within(Some(MAX_AGE_S)) {
            Lookup::Found(found) => found.response.peek().unwrap().this_update(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((want().await, fake.hits()), (later_by(-3540), 1));
    // Too old now, and the responder has no other: that is found out once, not by everybody who asks.
    site.clock.advance_s(61);
    for _ in 0..5 {
        assert_eq!((want().await, fake.hits()), (later_by(-3540), 2));
    }
    site.clock.advance_s(9);
    assert_eq!((want().await, fake.hits()), (later_by(-3540), 2));
    fake.says(repeats(known(65)));
    site.clock.advance_s(1);
    assert_eq!((want().await, fake.hits()), (later_by(65), 3));
    // A filed one that is not too old spares the question.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.der"), known(-60).der()).unwrap();
    let mut settings = with_ocsp(&fake);
    settings.ocsp.dir = Some(folder.path().to_owned());
    let site = Site::new(&settings, None);
    assert!(matches!(site.answer_within(Some(60)), Lookup::Found(_)));
    assert!(matches!(site.answer_within(Some(59)), Lookup::Ask(_)));
}

#[tokio::test]
async fn answers_of_no_use_are_refused_with_their_reason() {
    let good = PKI.answer(ASKED);
    let table = [
        (PKI.answer(2).der(), "ocsp_certificate_mismatch", 10),
        (
            Answer {
                by: 0,
                ..good.clone()
            }
            .der(),
            "ocsp_responder_untrusted",
            10,
        ),
        (b"<html>log in</html>".to_vec(), "ocsp_malformed", 10),
        (vec![0x30; 20_000], "an answer of more than 16384 bytes", 10),
        (unsuccessful(3), "tryLater", 10),
        (unsuccessful(6), "unauthorized", 300),
        (
            Answer {
                this_update: later_by(-2 * DAY),
                next_update: later_by(-DAY),
                ..good.clone()
            }
            .der(),
            "ocsp_stale",
            10,
        ),
        (
            Answer {
                this_update: later_by(DAY),
                next_update: later_by(2 * DAY),
                ..good
            }
            .der(),
            "ocsp_not_yet_valid",
            10,
        ),
    ];
    for (der, says, seconds) in table {
        let fake = Fake::new(move |_| Says::body(der.clone())).await;
        let site = Site::new(&with_ocsp(&fake), None);
        site.want_answer().await;
        let absence = site.unanswered();
        assert_eq!(absence.reason.code, Code::OcspNotAvailable);
        assert_eq!(absence.kind, AbsenceKind::Refused);
        assert!(absence.reason.message.contains(says), "{says}: {absence:?}");
        site.clock.advance_s(seconds - 1);
        site.unanswered();
        site.clock.advance_s(1);
        assert!(matches!(site.answer(), Lookup::Ask(_)), "{says}");
    }
}

#[tokio::test]
async fn an_older_answer_displaces_no_newer_one() {
    let fake = Fake::new(repeats(PKI.answer(ASKED))).await;
    let site = Site::new(&with_ocsp(&fake), None);
    site.want_answer().await;
    let first = site.answered().der;
    let older = Answer {
        this_update: later_by(-60),
        ..PKI.answer(ASKED)
    };
    fake.says(repeats(older));
    let need = Need::Ocsp(OcspNeed::of(&PKI.link(ASKED)));
    site.collateral.fetch(vec![need], soon()).await;
    assert_eq!(fake.hits(), 2);
    assert_eq!(site.answered().der, first);
}

#[tokio::test]
async fn a_revocation_outlives_its_next_update_until_a_newer_answer() {
    let is_revoked = |found: &OcspAtHand| {
        let status = found.response.peek().unwrap().status();
        matches!(status, CertificateStatus::Revoked { .. })
    };
    let revoked = Answer {
        status: revoked(later_by(-DAY)),
        ..PKI.answer(ASKED)
    };
    let fake = Fake::new(repeats(revoked)).await;
    let site = Site::new(&with_ocsp(&fake), None);
    site.want_answer().await;
    assert!(is_revoked(&site.answered()));
    fake.says(|_| Says::status(500));
    site.clock.set(later_by(30 * DAY));
    assert!(matches!(site.answer(), Lookup::Ask(_)), "tried first");
    site.want_answer().await;
    let stale = site.answered();
    assert!(is_revoked(&stale) && stale.is_stale());
    site.clock.advance_s(700);
    fake.says(repeats(Answer {
        this_update: site.clock.now(),
        next_update: later_by(31 * DAY),
        ..PKI.answer(ASKED)
    }));
    site.want_answer().await;
    assert!(!is_revoked(&site.answered()));
}

#[tokio::test]
async fn a_revocation_that_comes_out_of_date_is_used_as_stale() {
    let outdated = Answer {
        status: revoked(later_by(-3 * DAY)),
        this_update: later_by(-2 * DAY),
        next_update: later_by(-DAY),
        ..PKI.answer(ASKED)
    };
    let fake = Fake::new(repeats(outdated)).await;
    let site = Site::new(&with_ocsp(&fake), None);
    site.want_answer().await;
    assert!(site.answered().is_stale());
    let settled = site.collateral.settle_ocsp(
        &site.collateral.filed_answers(),
        &PKI.link(ASKED),
        &TERMS,
        later_by(DAY),
    );
    assert!(settled.unwrap().is_stale());
    let nothing =
        site.collateral
            .settle_ocsp(&site.collateral.filed_answers(), &PKI.link(2), &TERMS, NOW);
    let reason = nothing.unwrap_err().reason;
    assert_eq!(reason.message, "OCSP responder: no answer in time");
}

#[tokio::test]
async fn an_answer_asked_for_now_has_its_own_nonce_and_no_cache() {
    let fake = Fake::new(good).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let need = || OcspNeed::of(&PKI.link(ASKED));
    let ask = async |needs| site.collateral.ask_now(needs, soon()).await;
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let answers = ask(vec![need(), need()]).await;
        let [(asked, Ok(fresh))] = answers.as_slice() else {
            panic!("one answer for one certificate: {answers:?}");
        };
        assert_eq!(asked, &need());
        let response = fresh.response.peek().unwrap();
        assert_eq!(
            response.nonce_verdict(&fresh.nonce_sent),
            NonceVerdict::Match
        );
        nonces.push(fresh.nonce_sent);
    }
    assert_ne!(nonces[0], nonces[1]);
    assert_eq!(fake.hits(), 2);
    site.answered();
    assert_eq!(fake.hits(), 2, "a good answer is kept for others");
}

#[tokio::test]
async fn an_answer_without_the_nonce_is_handed_over_and_not_kept() {
    let fake = Fake::new(repeats(PKI.answer(ASKED))).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let needs = vec![OcspNeed::of(&PKI.link(ASKED))];
    let answers = site.collateral.ask_now(needs, soon()).await;
    let fresh = answers[0].1.as_ref().unwrap();
    let response = fresh.response.peek().unwrap();
    assert_eq!(
        response.nonce_verdict(&fresh.nonce_sent),
        NonceVerdict::Absent
    );
    assert!(matches!(site.answer(), Lookup::Ask(_)));
}

/// It is true whoever sends it, and when. A hold may have ended since.
#[tokio::test]
async fn a_revocation_without_the_nonce_is_kept_and_a_hold_is_not() {
    let old = |status: fn(UnixTime) -> Vec<u8>| Answer {
        status: status(later_by(-3 * DAY)),
        this_update: later_by(-2 * DAY),
        next_update: later_by(-DAY),
        ..PKI.answer(ASKED)
    };
    for (status, is_kept) in [(revoked as fn(_) -> _, true), (on_hold, false)] {
        let fake = Fake::new(repeats(old(status))).await;
        let site = Site::new(&with_ocsp(&fake), None);
        let needs = vec![OcspNeed::of(&PKI.link(ASKED))];
        site.collateral.ask_now(needs, soon()).await[0]
            .1
            .as_ref()
            .unwrap();
        let kept = site.collateral.fetched_revocation(&PKI.link(ASKED));
        assert_eq!(kept.is_some(), is_kept);
    }
    // Sent once more, it displaces nothing newer.
    let fake = Fake::new(good).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let ask = async || {
        let needs = vec![OcspNeed::of(&PKI.link(ASKED))];
        site.collateral.ask_now(needs, soon()).await
    };
    ask().await;
    let newer = site.answered().der;
    fake.says(repeats(old(revoked)));
    ask().await;
    assert_eq!(site.answered().der, newer);
}

#[tokio::test]
async fn an_answer_asked_for_now_comes_in_time_or_not_at_all() {
    let slow = |asked: &Asked| Says {
        after: Duration::from_millis(500),
        ..good(asked)
    };
    let fake = Fake::new(slow).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let needs = || (1..=3).map(|at| OcspNeed::of(&PKI.link(at))).collect();
    let hurried = Instant::now() + Duration::from_millis(50);
    let answers = site.collateral.ask_now(needs(), hurried).await;
    assert_eq!(answers.len(), 3);
    for (_, answer) in answers {
        let reason = answer.unwrap_err();
        assert_eq!(reason.message, "OCSP responder: no answer in time");
    }
    fake.says(|_| Says::status(403));
    let answers = site.collateral.ask_now(needs(), soon()).await;
    let reason = answers[0].1.as_ref().unwrap_err();
    assert_eq!(
        reason.message,
        "OCSP responder: access refused (status 403)"
    );
    let nobody = Site::new(&AppraisalSettings::default(), None);
    let answers = nobody.collateral.ask_now(needs(), soon()).await;
    let reason = answers[0].1.as_ref().unwrap_err();
    assert_eq!(reason.message, "no OCSP responder is configured");
}

#[tokio::test]
async fn without_a_source_of_answers_the_reason_says_so() {
    let site = Site::new(&AppraisalSettings::default(), None);
    assert_eq!(site.unanswered().kind, AbsenceKind::NotConfigured);
}

/// A directory of answers, and settings that name it.
fn directory() -> (tempfile::TempDir, AppraisalSettings) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = AppraisalSettings::default();
    settings.ocsp.dir = Some(folder.path().to_owned());
    (folder, settings)
}

#[tokio::test]
async fn filed_answers_are_found_by_what_is_in_them() {
    let (folder, settings) = directory();
    let site = Site::new(&settings, None);
    assert_eq!(site.unanswered().kind, AbsenceKind::Missing);
    let file = |name: &str, der: &[u8]| std::fs::write(folder.path().join(name), der).unwrap();
    file("junk.der", b"junk");
    file("other.der", &PKI.answer(2).der());
    file("ignored.txt", &PKI.answer(ASKED).der());
    tokio::time::sleep(LOOK_AGAIN).await;
    assert_eq!(site.unanswered().kind, AbsenceKind::Missing);

    let link = PKI.link(ASKED);
    let older = Answer {
        id: CertificateId::by(IdHash::Sha1, link.subject(), link.issuer()),
        this_update: later_by(-60),
        ..PKI.answer(ASKED)
    };
    file("some name.der", &older.der());
    tokio::time::sleep(LOOK_AGAIN).await;
    let found = site.answered();
    assert_eq!(found.response.peek().unwrap().this_update(), later_by(-60));
    assert_eq!((found.origin, found.fetched_at), (Origin::Directory, None));
    file("another name.der", &PKI.answer(ASKED).der());
    tokio::time::sleep(LOOK_AGAIN).await;
    let newest = site.answered().response.peek().unwrap().this_update();
    assert_eq!(newest, NOW);
    std::fs::remove_file(folder.path().join("another name.der")).unwrap();
    tokio::time::sleep(LOOK_AGAIN).await;
    let left = site.answered().response.peek().unwrap().this_update();
    assert_eq!(left, later_by(-60));
}

#[tokio::test]
async fn a_file_written_in_place_is_seen_within_a_minute() {
    let (folder, settings) = directory();
    let path = folder.path().join("a.der");
    std::fs::write(&path, "half a file").unwrap();
    let site = Site::new(&settings, None);
    assert_eq!(site.unanswered().kind, AbsenceKind::Missing);
    std::fs::write(&path, PKI.answer(ASKED).der()).unwrap();
    site.clock.advance_s(60);
    site.answered();
}

#[tokio::test]
async fn a_filed_answer_that_is_out_of_date_or_forged_is_handed_on_as_what_it_is() {
    let (folder, mut settings) = directory();
    let path = folder.path().join("a.der");
    for (answer, says) in [
        (
            Answer {
                this_update: later_by(-2 * DAY),
                next_update: later_by(-DAY),
                ..PKI.answer(ASKED)
            },
            "ocsp_stale",
        ),
        (
            Answer {
                by: 0,
                ..PKI.answer(ASKED)
            },
            "ocsp_responder_untrusted",
        ),
    ] {
        std::fs::write(&path, answer.der()).unwrap();
        let site = Site::new(&settings, None);
        let reasons = site.answered().response.reasons_at(NOW);
        assert_eq!(reasons[0].code.as_str(), says, "{reasons:?}");
    }
    // A newer file that is forged does not displace an authentic one.
    let authentic = Answer {
        this_update: later_by(-2),
        ..PKI.answer(ASKED)
    };
    std::fs::write(folder.path().join("b.der"), authentic.der()).unwrap();
    let reasons = Site::new(&settings, None)
        .answered()
        .response
        .reasons_at(NOW);
    assert_eq!(reasons, []);
    std::fs::remove_file(folder.path().join("b.der")).unwrap();
    // With a responder, that is asked instead; and it alone where an answer has to be made for the appraisal.
    let fake = Fake::new(good).await;
    settings.ocsp.url = Some(fake.url.clone());
    let site = Site::new(&settings, None);
    site.want_answer().await;
    assert_eq!(site.answered().origin, Origin::Service);
    std::fs::write(&path, PKI.answer(ASKED).der()).unwrap();
    let site = Site::new(&settings, None);
    assert_eq!(site.answered().origin, Origin::Directory);
    let needs = vec![OcspNeed::of(&PKI.link(ASKED))];
    site.collateral.ask_now(needs, soon()).await[0]
        .1
        .as_ref()
        .unwrap();
    assert_eq!(fake.hits(), 2);
}

/// As `pogw appraise` says of the same files.
#[tokio::test]
async fn a_revocation_that_was_filed_stands_whatever_newer_answers_say() {
    let (folder, mut settings) = directory();
    let file = |name: &str, answer: &Answer| {
        std::fs::write(folder.path().join(name), answer.der()).unwrap();
    };
    let known = |secs: i64| Answer {
        this_update: later_by(secs),
        ..PKI.answer(ASKED)
    };
    let old = |status: Vec<u8>| Answer {
        status,
        this_update: later_by(-30 * DAY),
        next_update: later_by(-29 * DAY),
        ..PKI.answer(ASKED)
    };
    for secs in 1..10 {
        file(&format!("{secs}.der"), &known(-secs));
    }
    let status = |site: &Site| {
        let found = site.answered();
        found.response.peek().unwrap().status()
    };
    let since = later_by(-40 * DAY);
    let gone = CertificateStatus::Revoked {
        at: since,
        reason: None,
    };
    // A hold ends with its answer.
    file("held.der", &old(on_hold(since)));
    assert_eq!(status(&Site::new(&settings, None)), CertificateStatus::Good);
    file("gone.der", &old(revoked(since)));
    assert_eq!(status(&Site::new(&settings, None)), gone);
    // Nobody is asked whether it is so still, and what was fetched before is no better.
    let fake = Fake::new(good).await;
    settings.ocsp.url = Some(fake.url.clone());
    let site = Site::new(&settings, None);
    assert_eq!(status(&site), gone);
    let needs = vec![OcspNeed::of(&PKI.link(ASKED))];
    site.collateral.ask_now(needs, soon()).await;
    assert_eq!(status(&site), gone);
    let filed = site.collateral.filed_answers();
    let revocation = |terms: &Terms| {
        let link = PKI.link(ASKED);
        site.collateral.filed_revocation(&filed, &link, terms)
    };
    assert!(revocation(&TERMS).is_some());
    let before = Terms {
        as_of: UnixTime::from_secs(since.secs() - 1),
        ..TERMS
    };
    assert!(revocation(&before).is_none());
    // One that nobody stands behind is no alarm.
    let forged = Answer {
        by: 0,
        ..old(revoked(since))
    };
    file("gone.der", &forged);
    assert_eq!(status(&Site::new(&settings, None)), CertificateStatus::Good);
}

#[tokio::test]
async fn of_another_day_what_came_since_counts_too() {
    let fake = Fake::new(repeats(PKI.answer(ASKED))).await;
    let site = Site::new(&with_ocsp(&fake), None);
    let of_the_past = |as_of: UnixTime| {
        let terms = Terms { as_of, ..TERMS };
        let filed = site.collateral.filed_answers();
        site.collateral
            .ocsp_of_the_past(&filed, &PKI.link(ASKED), &terms)
    };
    assert_eq!(of_the_past(NOW).unwrap_err().kind, AbsenceKind::Missing);
    // Of the day of the evidence, and fetched later.
    site.clock.advance_s(DAY / 2);
    site.want_answer().await;
    let found = of_the_past(NOW).unwrap();
    assert!(found.response.verified_at(NOW).is_some());
    // The day is over, and the answer is still one of that day.
    site.clock.advance_s(2 * DAY);
    of_the_past(NOW).unwrap();
    assert_eq!(fake.hits(), 1);
}
