//! The signature element of a RIM (W3C xmldsig-core, RFC 6931; nvidia-evidence 6.3, rows 81 to 84).
//!
//! In scope: the one structure and the one set of algorithms that NVIDIA uses ([`read`]), everything else refused.
//! Out of scope: whether digest and signature are right, whether the certificates are trusted (the parent module).
//!
//! `KeyInfo` is not covered by the signature: whoever delivers the manifest can edit it. So it may hold certificates
//! and nothing else, and what they are worth is decided by the rules of their chain alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::canonical::canonicalise;
use super::xml::{self, Name};
use crate::crypto::P384_SIGNATURE_BYTES;
use crate::limits::MAX_CHAIN_CERTIFICATES;
use crate::reason::{Code, Reason};

const SIGNATURE: Name = Name::xmldsig("Signature");
const SIGNED_INFO: Name = Name::xmldsig("SignedInfo");
const CANONICALIZATION_METHOD: Name = Name::xmldsig("CanonicalizationMethod");
const SIGNATURE_METHOD: Name = Name::xmldsig("SignatureMethod");
const REFERENCE: Name = Name::xmldsig("Reference");
const TRANSFORMS: Name = Name::xmldsig("Transforms");
const TRANSFORM: Name = Name::xmldsig("Transform");
const DIGEST_METHOD: Name = Name::xmldsig("DigestMethod");
const DIGEST_VALUE: Name = Name::xmldsig("DigestValue");
const SIGNATURE_VALUE: Name = Name::xmldsig("SignatureValue");
const KEY_INFO: Name = Name::xmldsig("KeyInfo");
const X509_DATA: Name = Name::xmldsig("X509Data");
const X509_CERTIFICATE: Name = Name::xmldsig("X509Certificate");

const XML_C14N11: &str = "http://www.w3.org/2006/12/xml-c14n11";
const ENVELOPED_SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// RFC 6931 2.3.6.
const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
/// RFC 6931 2.1.3.
const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";

/// A signature element that has the fixed structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// The canonical `SignedInfo`: the message that is signed.
    pub(super) signed_info: String,
    /// The SHA-384 that the signer says the document has.
    pub(super) digest: [u8; 48],
    /// r ‖ s, 48 bytes each, big endian.
    pub(super) value: [u8; P384_SIGNATURE_BYTES],
}

/// Certificates, DER, leaf first, as delivered.
pub(super) type Certificates = Vec<Vec<u8>>;

/// Row 84: the only signature among the children of the root, and the last of them. The first that is the last child
/// is both.
///
/// # Errors
/// [`Code::RimSignatureMethod`].
pub(super) fn locate<'a>(root: Node<'a, 'a>) -> Result<Node<'a, 'a>, Reason> {
    let first = root.children().find(|child| SIGNATURE.is_of(*child));
    first
        .filter(|first| root.last_element_child() == Some(*first))
        .ok_or_else(|| {
            Reason::new(Code::RimSignatureMethod, "signature of the manifest")
                .expected("one Signature, the last child of the root")
        })
}

/// Reads a signature element and the certificates beside it.
///
/// # Errors
/// [`Code::RimSignatureMethod`] for another structure or algorithm, [`Code::CertificateMalformed`] for certificates
/// that are not base64.
pub(super) fn read(signature: Node<'_, '_>) -> Result<(Signature, Certificates), Vec<Reason>> {
    let [signed_info, value, key_info] = parts(signature).map_err(|reason| vec![reason])?;
    let digest = signed_digest(signed_info).map_err(with_own_code);
    let value = base64_array(value).map_err(with_own_code);
    let certificates = certificates(key_info);
    match (digest, value, certificates) {
        (Ok(digest), Ok(value), Ok(certificates)) => {
            let signature = Signature {
                signed_info: canonicalise(signed_info, None),
                digest,
                value,
            };
            Ok((signature, certificates))
        }
        (digest, value, certificates) => {
            let firsts = [digest.err(), value.err()].into_iter().flatten();
            Err(firsts
                .chain(certificates.err().unwrap_or_default())
                .collect())
        }
    }
}

/// The element questions of `xml` answer with the code for the manifest; inside the signature it is this one.
fn with_own_code(reason: Reason) -> Reason {
    Reason {
        code: Code::RimSignatureMethod,
        ..reason
    }
}

/// Row 84: these three parts and nothing else. No attribute: an `Id` would invite references to it.
fn parts<'a>(signature: Node<'a, 'a>) -> Result<[Node<'a, 'a>; 3], Reason> {
    xml::attributes_are(signature, &[])
        .and_then(|()| xml::sequence(signature, [SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO], None))
        .map_err(with_own_code)
}

/// Rows 81 and 83: fixed methods, one reference; returns the digest it states.
fn signed_digest(signed_info: Node<'_, '_>) -> Result<[u8; 48], Reason> {
    xml::attributes_are(signed_info, &[])?;
    let names = [CANONICALIZATION_METHOD, SIGNATURE_METHOD, REFERENCE];
    let [canonicalization, method, reference] = xml::sequence(signed_info, names, None)?;
    algorithm_is(canonicalization, XML_C14N11)?;
    algorithm_is(method, ECDSA_SHA384)?;
    referenced_digest(reference)
}

/// Row 83: the reference is to the whole document, less the signature, in canonical form.
fn referenced_digest(reference: Node<'_, '_>) -> Result<[u8; 48], Reason> {
    xml::attributes_are(reference, &[("URI", "")])?;
    let names = [TRANSFORMS, DIGEST_METHOD, DIGEST_VALUE];
    let [transforms, method, value] = xml::sequence(reference, names, None)?;
    xml::attributes_are(transforms, &[])?;
    let [enveloped, canonical] = xml::sequence(transforms, [TRANSFORM, TRANSFORM], None)?;
    algorithm_is(enveloped, ENVELOPED_SIGNATURE)?;
    algorithm_is(canonical, XML_C14N11)?;
    algorithm_is(method, SHA384)?;
    base64_array(value)
}

/// Row 81: an element that names this algorithm and has no parameters.
fn algorithm_is(method: Node<'_, '_>, algorithm: &str) -> Result<(), Reason> {
    xml::attributes_are(method, &[("Algorithm", algorithm)])?;
    xml::empty(method)
}

/// Row 82: one `X509Data` with certificates alone. No `KeyValue`, no `KeyName`, no revocation lists.
fn certificates(key_info: Node<'_, '_>) -> Result<Certificates, Vec<Reason>> {
    let elements = certificate_elements(key_info).map_err(|reason| vec![with_own_code(reason)])?;
    // Before any is decoded: each can be a reason of its own, and nodes allow thousands.
    if elements.len() > MAX_CHAIN_CERTIFICATES {
        let reason = Reason::new(Code::ChainLength, "RIM chain: certificates in chain");
        let at_most = format!("1 to {MAX_CHAIN_CERTIFICATES}");
        return Err(vec![reason.expected(at_most).actual(elements.len())]);
    }
    let mut ders = Vec::new();
    let mut reasons = Vec::new();
    for (position, element) in elements.into_iter().enumerate() {
        match certificate_der(element, position) {
            Ok(der) => ders.push(der),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        Ok(ders)
    } else {
        Err(reasons)
    }
}

fn certificate_elements<'a>(key_info: Node<'a, 'a>) -> Result<Vec<Node<'a, 'a>>, Reason> {
    xml::attributes_are(key_info, &[])?;
    let [data] = xml::sequence(key_info, [X509_DATA], None)?;
    xml::attributes_are(data, &[])?;
    let certificates = xml::repeated(data, X509_CERTIFICATE)?;
    for certificate in &certificates {
        xml::attributes_are(*certificate, &[])?;
    }
    Ok(certificates)
}

fn certificate_der(element: Node<'_, '_>, position: usize) -> Result<Vec<u8>, Reason> {
    let text = xml::text_alone(element).map_err(with_own_code)?;
    base64_bytes(text).ok_or_else(|| {
        let message = format!("RIM certificate {position}: text");
        Reason::new(Code::CertificateMalformed, message)
            .expected("base64")
            .actual(text)
    })
}

fn base64_array<const N: usize>(element: Node<'_, '_>) -> Result<[u8; N], Reason> {
    xml::attributes_are(element, &[])?;
    let text = xml::text_alone(element)?;
    let bytes = base64_bytes(text).and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    bytes.ok_or_else(|| {
        xml::malformed(element.tag_name().name())
            .expected(format!("base64 of {N} bytes"))
            .actual(text)
    })
}

/// Reads padded base64 (RFC 4648 4), broken into lines or not. Non-zero trailing bits are refused.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|&byte| !xml::is_white_space(byte))
        .collect();
    STANDARD.decode(digits).ok()
}
