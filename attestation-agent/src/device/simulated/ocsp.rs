//! Answers about revocation, as an OCSP responder writes them (RFC 6960 section 4.2).
//!
//! In scope: writing one answer about one certificate byte by byte, with defaults that follow
//! section 5.2 of the evidence specification, and the certificate of a delegated responder.
//!
//! Out of scope: listening on a port, reading questions, and consistency. An [`OcspSpec`] writes
//! what it is told, because a test kit needs answers that are wrong in exactly one way. What it
//! builds is believed only by a verifier that trusts the root above the issuer it speaks for.
//!
//! No code is shared with the reader of answers: a mistake in shared code would go unnoticed in
//! both.

use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, digest};
use time::{Duration, OffsetDateTime};

use super::pki::der;
use super::{CertificateSpec, DeviceError, Extension, Key};

/// id-pkix-ocsp-basic (RFC 6960 section 4.2.1).
pub const OID_BASIC: [u64; 10] = [1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
/// id-pkix-ocsp-nonce (RFC 9654 section 2.1).
pub const OID_NONCE: [u64; 10] = [1, 3, 6, 1, 5, 5, 7, 48, 1, 2];
/// id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).
pub const OID_NO_CHECK: [u64; 10] = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
/// id-ce-extKeyUsage (RFC 5280 section 4.2.1.12).
pub const OID_EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
/// id-kp-OCSPSigning (RFC 5280 section 4.2.1.12).
pub const OID_OCSP_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 9];
/// ecdsa-with-SHA384 (RFC 5758 section 3.2).
pub const OID_ECDSA_SHA384: [u64; 7] = [1, 2, 840, 10045, 4, 3, 3];
/// id-sha1 (RFC 3279 section 2.2.1).
pub const OID_SHA1: [u64; 6] = [1, 3, 14, 3, 2, 26];
/// id-sha256 (RFC 5754 section 2).
pub const OID_SHA256: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 1];
/// id-sha384 (RFC 5754 section 2).
pub const OID_SHA384: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 2];

/// Status of an answer that is one; others are refusals.
pub const SUCCESSFUL: u8 = 0;
/// How long NVIDIA's answers are for (section 5.2).
pub const USUAL_LIFETIME: Duration = Duration::hours(24);
/// Common name of a responder.
const RESPONDER: &str = "PoGW SIMULATED OCSP Responder";
/// NULL, DER.
const NULL: [u8; 2] = [0x05, 0];

/// An answer to build. Fields in the order of the bytes.
#[derive(Clone, Debug)]
pub struct OcspSpec {
    /// OCSPResponseStatus: [`SUCCESSFUL`] or the number of a refusal.
    pub response_status: u8,
    /// Kind of the response; without, there are no response bytes, as in a refusal.
    pub response_type: Option<Vec<u64>>,
    /// Version as written, if not left out as DER wants for version 1.
    pub version: Option<u8>,
    /// How the responder names itself.
    pub responder_id: ResponderId,
    /// When the answer is signed.
    pub produced_at: OffsetDateTime,
    /// The certificate that the answer is about.
    pub id: CertId,
    /// What is said about it.
    pub status: CertStatus,
    /// When that was known to be right.
    pub this_update: OffsetDateTime,
    /// When something newer will be there; absent without.
    pub next_update: Option<OffsetDateTime>,
    /// Extensions about the certificate.
    pub single_extensions: Vec<Extension>,
    /// How often the answer about the certificate is in the response.
    pub singles: usize,
    /// The nonce of the question, repeated; absent without.
    pub nonce: Option<Vec<u8>>,
    /// Further extensions of the response.
    pub extensions: Vec<Extension>,
    /// What is signed, if not that which follows from the fields above.
    pub response_data: Option<Vec<u8>>,
    /// Algorithm of the signature as written: the key decides what is done.
    pub algorithm: Vec<u64>,
    /// Who answers.
    pub responder: Responder,
    /// The key that signs, if not the responder's.
    pub signer: Option<Arc<Key>>,
    /// The signature as written, if not a valid one.
    pub signature: Option<Vec<u8>>,
    /// Flip the last bit of the signature: still well-formed, no longer valid.
    pub corrupt_signature: bool,
    /// The certificates beside the answer, DER, if not that of the responder alone.
    pub certificates: Option<Vec<Vec<u8>>>,
    /// Bytes behind the answer.
    pub trailing: Vec<u8>,
}

/// Whoever signs answers.
#[derive(Clone, Debug)]
pub struct Responder {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The key in it.
    pub key: Arc<Key>,
}

/// How a responder names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponderId {
    /// By the SHA-1 of its key, as NVIDIA's do.
    Key,
    /// By its subject name.
    Name,
    /// By any element, DER.
    Other(Vec<u8>),
}

/// `CertID`: names a certificate by its issuer and its serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId {
    /// The hash, by name alone: what the hashes are was settled when this was made.
    pub hash: Vec<u64>,
    /// Hash of the issuer's subject name.
    pub issuer_name_hash: Vec<u8>,
    /// Hash of the issuer's key: of what is in its BIT STRING.
    pub issuer_key_hash: Vec<u8>,
    /// Serial number: content of the INTEGER.
    pub serial: Vec<u8>,
}

/// What an answer says about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// Since when.
        at: OffsetDateTime,
        /// CRLReason (RFC 5280 section 5.3.1); absent without.
        reason: Option<u8>,
    },
    /// Not known to the responder.
    Unknown,
    /// Any element, DER.
    Other(Vec<u8>),
}

/// CRLReason certificateHold: revoked for the time being.
pub const CERTIFICATE_HOLD: u8 = 6;

impl OcspSpec {
    /// A good answer about a certificate (DER), in the manner of NVIDIA's responders: produced
    /// when it was known to be right, for 24 hours, the responder's certificate beside it.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if `subject` or `issuer` is no certificate.
    pub fn good(
        subject: &[u8],
        issuer: &[u8],
        responder: Responder,
        at: OffsetDateTime,
    ) -> Result<Self, DeviceError> {
        Ok(Self {
            response_status: SUCCESSFUL,
            response_type: Some(OID_BASIC.to_vec()),
            version: None,
            responder_id: ResponderId::Key,
            produced_at: at,
            id: CertId::sha384(subject, issuer)?,
            status: CertStatus::Good,
            this_update: at,
            next_update: Some(at.saturating_add(USUAL_LIFETIME)),
            single_extensions: Vec::new(),
            singles: 1,
            nonce: None,
            extensions: Vec::new(),
            response_data: None,
            algorithm: OID_ECDSA_SHA384.to_vec(),
            responder,
            signer: None,
            signature: None,
            corrupt_signature: false,
            certificates: None,
            trailing: Vec::new(),
        })
    }

    /// The answer, signed: `OCSPResponse`, DER.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if the responder's certificate is none, or signing fails.
    pub fn build(&self) -> Result<Vec<u8>, DeviceError> {
        let status = der(0x0a, &[self.response_status]);
        let bytes = match &self.response_type {
            Some(kind) => {
                let basic = self.basic_response()?;
                explicit(0, &sequence(&[&oid(kind), &der(0x04, &basic)]))
            }
            None => Vec::new(),
        };
        let mut response = sequence(&[&status, &bytes]);
        response.extend(&self.trailing);
        Ok(response)
    }

    /// `ResponseData`, DER: what is signed unless [`response_data`](Self::response_data) says
    /// otherwise.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if the responder's certificate is none.
    pub fn data(&self) -> Result<Vec<u8>, DeviceError> {
        let version = self.version.map(|it| explicit(0, &der(0x02, &[it])));
        let single = self.single_response().repeat(self.singles);
        let nonce = self.nonce.as_deref().map(Extension::ocsp_nonce);
        let extensions: Vec<_> = nonce.iter().chain(&self.extensions).collect();
        Ok(sequence(&[
            &version.unwrap_or_default(),
            &self.responder_id.element(&self.responder)?,
            &generalized_time(self.produced_at),
            &sequence(&[&single]),
            &tagged_extensions(1, &extensions),
        ]))
    }

    fn single_response(&self) -> Vec<u8> {
        let next_update = self
            .next_update
            .map(|it| explicit(0, &generalized_time(it)));
        let extensions: Vec<_> = self.single_extensions.iter().collect();
        sequence(&[
            &self.id.element(),
            &self.status.element(),
            &generalized_time(self.this_update),
            &next_update.unwrap_or_default(),
            &tagged_extensions(1, &extensions),
        ])
    }

    fn basic_response(&self) -> Result<Vec<u8>, DeviceError> {
        let data = match &self.response_data {
            Some(data) => data.clone(),
            None => self.data()?,
        };
        let mut signature = match &self.signature {
            Some(signature) => signature.clone(),
            None => signed(self.signer.as_ref().unwrap_or(&self.responder.key), &data)?,
        };
        if let (true, Some(end)) = (self.corrupt_signature, signature.last_mut()) {
            *end ^= 1;
        }
        let own = [self.responder.certificate.clone()];
        let certificates = self.certificates.as_deref().unwrap_or(&own);
        let certificates = match certificates {
            [] => Vec::new(),
            some => explicit(0, &sequence(&[&some.concat()])),
        };
        Ok(sequence(&[
            &data,
            &sequence(&[&oid(&self.algorithm)]),
            &der(0x03, &[&[0], &signature[..]].concat()),
            &certificates,
        ]))
    }
}

impl Responder {
    /// A responder whose certificate is made of `spec` and signed by `issuer`.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`].
    pub fn issued(spec: &CertificateSpec, issuer: &CertificateSpec) -> Result<Self, DeviceError> {
        Ok(Self {
            certificate: spec.build(issuer)?,
            key: Arc::clone(&spec.key),
        })
    }
}

impl CertificateSpec {
    /// A delegated responder with a fresh key: extended key usage OCSPSigning, critical, as in
    /// NVIDIA's.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn responder() -> Result<Self, DeviceError> {
        Ok(Self {
            extensions: vec![Extension::extended_key_usage(&OID_OCSP_SIGNING)],
            ..Self::signer(RESPONDER)?
        })
    }
}

impl Extension {
    /// extendedKeyUsage with one purpose, critical.
    #[must_use]
    pub fn extended_key_usage(purpose: &[u64]) -> Self {
        Self {
            oid: OID_EXTENDED_KEY_USAGE.to_vec(),
            critical: true,
            value: sequence(&[&oid(purpose)]),
        }
    }

    /// id-pkix-ocsp-nocheck: nobody need ask about this responder. NVIDIA's responders for
    /// manifests have it, those for devices do not (section 5.2).
    #[must_use]
    pub fn ocsp_no_check() -> Self {
        Self {
            oid: OID_NO_CHECK.to_vec(),
            critical: false,
            value: NULL.to_vec(),
        }
    }

    /// The nonce of a question or of the answer to it.
    #[must_use]
    pub fn ocsp_nonce(nonce: &[u8]) -> Self {
        Self {
            oid: OID_NONCE.to_vec(),
            critical: false,
            value: der(0x04, nonce),
        }
    }

    fn element(&self) -> Vec<u8> {
        // DER leaves out a BOOLEAN that has its default value, which is FALSE here.
        let critical: &[u8] = if self.critical { &[0x01, 1, 0xff] } else { &[] };
        sequence(&[&oid(&self.oid), critical, &der(0x04, &self.value)])
    }
}

impl ResponderId {
    fn element(&self, responder: &Responder) -> Result<Vec<u8>, DeviceError> {
        let parts = || Parts::of(&responder.certificate);
        Ok(match self {
            Self::Key => {
                let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, parts()?.key);
                explicit(2, &der(0x04, hash.as_ref()))
            }
            Self::Name => explicit(1, parts()?.subject),
            Self::Other(element) => element.clone(),
        })
    }
}

impl CertId {
    /// By SHA-384, as NVIDIA's newer clients ask.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if `subject` or `issuer` is no certificate (DER).
    pub fn sha384(subject: &[u8], issuer: &[u8]) -> Result<Self, DeviceError> {
        Self::by(&OID_SHA384, &SHA384, subject, issuer)
    }

    /// By SHA-256.
    ///
    /// # Errors
    /// As [`sha384`](Self::sha384).
    pub fn sha256(subject: &[u8], issuer: &[u8]) -> Result<Self, DeviceError> {
        Self::by(&OID_SHA256, &SHA256, subject, issuer)
    }

    /// By SHA-1, as OpenSSL asks.
    ///
    /// # Errors
    /// As [`sha384`](Self::sha384).
    pub fn sha1(subject: &[u8], issuer: &[u8]) -> Result<Self, DeviceError> {
        Self::by(&OID_SHA1, &SHA1_FOR_LEGACY_USE_ONLY, subject, issuer)
    }

    fn by(
        name: &[u64],
        hash: &'static Algorithm,
        subject: &[u8],
        issuer: &[u8],
    ) -> Result<Self, DeviceError> {
        let issuer = Parts::of(issuer)?;
        Ok(Self {
            hash: name.to_vec(),
            issuer_name_hash: digest(hash, issuer.subject).as_ref().to_vec(),
            issuer_key_hash: digest(hash, issuer.key).as_ref().to_vec(),
            serial: Parts::of(subject)?.serial.to_vec(),
        })
    }

    fn element(&self) -> Vec<u8> {
        sequence(&[
            &sequence(&[&oid(&self.hash), &NULL]),
            &der(0x04, &self.issuer_name_hash),
            &der(0x04, &self.issuer_key_hash),
            &der(0x02, &self.serial),
        ])
    }
}

impl CertStatus {
    fn element(&self) -> Vec<u8> {
        match self {
            Self::Good => der(0x80, &[]),
            Self::Revoked { at, reason } => {
                let reason = reason.map(|it| explicit(0, &der(0x0a, &[it])));
                let time = generalized_time(*at);
                der(0xa1, &[time, reason.unwrap_or_default()].concat())
            }
            Self::Unknown => der(0x82, &[]),
            Self::Other(element) => element.clone(),
        }
    }
}

/// The serial number of a certificate (DER), in hexadecimal and without leading zero bytes.
///
/// # Errors
/// [`DeviceError::Crypto`] if it is none.
pub(super) fn serial_hex(certificate: &[u8]) -> Result<String, DeviceError> {
    let serial = Parts::of(certificate)?.serial;
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    Ok(hex::encode(serial.get(zeros..).unwrap_or_default()))
}

/// What an answer needs of a certificate.
struct Parts<'a> {
    /// Content of the INTEGER.
    serial: &'a [u8],
    /// The whole Name.
    subject: &'a [u8],
    /// Content of the key's BIT STRING, without the byte that counts unused bits.
    key: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(certificate: &'a [u8]) -> Result<Self, DeviceError> {
        Self::read(certificate)
            .ok_or_else(|| DeviceError::crypto("read a certificate to answer about"))
    }

    /// RFC 5280 section 4.1: version 3, so that its tag comes first.
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let (certificate, _) = element(certificate)?;
        let (tbs, _) = element(certificate.content)?;
        let mut rest = tbs.content;
        let mut next = || {
            let (first, after) = element(rest)?;
            rest = after;
            Some(first)
        };
        let [
            _version,
            serial,
            _algorithm,
            _issuer,
            _validity,
            subject,
            spki,
        ] = [
            next()?,
            next()?,
            next()?,
            next()?,
            next()?,
            next()?,
            next()?,
        ];
        let (_, after_algorithm) = element(spki.content)?;
        let (bits, _) = element(after_algorithm)?;
        Some(Self {
            serial: serial.content,
            subject: subject.whole,
            key: bits.content.get(1..)?,
        })
    }
}

/// One DER element.
#[derive(Clone, Copy)]
struct Element<'a> {
    content: &'a [u8],
    whole: &'a [u8],
}

/// The first DER element and what follows it; certificates need no lengths beyond 16 bits.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (header, length) = match der.get(1..)? {
        [short @ 0..=0x7f, ..] => (2_usize, usize::from(*short)),
        [0x81, low, ..] => (3, usize::from(*low)),
        [0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    let end = header.checked_add(length)?;
    let (whole, rest) = der.split_at_checked(end)?;
    let content = whole.get(header..)?;
    Some((Element { content, whole }, rest))
}

/// The form certificates are signed in: DER `SEQUENCE { r, s }`.
fn signed(key: &Key, message: &[u8]) -> Result<Vec<u8>, DeviceError> {
    rcgen::SigningKey::sign(key, message)
        .map_err(|e| DeviceError::crypto(format!("sign an answer: {e}")))
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// `[number] EXPLICIT`.
fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    der(0xa0 | number, content)
}

/// `[number] EXPLICIT Extensions OPTIONAL`: nothing where there are none.
fn tagged_extensions(number: u8, extensions: &[&Extension]) -> Vec<u8> {
    match extensions {
        [] => Vec::new(),
        some => {
            let elements: Vec<_> = some.iter().map(|it| it.element()).collect();
            explicit(number, &sequence(&[&elements.concat()]))
        }
    }
}

/// GeneralizedTime in the form of RFC 5280: whole seconds of UTC.
fn generalized_time(time: OffsetDateTime) -> Vec<u8> {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (time.date(), time.time());
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
    );
    der(0x18, text.as_bytes())
}

/// OBJECT IDENTIFIER (X.690 section 8.19).
fn oid(arcs: &[u64]) -> Vec<u8> {
    let (first, rest) = arcs.split_at(arcs.len().min(2));
    let joined = match first {
        [root, second] => root.saturating_mul(40).saturating_add(*second),
        _ => 0,
    };
    let arcs = std::iter::once(joined).chain(rest.iter().copied());
    der(0x06, &arcs.flat_map(base_128).collect::<Vec<_>>())
}

/// Seven bits a byte, most significant first, the top bit set on all but the last.
fn base_128(mut number: u64) -> Vec<u8> {
    let low = |number: u64| number.to_le_bytes()[0] & 0x7f;
    let mut bytes = vec![low(number)];
    number >>= 7;
    while number > 0 {
        bytes.push(low(number) | 0x80);
        number >>= 7;
    }
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::device::simulated::{DevicePki, PkiSpec};

    #[test]
    fn object_identifiers_and_times_are_written_as_others_write_them() {
        // As in RFC 5758, RFC 6960 and X.690 8.19.5.
        let basic = [6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
        let sha384 = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
        let ecdsa = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
        assert_eq!(oid(&OID_BASIC), basic);
        assert_eq!(oid(&OID_SHA384), sha384);
        assert_eq!(oid(&OID_ECDSA_SHA384), ecdsa);
        assert_eq!(oid(&[2, 999, 3]), [6, 3, 0x88, 0x37, 3]);
        let time = generalized_time(datetime!(2026-06-01 02:03:04.9 +02:00));
        assert_eq!(time, [&[0x18, 15], &b"20260601000304Z"[..]].concat());
    }

    #[test]
    fn a_part_of_a_certificate_is_no_certificate() {
        let chain = PkiSpec::device(&DevicePki::default()).unwrap();
        let ders = chain.build().unwrap();
        assert!(CertId::sha384(&ders[1], &ders[2]).is_ok());
        for (subject, issuer) in [(&ders[1][..9], &ders[2][..]), (&ders[1], &ders[2][..99])] {
            let error = CertId::sha384(subject, issuer).unwrap_err();
            assert_eq!(error.code(), "device_crypto_failed");
        }
    }

    #[test]
    fn a_refusal_has_no_response_bytes() {
        let chain = PkiSpec::device(&DevicePki::default()).unwrap();
        let ders = chain.build().unwrap();
        let issuer = &chain.certificates[2];
        let responder = Responder::issued(&CertificateSpec::responder().unwrap(), issuer).unwrap();
        let at = datetime!(2026-06-01 00:00 UTC);
        let mut spec = OcspSpec::good(&ders[1], &ders[2], responder, at).unwrap();
        spec.response_status = 3;
        spec.response_type = None;
        assert_eq!(spec.build().unwrap(), [0x30, 3, 0x0a, 1, 3]);
    }
}
