//! Makes the files that [`properties::fixture`](super::properties::fixture) holds.
//!
//! They are made once and kept, since a fuzz target must judge the same input alike in every process, and can make no
//! keys of its own.

use std::sync::Arc;

use attestation_agent::device::simulated::pki::pem_text;
use attestation_agent::device::simulated::{DevicePki, Key, PkiSpec};
use evidence::cert::CertificateChain;
use evidence::ocsp::CertificateId;

use crate::forge::{Forged, der};

/// keyUsage bit digitalSignature (RFC 5280 section 4.2.1.3).
const DIGITAL_SIGNATURE: u8 = 0x80;

/// The files by name.
///
/// # Panics
/// This machine gives no randomness.
#[must_use]
pub fn make() -> [(&'static str, Vec<u8>); 3] {
    let mut pki = PkiSpec::device(&DevicePki::default()).expect("keys");
    let issuer = &mut pki.certificates[2];
    issuer.key_usage = issuer.key_usage.map(|usage| usage | DIGITAL_SIGNATURE);
    let issuer = Arc::clone(&issuer.key);
    let ders = pki.build().expect("a signed chain");
    [
        ("chain.pem", pem_text(&ders)),
        ("manifest.xml", Forged::gpu().driver().document()),
        ("answer.der", answer(&ders, &issuer)),
    ]
}

/// The answer of the issuer of certificate 1 about it: good, from 2026-06-01 for a day (RFC 6960 4.2.1).
fn answer(ders: &[Vec<u8>], issuer: &Key) -> Vec<u8> {
    const SHA384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
    const THIS_UPDATE: &[u8] = b"20260601000000Z";
    const NEXT_UPDATE: &[u8] = b"20260602000000Z";

    let sequence = |parts: &[&[u8]]| der(0x30, &parts.concat());
    let explicit = |number: u8, content: &[u8]| der(0xa0 | number, content);
    let chain = CertificateChain::from_ders(ders.iter().map(Vec::as_slice)).expect("a chain");
    let [_, subject, of_issuer, ..] = chain.peek().certificates() else {
        panic!("a chain of less than three");
    };
    let id = CertificateId::of(subject, of_issuer);
    let cert_id = sequence(&[
        &sequence(&[&der(6, SHA384)]),
        &der(4, id.issuer_name_hash()),
        &der(4, id.issuer_key_hash()),
        &der(2, id.serial()),
    ]);
    let [this_update, next_update] = [THIS_UPDATE, NEXT_UPDATE].map(|time| der(0x18, time));
    let next_update = explicit(0, &next_update);
    let single = sequence(&[&cert_id, &[0x80, 0], &this_update, &next_update]);
    let key_hash = sha1(issuer.public_point());
    let responder = explicit(2, &der(4, &key_hash));
    let tbs = sequence(&[&responder, &this_update, &sequence(&[&single])]);
    let signature = rcgen::SigningKey::sign(issuer, &tbs).expect("a signature");
    let signature = der(3, &[&[0], &signature[..]].concat());
    let basic = sequence(&[&tbs, &sequence(&[&der(6, ECDSA_SHA384)]), &signature]);
    let bytes = sequence(&[&der(6, BASIC), &der(4, &basic)]);
    sequence(&[&[0x0a, 1, 0], &explicit(0, &bytes)])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().to_vec()
}
