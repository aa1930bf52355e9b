//! Questions, ours and those of other clients.

use proptest::prelude::*;

use super::super::fixture::{
    CRL_REFERENCE, Id, NONCE, NULL, SHA512, explicit, extension, nonce, octets, sequence, tlv,
};
use super::{ASKED, PKI, codes};
use crate::limits::MAX_OCSP_BYTES;
use crate::ocsp::{CertificateId, IdHash, OcspRequest};
use crate::reason::Code;

/// A question, part by part; empty parts are left out.
struct Question {
    version: Vec<u8>,
    requestor: Vec<u8>,
    id: Id,
    of_single: Vec<u8>,
    /// How often the certificate is asked about.
    count: usize,
    extensions: Vec<u8>,
    signature: Vec<u8>,
}

impl Question {
    fn der(&self) -> Vec<u8> {
        let single = sequence(&[&self.id.der(), &self.of_single]);
        let list = sequence(&[&single.repeat(self.count)]);
        let tbs = sequence(&[&self.version, &self.requestor, &list, &self.extensions]);
        sequence(&[&tbs, &self.signature])
    }
}

fn question(edit: impl FnOnce(&mut Question)) -> Vec<u8> {
    let mut question = Question {
        version: Vec::new(),
        requestor: Vec::new(),
        id: Id::of(&PKI.link(ASKED), IdHash::Sha384),
        of_single: Vec::new(),
        count: 1,
        extensions: Vec::new(),
        signature: Vec::new(),
    };
    edit(&mut question);
    question.der()
}

fn extensions(list: &[&[u8]]) -> Vec<u8> {
    explicit(2, &sequence(list))
}

#[test]
fn our_question_is_the_bytes_of_the_rfc() {
    let id = PKI.link(ASKED).id();
    let plain = OcspRequest::new(id.clone(), None);
    assert_eq!(plain.to_der(), question(|_| ()));
    let with_nonce = OcspRequest::new(id, Some([7; 32]));
    let expected = question(|q| q.extensions = extensions(&[&nonce(&[7; 32])]));
    assert_eq!(with_nonce.to_der(), expected);
}

/// Those of NVIDIA's clients and of OpenSSL (nvidia-evidence 5.1), and what else RFC 6960 allows.
#[test]
fn questions_of_other_clients_are_read() {
    type Edit = fn(&mut Question);
    let link = PKI.link(ASKED);
    #[rustfmt::skip]
    let table: [(&str, Edit, IdHash, Option<&[u8]>); 8] = [
        ("SHA-384, no nonce", |_| (), IdHash::Sha384, None),
        ("SHA-256", |q| q.id = Id::of(&PKI.link(ASKED), IdHash::Sha256), IdHash::Sha256, None),
        ("SHA-1, nonce of 16 bytes", |q| { q.id = Id::of(&PKI.link(ASKED), IdHash::Sha1); q.extensions = extensions(&[&nonce(&[1; 16])]); }, IdHash::Sha1, Some(&[1; 16])),
        ("critical nonce", |q| q.extensions = extensions(&[&extension(NONCE, true, &octets(&[2; 32]))]), IdHash::Sha384, Some(&[2; 32])),
        ("other extensions", |q| { q.extensions = extensions(&[&extension(CRL_REFERENCE, false, NULL)]); q.of_single = explicit(0, &sequence(&[&extension(CRL_REFERENCE, false, NULL)])); }, IdHash::Sha384, None),
        ("named", |q| q.requestor = explicit(1, &tlv(0x82, &[b"example.org"])), IdHash::Sha384, None),
        ("signed", |q| q.signature = explicit(0, &sequence(&[NULL])), IdHash::Sha384, None),
        ("version stated", |q| q.version = explicit(0, &[2, 1, 0]), IdHash::Sha384, None),
    ];
    for (client, edit, hash, nonce) in table {
        let request = OcspRequest::parse(&question(edit)).unwrap();
        assert_eq!(request.id().id_hash(), hash, "{client}");
        assert!(
            request.id().names(link.subject(), link.issuer()),
            "{client}"
        );
        assert_eq!(request.nonce(), nonce, "{client}");
    }
}

#[test]
fn other_questions_are_refused() {
    type Edit = fn(&mut Question);
    let (malformed, critical) = (Code::OcspMalformed, Code::OcspExtensionCritical);
    #[rustfmt::skip]
    let table: [(&str, Edit, Code); 14] = [
        ("about nothing", |q| q.count = 0, malformed),
        ("about two", |q| q.count = 2, malformed),
        ("version 2", |q| q.version = explicit(0, &[2, 1, 1]), malformed),
        ("hash nobody uses", |q| q.id.algorithm = sequence(&[SHA512, NULL]), malformed),
        ("hash with parameters", |q| q.id.algorithm = sequence(&[&q.id.algorithm[2..13], NONCE]), malformed),
        ("name hash short", |q| q.id.name_hash.truncate(20), malformed),
        ("key hash short", |q| q.id.key_hash.truncate(20), malformed),
        ("serial spelled long", |q| q.id.serial = vec![0, 0], malformed),
        ("nonce empty", |q| q.extensions = extensions(&[&nonce(&[])]), malformed),
        ("nonce twice", |q| q.extensions = extensions(&[&nonce(&[1]), &nonce(&[2])]), malformed),
        ("nonce not wrapped", |q| q.extensions = extensions(&[&extension(NONCE, false, &[0; 32])]), malformed),
        ("signature of another form", |q| q.signature = NULL.to_vec(), malformed),
        ("critical extension", |q| q.extensions = extensions(&[&extension(CRL_REFERENCE, true, NULL)]), critical),
        ("critical extension of the single request", |q| q.of_single = explicit(0, &sequence(&[&extension(CRL_REFERENCE, true, NULL)])), critical),
    ];
    for (defect, edit, code) in table {
        let reasons = OcspRequest::parse(&question(edit)).expect_err(defect);
        assert_eq!(codes(&reasons), [code], "{defect}: {reasons:?}");
        assert!(reasons[0].message.starts_with("OCSP request: "), "{defect}");
    }
    let trailing = [question(|_| ()), vec![0]].concat();
    let reasons = OcspRequest::parse(&trailing).unwrap_err();
    assert_eq!(codes(&reasons), [malformed]);
    let reasons = OcspRequest::parse(&vec![0x30; MAX_OCSP_BYTES + 1]).unwrap_err();
    assert_eq!(codes(&reasons), [Code::OcspTooLarge]);
}

/// The sign byte of a serial number is kept: NVIDIA has serials with the top bit set.
#[test]
fn serials_are_kept_as_encoded() {
    for serial in [&[0, 0x80][..], &[0x7f], &[0], &[1; 20], &[0x80, 1]] {
        let request = OcspRequest::parse(&question(|q| q.id.serial = serial.to_vec())).unwrap();
        assert_eq!(request.id().serial(), serial);
        let again = OcspRequest::parse(&request.to_der()).unwrap();
        assert_eq!(again.id().serial(), serial);
    }
}

/// Ids of one certificate under two hashes are two ids.
#[test]
fn ids_compare_under_one_hash() {
    let link = PKI.link(ASKED);
    let by = |hash| CertificateId::by(hash, link.subject(), link.issuer());
    assert_eq!(by(IdHash::Sha384), link.id());
    assert_ne!(by(IdHash::Sha1), link.id());
    assert_ne!(PKI.link(ASKED + 1).id(), link.id());
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn parse_is_the_inverse_of_to_der(
        hash in prop::sample::select(vec![IdHash::Sha1, IdHash::Sha256, IdHash::Sha384]),
        nonce in any::<Option<[u8; 32]>>(),
        position in 1_usize..4,
    ) {
        let link = PKI.link(position);
        let id = CertificateId::by(hash, link.subject(), link.issuer());
        let request = OcspRequest::new(id, nonce);
        prop_assert_eq!(OcspRequest::parse(&request.to_der()), Ok(request));
    }

    /// What is read after a change is read the same way again.
    #[test]
    fn a_changed_question_is_refused_or_is_another_question(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut der = question(|q| q.extensions = extensions(&[&nonce(&[7; 32])]));
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(request) = OcspRequest::parse(&der) {
            let again = OcspRequest::parse(&request.to_der());
            prop_assert_eq!(again, Ok(request));
        }
    }
}
