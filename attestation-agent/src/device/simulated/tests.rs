//! The simulated device, checked by means that share no code with what builds it: a DER walker of
//! a few lines, aws-lc-rs for signatures, and the openssl command where there is one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aws_lc_rs::digest::SHA384;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const NONCE: [u8; NONCE_LENGTH] = *b"0123456789abcdef0123456789abcdef";

fn device() -> (tempfile::TempDir, SimulatedDevice) {
    let dir = tempfile::tempdir().unwrap();
    let device = SimulatedDevice::open(dir.path()).unwrap();
    (dir, device)
}

fn certificates(pem_text: &[u8]) -> Vec<Vec<u8>> {
    pem::parse_many(pem_text)
        .unwrap()
        .into_iter()
        .map(pem::Pem::into_contents)
        .collect()
}

/// Tag, content and whole of the first DER element, and what follows it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8], &[u8]) {
    let (header, length) = match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        other => panic!("length of length {other:#x}"),
    };
    let end = header + length;
    (der[0], &der[header..end], &der[..end], &der[end..])
}

/// The elements inside a constructed element's content, whole.
fn elements(mut content: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !content.is_empty() {
        let (_, _, whole, rest) = element(content);
        all.push(whole);
        content = rest;
    }
    all
}

fn inside(der: &[u8]) -> Vec<&[u8]> {
    elements(element(der).1)
}

/// The parts of a certificate these tests look at.
struct Parsed<'a> {
    tbs: &'a [u8],
    signature: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    /// OID content → (critical, value).
    extensions: BTreeMap<Vec<u8>, (bool, &'a [u8])>,
}

impl<'a> Parsed<'a> {
    fn new(certificate: &'a [u8]) -> Self {
        let outer = inside(certificate);
        let tbs = inside(outer[0]);
        assert_eq!(tbs[0], [0xa0, 3, 2, 1, 2], "version 3");
        assert_eq!(tbs[2], outer[1], "one signature algorithm");
        assert_eq!(
            outer[1][2..],
            *b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
            "ecdsa-with-SHA384"
        );
        let extensions = inside(element(tbs[7]).1);
        Self {
            tbs: outer[0],
            signature: &element(outer[2]).1[1..],
            serial: element(tbs[1]).1,
            issuer: tbs[3],
            validity: tbs[4],
            subject: tbs[5],
            spki: tbs[6],
            extensions: extensions.into_iter().map(extension).collect(),
        }
    }

    fn point(&self) -> &'a [u8] {
        &self.spki[self.spki.len() - 97..]
    }

    fn extension(&self, oid: &[u8]) -> Option<(bool, &'a [u8])> {
        self.extensions.get(oid).copied()
    }
}

fn extension(der: &[u8]) -> (Vec<u8>, (bool, &[u8])) {
    let parts = inside(der);
    let critical = parts.len() == 3;
    (
        element(parts[0]).1.to_vec(),
        (critical, element(parts.last().unwrap()).1),
    )
}

const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 29, 19];
const KEY_USAGE: [u8; 3] = [0x55, 29, 15];
const FWID: [u8; 6] = [0x67, 0x81, 5, 5, 4, 1];

fn verifies(
    algorithm: &'static dyn VerificationAlgorithm,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, point)
        .verify(message, signature)
        .is_ok()
}

/// Whether each certificate is named and signed by the next one, the last by itself.
fn chain_holds(chain: &[Vec<u8>]) -> Vec<bool> {
    let parsed: Vec<_> = chain.iter().map(|der| Parsed::new(der)).collect();
    let parents = parsed.iter().skip(1).chain(parsed.last());
    parsed
        .iter()
        .zip(parents)
        .map(|(it, parent)| {
            it.issuer == parent.subject
                && verifies(
                    &ECDSA_P384_SHA384_ASN1,
                    parent.point(),
                    it.tbs,
                    it.signature,
                )
        })
        .collect()
}

#[test]
fn the_device_chain_has_the_shape_of_a_genuine_one() {
    let (_dir, device) = device();
    let chain = certificates(&device.attest(&NONCE).unwrap().chain_pem);
    assert_eq!(chain_holds(&chain), [true; 5]);
    assert_eq!(chain[4], device.device_root_der());
    let parsed: Vec<_> = chain.iter().map(|der| Parsed::new(der)).collect();
    for (depth, it) in parsed.iter().enumerate().skip(1) {
        assert_eq!(
            it.extension(&BASIC_CONSTRAINTS),
            Some((true, &[0x30, 3, 1, 1, 0xff][..]))
        );
        let usage: [u8; 4] = if depth == 1 {
            [3, 2, 2, 0x04]
        } else {
            [3, 2, 1, 0x06]
        };
        assert_eq!(it.extension(&KEY_USAGE), Some((true, &usage[..])));
        assert!(it.serial[0] & 0x80 == 0 && it.extension(&FWID).is_none());
    }
    for it in &parsed {
        assert!(it.subject.windows(9).any(|window| window == b"SIMULATED"));
        assert!(it.validity.ends_with(b"\x18\x0f99991231235959Z"));
    }
    let (leaf, l4) = (&parsed[0], &parsed[1]);
    assert_eq!((l4.serial.len(), l4.serial[0]), (9, 0x41));
    assert_eq!(leaf.serial.len(), 20);
    for it in [leaf, l4] {
        let repeated = hex::encode_upper(it.serial);
        assert!(
            it.subject
                .windows(repeated.len())
                .any(|window| window == repeated.as_bytes())
        );
    }
    assert_eq!(leaf.extension(&BASIC_CONSTRAINTS), None);
    assert_eq!(
        leaf.extension(&KEY_USAGE),
        Some((true, &[3, 2, 7, 0x80][..]))
    );
    assert!(
        leaf.subject
            .windows(21)
            .any(|window| window == b"GH100 A01 GSP FMC LF ")
    );
    assert!(
        l4.subject
            .windows(19)
            .any(|window| window == b"GH100 A01 GSP BROM ")
    );
}

#[test]
fn the_firmware_id_extension_is_well_formed_and_ends_as_verifiers_expect() {
    let (_dir, device) = device();
    let chain = certificates(&device.attest(&NONCE).unwrap().chain_pem);
    let (critical, value) = Parsed::new(&chain[0]).extension(&FWID).unwrap();
    assert!(!critical);
    let fields = inside(value);
    assert_eq!(fields[0], [2, 1, 1]);
    assert_eq!(fields[1], Parsed::new(&chain[1]).spki, "the key of L4");
    let tail = [
        &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 4, 0x30][..],
        &firmware::firmware_id(),
    ]
    .concat();
    assert_eq!(element(fields[2]).1, tail);
    assert!(fields.len() == 3 && value.ends_with(&tail));
}

#[test]
fn the_rim_chain_has_the_shape_of_a_genuine_one() {
    let chain = PkiSpec::rim().unwrap().build().unwrap();
    assert_eq!(chain_holds(&chain), [true; 4]);
    let constraints: Vec<_> = chain
        .iter()
        .map(|der| Parsed::new(der).extension(&BASIC_CONSTRAINTS).unwrap().1)
        .collect();
    let unlimited = &[0x30, 3, 1, 1, 0xff][..];
    assert_eq!(
        constraints,
        [
            &[0x30, 0][..],
            &[0x30, 6, 1, 1, 0xff, 2, 1, 0],
            unlimited,
            unlimited
        ]
    );
    assert_eq!(
        Parsed::new(&chain[0]).extension(&KEY_USAGE),
        Some((true, &[3, 2, 7, 0x80][..]))
    );
}

#[test]
fn openssl_accepts_both_chains() {
    let dir = tempfile::tempdir().unwrap();
    for (name, spec) in [
        ("device", PkiSpec::device(&DevicePki::default()).unwrap()),
        ("rim", PkiSpec::rim().unwrap()),
    ] {
        let chain = spec.build().unwrap();
        let file = |part: &str, certificates: &[Vec<u8>]| {
            let path = dir.path().join(format!("{name}-{part}.pem"));
            fs::write(&path, pki::pem_text(certificates)).unwrap();
            path
        };
        let verified = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile"])
            .arg(file("root", &chain[chain.len() - 1..]))
            .arg("-untrusted")
            .arg(file("middle", &chain[1..chain.len() - 1]))
            .arg(file("leaf", &chain[..1]))
            .output();
        match verified {
            Ok(output) => assert!(
                output.status.success(),
                "{name}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(e) => return eprintln!("skipped: no openssl command ({e})"),
        }
    }
}

#[test]
fn openssl_believes_every_answer() {
    let (dir, device) = device();
    let from = OffsetDateTime::now_utc();
    let until = from.saturating_add(time::Duration::hours(1));
    let answers = device.answers(Window { from, until }).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (of_device, of_rims) = (&device.identity.device_chain, &device.identity.rim_chain);
    let links = of_device[1..].windows(2).chain(of_rims.windows(2));
    assert_eq!(answers.len(), 6);
    for (number, (link, (serial, answer))) in links.zip(&answers).enumerate() {
        let chain = if number < 3 { of_device } else { of_rims };
        let wanted = Parsed::new(&link[0]).serial;
        assert_eq!(serial, hex::encode(wanted).trim_start_matches("00"));
        let checked = Command::new("openssl")
            .args(["ocsp", "-no_nonce", "-sha384", "-issuer"])
            .arg(file("issuer.pem", &pki::pem_text(&link[1..])))
            .arg("-cert")
            .arg(file("subject.pem", &pki::pem_text(&link[..1])))
            .arg("-respin")
            .arg(file("answer.der", answer))
            .arg("-verify_other")
            .arg(file("middle.pem", &pki::pem_text(&chain[1..])))
            .arg("-CAfile")
            .arg(file("root.pem", &pki::pem_text(&chain[chain.len() - 1..])))
            .output();
        let Ok(output) = checked else {
            return eprintln!("skipped: no openssl command");
        };
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let good = said.contains("Response verify OK") && said.contains("subject.pem: good");
        assert!(good && output.status.success(), "answer {number}: {said}");
    }
}

#[test]
fn a_forged_chain_is_wrong_in_one_place() {
    let truth = PkiSpec::device(&DevicePki::default()).unwrap();
    let forged = |change: &dyn Fn(&mut PkiSpec)| {
        let mut spec = truth.clone();
        change(&mut spec);
        spec.build().unwrap()
    };
    let corrupt = forged(&|s| s.certificates[2].corrupt_signature = true);
    assert_eq!(chain_holds(&corrupt), [true, true, false, true, true]);
    let misnamed = forged(&|s| s.certificates[0].issuer = Some(Name::simulated("other")));
    assert_eq!(chain_holds(&misnamed), [false, true, true, true, true]);
    let other_key = Arc::new(Key::generate().unwrap());
    let foreign = forged(&|s| s.certificates[3].signer = Some(Arc::clone(&other_key)));
    assert_eq!(chain_holds(&foreign), [true, true, true, false, true]);
    let bare = forged(&|s| s.certificates[0].key_usage = None);
    assert_eq!(Parsed::new(&bare[0]).extension(&KEY_USAGE), None);
    let doubled = forged(&|s| {
        let again = s.certificates[0].extensions[1].clone();
        s.certificates[0].extensions.push(again);
    });
    let count = doubled[0]
        .windows(6)
        .filter(|window| *window == FWID)
        .count();
    assert_eq!(count, 2);
}

#[test]
fn a_name_that_cannot_be_written_is_refused() {
    let mut spec = PkiSpec::device(&DevicePki::default()).unwrap();
    spec.certificates[0].subject.country = Some("é".to_owned());
    assert_eq!(spec.build().unwrap_err().code(), "device_crypto_failed");
}

/// Where each part of a default report lies, from the tables of section 1.
const RECORD: usize = 37 + 8;
const RESPONDER_NONCE: usize = RECORD + 3520;
const OPAQUE_LENGTH: usize = RESPONDER_NONCE + 32;
const OPAQUE: usize = OPAQUE_LENGTH + 2;

fn opaque_fields(report: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let mut fields = BTreeMap::new();
    let mut rest = &report[OPAQUE..report.len() - 96];
    while !rest.is_empty() {
        let id = u16::from_le_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
        let again = fields.insert(id, rest[4..4 + length].to_vec());
        assert!(again.is_none(), "field {id} twice");
        rest = &rest[4 + length..];
    }
    fields
}

fn block_values(report: &[u8]) -> Vec<Vec<u8>> {
    report[RECORD..RESPONDER_NONCE]
        .chunks(55)
        .map(|block| block[7..].to_vec())
        .collect()
}

#[test]
fn the_report_has_every_byte_in_its_place() {
    let (_dir, device) = device();
    let evidence = device.attest(&NONCE).unwrap();
    let report = &evidence.report;
    assert_eq!(evidence.arch, Architecture::Hopper);
    assert_eq!(report[..4], [0x11, 0xe0, 0x01, 0xff]);
    assert_eq!(report[4..36], NONCE);
    assert_eq!(report[36], 0);
    assert_eq!(report[37..45], [0x11, 0x60, 0, 0, 64, 0xc0, 0x0d, 0x00]);
    for (at, block) in report[RECORD..RESPONDER_NONCE].chunks(55).enumerate() {
        let header = [u8::try_from(at).unwrap() + 1, 1, 51, 0, 1, 48, 0];
        assert_eq!(block[..7], header);
    }
    assert_ne!(report[RESPONDER_NONCE..OPAQUE_LENGTH], [0; 32]);
    let opaque = usize::from(u16::from_le_bytes([
        report[OPAQUE_LENGTH],
        report[OPAQUE_LENGTH + 1],
    ]));
    assert_eq!(report.len(), 37 + 42 + 3520 + opaque + 96);
    let again = device.attest(&NONCE).unwrap().report;
    assert_ne!(
        report[RESPONDER_NONCE..OPAQUE_LENGTH],
        again[RESPONDER_NONCE..OPAQUE_LENGTH]
    );
    assert_eq!(report[..RESPONDER_NONCE], again[..RESPONDER_NONCE]);
}

#[test]
fn the_opaque_fields_are_those_of_a_hopper_of_opaque_version_1() {
    let (_dir, device) = device();
    let fields = opaque_fields(&device.attest(&NONCE).unwrap().report);
    let widths: Vec<_> = fields
        .iter()
        .map(|(id, value)| (*id, value.len()))
        .collect();
    assert_eq!(
        widths,
        [
            (3, 11),
            (4, 8),
            (6, 8),
            (11, 1),
            (12, 256),
            (13, 4),
            (14, 4),
            (15, 9),
            (16, 5),
            (17, 5),
            (18, 5),
            (19, 2),
            (20, 48),
            (21, 1),
            (22, 144),
            (34, 2),
            (36, 2),
        ]
    );
    assert_eq!(fields[&3], b"999.01.SIM\0");
    assert_eq!(fields[&15], b"000\0\0\0\0\0\0");
    assert_eq!(fields[&17], b"SIM0\0");
    assert_eq!(fields[&18], b"0000\0");
    assert_eq!(fields[&20], firmware::firmware_id());
    assert_eq!(
        (&fields[&11][..], &fields[&21][..]),
        (&[0x55][..], &[0x55][..])
    );
    assert_eq!(
        (&fields[&34][..], &fields[&36][..]),
        (&[1, 0][..], &[0, 0][..])
    );
    let counters: Vec<_> = fields[&12].chunks(4).map(|it| it != [0; 4]).collect();
    let values = block_values(&device.attest(&NONCE).unwrap().report);
    let measured: Vec<_> = values.iter().map(|value| **value != [0; 48]).collect();
    assert_eq!(counters, measured);
}

#[test]
fn the_report_is_signed_by_the_leaf() {
    let (_dir, device) = device();
    let evidence = device.attest(&NONCE).unwrap();
    let chain = certificates(&evidence.chain_pem);
    let (signed, signature) = evidence.report.split_at(evidence.report.len() - 96);
    let point = Parsed::new(&chain[0]).point();
    assert!(verifies(&ECDSA_P384_SHA384_FIXED, point, signed, signature));
    let mut altered = signed.to_vec();
    altered[4] ^= 1;
    assert!(!verifies(
        &ECDSA_P384_SHA384_FIXED,
        point,
        &altered,
        signature
    ));
}

#[test]
fn a_corrupt_report_signature_does_not_verify() {
    let key = Key::generate().unwrap();
    let spec = ReportSpec {
        corrupt_signature: true,
        ..ReportSpec::default()
    };
    let report = spec.build(&key).unwrap();
    let (signed, signature) = report.split_at(report.len() - 96);
    assert!(!verifies(
        &ECDSA_P384_SHA384_FIXED,
        key.public_point(),
        signed,
        signature
    ));
}

/// The text between two marks, behind the first occurrence of the first.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap() + from.len();
    &text[start..start + text[start..].find(to).unwrap()]
}

/// A manifest taken apart and checked as section 6.3 says, without the code that wrote it.
struct CheckedRim {
    digest_matches: bool,
    signature_holds: bool,
    chain: Vec<Vec<u8>>,
}

fn check_rim(document: &str) -> CheckedRim {
    let start = document.find("<ds:Signature ").unwrap();
    let end = document.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let unsigned = [&document[..start], &document[end..]].concat();
    let digest = STANDARD
        .decode(between(document, "<ds:DigestValue>", "<"))
        .unwrap();
    let info = between(document, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let apex = format!(
        "<ds:SignedInfo xmlns=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
         xmlns:ns0=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\" \
         xmlns:ns2=\"http://www.w3.org/2001/04/xmlenc#sha384\">{info}</ds:SignedInfo>"
    );
    let signature = STANDARD
        .decode(between(document, "<ds:SignatureValue>", "<"))
        .unwrap();
    let chain: Vec<_> = document
        .split("<ds:X509Certificate>")
        .skip(1)
        .map(|it| {
            it.split('<')
                .next()
                .unwrap()
                .split_whitespace()
                .collect::<String>()
        })
        .map(|it| STANDARD.decode(it).unwrap())
        .collect();
    CheckedRim {
        digest_matches: digest == aws_lc_rs::digest::digest(&SHA384, unsigned.as_bytes()).as_ref(),
        signature_holds: signature.len() == 96
            && verifies(
                &ECDSA_P384_SHA384_FIXED,
                Parsed::new(&chain[0]).point(),
                apex.as_bytes(),
                &signature,
            ),
        chain,
    }
}

#[test]
fn both_manifests_are_signed_and_chain_to_the_rim_root() {
    let (_dir, device) = device();
    for (id, document) in device.rims() {
        let checked = check_rim(std::str::from_utf8(&document).unwrap());
        assert!(checked.digest_matches && checked.signature_holds, "{id}");
        assert_eq!(chain_holds(&checked.chain), [true; 4], "{id}");
        assert_eq!(checked.chain[3], device.rim_root_der(), "{id}");
    }
}

/// Active golden indexes of a manifest with the digests they allow.
fn golden(document: &str) -> BTreeMap<usize, Vec<Vec<u8>>> {
    let mut active = BTreeMap::new();
    let mut seen = 0;
    for line in document
        .lines()
        .filter(|line| line.contains("<ns0:Resource "))
    {
        let index: usize = between(line, " index=\"", "\"").parse().unwrap();
        assert_eq!(index, seen, "every index once, in order");
        seen += 1;
        let hashes: Vec<_> = line
            .split(" ns2:Hash")
            .skip(1)
            .map(|it| hex::decode(between(it, "=\"", "\"")).unwrap())
            .collect();
        assert_eq!(
            between(line, " alternatives=\"", "\""),
            hashes.len().to_string()
        );
        assert!(hashes.iter().all(|hash| hash.len() == 48));
        match between(line, " active=\"", "\"") {
            "True" => assert!(active.insert(index, hashes).is_none()),
            "False" => assert_eq!(hashes, [vec![0; 48]]),
            other => panic!("active={other}"),
        }
    }
    assert_eq!(seen, 64);
    active
}

#[test]
fn the_report_matches_both_manifests() {
    let (_dir, device) = device();
    let values = block_values(&device.attest(&NONCE).unwrap().report);
    let rims = device.rims();
    let [driver, vbios] = [0, 1].map(|at| golden(std::str::from_utf8(&rims[at].1).unwrap()));
    assert_eq!((driver.len(), vbios.len()), (21, 12));
    assert!(driver.contains_key(&35) && driver.keys().all(|index| !vbios.contains_key(index)));
    for (index, hashes) in driver.iter().chain(&vbios) {
        assert!(hashes.contains(&values[*index]), "index {index}");
    }
}

#[test]
fn manifest_ids_are_those_the_report_leads_to() {
    let (_dir, device) = device();
    let fields = opaque_fields(&device.attest(&NONCE).unwrap().report);
    let text = |id: u16| {
        String::from_utf8(fields[&id].clone())
            .unwrap()
            .replace('\0', "")
    };
    let b = &fields[&6];
    let vbios = format!(
        "{:02X}{:02X}{:02X}{:02X}{:02X}",
        b[3], b[2], b[1], b[0], b[4]
    );
    let ids: Vec<_> = device.rims().into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [
            format!("NV_GPU_DRIVER_GH100_{}", text(3)),
            format!(
                "NV_GPU_VBIOS_{}_{}_{}_{vbios}",
                text(17),
                text(18),
                text(15)
            ),
        ]
    );
}

#[test]
fn a_forged_manifest_is_wrong_in_one_place() {
    let pki = PkiSpec::rim().unwrap();
    let chain = pki.build().unwrap();
    let built = |change: &dyn Fn(&mut RimSpec)| {
        let mut spec = RimSpec::driver();
        change(&mut spec);
        let document = spec.build(pki.leaf_key().unwrap(), &chain).unwrap();
        let checked = check_rim(std::str::from_utf8(&document).unwrap());
        (checked.digest_matches, checked.signature_holds)
    };
    assert_eq!(built(&|_| ()), (true, true));
    assert_eq!(built(&|s| s.meta.set("product", "GB100")), (true, true));
    assert_eq!(
        built(&|s| s.resource_mut(7).unwrap().set("active", "true")),
        (true, true)
    );
    assert_eq!(
        built(&|s| s.after_signature = "<x></x>".to_owned()),
        (true, true)
    );
    let wrong_digest = |s: &mut RimSpec| {
        s.signature.as_mut().unwrap().references[0].digest = Some(vec![0; 48]);
    };
    assert_eq!(built(&wrong_digest), (false, true));
    assert_eq!(
        built(&|s| s.signature.as_mut().unwrap().corrupt_value = true),
        (true, false)
    );
    let second_reference = |s: &mut RimSpec| {
        s.signature
            .as_mut()
            .unwrap()
            .references
            .push(Reference::default());
    };
    assert_eq!(built(&second_reference), (true, true));
}

#[test]
fn an_identity_is_found_again() {
    let (dir, first) = device();
    let again = SimulatedDevice::open(dir.path()).unwrap();
    assert_eq!(again.describe(), first.describe());
    assert_eq!(again.chain_pem, first.chain_pem);
    assert_eq!(again.rims(), first.rims());
    assert_eq!(again.rim_root_der(), first.rim_root_der());
    let point = Parsed::new(&certificates(&first.chain_pem)[0])
        .point()
        .to_vec();
    assert_eq!(again.identity.leaf_key.public_point(), point);
}

#[test]
fn two_devices_differ() {
    let ((_a, a), (_b, b)) = (device(), device());
    assert_ne!(a.describe().uuid, b.describe().uuid);
    assert_ne!(a.device_root_der(), b.device_root_der());
    assert_ne!(a.rim_root_der(), b.rim_root_der());
    let l4_serial = |device: &SimulatedDevice| {
        Parsed::new(&certificates(&device.chain_pem)[1])
            .serial
            .to_vec()
    };
    assert_ne!(l4_serial(&a), l4_serial(&b));
}

#[test]
fn opening_a_fresh_folder_at_once_gives_one_identity() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("new");
    let uuids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| SimulatedDevice::open(&home).unwrap().describe().uuid))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(uuids.iter().all(|uuid| *uuid == uuids[0]), "{uuids:?}");
    assert_eq!(
        fs::read_dir(&home).unwrap().count(),
        1,
        "no half-made identity is left"
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_may_read_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("device");
    SimulatedDevice::open(&home).unwrap();
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join("identity-2")), 0o700);
    for entry in fs::read_dir(home.join("identity-2")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn damaged_identities_are_told_apart_from_bad_evidence() {
    let code = |change: &dyn Fn(&Path)| {
        let (dir, _) = device();
        change(&dir.path().join("identity-2"));
        SimulatedDevice::open(dir.path()).unwrap_err().code()
    };
    let stranger = Key::generate().unwrap();
    let damaged = "simulated_identity_damaged";
    assert_eq!(
        code(&|home| fs::write(home.join("leaf.key"), stranger.to_pkcs8()).unwrap()),
        damaged
    );
    for key in ["leaf.key", "responder.key"] {
        assert_eq!(
            code(&|home| fs::write(home.join(key), "junk").unwrap()),
            damaged
        );
    }
    assert_eq!(
        code(&|home| fs::write(home.join("responder.key"), stranger.to_pkcs8()).unwrap()),
        damaged
    );
    assert_eq!(
        code(&|home| {
            fs::copy(home.join("rim-chain.pem"), home.join("device-chain.pem")).unwrap();
        }),
        damaged
    );
    assert_eq!(
        code(&|home| fs::remove_file(home.join("driver-rim.xml")).unwrap()),
        "device_io"
    );
    assert_eq!(
        code(&|home| fs::write(home.join("vbios-rim.xml"), vec![0; 200_000]).unwrap()),
        "device_file_too_large"
    );
}

#[test]
fn collateral_names_both_roots_once_per_device() {
    let ((_a, a), (_b, b)) = (device(), device());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("collateral");
    for device in [&a, &b, &a] {
        device.write_collateral(&out).unwrap();
    }
    for (id, rim) in a.rims() {
        assert_eq!(fs::read(out.join(format!("{id}.xml"))).unwrap(), rim);
    }
    let anchors = fs::read_to_string(out.join("anchors.toml")).unwrap();
    assert_eq!(anchors.matches("[[anchor]]").count(), 4);
    assert_eq!(anchors.matches("simulated = true").count(), 4);
    for (role, root) in [("device", a.device_root_der()), ("rim", b.rim_root_der())] {
        let fingerprint = hex::encode(digest(&SHA256, root));
        let entry = anchors
            .split("[[anchor]]")
            .find(|it| it.contains(&fingerprint))
            .unwrap();
        assert!(entry.contains(&format!("use = \"{role}\"")));
        assert!(entry.contains(&format!(
            "spki = \"{}\"",
            hex::encode(Parsed::new(root).spki)
        )));
        assert!(entry.contains(", O=PoGW SIMULATED\""));
    }
    assert_eq!(
        fs::read_dir(&out).unwrap().count(),
        3,
        "no temporary file is left"
    );
    fs::write(out.join("anchors.toml"), b"\xff").unwrap();
    assert_eq!(a.write_collateral(&out).unwrap_err().code(), "device_io");
}

#[test]
fn the_front_door_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let selection = crate::device::Selection::Simulated {
        dir: dir.path().to_path_buf(),
    };
    let devices = crate::device::open(&selection).unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].describe().source, SourceKind::Simulated);
    assert_eq!(devices[0].attest(&NONCE).unwrap().report[4..36], NONCE);
}
