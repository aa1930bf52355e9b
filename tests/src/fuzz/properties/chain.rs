//! Certificate chains as PEM text.

use evidence::cert::{CertificateChain, ChainProfile};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES};

use super::certificate::{answers_every_question, judged_at_all_times};
use super::{explained, fixture};

/// Chains: what is accepted is written as PEM and read as the same certificates; nothing is authentic under the root of
/// the fixture but the chain of the fixture, byte for byte.
pub fn chain(pem: &[u8]) {
    let chain = match CertificateChain::from_pem(pem) {
        Ok(chain) => chain,
        Err(reasons) => return explained(&reasons),
    };
    assert!(pem.len() <= MAX_CHAIN_BYTES);
    let ders = ders(chain.peek());
    assert!((1..=MAX_CHAIN_CERTIFICATES).contains(&ders.len()));
    let certificates = chain.peek().certificates();
    certificates.iter().for_each(answers_every_question);
    judged_at_all_times(chain.peek());
    is_read_as_it_is_written(&ders);
    // Once: every link costs a signature.
    let anchors = fixture::device_anchors();
    match chain.clone().authenticate(ChainProfile::Device, anchors) {
        Ok(_) => assert_eq!(ders, self::ders(fixture::chain().get()), "a forged chain"),
        Err(refuted) => explained(&refuted.reasons),
    }
}

fn ders(chain: &CertificateChain) -> Vec<&[u8]> {
    let certificates = chain.certificates().iter();
    certificates.map(|certificate| certificate.der()).collect()
}

fn is_read_as_it_is_written(ders: &[&[u8]]) {
    let blocks = ders.iter().map(|der| pem::Pem::new("CERTIFICATE", *der));
    let text = pem::encode_many(&blocks.collect::<Vec<_>>());
    // Broken into lines where it was not before, a chain may outgrow the limit.
    if text.len() <= MAX_CHAIN_BYTES {
        let again = CertificateChain::from_pem(text.as_bytes()).expect("the same chain");
        assert_eq!(self::ders(again.peek()), ders);
    }
}
