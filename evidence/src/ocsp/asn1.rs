//! The ASN.1 of OCSP, field by field as RFC 6960 4.1.1 and 4.2.1 write it, with the nonce of RFC 9654.
//!
//! In scope: form alone. The decoder takes DER, not BER, and refuses what a type does not name, so every message has
//! one spelling. Parts that are signed or read elsewhere stay bytes ([`AnyRef`]). What a field means is for the
//! modules that use it.

use der::asn1::{
    AnyRef, BitStringRef, GeneralizedTime, IntRef, Null, ObjectIdentifier, OctetStringRef,
};
use der::{Choice, Decode, Encode, Enumerated, Sequence};

use super::RevocationReason;
use crate::limits::{MAX_OCSP_BYTES, MAX_OCSP_EXTENSIONS};
use crate::reason::{Code, Reason};
use crate::time::UnixTime;

/// id-pkix-ocsp-basic (RFC 6960 4.2.1).
pub(super) const OID_BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// id-pkix-ocsp-nonce (RFC 9654 2.1).
pub(super) const OID_NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
/// ecdsa-with-SHA384 (RFC 5758 3.2).
pub(super) const OID_ECDSA_SHA384: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// Longest nonce (RFC 9654 2.1); the shortest is one byte.
const MAX_NONCE_BYTES: usize = 128;

/// `Version ::= INTEGER { v1(0) }`: there is no other.
pub(super) const V1: u8 = 0;

const fn v1() -> u8 {
    V1
}

const fn not_critical() -> bool {
    false
}

#[derive(Sequence)]
pub(super) struct OcspRequest<'a> {
    pub(super) tbs_request: TbsRequest<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) optional_signature: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
pub(super) struct TbsRequest<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "v1")]
    pub(super) version: u8,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) requestor_name: Option<AnyRef<'a>>,
    pub(super) request_list: Vec<Request<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) request_extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
pub(super) struct Request<'a> {
    pub(super) req_cert: CertId<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) single_request_extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
pub(super) struct CertId<'a> {
    pub(super) hash_algorithm: AlgorithmIdentifier<'a>,
    pub(super) issuer_name_hash: &'a OctetStringRef,
    pub(super) issuer_key_hash: &'a OctetStringRef,
    pub(super) serial_number: IntRef<'a>,
}

#[derive(Sequence)]
pub(super) struct AlgorithmIdentifier<'a> {
    pub(super) algorithm: ObjectIdentifier,
    pub(super) parameters: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
pub(super) struct Extension<'a> {
    pub(super) extn_id: ObjectIdentifier,
    #[asn1(default = "not_critical")]
    pub(super) critical: bool,
    pub(super) extn_value: &'a OctetStringRef,
}

#[derive(Sequence)]
pub(super) struct OcspResponse<'a> {
    pub(super) response_status: OcspResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) response_bytes: Option<ResponseBytes<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum OcspResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

impl OcspResponseStatus {
    /// The word of RFC 6960 4.2.1.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }
}

#[derive(Sequence)]
pub(super) struct ResponseBytes<'a> {
    pub(super) response_type: ObjectIdentifier,
    pub(super) response: &'a OctetStringRef,
}

#[derive(Sequence)]
pub(super) struct BasicOcspResponse<'a> {
    /// `ResponseData`, kept as the bytes that are signed.
    pub(super) tbs_response_data: AnyRef<'a>,
    pub(super) signature_algorithm: AlgorithmIdentifier<'a>,
    pub(super) signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) certs: Option<Vec<AnyRef<'a>>>,
}

#[derive(Sequence)]
pub(super) struct ResponseData<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "v1")]
    pub(super) version: u8,
    pub(super) responder_id: ResponderId<'a>,
    pub(super) produced_at: GeneralizedTime,
    pub(super) responses: Vec<SingleResponse<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) response_extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Choice)]
pub(super) enum ResponderId<'a> {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(AnyRef<'a>),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(&'a OctetStringRef),
}

#[derive(Sequence)]
pub(super) struct SingleResponse<'a> {
    pub(super) cert_id: CertId<'a>,
    pub(super) cert_status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) single_extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
pub(super) struct RevokedInfo {
    pub(super) revocation_time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) revocation_reason: Option<RevocationReason>,
}

/// A message that is not what this module describes.
pub(super) fn malformed(what: impl Into<String>) -> Reason {
    Reason::new(Code::OcspMalformed, what)
}

/// Reads a whole message, which nothing may follow.
pub(super) fn message<'a, T>(der: &'a [u8]) -> Result<T, Reason>
where
    T: Decode<'a, Error = der::Error>,
{
    if der.len() > MAX_OCSP_BYTES {
        let at_most = format!("at most {MAX_OCSP_BYTES}");
        let reason = Reason::new(Code::OcspTooLarge, "size in bytes");
        return Err(reason.expected(at_most).actual(der.len()));
    }
    decode("message", der)
}

/// Reads a part of a message, or the whole.
pub(super) fn decode<'a, T>(part: &str, der: &'a [u8]) -> Result<T, Reason>
where
    T: Decode<'a, Error = der::Error>,
{
    T::from_der(der).map_err(|error| malformed(format!("{part}: {error}")))
}

/// Writes a part of a message.
pub(super) fn encode(part: &impl Encode) -> Vec<u8> {
    bounded(part.to_der())
}

/// Writing fails for lengths alone that DER cannot state, and every part here comes from an input far below that. No
/// reader takes an empty message for anything.
pub(super) fn bounded(der: der::Result<Vec<u8>>) -> Vec<u8> {
    debug_assert!(der.is_ok());
    der.unwrap_or_default()
}

/// RFC 6960 4.1.1 and 4.2.1: version 1, the only one.
pub(super) fn version_is_v1(version: u8) -> Option<Reason> {
    let reason = malformed("version");
    (version != V1).then(|| reason.expected(V1).actual(version))
}

pub(super) fn unix_time(time: &GeneralizedTime) -> UnixTime {
    let secs = time.to_unix_duration().as_secs();
    UnixTime::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))
}

/// The nonce among the extensions of a whole message, if there is one; everything else is passed over unless it is
/// critical.
///
/// # Errors
/// [`Code::OcspMalformed`] for too many extensions, one that occurs twice and a nonce of another form,
/// [`Code::OcspExtensionCritical`] for a critical extension that is not the nonce.
pub(super) fn nonce(extensions: &[Extension<'_>]) -> Result<Option<Vec<u8>>, Vec<Reason>> {
    if let Some(reason) = too_many(extensions) {
        return Err(vec![reason]);
    }
    let mut reasons = unprocessed_critical(extensions, &[OID_NONCE]);
    reasons.extend(repeated(extensions));
    let found = extensions.iter().find(|e| e.extn_id == OID_NONCE);
    let nonce = found.map(nonce_value).transpose();
    match nonce {
        Ok(nonce) if reasons.is_empty() => Ok(nonce),
        nonce => {
            reasons.extend(nonce.err());
            Err(reasons)
        }
    }
}

/// Extensions about one certificate: none is processed, so none may be critical.
pub(super) fn none_processed(extensions: &[Extension<'_>]) -> Vec<Reason> {
    if let Some(reason) = too_many(extensions) {
        return vec![reason];
    }
    let mut reasons = unprocessed_critical(extensions, &[]);
    reasons.extend(repeated(extensions));
    reasons
}

/// Past the bound no extension is looked at: each could be a reason of its own.
fn too_many(extensions: &[Extension<'_>]) -> Option<Reason> {
    let at_most = format!("at most {MAX_OCSP_EXTENSIONS}");
    let reason = malformed("number of extensions").expected(at_most);
    (extensions.len() > MAX_OCSP_EXTENSIONS).then(|| reason.actual(extensions.len()))
}

/// RFC 6960 4.4, RFC 5280 4.2: a critical extension that is not processed makes the message unusable.
fn unprocessed_critical(
    extensions: &[Extension<'_>],
    processed: &[ObjectIdentifier],
) -> Vec<Reason> {
    let critical = extensions.iter().filter(|extension| extension.critical);
    let unprocessed = critical.filter(|extension| !processed.contains(&extension.extn_id));
    unprocessed
        .map(|extension| {
            Reason::new(Code::OcspExtensionCritical, "critical extension").actual(extension.extn_id)
        })
        .collect()
}

/// An extension that occurs twice: which one counts would be a guess.
fn repeated(extensions: &[Extension<'_>]) -> Option<Reason> {
    let mut ids: Vec<_> = extensions.iter().map(|e| e.extn_id).collect();
    ids.sort_unstable();
    let mut pairs = ids.iter().zip(ids.iter().skip(1));
    let twice = pairs.find(|(one, next)| one == next)?;
    Some(malformed("extension occurs twice").actual(twice.0))
}

/// RFC 9654 2.1: `Nonce ::= OCTET STRING (SIZE (1..128))`.
fn nonce_value(extension: &Extension<'_>) -> Result<Vec<u8>, Reason> {
    let value = extension.extn_value.as_bytes();
    let nonce = <&OctetStringRef>::from_der(value).map(OctetStringRef::as_bytes);
    let in_bounds = nonce
        .ok()
        .filter(|n| (1..=MAX_NONCE_BYTES).contains(&n.len()));
    in_bounds.map(<[u8]>::to_vec).ok_or_else(|| {
        malformed("nonce")
            .expected(format!("an octet string of 1 to {MAX_NONCE_BYTES} bytes"))
            .actual(hex::encode(value))
    })
}
