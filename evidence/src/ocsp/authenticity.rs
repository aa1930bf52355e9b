//! The rules of an answer that do not depend on time: one rule, one function (nvidia-evidence 5.3, rows 62 to 65).

use super::{Link, OcspResponse};
use crate::cert::Certificate;
use crate::reason::{Code, Reason};
use crate::trust::{Authentic, Refuted, Unverified};

/// id-ce-extKeyUsage (RFC 5280 4.2.1.12): processed here, and critical in NVIDIA's responder certificates.
const OID_EXTENDED_KEY_USAGE: &str = "2.5.29.37";

impl Unverified<OcspResponse> {
    /// Checks that the answer is about this link's certificate, and signed by its issuer or by a responder the issuer
    /// authorised.
    ///
    /// # Errors
    /// The answer with all reasons it is not authentic for.
    pub fn authenticate(
        self,
        link: &Link<'_>,
    ) -> Result<Authentic<OcspResponse>, Refuted<OcspResponse>> {
        let response = self.into_inner();
        let mut reasons = about_the_subject(&response, link);
        reasons.extend(match responder(&response, link) {
            Ok(Responder::Issuer(issuer)) => by_issuer(&response, issuer),
            Ok(Responder::Delegated(delegated)) => by_delegated(&response, delegated, link.issuer),
            Err(reason) => vec![reason],
        });
        if reasons.is_empty() {
            Ok(Authentic::assertion(response, link.simulated))
        } else {
            Err(Refuted {
                value: Unverified::new(response),
                reasons,
            })
        }
    }
}

/// Whose key is to have signed.
enum Responder<'a> {
    /// The issuer of the certificate asked about.
    Issuer(&'a Certificate),
    /// A certificate beside the answer.
    Delegated(&'a Certificate),
}

fn by_issuer(response: &OcspResponse, issuer: &Certificate) -> Vec<Reason> {
    let rules = [may_sign_data(issuer), signed_by(response, issuer)];
    rules.into_iter().flatten().collect()
}

fn by_delegated(
    response: &OcspResponse,
    delegated: &Certificate,
    issuer: &Certificate,
) -> Vec<Reason> {
    let rules = [
        authorised(delegated, issuer),
        fixed_algorithms(delegated),
        may_sign_answers(delegated),
        may_sign_data(delegated),
        signed_by(response, delegated),
    ];
    let mut reasons: Vec<_> = rules.into_iter().flatten().collect();
    reasons.extend(no_unprocessed_critical_extension(delegated));
    reasons
}

/// Row 62: hashes and serial number are those of the certificate asked about.
pub(super) fn about_the_subject(response: &OcspResponse, link: &Link<'_>) -> Vec<Reason> {
    let actual = response.id();
    if actual.names(link.subject, link.issuer) {
        return Vec::new();
    }
    let expected = super::CertificateId::by(actual.id_hash(), link.subject, link.issuer);
    let parts = [
        (
            "issuer name hash",
            expected.issuer_name_hash(),
            actual.issuer_name_hash(),
        ),
        (
            "issuer key hash",
            expected.issuer_key_hash(),
            actual.issuer_key_hash(),
        ),
        ("serial number", expected.serial(), actual.serial()),
    ];
    let differing = parts
        .into_iter()
        .filter(|(_, expected, actual)| expected != actual);
    differing
        .map(|(part, expected, actual)| {
            let message = format!("OCSP response is about another certificate: {part}");
            Reason::new(Code::OcspCertificateMismatch, message)
                .expected(hex::encode(expected))
                .actual(hex::encode(actual))
        })
        .collect()
}

/// RFC 6960 4.2.2.3: the certificate that the responder id names.
fn responder<'a>(response: &'a OcspResponse, link: &Link<'a>) -> Result<Responder<'a>, Reason> {
    if let Some(delegated) = response.delegated(link.issuer) {
        return Ok(Responder::Delegated(delegated));
    }
    if response.0.responder_id.names(link.issuer) {
        return Ok(Responder::Issuer(link.issuer));
    }
    let message = "OCSP responder id names neither the issuer nor a certificate in the response";
    Err(Reason::new(Code::OcspResponderUntrusted, message).expected(link.issuer.common_name()))
}

/// Row 64: the issuer of the certificate asked about itself issued the responder's certificate (RFC 6960 4.2.2.2).
/// No other CA can delegate for it, not even one of the same chain.
fn authorised(delegated: &Certificate, issuer: &Certificate) -> Option<Reason> {
    let issued = delegated.is_issued_in_name_of(issuer) && delegated.is_signed_by(issuer);
    let reason = about_responder(
        Code::OcspResponderUntrusted,
        delegated,
        "not issued by the issuer of the certificate asked about",
    );
    (!issued).then(|| reason.expected(issuer.common_name()))
}

/// Row 47, for responders: nothing but ecdsa-with-SHA384 over P-384.
fn fixed_algorithms(delegated: &Certificate) -> Option<Reason> {
    let fixed = delegated.signature_is_ecdsa_sha384() && delegated.p384_point().is_some();
    let what = "signature and key algorithm";
    let reason = about_responder(Code::CertificateAlgorithm, delegated, what);
    (!fixed).then(|| reason.expected("ecdsa-with-SHA384 over P-384"))
}

/// Row 65: the certificate was issued for answering (RFC 6960 4.2.2.2).
fn may_sign_answers(delegated: &Certificate) -> Option<Reason> {
    let reason = about_responder(Code::OcspResponderUsage, delegated, "extended key usage");
    (!delegated.is_for_ocsp_signing()).then(|| reason.expected("OCSPSigning"))
}

/// RFC 5280 4.2.1.3: an answer is neither a certificate nor a list of them. Asked of the issuer as well.
fn may_sign_data(responder: &Certificate) -> Option<Reason> {
    let allowed = responder.key_usage().is_some_and(|u| u.digital_signature);
    let reason = about_responder(Code::OcspResponderUsage, responder, "key usage");
    (!allowed).then(|| reason.expected("digitalSignature"))
}

/// RFC 5280 4.2: a critical extension that is not processed makes the certificate unusable.
fn no_unprocessed_critical_extension(delegated: &Certificate) -> Vec<Reason> {
    let critical = delegated.unprocessed_critical().iter();
    let unprocessed = critical.filter(|oid| *oid != OID_EXTENDED_KEY_USAGE);
    unprocessed
        .map(|oid| {
            let what = "critical extension";
            about_responder(Code::CertificateExtensionCritical, delegated, what).actual(oid)
        })
        .collect()
}

/// Row 63: the responder's key signed the answer, with the one algorithm NVIDIA uses.
fn signed_by(response: &OcspResponse, responder: &Certificate) -> Option<Reason> {
    if !response.0.is_ecdsa_sha384 {
        let reason = Reason::new(Code::OcspSignatureMethod, "OCSP response: algorithm");
        return Some(reason.expected("ecdsa-with-SHA384"));
    }
    let Some(key) = responder.p384_key() else {
        let what = "key to verify the response's signature with";
        let reason = about_responder(Code::SigningKeyUnavailable, responder, what);
        return Some(reason.expected("a P-384 key"));
    };
    let valid = key.has_signed_der(&response.0.tbs, &response.0.signature);
    (!valid).then(|| {
        let what = "did not sign the response";
        about_responder(Code::OcspSignatureInvalid, responder, what)
    })
}

fn about_responder(code: Code, responder: &Certificate, what: &str) -> Reason {
    Reason::new(
        code,
        format!("OCSP responder ({}): {what}", responder.label()),
    )
}
