//! The certificate that NVIDIA's clients want around a public key: self-signed X.509 (RFC 5280), written as DER.
//!
//! They take the key from the first entry of `x5c` (RFC 7517 section 4.7) and look at nothing else in it. The certificate
//! is an envelope: nothing vouches for it, and TLS to the issuer is what makes the key set the issuer's.
//!
//! The few types are written out here because this crate may not link one that makes certificates
//! (`tests/tests/layering.rs`): a verifier that can issue device chains could forge what it judges. This module can
//! write only one kind of certificate, a leaf that may sign data and is no CA.

use der::asn1::{
    AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, SetOfVec, UintRef,
    UtcTime, Utf8StringRef,
};
use der::{Choice, DateTime, Encode, Sequence, ValueOrd};
use evidence::{UnixTime, crypto};
use receipt::{SignError, Signer};
use std::time::Duration;
use thiserror::Error;

/// ecdsa-with-SHA384 (RFC 5758 section 3.2).
const OID_ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// id-ecPublicKey, secp384r1 (RFC 5480 section 2.1.1).
const OID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const OID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// id-at-commonName (RFC 5280 appendix A.1).
const OID_COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// id-ce-keyUsage, id-ce-basicConstraints (RFC 5280 section 4.2.1).
const OID_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const OID_BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

/// BIT STRING with digitalSignature alone.
const DIGITAL_SIGNATURE: [u8; 4] = [0x03, 0x02, 0x07, 0x80];
/// BasicConstraints of what is no CA.
const NOT_A_CA: [u8; 2] = [0x30, 0x00];
/// X.509 version 3.
const V3: u8 = 2;
/// ub-common-name (RFC 5280 appendix A.1).
const MAX_COMMON_NAME_CHARS: usize = 64;

/// For readers with slow clocks.
const BACKDATED_S: i64 = 24 * 3600;
/// Five years. A certificate is made at each start and lives as long as the process, so any bound is one that a process
/// must not outlive; it is there so that a copy which lingers somewhere does not count for ever.
const LIFETIME_S: i64 = 5 * 365 * 24 * 3600;

/// Why there is no certificate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A value does not fit its field.
    #[error("certificate for NVIDIA's clients: {0}")]
    Encode(#[from] der::Error),
    /// The key did not sign.
    #[error("certificate for NVIDIA's clients: {0}")]
    Sign(#[from] SignError),
    /// The clock is beyond what certificates can say.
    #[error("certificate for NVIDIA's clients: {0} is no time of a certificate")]
    Time(UnixTime),
}

#[derive(Sequence)]
struct Certificate<'a> {
    tbs_certificate: AnyRef<'a>,
    signature_algorithm: AlgorithmIdentifier<'a>,
    signature: BitStringRef<'a>,
}

#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: UintRef<'a>,
    signature: AlgorithmIdentifier<'a>,
    issuer: Vec<SetOfVec<NameAttribute<'a>>>,
    validity: Validity,
    subject: Vec<SetOfVec<NameAttribute<'a>>>,
    subject_public_key_info: SubjectPublicKeyInfo<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension<'a>>,
}

#[derive(Sequence)]
struct AlgorithmIdentifier<'a> {
    algorithm: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Sequence, ValueOrd)]
struct NameAttribute<'a> {
    oid: ObjectIdentifier,
    value: Utf8StringRef<'a>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

/// Years to 2049 are written short (RFC 5280 section 4.1.2.5).
#[derive(Choice)]
enum Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

#[derive(Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    subject_public_key: BitStringRef<'a>,
}

#[derive(Sequence)]
struct Extension<'a> {
    id: ObjectIdentifier,
    critical: bool,
    value: &'a OctetStringRef,
}

#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// A self-signed certificate of the P-384 key whose uncompressed point is `point`, named after `host`.
///
/// # Errors
/// See [`CertificateError`].
pub(super) fn self_signed(
    signer: &dyn Signer,
    point: &[u8],
    host: &str,
    now: UnixTime,
) -> Result<Vec<u8>, CertificateError> {
    let host: String = host.chars().take(MAX_COMMON_NAME_CHARS).collect();
    let name = || -> Result<_, der::Error> {
        let attribute = NameAttribute {
            oid: OID_COMMON_NAME,
            value: Utf8StringRef::new(&host)?,
        };
        Ok(vec![SetOfVec::try_from(vec![attribute])?])
    };
    // Named after the key: positive, not zero, and the same at every start.
    let mut serial = crypto::sha256(point);
    serial[0] = serial[0] & 0x7f | 0x40;
    let curve = OID_P384.to_der()?;
    let tbs = TbsCertificate {
        version: V3,
        serial_number: UintRef::new(&serial[..16])?,
        signature: ecdsa_sha384(),
        issuer: name()?,
        validity: Validity {
            not_before: time(now, -BACKDATED_S)?,
            not_after: time(now, LIFETIME_S)?,
        },
        subject: name()?,
        subject_public_key_info: SubjectPublicKeyInfo {
            algorithm: AlgorithmIdentifier {
                algorithm: OID_EC_PUBLIC_KEY,
                parameters: Some(AnyRef::try_from(curve.as_slice())?),
            },
            subject_public_key: BitStringRef::from_bytes(point)?,
        },
        extensions: vec![
            critical(OID_BASIC_CONSTRAINTS, &NOT_A_CA)?,
            critical(OID_KEY_USAGE, &DIGITAL_SIGNATURE)?,
        ],
    };
    let tbs = tbs.to_der()?;
    let signature = in_der(&signer.sign(&tbs)?)?;
    let certificate = Certificate {
        tbs_certificate: AnyRef::try_from(tbs.as_slice())?,
        signature_algorithm: ecdsa_sha384(),
        signature: BitStringRef::from_bytes(&signature)?,
    };
    Ok(certificate.to_der()?)
}

/// Its parameters are absent (RFC 5758 section 3.2).
const fn ecdsa_sha384() -> AlgorithmIdentifier<'static> {
    AlgorithmIdentifier {
        algorithm: OID_ECDSA_SHA384,
        parameters: None,
    }
}

fn critical(id: ObjectIdentifier, value: &[u8]) -> Result<Extension<'_>, der::Error> {
    Ok(Extension {
        id,
        critical: true,
        value: OctetStringRef::new(value)?,
    })
}

fn time(now: UnixTime, offset_s: i64) -> Result<Time, CertificateError> {
    let at = UnixTime::from_secs(now.secs().saturating_add(offset_s));
    let secs = u64::try_from(at.secs().max(0)).map_err(|_| CertificateError::Time(at))?;
    let at_that = |_| CertificateError::Time(at);
    let date = DateTime::from_unix_duration(Duration::from_secs(secs)).map_err(at_that)?;
    match UtcTime::from_date_time(date) {
        Ok(short) => Ok(Time::Utc(short)),
        Err(_) => Ok(Time::General(GeneralizedTime::from_date_time(date))),
    }
}

/// r and s side by side as JWS has them, in the form X.509 has them (RFC 3279 section 2.2.3).
fn in_der(raw: &[u8]) -> Result<Vec<u8>, der::Error> {
    let (r, s) = raw.split_at(raw.len() / 2);
    EcdsaSignature {
        r: UintRef::new(r)?,
        s: UintRef::new(s)?,
    }
    .to_der()
}
