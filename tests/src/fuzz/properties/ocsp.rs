//! OCSP requests and answers.

use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::{
    Answer, CertificateStatus, Hold, NonceVerdict, OcspRequest, OcspResponse, RevocationFinding,
    RevocationStatus, Terms,
};
use evidence::{Examined, Status, UnixTime};

use super::{der, explained, fixture};

/// Questions: what is accepted is written and read as the same question, in one spelling.
pub fn ocsp_request(der: &[u8]) {
    let request = match OcspRequest::parse(der) {
        Ok(request) => request,
        Err(reasons) => return explained(&reasons),
    };
    assert!(der.len() <= MAX_OCSP_BYTES && der::sequence(der).is_some());
    assert!(
        request
            .nonce()
            .is_none_or(|nonce| (1..=128).contains(&nonce.len()))
    );
    let written = request.to_der();
    assert!(written.len() <= der.len(), "more was written than read");
    assert_eq!(OcspRequest::parse(&written).as_ref(), Ok(&request));
}

/// Answers: nothing is authentic for the link of the fixture but what the answer of the fixture says, and nothing else
/// counts for or against the certificate.
pub fn ocsp_response(der: &[u8]) {
    let link = fixture::link();
    let examined = OcspResponse::examine(der, &link);
    match &examined {
        Examined::Unreadable(reasons) => return explained(reasons),
        Examined::Refuted(refuted) => explained(&refuted.reasons),
        Examined::Authentic(authentic) => {
            let signed = fixture::answer().get();
            assert_eq!(facts(authentic.get()), facts(signed));
            assert_eq!(authentic.get().id(), signed.id());
        }
    }
    let response = examined.peek().expect("an answer");
    assert!(der.len() <= MAX_OCSP_BYTES && der::sequence(der).is_some());
    answers_every_question(response);
    let is_authentic = matches!(examined, Examined::Authentic(_));
    for secs in [i64::MIN, 0, response.this_update().secs(), i64::MAX] {
        let terms = Terms {
            as_of: UnixTime::from_secs(secs),
            max_age_secs: Some(60),
            hold: Hold::Refuted,
        };
        let answer = Answer {
            response: &examined,
            nonce_sent: Some(&[0; 32]),
        };
        let finding = RevocationFinding::of(&link, Some(answer), &terms);
        if !is_authentic {
            assert_eq!(finding.status(), RevocationStatus::NotChecked);
            assert_eq!(finding.verdict(), Status::Unverifiable);
        }
        if finding.verdict() != Status::Affirmed {
            explained(finding.reasons());
        }
    }
}

fn facts(response: &OcspResponse) -> (CertificateStatus, [Option<UnixTime>; 3], Option<&[u8]>) {
    let times = [
        Some(response.produced_at()),
        Some(response.this_update()),
        response.next_update(),
    ];
    (response.status(), times, response.nonce())
}

fn answers_every_question(response: &OcspResponse) {
    let id = response.id();
    assert_eq!(id.issuer_name_hash().len(), id.issuer_key_hash().len());
    assert!(response.valid_until() >= response.this_update() || response.next_update().is_some());
    match response.nonce() {
        None => assert_eq!(response.nonce_verdict(&[0; 32]), NonceVerdict::Absent),
        Some(nonce) => assert!((1..=128).contains(&nonce.len())),
    }
    let _ = (response.responder(), response.sha256());
}
