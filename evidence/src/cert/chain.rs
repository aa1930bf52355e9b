//! The rules of a certificate chain: one rule, one function (nvidia-evidence 4.4 and 6.4, rows 42 to 49 and 56).

use std::sync::Arc;

use super::{AnchorUse, Certificate, TrustAnchors};
use crate::crypto;
use crate::limits::{MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES};
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::{Authentic, Examined, Expires, Refuted, Unverified};

/// Which chain this is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainProfile {
    /// Five certificates from the leaf that signs reports to the device root (nvidia-evidence 4.1).
    Device,
    /// Four certificates from the RIM signer to the RIM root (nvidia-evidence 6.4).
    Rim,
}

impl ChainProfile {
    const fn length(self) -> usize {
        match self {
            Self::Device => 5,
            Self::Rim => 4,
        }
    }

    const fn usage(self) -> AnchorUse {
        match self {
            Self::Device => AnchorUse::Device,
            Self::Rim => AnchorUse::Rim,
        }
    }
}

/// Certificates, leaf first. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CertificateChain {
    certificates: Arc<[Certificate]>,
}

/// The blocks of PEM text, all of which are said to be certificates.
fn blocks(pem: &[u8]) -> Result<Vec<pem::Pem>, Reason> {
    if pem.len() > MAX_CHAIN_BYTES {
        let reason = Reason::new(Code::ChainTooLarge, "chain size in bytes");
        let reason = reason.expected(format!("at most {MAX_CHAIN_BYTES}"));
        return Err(reason.actual(pem.len()));
    }
    let blocks = pem::parse_many(pem)
        .map_err(|e| Reason::new(Code::PemMalformed, format!("chain is not PEM: {e}")))?;
    match blocks.iter().find(|block| block.tag() != "CERTIFICATE") {
        Some(alien) => {
            let reason = Reason::new(Code::PemMalformed, "PEM block in chain");
            Err(reason.expected("CERTIFICATE").actual(alien.tag()))
        }
        None => Ok(blocks),
    }
}

impl CertificateChain {
    /// Reads PEM text. Text outside the blocks is ignored; blocks other than certificates are refused.
    ///
    /// # Errors
    /// [`Code::ChainTooLarge`], [`Code::PemMalformed`], [`Code::CertificateMalformed`], [`Code::ChainLength`] for an
    /// empty or endless chain. A chain of the wrong length is read, so that the rules can say more about it.
    pub fn from_pem(pem: &[u8]) -> Result<Unverified<Self>, Vec<Reason>> {
        let blocks = blocks(pem).map_err(|reason| vec![reason])?;
        Self::from_ders(blocks.iter().map(pem::Pem::contents))
    }

    /// SHA-256 over the certificates of PEM text, each with its length before it: the same for every text that is read as
    /// the same certificates, whatever stands around the blocks. `None` of text that no chain is read from.
    #[must_use]
    pub fn digest_of(pem: &[u8]) -> Option<[u8; 32]> {
        let mut content = Vec::with_capacity(pem.len());
        for block in blocks(pem).ok()? {
            let der = block.contents();
            content.extend_from_slice(&u64::try_from(der.len()).ok()?.to_be_bytes());
            content.extend_from_slice(der);
        }
        Some(crypto::sha256(&content))
    }

    /// Reads DER certificates, leaf first.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), PEM aside.
    pub fn from_ders<'a>(
        ders: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Unverified<Self>, Vec<Reason>> {
        let mut certificates = Vec::new();
        let mut reasons = Vec::new();
        let mut count = 0_usize;
        for der in ders {
            if count < MAX_CHAIN_CERTIFICATES {
                match Certificate::from_der(der) {
                    Ok(certificate) => certificates.push(certificate),
                    Err(reason) => reasons.push(reason.about(&format!("certificate {count}"))),
                }
            }
            count = count.saturating_add(1);
        }
        if count == 0 || count > MAX_CHAIN_CERTIFICATES {
            let reason = Reason::new(Code::ChainLength, "certificates in chain")
                .expected(format!("1 to {MAX_CHAIN_CERTIFICATES}"))
                .actual(count);
            reasons.push(reason);
        }
        if reasons.is_empty() {
            Ok(Unverified::new(Self {
                certificates: certificates.into(),
            }))
        } else {
            Err(reasons)
        }
    }

    /// Reads PEM text and applies every rule that does not depend on time.
    #[must_use]
    pub fn examine(pem: &[u8], profile: ChainProfile, anchors: &TrustAnchors) -> Examined<Self> {
        match Self::from_pem(pem) {
            Ok(chain) => chain.authenticate(profile, anchors).into(),
            Err(reasons) => Examined::Unreadable(reasons),
        }
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The certificate whose key signs reports or manifests.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// The end of validity of the whole: the earliest of its certificates. `None` of an empty chain.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        let ends = self.certificates.iter().map(|c| c.validity().not_after);
        ends.min()
    }

    /// Adjacent certificates as (position of the subject, subject, issuer).
    fn links(&self) -> impl Iterator<Item = (usize, &Certificate, &Certificate)> {
        let issuers = self.certificates.iter().skip(1);
        let links = self.certificates.iter().zip(issuers).enumerate();
        links.map(|(position, (subject, issuer))| (position, subject, issuer))
    }
}

impl Unverified<CertificateChain> {
    /// Applies every rule that does not depend on time.
    ///
    /// # Errors
    /// The chain with all reasons it is not authentic for.
    pub fn authenticate(
        self,
        profile: ChainProfile,
        anchors: &TrustAnchors,
    ) -> Result<Authentic<CertificateChain>, Refuted<CertificateChain>> {
        let chain = self.into_inner();
        let anchor = pinned_root(&chain, profile, anchors);
        let rules = [
            expected_length(&chain, profile),
            fixed_algorithms(&chain),
            names_follow(&chain),
            signatures_follow(&chain),
            rights_to_sign(&chain),
            path_lengths(&chain),
            no_unprocessed_critical_extension(&chain),
        ];
        let mut reasons: Vec<Reason> = rules.into_iter().flatten().collect();
        match anchor {
            Ok(simulated) if reasons.is_empty() => Ok(Authentic::assertion(chain, simulated)),
            Ok(_) => Err(refuted(chain, reasons)),
            Err(reason) => {
                reasons.push(reason);
                Err(refuted(chain, reasons))
            }
        }
    }
}

impl Expires for CertificateChain {
    fn reasons_at(&self, as_of: UnixTime) -> Vec<Reason> {
        let numbered = self.certificates.iter().enumerate();
        let judged = numbered.filter_map(|(n, certificate)| validity_at(n, certificate, as_of));
        judged.collect()
    }
}

fn refuted(chain: CertificateChain, reasons: Vec<Reason>) -> Refuted<CertificateChain> {
    Refuted {
        value: Unverified::new(chain),
        reasons,
    }
}

/// Row 42: the number of certificates is fixed.
fn expected_length(chain: &CertificateChain, profile: ChainProfile) -> Vec<Reason> {
    let (expected, actual) = (profile.length(), chain.certificates.len());
    let wrong = Reason::new(Code::ChainLength, "certificates in chain")
        .expected(expected)
        .actual(actual);
    if expected == actual {
        vec![]
    } else {
        vec![wrong]
    }
}

/// Rows 43 and 44: the last certificate is the pinned root, byte for byte. Returns whether that root is simulated.
fn pinned_root(
    chain: &CertificateChain,
    profile: ChainProfile,
    anchors: &TrustAnchors,
) -> Result<bool, Reason> {
    let root = chain.certificates.last();
    let point = root.and_then(Certificate::p384_point);
    let anchor = root
        .zip(point)
        .and_then(|(root, point)| anchors.find(profile.usage(), root.der(), point));
    anchor.map(|anchor| anchor.simulated).ok_or_else(|| {
        let pinned = anchors.as_slice().iter();
        let subjects: Vec<_> = pinned
            .filter(|anchor| anchor.usage == profile.usage())
            .map(|anchor| anchor.subject.as_str())
            .collect();
        Reason::new(Code::ChainRootUntrusted, "last certificate of the chain")
            .expected(format!("pinned root {}", subjects.join(" or ")))
            .actual(root.map_or("", Certificate::common_name))
    })
}

/// Row 47: nothing but ecdsa-with-SHA384 over P-384.
fn fixed_algorithms(chain: &CertificateChain) -> Vec<Reason> {
    let weak = |(n, certificate): (usize, &Certificate)| {
        let fixed = certificate.signature_is_ecdsa_sha384() && certificate.p384_point().is_some();
        let reason = Reason::new(
            Code::CertificateAlgorithm,
            format!("certificate {n}: signature and key algorithm"),
        );
        (!fixed).then(|| reason.expected("ecdsa-with-SHA384 over P-384"))
    };
    chain
        .certificates
        .iter()
        .enumerate()
        .filter_map(weak)
        .collect()
}

/// Row 45, names: each issuer is the subject of the next certificate.
fn names_follow(chain: &CertificateChain) -> Vec<Reason> {
    let broken = chain
        .links()
        .filter(|(_, subject, issuer)| !subject.is_issued_in_name_of(issuer));
    broken
        .map(|(n, _, issuer)| {
            Reason::new(
                Code::ChainOrder,
                format!("certificate {n}: issuer is not the next subject"),
            )
            .actual(issuer.common_name())
        })
        .collect()
}

/// Row 45, signatures: each certificate is signed by the next one's key.
fn signatures_follow(chain: &CertificateChain) -> Vec<Reason> {
    let broken = chain
        .links()
        .filter(|(_, subject, issuer)| !subject.is_signed_by(issuer));
    broken
        .map(|(n, _, issuer)| {
            let message = format!("certificate {n}: not signed by the next certificate");
            Reason::new(Code::CertificateSignatureInvalid, message).actual(issuer.common_name())
        })
        .collect()
}

/// Rows 46 and 56: issuers are CAs that may sign certificates; the leaf is no CA and may sign data.
fn rights_to_sign(chain: &CertificateChain) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (n, certificate) in chain.certificates.iter().enumerate() {
        let is_leaf = n == 0;
        let is_ca = certificate.constraints().is_some_and(|c| c.ca);
        if is_ca == is_leaf {
            let expected = if is_leaf { "not a CA" } else { "CA" };
            let message = format!("certificate {n}: basic constraints");
            reasons
                .push(Reason::new(Code::CertificateBasicConstraints, message).expected(expected));
        }
        let usage = certificate.key_usage();
        let (allowed, expected) = if is_leaf {
            (
                usage.is_some_and(|u| u.digital_signature),
                "digitalSignature",
            )
        } else {
            (usage.is_some_and(|u| u.key_cert_sign), "keyCertSign")
        };
        if !allowed {
            let message = format!("certificate {n}: key usage");
            reasons.push(Reason::new(Code::CertificateKeyUsage, message).expected(expected));
        }
    }
    reasons
}

/// RFC 5280 4.2.1.9: at most `pathLenConstraint` CA certificates stand between a CA and the leaf.
fn path_lengths(chain: &CertificateChain) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (n, certificate) in chain.certificates.iter().enumerate() {
        let below = n.saturating_sub(1);
        let limit = certificate.constraints().and_then(|c| c.path_length);
        let allowed = limit.and_then(|limit| usize::try_from(limit).ok());
        if allowed.is_some_and(|allowed| below > allowed) {
            let message = format!("certificate {n}: CA certificates below");
            let reason = Reason::new(Code::CertificatePathLength, message)
                .expected(format!("at most {}", limit.unwrap_or_default()))
                .actual(below);
            reasons.push(reason);
        }
    }
    reasons
}

/// RFC 5280 4.2: a critical extension that is not processed makes the certificate unusable.
fn no_unprocessed_critical_extension(chain: &CertificateChain) -> Vec<Reason> {
    let numbered = chain.certificates.iter().enumerate();
    let named =
        numbered.flat_map(|(n, c)| c.unprocessed_critical().iter().map(move |oid| (n, oid)));
    named
        .map(|(n, oid)| {
            let message = format!("certificate {n}: critical extension");
            Reason::new(Code::CertificateExtensionCritical, message).actual(oid)
        })
        .collect()
}

/// Rows 48 and 49: not before and not after, at the time of appraisal.
fn validity_at(n: usize, certificate: &Certificate, as_of: UnixTime) -> Option<Reason> {
    let validity = certificate.validity();
    let name = || certificate.label();
    if as_of < validity.not_before {
        let message = format!("certificate {n} ({}) is not valid yet", name());
        let reason = Reason::new(Code::CertificateNotYetValid, message);
        return Some(
            reason
                .expected(format!("valid from {}", validity.not_before))
                .actual(as_of),
        );
    }
    if as_of > validity.not_after {
        let message = format!("certificate {n} ({}) has expired", name());
        let reason = Reason::new(Code::CertificateExpired, message);
        return Some(
            reason
                .expected(format!("valid to {}", validity.not_after))
                .actual(as_of),
        );
    }
    None
}
