//! X.509 certificates as NVIDIA issues them (nvidia-evidence 4, 6.4).
//!
//! In scope: reading a certificate into the few facts the rules need ([`Certificate`]), the rules of a chain
//! ([`CertificateChain`]), pinned roots ([`TrustAnchor`]), the firmware id of a leaf ([`Fwid`]).
//! Out of scope: path building (chains come complete and in order), names beyond byte equality, revocation.

mod anchor;
mod chain;
mod fwid;

pub use anchor::{AnchorUse, TrustAnchor, TrustAnchors};
pub use chain::{CertificateChain, ChainProfile};
pub use fwid::{Fwid, FwidError};

use std::sync::OnceLock;

use x509_parser::prelude::{FromDer, X509Certificate, X509Extension, X509Version};

use crate::crypto::{self, P384Key};
use crate::limits::{MAX_CERTIFICATE_EXTENSIONS, MAX_NAME_CHARS};
use crate::reason::{Code, Reason, shorten};
use crate::time::{UnixTime, Validity};

/// id-ecPublicKey (RFC 5480).
const OID_EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
/// secp384r1 (RFC 5480).
const OID_P384: &str = "1.3.132.0.34";
/// ecdsa-with-SHA384 (RFC 5758).
const OID_ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
/// DER of `AlgorithmIdentifier { ecdsa-with-SHA384 }`; parameters must be absent (RFC 5758 3.2).
const ECDSA_SHA384_IDENTIFIER: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03,
];
const TAG_SEQUENCE: u8 = 0x30;
const TAG_BIT_STRING: u8 = 0x03;
/// Marks a length of more than 127 (X.690 8.1.3).
const LONG_FORM: u8 = 0x80;
/// basicConstraints and keyUsage (RFC 5280): the only critical extensions NVIDIA uses, and the only ones processed.
const OID_BASIC_CONSTRAINTS: &str = "2.5.29.19";
const OID_KEY_USAGE: &str = "2.5.29.15";
/// id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1).
const OID_OCSP_NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";

/// The facts of one certificate that the rules ask for. Reading it establishes nothing about who issued it.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    key: Option<P384Key>,
    key_bits: Vec<u8>,
    signature_is_ecdsa_sha384: bool,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    common_name: String,
    serial: Vec<u8>,
    serial_decimal: String,
    validity: Validity,
    constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    unprocessed_critical: Vec<String>,
    is_for_ocsp_signing: bool,
    has_ocsp_no_check: bool,
    fwid: Result<Option<Fwid>, FwidError>,
    /// SHA-384 of name and key, made when first asked for: OCSP names an issuer by them, in every appraisal.
    name_and_key_sha384: OnceLock<[[u8; 48]; 2]>,
    /// Made when first asked for: caches know certificates by it.
    sha256: OnceLock<[u8; 32]>,
}

/// The basicConstraints extension (RFC 5280 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// The two bits of keyUsage (RFC 5280 4.2.1.3) the rules ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) key_cert_sign: bool,
}

impl Certificate {
    /// Reads one DER certificate; nothing may follow it.
    ///
    /// # Errors
    /// [`Code::CertificateMalformed`] when it is not X.509 version 3, has more extensions than any real one, or one that
    /// cannot be read.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let malformed = |why: String| Reason::new(Code::CertificateMalformed, why);
        let (rest, x509) = X509Certificate::from_der(der)
            .map_err(|e| malformed(format!("certificate is not DER of X.509: {e}")))?;
        if !rest.is_empty() {
            return Err(malformed("bytes follow the certificate".to_owned()).actual(rest.len()));
        }
        if x509.version() != X509Version::V3 {
            return Err(malformed("certificate version".to_owned())
                .expected(3)
                .actual(u64::from(x509.version().0).saturating_add(1)));
        }
        if x509.extensions().len() > MAX_CERTIFICATE_EXTENSIONS {
            return Err(malformed("extensions of the certificate".to_owned())
                .expected(format!("at most {MAX_CERTIFICATE_EXTENSIONS}"))
                .actual(x509.extensions().len()));
        }
        let signature_oid = x509.signature_algorithm.algorithm.to_id_string();
        if x509.tbs_certificate.signature.algorithm.to_id_string() != signature_oid {
            return Err(malformed(
                "signature algorithms inside and outside differ".to_owned(),
            ));
        }
        if signature_oid == OID_ECDSA_SHA384 && !is_the_encoding_of(der, &x509) {
            return Err(malformed(
                "certificate is not the DER encoding of its parts".to_owned(),
            ));
        }
        let fwid = fwid::of_extensions(&x509);
        Ok(Self {
            der: der.to_vec(),
            tbs: x509.tbs_certificate.as_ref().to_vec(),
            signature: x509.signature_value.data.to_vec(),
            key: p384_key(&x509),
            key_bits: x509.public_key().subject_public_key.data.to_vec(),
            signature_is_ecdsa_sha384: signature_oid == OID_ECDSA_SHA384,
            subject: x509.subject().as_raw().to_vec(),
            issuer: x509.issuer().as_raw().to_vec(),
            common_name: common_name(&x509),
            serial: x509.raw_serial().to_vec(),
            serial_decimal: x509.tbs_certificate.serial.to_string(),
            validity: Validity {
                not_before: UnixTime::from_secs(x509.validity().not_before.timestamp()),
                not_after: UnixTime::from_secs(x509.validity().not_after.timestamp()),
            },
            constraints: constraints(&x509).map_err(malformed)?,
            key_usage: key_usage(&x509).map_err(malformed)?,
            unprocessed_critical: unprocessed_critical(x509.extensions()),
            is_for_ocsp_signing: is_for_ocsp_signing(&x509),
            has_ocsp_no_check: has_ocsp_no_check(x509.extensions()),
            fwid,
            name_and_key_sha384: OnceLock::new(),
            sha256: OnceLock::new(),
        })
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| crypto::sha256(&self.der))
    }

    /// The DER the certificate was read from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Common name of the subject; empty if it has none.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The common name for a sentence: short enough for the rest of the sentence to be seen, and printable.
    pub(crate) fn label(&self) -> String {
        shorten(self.common_name.as_str(), MAX_NAME_CHARS)
    }

    /// Serial number, big endian, as encoded.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Serial number in decimal; of a leaf this is NVIDIA's `ueid` (nvidia-evidence 9.2).
    #[must_use]
    pub fn serial_decimal(&self) -> &str {
        &self.serial_decimal
    }

    /// First and last valid second.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The subject's P-384 key; `None` for any other kind of key.
    #[must_use]
    pub fn p384_key(&self) -> Option<&P384Key> {
        self.key.as_ref()
    }

    /// The same as an uncompressed point.
    #[must_use]
    pub fn p384_point(&self) -> Option<&[u8]> {
        Some(self.p384_key()?.point())
    }

    /// The firmware id extension (nvidia-evidence 4.5); `Ok(None)` where there is none.
    ///
    /// # Errors
    /// The extension is there but not what the DICE profile describes.
    pub fn fwid(&self) -> Result<Option<&Fwid>, &FwidError> {
        self.fwid.as_ref().map(Option::as_ref)
    }

    /// Whether `issuer`'s key made the signature over this certificate. Says nothing about names or rights.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        issuer
            .p384_key()
            .is_some_and(|key| key.has_signed_der(&self.tbs, &self.signature))
    }

    pub(crate) fn is_issued_in_name_of(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
    }

    pub(crate) fn signature_is_ecdsa_sha384(&self) -> bool {
        self.signature_is_ecdsa_sha384
    }

    pub(crate) fn constraints(&self) -> Option<BasicConstraints> {
        self.constraints
    }

    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    pub(crate) fn unprocessed_critical(&self) -> &[String] {
        &self.unprocessed_critical
    }

    /// Name of the subject, DER.
    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// Contents of the BIT STRING of the subject's key, whatever its kind, without the byte that counts unused bits.
    pub(crate) fn key_bits(&self) -> &[u8] {
        &self.key_bits
    }

    /// SHA-384 of the subject name, DER, and of the contents of the key's BIT STRING (RFC 6960 4.1.1).
    pub(crate) fn name_and_key_sha384(&self) -> &[[u8; 48]; 2] {
        self.name_and_key_sha384
            .get_or_init(|| [self.subject_der(), self.key_bits()].map(crypto::sha384))
    }

    /// Whether its issuer made it for answering about revocation (RFC 6960 4.2.2.2).
    pub(crate) fn is_for_ocsp_signing(&self) -> bool {
        self.is_for_ocsp_signing
    }

    /// Whether a responder with it need not be asked about itself (RFC 6960 4.2.2.2.1).
    pub(crate) fn has_ocsp_no_check(&self) -> bool {
        self.has_ocsp_no_check
    }
}

/// Whether `der` is, byte for byte, `SEQUENCE { tbsCertificate, ecdsa-with-SHA384, BIT STRING }`.
///
/// No signature covers what stands around the tbsCertificate, and the library reads some of it in more than one
/// spelling (RFC 5280 4.1 allows one). Without this a changed certificate could still be the same certificate.
fn is_the_encoding_of(der: &[u8], x509: &X509Certificate<'_>) -> bool {
    let signature = &x509.signature_value.data;
    let bits = [&[0_u8], signature.as_ref()].concat();
    let tail = [
        &ECDSA_SHA384_IDENTIFIER,
        tlv(TAG_BIT_STRING, &bits).as_slice(),
    ]
    .concat();
    der == tlv(
        TAG_SEQUENCE,
        &[x509.tbs_certificate.as_ref(), &tail].concat(),
    )
}

/// DER of a tag, the shortest length and a content.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut encoded = vec![tag];
    match significant.as_slice() {
        [] => encoded.push(0),
        [short] if *short < LONG_FORM => encoded.push(*short),
        long => {
            encoded.push(LONG_FORM | u8::try_from(long.len()).unwrap_or_default());
            encoded.extend_from_slice(long);
        }
    }
    encoded.extend_from_slice(content);
    encoded
}

fn p384_key(x509: &X509Certificate<'_>) -> Option<P384Key> {
    let spki = x509.public_key();
    let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let is_p384 = spki.algorithm.algorithm.to_id_string() == OID_EC_PUBLIC_KEY
        && curve.to_id_string() == OID_P384;
    P384Key::at(&spki.subject_public_key.data).filter(|_| is_p384)
}

fn common_name(x509: &X509Certificate<'_>) -> String {
    let mut names = x509.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().to_owned()
}

fn constraints(x509: &X509Certificate<'_>) -> Result<Option<BasicConstraints>, String> {
    let extension = x509
        .basic_constraints()
        .map_err(|e| format!("basicConstraints: {e}"))?;
    Ok(extension.map(|extension| BasicConstraints {
        ca: extension.value.ca,
        path_length: extension.value.path_len_constraint,
    }))
}

fn key_usage(x509: &X509Certificate<'_>) -> Result<Option<KeyUsage>, String> {
    let extension = x509.key_usage().map_err(|e| format!("keyUsage: {e}"))?;
    Ok(extension.map(|extension| KeyUsage {
        digital_signature: extension.value.digital_signature(),
        key_cert_sign: extension.value.key_cert_sign(),
    }))
}

/// An extended key usage that cannot be read, or occurs twice, allows nothing.
fn is_for_ocsp_signing(x509: &X509Certificate<'_>) -> bool {
    let usage = x509.extended_key_usage().ok().flatten();
    usage.is_some_and(|usage| usage.value.ocsp_signing)
}

fn has_ocsp_no_check(extensions: &[X509Extension<'_>]) -> bool {
    let mut oids = extensions.iter().map(|e| e.oid.to_id_string());
    oids.any(|oid| oid == OID_OCSP_NO_CHECK)
}

fn unprocessed_critical(extensions: &[X509Extension<'_>]) -> Vec<String> {
    extensions
        .iter()
        .filter(|extension| extension.critical)
        .map(|extension| extension.oid.to_id_string())
        .filter(|oid| oid != OID_BASIC_CONSTRAINTS && oid != OID_KEY_USAGE)
        .collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};

    use super::*;

    fn certificate(common_name: &str, extensions: usize) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let extension = |number: usize| {
            let last = u64::try_from(number).unwrap();
            let oid = [1, 3, 6, 1, 4, 1, 55555, last];
            let mut extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
            extension.set_criticality(true);
            extension
        };
        params.custom_extensions = (0..extensions).map(extension).collect();
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn extensions_are_bounded() {
        let most = Certificate::from_der(&certificate("a", MAX_CERTIFICATE_EXTENSIONS)).unwrap();
        assert_eq!(
            most.unprocessed_critical().len(),
            MAX_CERTIFICATE_EXTENSIONS
        );
        let more = certificate("a", MAX_CERTIFICATE_EXTENSIONS + 1);
        let reason = Certificate::from_der(&more).unwrap_err();
        assert_eq!(reason.code, Code::CertificateMalformed);
        assert_eq!(reason.actual.as_deref(), Some("33"));
    }

    /// A name from a stranger neither floods a message nor forges a line of a log.
    #[test]
    fn names_in_messages_are_short_and_printable() {
        let name = "a\nb\u{1b}[2J".repeat(100);
        let certificate = Certificate::from_der(&certificate(&name, 0)).unwrap();
        assert_eq!(certificate.common_name(), name);
        let label = certificate.label();
        assert_eq!(label.chars().count(), MAX_NAME_CHARS + 1);
        assert!(!label.contains(char::is_control));
    }
}
