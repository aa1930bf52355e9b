//! Reading an answer (RFC 6960 4.2): its form, and what it says.

use std::sync::Arc;

use der::asn1::{AnyRef, OctetStringRef};

use super::asn1::{
    self, AlgorithmIdentifier, BasicOcspResponse, OID_BASIC, OID_ECDSA_SHA384, OcspResponseStatus,
    ResponseData, SingleResponse,
};
use super::{CertificateId, CertificateStatus, Link, certificate_id};
use crate::cert::Certificate;
use crate::crypto;
use crate::limits::MAX_OCSP_CERTIFICATES;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::{Examined, Unverified};

/// An answer about one certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OcspResponse(pub(super) Arc<Contents>);

#[derive(Debug)]
pub(super) struct Contents {
    sha256: [u8; 32],
    /// The bytes that are signed.
    pub(super) tbs: Vec<u8>,
    pub(super) is_ecdsa_sha384: bool,
    pub(super) signature: Vec<u8>,
    pub(super) responder_id: ResponderId,
    /// The certificate beside the answer that `responder_id` names. Others are passed over.
    responder: Option<Certificate>,
    id: CertificateId,
    status: CertificateStatus,
    produced_at: UnixTime,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    nonce: Option<Vec<u8>>,
}

/// Whether the nonce of an answer is the one that was sent (row 67).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceVerdict {
    /// The answer was made for this question.
    Match,
    /// It was made for another.
    Mismatch,
    /// It may have been made for any.
    Absent,
}

impl OcspResponse {
    /// Reads an answer and judges its form alone.
    ///
    /// # Errors
    /// [`Code::OcspTooLarge`], [`Code::OcspMalformed`] or [`Code::OcspResponseUnsuccessful`] alone if there is no basic
    /// response about one certificate inside; otherwise all of: [`Code::OcspMalformed`] for what that response says,
    /// [`Code::OcspExtensionCritical`], [`Code::CertificateMalformed`] for a certificate beside it.
    pub fn parse(der: &[u8]) -> Result<Unverified<Self>, Vec<Reason>> {
        let response = read(der).map_err(|reasons| {
            let about = |reason: Reason| reason.about("OCSP response");
            reasons.into_iter().map(about).collect::<Vec<_>>()
        });
        response.map(Unverified::new)
    }

    /// Reads an answer and checks that it is about this link's certificate and by a responder its issuer stands behind.
    ///
    /// The result depends on the bytes and on the two certificates, not on time; it may be cached by their digests.
    #[must_use]
    pub fn examine(der: &[u8], link: &Link<'_>) -> Examined<Self> {
        match Self::parse(der) {
            Ok(response) => response.authenticate(link).into(),
            Err(reasons) => Examined::Unreadable(reasons),
        }
    }

    /// The certificate that the answer is about.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.0.id
    }

    /// What the answer says about it.
    #[must_use]
    pub fn status(&self) -> CertificateStatus {
        self.0.status
    }

    /// When the answer was signed.
    #[must_use]
    pub fn produced_at(&self) -> UnixTime {
        self.0.produced_at
    }

    /// The latest time at which the status is known to have been right.
    #[must_use]
    pub fn this_update(&self) -> UnixTime {
        self.0.this_update
    }

    /// When newer information will be there, if the responder says.
    #[must_use]
    pub fn next_update(&self) -> Option<UnixTime> {
        self.0.next_update
    }

    /// The nonce of the question, if the responder repeats one.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.0.nonce.as_deref()
    }

    /// Row 67: whether the answer was made for the question with this nonce.
    #[must_use]
    pub fn nonce_verdict(&self, sent: &[u8; 32]) -> NonceVerdict {
        match self.nonce() {
            Some(nonce) if nonce == sent => NonceVerdict::Match,
            Some(_) => NonceVerdict::Mismatch,
            None => NonceVerdict::Absent,
        }
    }

    /// The certificate beside the answer that its responder id names, whatever its trust.
    #[must_use]
    pub fn responder(&self) -> Option<&Certificate> {
        self.0.responder.as_ref()
    }

    /// The same, unless it is the issuer of the certificate asked about: a responder that is the issuer may repeat its
    /// certificate.
    pub(super) fn delegated(&self, issuer: &Certificate) -> Option<&Certificate> {
        let responder = self.responder();
        responder.filter(|responder| responder.der() != issuer.der())
    }

    /// Row 73: whether the certificate of a delegated responder says that it need not be asked about itself
    /// (id-pkix-ocsp-nocheck, RFC 6960 4.2.2.2.1). If it does not, nobody has looked whether the responder's key was
    /// revoked. `None` if the issuer answers itself.
    #[must_use]
    pub fn responder_no_check(&self, issuer: &Certificate) -> Option<bool> {
        let delegated = self.delegated(issuer);
        delegated.map(Certificate::has_ocsp_no_check)
    }

    /// SHA-256 of the response, byte for byte. More than one document can hold the same signed answer: they differ in
    /// the certificates beside it.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }
}

/// Who says to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResponderId {
    /// Subject name, DER.
    Name(Vec<u8>),
    /// SHA-1 of the contents of the key's BIT STRING.
    Key(Vec<u8>),
}

impl ResponderId {
    fn read(id: &asn1::ResponderId<'_>) -> Self {
        match id {
            asn1::ResponderId::ByName(name) => Self::Name(asn1::encode(name)),
            asn1::ResponderId::ByKey(hash) => Self::Key(hash.as_bytes().to_vec()),
        }
    }

    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => name == certificate.subject_der(),
            Self::Key(hash) => *hash == certificate_id::sha1(certificate.key_bits()),
        }
    }
}

fn read(der: &[u8]) -> Result<OcspResponse, Vec<Reason>> {
    let alone = |reason: Reason| vec![reason];
    let basic = successful(der).map_err(alone)?;
    let basic: BasicOcspResponse<'_> = asn1::decode("basic response", basic).map_err(alone)?;
    let tbs = asn1::encode(&basic.tbs_response_data);
    let data: ResponseData<'_> = asn1::decode("response data", &tbs).map_err(alone)?;
    let single = only(&data.responses).map_err(alone)?;

    let responder_id = ResponderId::read(&data.responder_id);
    let id = CertificateId::read(&single.cert_id);
    let nonce = asn1::nonce(data.response_extensions.as_deref().unwrap_or_default());
    let signature = basic.signature.as_bytes();
    let certificates = basic.certs.as_deref().unwrap_or_default();
    let responder = named_certificate(&responder_id, certificates);

    let mut reasons: Vec<_> = asn1::version_is_v1(data.version).into_iter().collect();
    let of_single = single.single_extensions.as_deref();
    reasons.extend(asn1::none_processed(of_single.unwrap_or_default()));
    match (id, nonce, signature, responder) {
        (Ok(id), Ok(nonce), Some(signature), Ok(responder)) if reasons.is_empty() => {
            Ok(OcspResponse(Arc::new(Contents {
                sha256: crypto::sha256(der),
                is_ecdsa_sha384: is_ecdsa_sha384(&basic.signature_algorithm),
                signature: signature.to_vec(),
                responder_id,
                responder,
                id,
                status: CertificateStatus::read(&single.cert_status),
                produced_at: asn1::unix_time(&data.produced_at),
                this_update: asn1::unix_time(&single.this_update),
                next_update: single.next_update.as_ref().map(asn1::unix_time),
                nonce,
                tbs,
            })))
        }
        (id, nonce, signature, responder) => {
            reasons.extend(id.err().unwrap_or_default());
            reasons.extend(nonce.err().unwrap_or_default());
            if signature.is_none() {
                reasons.push(asn1::malformed("signature").expected("whole bytes"));
            }
            reasons.extend(responder.err().unwrap_or_default());
            Err(reasons)
        }
    }
}

/// Row 61: the responder answered, with a basic response. Errors are not signed; anybody on the way can make them.
fn successful(der: &[u8]) -> Result<&[u8], Reason> {
    let response: asn1::OcspResponse<'_> = asn1::message(der)?;
    let status = response.response_status;
    if status != OcspResponseStatus::Successful {
        return Err(Reason::new(Code::OcspResponseUnsuccessful, "status")
            .expected(OcspResponseStatus::Successful.as_str())
            .actual(status.as_str()));
    }
    let bytes = response
        .response_bytes
        .ok_or_else(|| asn1::malformed("response bytes are missing"))?;
    if bytes.response_type != OID_BASIC {
        let reason = asn1::malformed("response type");
        return Err(reason.expected(OID_BASIC).actual(bytes.response_type));
    }
    Ok(OctetStringRef::as_bytes(bytes.response))
}

fn only<'a, 'b>(responses: &'a [SingleResponse<'b>]) -> Result<&'a SingleResponse<'b>, Reason> {
    let [single] = responses else {
        let reason = asn1::malformed("certificates answered about");
        return Err(reason.expected(1).actual(responses.len()));
    };
    Ok(single)
}

/// RFC 5758 3.2: the algorithm identifier has no parameters, not even NULL.
fn is_ecdsa_sha384(identifier: &AlgorithmIdentifier<'_>) -> bool {
    identifier.algorithm == OID_ECDSA_SHA384 && identifier.parameters.is_none()
}

/// The one certificate beside the answer that is the responder's. All are read, and none is believed.
fn named_certificate(
    responder_id: &ResponderId,
    certificates: &[AnyRef<'_>],
) -> Result<Option<Certificate>, Vec<Reason>> {
    if certificates.len() > MAX_OCSP_CERTIFICATES {
        let reason = asn1::malformed("certificates beside the answer");
        let at_most = format!("at most {MAX_OCSP_CERTIFICATES}");
        return Err(vec![reason.expected(at_most).actual(certificates.len())]);
    }
    let mut named = Vec::new();
    let mut reasons = Vec::new();
    for (position, certificate) in certificates.iter().enumerate() {
        match Certificate::from_der(&asn1::encode(certificate)) {
            Ok(certificate) if responder_id.names(&certificate) => named.push(certificate),
            Ok(_) => {}
            Err(reason) => reasons.push(reason.about(&format!("certificate {position}"))),
        }
    }
    if named.len() > 1 {
        let reason = asn1::malformed("certificates of the responder");
        reasons.push(reason.expected("at most 1").actual(named.len()));
    }
    if reasons.is_empty() {
        Ok(named.pop())
    } else {
        Err(reasons)
    }
}
