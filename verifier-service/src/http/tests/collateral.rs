//! Mirror, relay and coverage, over a service that says what it is told to.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use evidence::Examined;
use evidence::crypto;
use evidence::ocsp::{CertificateId, IdHash, Link, OcspRequest};
use evidence::rim::Rim;

use super::*;
use crate::collateral::fixture::{
    Answer, Asked, DAY, DRIVER_ID, DRIVER_VERSION, Fake, PKI, Says, rim_answer, unsuccessful,
};

const OCSP: &str = "application/ocsp-request";
const MALFORMED_REQUEST: [u8; 5] = [0x30, 3, 0x0a, 1, 1];
const TRY_LATER: [u8; 5] = [0x30, 3, 0x0a, 1, 3];
const UNAUTHORIZED: [u8; 5] = [0x30, 3, 0x0a, 1, 6];

async fn with_rims(fake: &Fake) -> Rig {
    let mut settings = AppraisalSettings::default();
    settings.rim_service.url = Some(fake.url.clone());
    settings.rim_service.timeout_s = 1;
    Rig::with_collateral(settings, PKI.anchors()).await
}

async fn with_ocsp(fake: &Fake) -> Rig {
    let mut settings = AppraisalSettings::default();
    settings.ocsp.url = Some(fake.url.clone());
    settings.ocsp.timeout_s = 1;
    Rig::with_collateral(settings, PKI.anchors()).await
}

/// An OCSP answer: status 200 and these bytes.
async fn relayed(rig: &Rig, request: Request<Body>) -> (HeaderMap, Vec<u8>) {
    let response = rig.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let (parts, body) = response.into_parts();
    assert_eq!(parts.headers["content-type"], "application/ocsp-response");
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.headers, body.into())
}

fn posted(path: &str, der: Vec<u8>) -> Request<Body> {
    let request = Request::post(path).header("content-type", OCSP);
    request.body(der.into()).unwrap()
}

fn question(hash: IdHash, nonce: Option<[u8; 32]>) -> OcspRequest {
    let link = PKI.link(1);
    OcspRequest::new(
        CertificateId::by(hash, link.subject(), link.issuer()),
        nonce,
    )
}

/// Answers the question: with its id and nonce.
fn good(asked: &Asked) -> Says {
    let request = OcspRequest::parse(&asked.body).unwrap();
    let answer = Answer {
        id: request.id().clone(),
        nonce: request.nonce().map(<[u8]>::to_vec),
        ..PKI.answer(1)
    };
    Says::body(answer.der())
}

#[tokio::test]
async fn a_manifest_is_mirrored_in_the_form_of_the_service() {
    let fake = Fake::new(Fake::any_rim).await;
    let rig = with_rims(&fake).await;
    let path = format!("/v1/rim/{DRIVER_ID}");
    let answered = rig.get(&path).await;
    answered.is(200, "");
    let body = answered.json();
    assert_eq!(body["id"], DRIVER_ID);
    let rim = STANDARD.decode(body["rim"].as_str().unwrap()).unwrap();
    let digest = hex::encode(crypto::sha256(&rim));
    assert_eq!(body["sha256"], digest);
    assert_eq!(body["last_updated"], "2026-05-06T07:08:09Z");
    assert_eq!(body["rim_format"], "TCG");
    assert_eq!(answered.header("etag"), format!("W/\"{digest}\""));
    assert_eq!(answered.header("cache-control"), "public, max-age=300");

    let again = Request::get(&path).header("if-none-match", answered.header("etag"));
    let again = rig.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    assert_eq!(fake.hits(), 1);
    let ids = rig.get("/v1/rim/ids").await.json();
    assert_eq!(ids["ids"], json!([DRIVER_ID]));

    fake.says(|_| Says::status(500));
    rig.clock.advance_s(DAY + 1);
    let stale = rig.get(&path).await;
    stale.is(200, "");
    assert_eq!(stale.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn what_cannot_be_mirrored_has_the_status_that_clients_look_at() {
    let fake = Fake::new(|_| Says::no_such_rim()).await;
    let rig = with_rims(&fake).await;
    rig.get(&format!("/v1/rim/{DRIVER_ID}"))
        .await
        .is(404, "rim_not_found");
    for id in ["NV_CPU_1", "..%2fsecret", "%ff", "a%20b"] {
        rig.get(&format!("/v1/rim/{id}"))
            .await
            .is(404, "rim_not_found");
    }
    assert_eq!(
        fake.hits(),
        1,
        "nobody is asked for what no device asks for"
    );
    fake.says(|_| Says::status(500));
    let answered = rig.get("/v1/rim/NV_GPU_DRIVER_GH100_1").await;
    answered.is(503, "rim_unavailable");
    assert_eq!(answered.header("retry-after"), "10");
    let forged = PKI.manifest("2");
    let forged = String::from_utf8(forged).unwrap().replace("r1", "r2");
    fake.says(move |_| {
        let id = "NV_GPU_DRIVER_GH100_2";
        Says::body(rim_answer(id, forged.as_bytes()))
    });
    let answered = rig.get("/v1/rim/NV_GPU_DRIVER_GH100_2").await;
    answered.is(503, "rim_unavailable");
    let nobody = Rig::new().await;
    nobody
        .get(&format!("/v1/rim/{DRIVER_ID}"))
        .await
        .is(404, "rim_not_found");
    assert_eq!(nobody.get("/v1/rim/ids").await.json()["ids"], json!([]));
}

#[tokio::test]
async fn what_the_operator_filed_is_mirrored_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AppraisalSettings {
        rim_dir: Some(folder.path().to_owned()),
        ..AppraisalSettings::default()
    };
    let document = PKI.manifest(DRIVER_VERSION);
    std::fs::write(folder.path().join(format!("{DRIVER_ID}.xml")), &document).unwrap();
    // Under no anchors nothing is authentic.
    let rig = Rig::with_collateral(settings, TrustAnchors::default()).await;
    let answered = rig.get(&format!("/v1/rim/{DRIVER_ID}")).await;
    answered.is(200, "");
    assert_eq!(answered.json()["rim"], STANDARD.encode(&document));
    assert_eq!(
        rig.get("/v1/rim/ids").await.json()["ids"],
        json!([DRIVER_ID])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_without_nonce_are_answered_from_stock_as_asked() {
    let fake = Fake::new(|asked| Says {
        after: Duration::from_millis(100),
        ..good(asked)
    })
    .await;
    let rig = Arc::new(with_ocsp(&fake).await);
    for (hash, hits) in [(IdHash::Sha384, 1), (IdHash::Sha1, 2)] {
        let der = question(hash, None).to_der();
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                let (rig, der) = (Arc::clone(&rig), der.clone());
                let path = ["/v1/ocsp", "/ocsp", "/v1/ocsp/", "/ocsp/"][n % 4];
                tokio::spawn(async move { relayed(&rig, posted(path, der)).await.1 })
            })
            .collect();
        let mut answers = Vec::new();
        for waiter in waiting {
            answers.push(waiter.await.unwrap());
        }
        answers.dedup();
        assert_eq!((answers.len(), fake.hits()), (1, hits));
    }
    rig.clock.advance_s(60);
    let text = STANDARD_NO_PAD.encode(question(IdHash::Sha1, None).to_der());
    let path = format!("/ocsp/{}", text.replace('/', "%2F").replace('+', "%2B"));
    let (headers, _) = relayed(&rig, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(fake.hits(), 2);
    let caching = "max-age=86340, public, no-transform, must-revalidate";
    assert_eq!(headers["cache-control"], caching);
    assert_eq!(headers["expires"], "Sat, 16 Jan 2027 08:00:00 GMT");
    assert_eq!(headers["last-modified"], "Fri, 15 Jan 2027 08:00:00 GMT");

    // An hour on it is asked for again; while the responder is away the old answer goes on to its next update.
    fake.says(|_| Says::status(500));
    rig.clock.advance_s(3600);
    let der = question(IdHash::Sha1, None).to_der();
    relayed(&rig, posted("/ocsp", der.clone())).await;
    rig.clock.advance_s(DAY - 3660);
    let (_, answer) = relayed(&rig, posted("/ocsp", der.clone())).await;
    assert_ne!(answer, TRY_LATER);
    rig.clock.advance_s(1);
    let (headers, answer) = relayed(&rig, posted("/ocsp", der)).await;
    assert_eq!(
        (answer.as_slice(), &headers["cache-control"]),
        (&TRY_LATER[..], &"no-store".parse().unwrap())
    );
}

#[tokio::test]
async fn a_question_with_a_nonce_is_passed_on_with_it() {
    let fake = Fake::new(good).await;
    let rig = with_ocsp(&fake).await;
    for (hits, nonce) in [(1, [1; 32]), (2, [2; 32]), (3, [2; 32])] {
        let der = question(IdHash::Sha384, Some(nonce)).to_der();
        let (headers, answer) = relayed(&rig, posted("/v1/ocsp", der.clone())).await;
        assert_eq!((fake.hits(), &fake.asked()[hits - 1].body), (hits, &der));
        assert_eq!(headers["cache-control"], "no-store");
        let response = evidence::ocsp::OcspResponse::parse(&answer).unwrap();
        assert_eq!(response.peek().nonce(), Some(&nonce[..]));
    }
}

#[tokio::test]
async fn the_responder_s_own_word_is_passed_on_and_its_failures_are_try_later() {
    let fake = Fake::new(|_| Says::body(unsuccessful(6))).await;
    let other = PKI.answer(2).der();
    let stale = Answer {
        this_update: UnixTime::from_secs(NOW.secs() - 2 * DAY),
        next_update: UnixTime::from_secs(NOW.secs() - DAY),
        ..PKI.answer(1)
    };
    let table = [
        (Says::body(unsuccessful(6)), unsuccessful(6)),
        (Says::body(other), TRY_LATER.to_vec()),
        (Says::body(stale.der()), TRY_LATER.to_vec()),
        (Says::body("<html>"), TRY_LATER.to_vec()),
        (Says::status(500), TRY_LATER.to_vec()),
        (
            Says {
                after: Duration::from_secs(3),
                ..Says::status(200)
            },
            TRY_LATER.to_vec(),
        ),
    ];
    for (says, expected) in table {
        let shown = format!("{:.100}", format!("{says:?}"));
        fake.says(move |_| says.clone());
        let rig = with_ocsp(&fake).await;
        let der = question(IdHash::Sha384, None).to_der();
        for _ in 0..2 {
            let (headers, answer) = relayed(&rig, posted("/v1/ocsp", der.clone())).await;
            assert_eq!(answer, expected, "{shown}");
            assert_eq!(headers["cache-control"], "no-store", "{shown}");
        }
    }
    assert_eq!(fake.hits(), 6, "failures are remembered for a moment");
}

#[tokio::test]
async fn only_a_question_about_one_certificate_is_passed_on() {
    let fake = Fake::new(good).await;
    let rig = with_ocsp(&fake).await;
    let one = question(IdHash::Sha384, None).to_der();
    // OCSPRequest, TBSRequest and requestList are nested around one Request; the list gets it twice.
    let two = {
        let request = &one[one.len() - usize::from(one[8])..];
        let tlv = |content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[0x30, 0x82], &length[..], content].concat()
        };
        tlv(&tlv(&tlv(&[request, request].concat())))
    };
    let refused = OcspRequest::parse(&two).unwrap_err();
    assert!(
        refused[0].message.ends_with("certificates asked about"),
        "{refused:?}"
    );
    for der in [
        Vec::new(),
        b"GET / HTTP/1.1".to_vec(),
        one[1..].to_vec(),
        two,
    ] {
        let (_, answer) = relayed(&rig, posted("/v1/ocsp", der)).await;
        assert_eq!(answer, MALFORMED_REQUEST);
    }
    for path in [
        "/ocsp/AAAA",
        "/ocsp/%ff",
        "/ocsp/no base64".replace(' ', "%20").as_str(),
    ] {
        let (_, answer) = relayed(&rig, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer, MALFORMED_REQUEST, "{path}");
    }
    rig.post("/v1/ocsp", "text/plain", one.clone())
        .await
        .is(415, "media_type_unsupported");
    rig.post("/v1/ocsp", OCSP, vec![0x30; 20_000])
        .await
        .is(413, "body_too_large");
    assert_eq!(fake.hits(), 0);
    let nobody = Rig::new().await;
    nobody
        .post("/v1/ocsp", OCSP, one)
        .await
        .is(404, "not_found");
}

#[tokio::test]
async fn a_directory_of_answers_is_a_responder_for_those_without() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.der"), PKI.answer(1).der()).unwrap();
    let mut settings = AppraisalSettings::default();
    settings.ocsp.dir = Some(folder.path().to_owned());
    let rig = Rig::with_collateral(settings, PKI.anchors()).await;
    let ask = async |request: OcspRequest| relayed(&rig, posted("/ocsp", request.to_der())).await.1;
    let answer = ask(question(IdHash::Sha384, None)).await;
    assert_eq!(answer, std::fs::read(folder.path().join("x.der")).unwrap());
    assert_eq!(
        ask(question(IdHash::Sha1, None)).await,
        UNAUTHORIZED,
        "asked by another id, which no answer here is about"
    );
    rig.clock.advance_s(DAY + 1);
    assert_eq!(ask(question(IdHash::Sha384, None)).await, TRY_LATER);
}

/// A verifier with these answers filed, and a responder if there is one.
async fn with_filed(folder: &Path, answers: &[&Answer], fake: Option<&Fake>) -> Rig {
    for (number, answer) in answers.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.der")), answer.der()).unwrap();
    }
    std::fs::write(
        folder.join(format!("{DRIVER_ID}.xml")),
        PKI.manifest(DRIVER_VERSION),
    )
    .unwrap();
    let mut settings = AppraisalSettings {
        rim_dir: Some(folder.to_owned()),
        ..AppraisalSettings::default()
    };
    settings.ocsp.dir = Some(folder.to_owned());
    settings.ocsp.url = fake.map(|fake| fake.url.clone());
    settings.ocsp.timeout_s = 1;
    Rig::with_collateral(settings, PKI.anchors()).await
}

/// An answer to `question(hash, _)`, of a time.
fn filed(hash: IdHash, this_update: i64) -> Answer {
    Answer {
        id: question(hash, None).id().clone(),
        this_update: UnixTime::from_secs(this_update),
        next_update: UnixTime::from_secs(this_update + DAY),
        ..PKI.answer(1)
    }
}

/// `filed` writes other bytes each time, so answers are told apart by the times they are for.
fn is_for(answer: &[u8], this_update: i64) -> bool {
    let response = evidence::ocsp::OcspResponse::parse(answer);
    response.is_ok_and(|response| {
        let response = response.peek();
        response.this_update().secs() == this_update && response.nonce().is_none()
    })
}

/// RFC 6960 4.4.1: a responder may leave the nonce out.
#[tokio::test]
async fn where_nobody_can_be_asked_a_question_with_a_nonce_gets_a_current_answer_and_no_other() {
    let now = NOW.secs();
    let table = [
        (now - 60, 0, true),
        (now - DAY, 0, true),
        (now - DAY - 1, 0, false),
        (now - 60, DAY, false),
        (now + 1, 0, false),
        (now + 1, 1, true),
    ];
    for (this_update, later, answered) in table {
        let folder = tempfile::tempdir().unwrap();
        let answer = filed(IdHash::Sha384, this_update);
        let rig = with_filed(folder.path(), &[&answer], None).await;
        rig.clock.advance_s(later);
        let der = question(IdHash::Sha384, Some([1; 32])).to_der();
        let (headers, answer) = relayed(&rig, posted("/ocsp", der)).await;
        assert_eq!(headers["cache-control"], "no-store");
        let what = format!("{this_update} {later}");
        assert_eq!(is_for(&answer, this_update), answered, "{what}");
        assert_eq!(answer == TRY_LATER, !answered, "{what}");
    }
}

#[tokio::test]
async fn what_a_responder_says_to_a_question_with_a_nonce_wins_over_what_is_filed() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(good).await;
    let this_update = NOW.secs() - 60;
    let answer = filed(IdHash::Sha384, this_update);
    let rig = with_filed(folder.path(), &[&answer], Some(&fake)).await;
    let ask = async || {
        let der = question(IdHash::Sha384, Some([7; 32])).to_der();
        relayed(&rig, posted("/ocsp", der)).await.1
    };
    let live = ask().await;
    let response = evidence::ocsp::OcspResponse::parse(&live).unwrap();
    assert_eq!(response.peek().nonce(), Some(&[7; 32][..]));
    // Its word that it does not answer is one, and an answer of its own without the nonce is.
    fake.says(|_| Says::body(unsuccessful(6)));
    assert_eq!(ask().await, UNAUTHORIZED);
    let without_nonce = PKI.answer(1).der();
    let theirs = without_nonce.clone();
    fake.says(move |_| Says::body(theirs.clone()));
    assert_eq!(ask().await, without_nonce);
    assert_eq!(fake.hits(), 3);
    // No answer, or one about something else, is none.
    for away in [
        Says::status(500),
        Says::body("<html>"),
        Says::body(PKI.answer(2).der()),
    ] {
        fake.says(move |_| away.clone());
        assert!(is_for(&ask().await, this_update));
    }
    rig.clock.advance_s(DAY);
    assert_eq!(ask().await, TRY_LATER, "what is filed has ended");
    fake.says(good);
    assert_ne!(ask().await, TRY_LATER);
}

#[tokio::test]
async fn what_was_fetched_without_a_nonce_stands_in_while_the_responder_is_away() {
    let fake = Fake::new(good).await;
    let rig = with_ocsp(&fake).await;
    let ask = async |nonce| {
        let der = question(IdHash::Sha1, nonce).to_der();
        relayed(&rig, posted("/ocsp", der)).await
    };
    let (_, fetched) = ask(None).await;
    fake.says(|_| Says::status(500));
    let (headers, answer) = ask(Some([3; 32])).await;
    assert_eq!(answer, fetched);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(fake.hits(), 2, "the responder was asked first");
    rig.clock.advance_s(DAY + 1);
    assert_eq!(ask(Some([3; 32])).await.1, TRY_LATER);
    // A refusal that is remembered is no answer that could stand in.
    let rig = with_ocsp(&fake).await;
    fake.says(|_| Says::body(unsuccessful(6)));
    let der = |nonce| question(IdHash::Sha1, nonce).to_der();
    assert_eq!(
        relayed(&rig, posted("/ocsp", der(None))).await.1,
        UNAUTHORIZED
    );
    fake.says(|_| Says::status(500));
    let (_, answer) = relayed(&rig, posted("/ocsp", der(Some([3; 32])))).await;
    assert_eq!(answer, TRY_LATER);
}

#[tokio::test]
async fn an_answer_by_another_hash_is_found_by_its_issuer_and_given_for_no_other() {
    let Examined::Authentic(rim) = Rim::examine(&PKI.manifest(DRIVER_VERSION), &PKI.anchors())
    else {
        panic!("a manifest");
    };
    let links = Link::of_rim(&rim);
    let by = |hash, subject: usize, issuer: usize| {
        CertificateId::by(hash, links[subject].subject(), links[issuer].issuer())
    };
    let (this_update, folder) = (NOW.secs() - 60, tempfile::tempdir().unwrap());
    let sha1 = Answer {
        id: by(IdHash::Sha1, 0, 0),
        ..filed(IdHash::Sha1, this_update)
    };
    let rig = with_filed(folder.path(), &[&sha1], None).await;
    let ask = async |id: CertificateId, nonce| {
        let der = OcspRequest::new(id, nonce).to_der();
        relayed(&rig, posted("/ocsp", der)).await.1
    };
    let asked_by = [IdHash::Sha1, IdHash::Sha256, IdHash::Sha384];
    // Nobody has seen the issuer before the manifest.
    for hash in asked_by {
        let answer = ask(by(hash, 0, 0), None).await;
        assert_eq!(is_for(&answer, this_update), hash == IdHash::Sha1);
        assert_eq!(answer == UNAUTHORIZED, hash != IdHash::Sha1);
    }
    rig.get(&format!("/v1/rim/{DRIVER_ID}")).await.is(200, "");
    for (hash, nonce) in asked_by
        .into_iter()
        .zip([None, Some([1; 32]), Some([2; 32])])
    {
        let answer = ask(by(hash, 0, 0), nonce).await;
        assert!(is_for(&answer, this_update), "{hash:?}");
        // The same serial number of other issuers, known and not; another certificate of the same issuer.
        let stranger = CertificateId::by(hash, links[0].subject(), PKI.link(1).issuer());
        for id in [by(hash, 0, 1), by(hash, 0, 2), by(hash, 1, 0), stranger] {
            assert_eq!(ask(id, nonce).await, UNAUTHORIZED, "{hash:?}");
        }
    }
    // One by the very id comes first, also where it is older; out of date it counts for nothing.
    let sha384 = Answer {
        id: by(IdHash::Sha384, 0, 0),
        ..filed(IdHash::Sha384, this_update - 3600)
    };
    let rig = with_filed(folder.path(), &[&sha1, &sha384], None).await;
    rig.get(&format!("/v1/rim/{DRIVER_ID}")).await.is(200, "");
    for (later, expected) in [(0, this_update - 3600), (DAY - 600, this_update)] {
        rig.clock.advance_s(later);
        let der = OcspRequest::new(by(IdHash::Sha384, 0, 0), Some([1; 32])).to_der();
        let (_, answer) = relayed(&rig, posted("/ocsp", der)).await;
        assert!(is_for(&answer, expected), "{later}");
    }
}

fn listing(ids: &[&str]) -> Says {
    Says::body(json!({ "ids": ids, "request_id": "test" }).to_string())
}

/// What coverage says of a VBIOS without its board.
async fn of_any_board(rig: &Rig) -> (bool, Value, Value) {
    let body = rig.get("/v1/coverage?vbios=96.00.9F.00.01").await.json();
    let row = &body["manifests"][0];
    let covered = body["covered"].as_bool().unwrap();
    (covered, row["id"].clone(), row["status"].clone())
}

#[tokio::test]
async fn a_board_is_looked_for_among_what_the_service_lists() {
    const BOARD: &str = "NV_GPU_VBIOS_1010_0200_882_96009F0001";
    let lists = |asked: &Asked| match asked.path.ends_with("/ids") {
        true => listing(&["NV_SWITCH_BIOS_5612_0002_890_9610550001", BOARD]),
        false => Says::body(rim_answer(BOARD, &PKI.manifest("96.00.9F.00.01"))),
    };
    let fake = Fake::new(lists).await;
    let rig = with_rims(&fake).await;
    let available = (true, json!(BOARD), json!("available"));
    assert_eq!(of_any_board(&rig).await, available);
    assert_eq!(fake.hits(), 2, "the list, and the manifest");
    let ids = rig.get("/v1/rim/ids").await.json();
    assert_eq!(ids["ids"].as_array().unwrap().len(), 2, "{ids}");

    // A list counts for an hour; after that nobody knows what the service has, unless it says so.
    let unknown = |status: &str| (false, Value::Null, json!(status));
    let other = with_rims(&fake).await;
    fake.says(|_| Says::status(503));
    assert_eq!(of_any_board(&other).await, unknown("unreachable"));
    let hits = fake.hits();
    assert_eq!(of_any_board(&other).await, unknown("unreachable"));
    assert_eq!(fake.hits(), hits, "a failure is remembered");
    other.clock.advance_s(10);
    fake.says(|_| Says::body("<html/>"));
    assert_eq!(of_any_board(&other).await, unknown("unreachable"));
    other.clock.advance_s(10);
    fake.says(|_| listing(&[]));
    assert_eq!(of_any_board(&other).await, unknown("missing"));
    fake.says(lists);
    other.clock.advance_s(3600);
    assert_eq!(of_any_board(&other).await, unknown("missing"));
    other.clock.advance_s(1);
    assert_eq!(of_any_board(&other).await, available);
}

#[tokio::test]
async fn coverage_says_of_each_manifest_what_it_is_worth() {
    let folder = tempfile::tempdir().unwrap();
    let file = |id: &str, document: &[u8]| {
        std::fs::write(folder.path().join(format!("{id}.xml")), document).unwrap();
    };
    let fake = Fake::new(|asked| match asked.path.rsplit(['/', '_']).next() {
        Some("away") => Says::status(500),
        Some("ids") => listing(&[]),
        _ => Says::no_such_rim(),
    })
    .await;
    let mut settings = AppraisalSettings {
        rim_dir: Some(folder.path().to_owned()),
        ..AppraisalSettings::default()
    };
    settings.rim_service.url = Some(fake.url.clone());
    let rig = Rig::with_collateral(settings, PKI.anchors()).await;
    let of = |name: &str| format!("NV_GPU_DRIVER_GH100_{name}");
    let board = "NV_GPU_VBIOS_1010_0200_882_96009F0001";
    file(&of("1"), &PKI.manifest("1"));
    file(&of("2"), &PKI.manifest("1"));
    file(&of("3"), b"<html/>");
    file(&of("4"), &PKI.manifest_of("GB100", "4"));
    file(board, &PKI.manifest("96.00.9F.00.01"));

    let mut query = String::new();
    for name in ["1", "2", "3", "4", "gone", "away"] {
        query += &format!("rim={}&", of(name));
    }
    let answered = rig.get(&format!("/v1/coverage?{query}rim={board}")).await;
    answered.is(200, "");
    let body = answered.json();
    assert_eq!(body["as_of"], "2027-01-15T08:00:00Z");
    assert_eq!(body["covered"], false);
    let row = |id: &str| {
        let manifests = body["manifests"].as_array().unwrap();
        let row = manifests.iter().find(|row| row["id"] == id).unwrap();
        let code = row["reasons"][0]["code"].as_str().unwrap_or_default();
        (row["role"].clone(), row["status"].clone(), code.to_owned())
    };
    let table = [
        (of("1"), "driver_rim", "available", ""),
        (of("2"), "driver_rim", "refused", "rim_version_mismatch"),
        (of("3"), "driver_rim", "refused", "rim_malformed"),
        (of("4"), "driver_rim", "refused", "rim_product_mismatch"),
        (of("gone"), "driver_rim", "missing", "rim_not_available"),
        (of("away"), "driver_rim", "unreachable", "rim_not_available"),
        (board.to_owned(), "vbios_rim", "available", ""),
    ];
    for (id, role, status, code) in table {
        assert_eq!(
            row(&id),
            (json!(role), json!(status), code.to_owned()),
            "{id}"
        );
    }
    let device = "arch=HOPPER&driver=1&vbios=96.00.9f.00.01";
    let body = rig.get(&format!("/v1/coverage?{device}")).await.json();
    assert_eq!(body["covered"], true, "{body}");
    assert_eq!(body["manifests"][1]["id"], board);
    assert_eq!(body["manifests"][0]["valid_until"], "2028-01-01T00:00:00Z");
    assert_eq!(body["manifests"][0]["simulated"], true);
    let body = rig
        .get("/v1/coverage?arch=HOPPER&vbios=96.00.9F.00.02")
        .await
        .json();
    assert_eq!(body["covered"], false);
    assert_eq!(body["manifests"][0]["status"], "missing");
    assert_eq!(body["manifests"][0]["id"], Value::Null);

    // Without an architecture: the driver of the chip that the VBIOS is for.
    let ids = async |query: &str| {
        let body = rig.get(&format!("/v1/coverage?{query}")).await.json();
        let ids = body["manifests"].as_array().unwrap().iter();
        let ids: Vec<_> = ids
            .map(|row| row["id"].as_str().unwrap_or("").to_owned())
            .collect();
        (body["covered"].as_bool().unwrap(), ids)
    };
    let blackwell = |driver: &str| format!("NV_GPU_CC_DRIVER_GB100_{driver}");
    let vbios = "vbios=96.00.9f.00.01";
    let table = [
        (
            format!("driver=1&{vbios}"),
            true,
            vec![of("1"), board.to_owned()],
        ),
        (
            format!("driver=gone&{vbios}"),
            false,
            vec![of("gone"), board.to_owned()],
        ),
        (vbios.to_owned(), true, vec![board.to_owned()]),
        // Without a VBIOS at hand: of those that there are, or of none.
        ("driver=1".to_owned(), true, vec![of("1")]),
        (
            "driver=gone".to_owned(),
            false,
            vec![of("gone"), blackwell("gone")],
        ),
        (
            "driver=1&vbios=96.00.9F.00.02".to_owned(),
            false,
            vec![of("1"), String::new()],
        ),
    ];
    for (query, covered, expected) in table {
        assert_eq!(ids(&query).await, (covered, expected), "{query}");
    }
    // A driver of another architecture does not cover this VBIOS.
    file(&blackwell("5"), &PKI.manifest_of("GB100", "5"));
    let (covered, listed) = ids(&format!("driver=5&{vbios}")).await;
    assert_eq!((covered, listed), (false, vec![of("5"), board.to_owned()]));
    assert_eq!(ids("driver=5").await, (true, vec![blackwell("5")]));

    for (time, status) in [
        ("2025-06-01T00:00:00Z", "not_yet_valid"),
        ("2028-01-02T00:00:00Z", "expired"),
    ] {
        rig.clock.set(UnixTime::parse_rfc3339(time).unwrap());
        let body = rig
            .get(&format!("/v1/coverage?rim={}", of("1")))
            .await
            .json();
        assert_eq!(body["manifests"][0]["status"], status, "{body}");
    }
    for query in ["", "?", "?rim=%ff", "?rim=x", "?arch=HOPPER"] {
        rig.get(&format!("/v1/coverage{query}"))
            .await
            .is(400, "query_malformed");
    }
}

/// This verifier on a port of its own.
async fn listening(rig: &Rig) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = rig.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn one_verifier_is_mirror_and_relay_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{DRIVER_ID}.xml");
    std::fs::write(folder.path().join(name), PKI.manifest(DRIVER_VERSION)).unwrap();
    std::fs::write(folder.path().join("x.der"), PKI.answer(1).der()).unwrap();
    let mut settings = AppraisalSettings {
        rim_dir: Some(folder.path().to_owned()),
        ..AppraisalSettings::default()
    };
    settings.ocsp.dir = Some(folder.path().to_owned());
    let mirror = Rig::with_collateral(settings, PKI.anchors()).await;
    let url = listening(&mirror).await;

    let mut settings = AppraisalSettings::default();
    settings.rim_service.url = Some(url.clone());
    settings.ocsp.url = Some(url + "/ocsp");
    let rig = Rig::with_collateral(settings, PKI.anchors()).await;
    let body = rig
        .get(&format!("/v1/coverage?rim={DRIVER_ID}"))
        .await
        .json();
    assert_eq!(
        (&body["covered"], &body["manifests"][0]["source"]),
        (&json!(true), &json!("service"))
    );
    let der = question(IdHash::Sha384, None).to_der();
    let (_, answer) = relayed(&rig, posted("/v1/ocsp", der)).await;
    assert_eq!(answer, std::fs::read(folder.path().join("x.der")).unwrap());
}
