//! Single certificates.

use evidence::cert::{Certificate, CertificateChain, ChainProfile, TrustAnchors};
use evidence::{Code, Expires, UnixTime};

use super::{der, explained, legible};

/// Certificates: what is accepted keeps its bytes, and where its algorithm is the one NVIDIA uses these are the one
/// DER encoding of its three parts.
pub fn certificate(der: &[u8]) {
    let chain = match CertificateChain::from_ders([der]) {
        Ok(chain) => chain,
        Err(reasons) => return explained(&reasons),
    };
    let [certificate] = chain.peek().certificates() else {
        panic!("one certificate became another number");
    };
    assert_eq!(certificate.der(), der);
    answers_every_question(certificate);
    judged_at_all_times(chain.peek());
    let refuted = chain.authenticate(ChainProfile::Device, &TrustAnchors::default());
    let reasons = refuted.expect_err("nobody is trusted").reasons;
    explained(&reasons);
    if !reasons
        .iter()
        .any(|reason| reason.code == Code::CertificateAlgorithm)
    {
        has_one_encoding(der);
    }
}

/// `SEQUENCE { tbsCertificate, AlgorithmIdentifier, BIT STRING }`, every length written in the shortest way, the
/// algorithm without parameters, no unused bits. What is inside the tbsCertificate, its tag included, is signed as it
/// stands.
fn has_one_encoding(certificate: &[u8]) {
    const ECDSA_SHA384: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    let parts = der::sequence(certificate).expect("one sequence in its shortest form");
    let [_, (0x30, ECDSA_SHA384), (0x03, [0, ..])] = parts[..] else {
        panic!("another spelling of a certificate");
    };
}

pub(super) fn answers_every_question(certificate: &Certificate) {
    assert!(!certificate.der().is_empty() && !certificate.serial_decimal().is_empty());
    assert!(
        certificate
            .serial_decimal()
            .trim_start_matches('-')
            .bytes()
            .all(|b| b.is_ascii_digit())
    );
    let point = certificate.p384_point();
    assert!(point.is_none_or(|point| point.len() == 97 && point[0] == 4));
    if let Err(error) = certificate.fwid() {
        legible(&error.to_string(), 128);
    }
    let _ = (
        certificate.common_name(),
        certificate.serial(),
        certificate.validity(),
    );
}

pub(super) fn judged_at_all_times(chain: &CertificateChain) {
    for secs in [i64::MIN, 0, 1_780_272_000, i64::MAX] {
        let reasons = chain.reasons_at(UnixTime::from_secs(secs));
        if !reasons.is_empty() {
            explained(&reasons);
        }
    }
}
