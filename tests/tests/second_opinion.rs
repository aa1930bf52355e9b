//! Two further implementations of ECDSA over P-384 give the same verdict as the one that serves the hot path.
//!
//! Every signature of real and of forged evidence is put to `evidence::crypto` (aws-lc-rs), ring and p384: the links of
//! device and RIM chains, reports, manifests; as they are, with a bit of message or signature flipped, and under the
//! key of another. What is signed is cut out here, without the parsers under test, and the verdict is held against
//! what those parsers say of the whole.
//!
//! Edge cases follow, each with the verdict that is right. Those on which the three differ are in [`DIFFERENCES`], as
//! exceptions are in webpki's run of x509-limbo: with the verdicts, the reason, and a failure once they are stale.

use std::path::{Path, PathBuf};

use attestation_agent::device::simulated::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::appraise::{Collateral, DeviceEvidence, DeviceReading};
use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::crypto::P384Key;
use evidence::rim::Rim;
use evidence::{CheckId, Code, Examined, Reason, crypto};
use libtest_mimic::{Arguments, Failed, Trial};
use p384::ecdsa::VerifyingKey;
use p384::ecdsa::signature::Verifier;
use tests::forge::{
    AS_OF, CertificateParts, Chain, Forged, P384_ORDER, der, der_content, der_elements,
    der_integer, p384_order_minus, stranger_key,
};
use tests::real::{self, Manifest};

/// Edge cases on which the implementations differ: name, verdicts of evidence, ring and p384, reason.
const DIFFERENCES: &[(&str, Opinions, &str)] = &[(
    "key::compressed",
    [false, false, true],
    "p384 reads compressed points; certificates of the corpus hold none, and one spelling per key is enough",
)];

/// What evidence (over aws-lc-rs), ring and p384 say.
type Opinions = [bool; 3];

/// Signatures of the two encodings that attestation uses.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// r ‖ s: reports and manifests.
    Raw,
    /// DER: certificates.
    Der,
}

/// One signature and what it is over.
#[derive(Clone)]
struct Signed {
    what: String,
    form: Form,
    point: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = match real::directory() {
        Some(directory) => of_real_evidence(&directory),
        None => ["chains", "reports", "manifests"]
            .map(|what| {
                let name = format!("real::{what}_need_real_evidence");
                Trial::test(name, || Ok(())).with_ignored_flag(true)
            })
            .into(),
    };
    trials.extend(of_forged_evidence());
    trials.extend(edge_cases());
    trials.push(Trial::test(
        "no_difference_is_stale",
        no_difference_is_stale,
    ));
    trials.push(Trial::test("digests", digests));
    libtest_mimic::run(&arguments, trials).exit();
}

impl Signed {
    fn opinions(&self) -> Opinions {
        let Self {
            point,
            message,
            signature,
            ..
        } = self;
        let ring = |algorithm: &'static dyn ring::signature::VerificationAlgorithm| {
            let key = ring::signature::UnparsedPublicKey::new(algorithm, point);
            key.verify(message, signature).is_ok()
        };
        let p384 = |signature: Option<p384::ecdsa::Signature>| {
            let key = VerifyingKey::from_sec1_bytes(point).ok();
            let both = key.zip(signature);
            both.is_some_and(|(key, signature)| key.verify(message, &signature).is_ok())
        };
        let ours = P384Key::at(point);
        match self.form {
            Form::Raw => [
                ours.is_some_and(|key| key.has_signed_raw(message, signature)),
                ring(&ring::signature::ECDSA_P384_SHA384_FIXED),
                p384(p384::ecdsa::Signature::from_slice(signature).ok()),
            ],
            Form::Der => [
                ours.is_some_and(|key| key.has_signed_der(message, signature)),
                ring(&ring::signature::ECDSA_P384_SHA384_ASN1),
                p384(p384::ecdsa::Signature::from_der(signature).ok()),
            ],
        }
    }

    /// All three say the same of it, and of what it becomes when something is changed.
    fn is_agreed_on(&self, verdict: bool) -> Result<(), Failed> {
        let mut disagreements = Vec::new();
        let mut expect = |defect: &str, signed: &Self, verdict: bool| {
            let opinions = signed.opinions();
            if opinions != [verdict; 3] {
                let what = &self.what;
                disagreements.push(format!(
                    "{what}, {defect}: expected {verdict}, got {opinions:?}"
                ));
            }
        };
        expect("as it is", self, verdict);
        for (defect, changed) in self.changed() {
            expect(defect, &changed, false);
        }
        match disagreements.is_empty() {
            true => Ok(()),
            false => Err(disagreements.join("\n").into()),
        }
    }

    fn changed(&self) -> [(&'static str, Self); 5] {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut changed = self.clone();
            change(&mut changed);
            changed
        };
        let flip = |bytes: &mut [u8], at: usize| bytes[at] ^= 0x10;
        [
            ("message changed", with(&|it| flip(&mut it.message, 5))),
            (
                "message cut",
                with(&|it| it.message.truncate(it.message.len() - 1)),
            ),
            // Behind the tags and lengths of DER, so that r and s change and not their form.
            ("r changed", with(&|it| flip(&mut it.signature, 20))),
            ("s changed", with(&|it| flip(&mut it.signature, 90))),
            ("key of another", with(&|it| it.point = key_of_another())),
        ]
    }
}

fn key_of_another() -> Vec<u8> {
    let another = Chain::of_a_rim_stranger();
    another.leaf_key().public_point().to_vec()
}

fn all_agreed_on(signatures: &[(Signed, bool)]) -> Result<(), Failed> {
    assert!(!signatures.is_empty());
    let mut signatures = signatures.iter();
    signatures.try_for_each(|(signed, verdict)| signed.is_agreed_on(*verdict))
}

//------------ What is signed, cut out by hand --------------------------------

/// The uncompressed point of a P-384 certificate.
fn point_of(certificate: &[u8]) -> Vec<u8> {
    let tbs = CertificateParts::of(certificate).tbs;
    let fields = der_elements(der_content(&tbs));
    // version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo (RFC 5280 4.1)
    let key = der_elements(der_content(fields[6]));
    der_content(key[1])[1..].to_vec()
}

fn links_of(chain: &[Vec<u8>]) -> Vec<Signed> {
    let links = chain.windows(2).enumerate();
    let signed = links.map(|(n, link)| {
        let parts = CertificateParts::of(&link[0]);
        Signed {
            what: format!("certificate {n}"),
            form: Form::Der,
            point: point_of(&link[1]),
            message: parts.tbs,
            signature: parts.signature,
        }
    });
    signed.collect()
}

fn report_of(report: &[u8], leaf: &[u8]) -> Signed {
    let (message, signature) = report.split_at(report.len() - 96);
    Signed {
        what: "report".to_owned(),
        form: Form::Raw,
        point: point_of(leaf),
        message: message.to_vec(),
        signature: signature.to_vec(),
    }
}

fn manifest_of(document: &str) -> Signed {
    let leaf = certificates_of(document).swap_remove(0);
    Signed {
        what: "manifest".to_owned(),
        form: Form::Raw,
        point: point_of(&leaf),
        message: canonical_signed_info(document).into_bytes(),
        signature: base64(between(
            document,
            "<ds:SignatureValue>",
            "</ds:SignatureValue>",
        )),
    }
}

/// `SignedInfo` as the apex of its own canonical form: with the namespaces in scope, and no short tags.
fn canonical_signed_info(document: &str) -> String {
    let content = between(document, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let tags = content.split('<').map(|tag| match tag.split_once("/>") {
        Some((start, text)) => {
            let name = start.split(' ').next().unwrap_or_default();
            format!("{start}></{name}>{text}")
        }
        None => tag.to_owned(),
    });
    let swid = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
    format!(
        "<ds:SignedInfo xmlns=\"{swid}\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" xmlns:ns0=\"{swid}\" \
         xmlns:ns2=\"http://www.w3.org/2001/04/xmlenc#sha384\">{}</ds:SignedInfo>",
        tags.collect::<Vec<_>>().join("<"),
    )
}

fn certificates_of(document: &str) -> Vec<Vec<u8>> {
    let texts = document.split("<ds:X509Certificate>").skip(1);
    let texts = texts.filter_map(|text| text.split("</ds:X509Certificate>").next());
    texts.map(base64).collect()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect("an element");
    rest.split_once(to).expect("its end").0
}

fn base64(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    STANDARD.decode(digits).expect("base64")
}

fn certificates_of_pem(pem: &[u8]) -> Vec<Vec<u8>> {
    let blocks = pem::parse_many(pem).expect("PEM").into_iter();
    blocks.map(pem::Pem::into_contents).collect()
}

//------------ What the code under test says of the whole ---------------------

/// Links of a chain with the verdict of the chain's rules.
fn judged_links(ders: &[Vec<u8>], reasons: &[Reason], subject: &str) -> Vec<(Signed, bool)> {
    let links = links_of(ders).into_iter().enumerate();
    let judged = links.map(|(n, signed)| {
        let about = format!("{subject}certificate {n}:");
        let broken = reasons.iter().any(|reason| {
            reason.code == Code::CertificateSignatureInvalid && reason.message.starts_with(&about)
        });
        (signed, !broken)
    });
    judged.collect()
}

fn judged_chain(ders: &[Vec<u8>]) -> (Vec<(Signed, bool)>, Examined<CertificateChain>) {
    let chain = CertificateChain::from_ders(ders.iter().map(Vec::as_slice)).expect("a chain");
    let chain = chain.authenticate(ChainProfile::Device, &TrustAnchors::default());
    let chain = Examined::from(chain);
    (judged_links(ders, &chain.reasons_at(AS_OF), ""), chain)
}

fn judged_report(report: &[u8], leaf: &[u8], chain: &Examined<CertificateChain>) -> (Signed, bool) {
    let evidence = DeviceEvidence {
        claimed: None,
        report,
        chain,
    };
    let found = DeviceReading::new(evidence).appraise(&[0; 32], Collateral::default(), AS_OF);
    let verdict = found.affirms(CheckId::ReportSignature);
    (report_of(report, leaf), verdict)
}

/// The signature of a manifest and the links of its chain.
fn judged_manifest(document: &[u8]) -> Result<Vec<(Signed, bool)>, Failed> {
    let rim = Rim::parse(document).map_err(|reasons| format!("{reasons:#?}"))?;
    let reasons = match rim.authenticate(&TrustAnchors::default()) {
        Ok(_) => Vec::new(),
        Err(refuted) => refuted.reasons,
    };
    let text = std::str::from_utf8(document)?;
    let mut judged = judged_links(&certificates_of(text), &reasons, "RIM ");
    let broken = reasons
        .iter()
        .any(|it| it.code == Code::RimSignatureInvalid);
    judged.push((manifest_of(text), !broken));
    Ok(judged)
}

//------------ Real evidence --------------------------------------------------

fn of_real_evidence(directory: &Path) -> Vec<Trial> {
    let mut trials = Vec::new();
    for path in files(directory, "pem") {
        let name = name(directory, &path);
        trials.push(Trial::test(format!("real::chain::{name}"), move || {
            let ders = certificates_of_pem(&std::fs::read(&path)?);
            let (links, _) = judged_chain(&ders);
            if links.is_empty() {
                Ok(())
            } else {
                all_agreed_on(&links)
            }
        }));
    }
    let mut pairs: Vec<_> = Manifest::read(directory)
        .cases
        .into_iter()
        .map(|case| (case.report, case.chain))
        .collect();
    pairs.sort();
    pairs.dedup();
    for (report, chain) in pairs {
        let name = format!("real::report::{report}::{chain}");
        let [report, chain] = [report, chain].map(|file| directory.join(file));
        trials.push(Trial::test(name, move || {
            let ders = certificates_of_pem(&std::fs::read(chain)?);
            let (_, chain) = judged_chain(&ders);
            let report = std::fs::read(report)?;
            let (signed, verdict) = judged_report(&report, &ders[0], &chain);
            signed.is_agreed_on(verdict)
        }));
    }
    for path in files(&directory.join("rims"), "xml") {
        if path
            .components()
            .any(|part| part.as_os_str() == "malformed")
        {
            continue;
        }
        let name = name(directory, &path);
        trials.push(Trial::test(format!("real::manifest::{name}"), move || {
            all_agreed_on(&judged_manifest(&std::fs::read(&path)?)?)
        }));
    }
    assert!(trials.len() > 3, "the directory holds next to nothing");
    trials
}

fn name(directory: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(directory).unwrap_or(path);
    inside.display().to_string()
}

/// All files below a directory with this extension, in order.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

//------------ Forged evidence ------------------------------------------------

/// What is wrong, and how it is made so.
type Defect = (&'static str, fn(&mut Forged));

fn of_forged_evidence() -> Vec<Trial> {
    #[rustfmt::skip]
    let cases: [Defect; 9] = [
        ("as it should be", |_| ()),
        ("leaf's signature damaged", |it| it.chain.certificate(0).corrupt_signature = true),
        ("third certificate signed by a stranger", |it| it.chain.certificate(2).signer = Some(stranger_key())),
        ("report's signature damaged", |it| it.report.corrupt_signature = true),
        ("report signed by a stranger", |it| it.report_signer = Some(stranger_key())),
        ("report's signature of zeros", |it| it.report.signature = Some(vec![0; 96])),
        ("manifest's signature damaged", |it| it.vbios().signature().corrupt_value = true),
        ("manifest signed by a stranger", |it| it.vbios().signer = Some(stranger_key())),
        ("manifest's chain damaged", |it| it.vbios().chain.certificate(1).corrupt_signature = true),
    ];
    let mut trials = Vec::new();
    for (kind, good) in [
        ("GPU", Forged::gpu as fn() -> Forged),
        ("switch", Forged::switch),
    ] {
        for (defect, change) in cases {
            trials.push(Trial::test(
                format!("forged::{kind}, {defect}"),
                move || all_agreed_on(&judged_forged(&good().with(change))?),
            ));
        }
    }
    trials
}

fn judged_forged(it: &Forged) -> Result<Vec<(Signed, bool)>, Failed> {
    let ders = it.chain.ders();
    let (mut judged, chain) = judged_chain(&ders);
    judged.push(judged_report(&it.report_bytes(), &ders[0], &chain));
    for manifest in [&it.driver, &it.vbios].into_iter().flatten() {
        judged.extend(judged_manifest(&manifest.document())?);
    }
    Ok(judged)
}

//------------ Edge cases -----------------------------------------------------

/// A signature on the edge of what is one, and whether it is.
struct Edge {
    name: String,
    signed: Signed,
    right: bool,
}

fn edge_cases() -> Vec<Trial> {
    let trials = edges().into_iter().map(|edge| {
        Trial::test(format!("edge::{}", edge.name), move || {
            let expected = DIFFERENCES.iter().find(|(name, ..)| *name == edge.name);
            let expected = expected.map_or([edge.right; 3], |(_, opinions, _)| *opinions);
            let opinions = edge.signed.opinions();
            match opinions == expected {
                true => Ok(()),
                false => Err(format!("expected {expected:?}, got {opinions:?}").into()),
            }
        })
    });
    trials.collect()
}

/// Every entry names a case, says that the three differ, and says that ours is right.
fn no_difference_is_stale() -> Result<(), Failed> {
    let edges = edges();
    for (name, opinions, reason) in DIFFERENCES {
        let edge = edges.iter().find(|edge| edge.name == *name);
        let edge = edge.ok_or_else(|| format!("no case is called {name}"))?;
        let differ = opinions.iter().any(|opinion| *opinion != edge.right);
        if !differ || reason.is_empty() || opinions[0] != edge.right {
            return Err(format!("{name}: {opinions:?} is no difference to live with").into());
        }
    }
    Ok(())
}

fn edges() -> Vec<Edge> {
    let key = stranger_key();
    let groups = [
        numbers(&key),
        raw_lengths(&key),
        der_forms(&key),
        key_forms(&key),
        reduced_r(),
    ];
    groups.into_iter().flatten().collect()
}

const MESSAGE: &[u8] = b"what is signed";

/// A good signature whose r has its first bit set, or not; both occur half of the time.
fn signature_with(key: &Key, first_bit: bool) -> ([u8; 48], [u8; 48]) {
    loop {
        let signature = key.sign_fixed(MESSAGE).expect("a signature");
        let (r, s) = signature.split_at(48);
        if (r[0] >= 0x80) == first_bit {
            return (r.try_into().expect("r"), s.try_into().expect("s"));
        }
    }
}

fn edge(key: &Key, form: Form, name: &str, signature: Vec<u8>, right: bool) -> Edge {
    let encoding = match form {
        Form::Raw => "raw",
        Form::Der => "DER",
    };
    Edge {
        name: format!("{encoding}::{name}"),
        signed: Signed {
            what: name.to_owned(),
            form,
            point: key.public_point().to_vec(),
            message: MESSAGE.to_vec(),
            signature,
        },
        right,
    }
}

/// The same numbers in both encodings.
fn numbers(key: &Key) -> Vec<Edge> {
    let (r, s) = signature_with(key, true);
    let n = P384_ORDER;
    let zero = [0; 48];
    let mut n_plus_1 = n;
    n_plus_1[47] += 1;
    let mut n_minus_1 = n;
    n_minus_1[47] -= 1;
    let largest = [0xff; 48];
    let other_s = p384_order_minus(&s);
    let cases: [(&str, [u8; 48], [u8; 48], bool); 14] = [
        ("as signed", r, s, true),
        ("the other s", r, other_s, true),
        ("r zero", zero, s, false),
        ("s zero", r, zero, false),
        ("both zero", zero, zero, false),
        ("r is n", n, s, false),
        ("s is n", r, n, false),
        ("both n", n, n, false),
        ("r is n + 1", n_plus_1, s, false),
        ("s is n + 1", r, n_plus_1, false),
        ("r is n - 1", n_minus_1, s, false),
        ("s is n - 1", r, n_minus_1, false),
        ("both as large as they fit", largest, largest, false),
        ("r and s swapped", s, r, false),
    ];
    let encoded = cases.into_iter().flat_map(|(name, r, s, right)| {
        let raw = [r, s].concat();
        [
            edge(key, Form::Raw, name, raw, right),
            edge(key, Form::Der, name, in_der(&r, &s), right),
        ]
    });
    encoded.collect()
}

fn in_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    der(0x30, &[der_integer(r), der_integer(s)].concat())
}

fn raw_lengths(key: &Key) -> Vec<Edge> {
    let (r, s) = signature_with(key, true);
    let good = [r, s].concat();
    let wider = |half: &[u8; 48]| [&[0; 18], &half[..]].concat();
    let cases = [
        ("nothing", vec![]),
        ("one byte", vec![1]),
        ("r alone", r.to_vec()),
        ("last byte missing", good[..95].to_vec()),
        ("zero in front", [&[0], &good[..]].concat()),
        ("zero behind", [&good[..], &[0]].concat()),
        ("twice", [&good[..], &good].concat()),
        ("as wide as P-521 has it", [wider(&r), wider(&s)].concat()),
        ("DER", in_der(&r, &s)),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(name, signature)| edge(key, Form::Raw, name, signature, false))
        .collect()
}

fn der_forms(key: &Key) -> Vec<Edge> {
    let (high, s) = signature_with(key, true);
    let (low, s_of_low) = signature_with(key, false);
    let (r, s) = (der_integer(&high), der_integer(&s));
    let good = der(0x30, &[&r[..], &s].concat());
    let sequence = |parts: &[&[u8]]| der(0x30, &parts.concat());
    let long_form = |element: &[u8]| {
        let content = der_content(element);
        let length = u8::try_from(content.len()).expect("a short element");
        [&[element[0], 0x81, length], content].concat()
    };
    let two_zeros = der(0x02, &[&[0, 0], &high[..]].concat());
    let one_zero_too_many = der(0x02, &[&[0], &low[..]].concat());
    let negative = der(0x02, &high);
    let shorter = [&[0x30, good[1] - 1], &good[2..]].concat();
    let longer = [&[0x30, good[1] + 1], &good[2..]].concat();
    #[rustfmt::skip]
    let cases = [
        ("nothing", vec![]),
        ("empty sequence", der(0x30, &[])),
        ("r alone", sequence(&[&r])),
        ("third number", sequence(&[&r, &s, &[2, 1, 0]])),
        ("byte behind", [&good[..], &[0]].concat()),
        ("byte behind s, inside", sequence(&[&r, &s, &[0]])),
        ("last byte missing", good[..good.len() - 1].to_vec()),
        ("length one too small", shorter),
        ("length one too large", longer),
        ("leading zero that is not needed", sequence(&[&one_zero_too_many, &der_integer(&s_of_low)])),
        ("two leading zeros", sequence(&[&two_zeros, &s])),
        ("r negative for want of a zero", sequence(&[&negative, &s])),
        ("r empty", sequence(&[&[2, 0], &s])),
        ("s empty", sequence(&[&r, &[2, 0]])),
        ("sequence with long length", long_form(&good)),
        ("number with long length", sequence(&[&long_form(&r), &s])),
        ("indefinite length", [&[0x30, 0x80], &r[..], &s, &[0, 0]].concat()),
        ("set", der(0x31, &[&r[..], &s].concat())),
        ("octet strings for numbers", sequence(&[&der(4, &high), &s])),
        ("in an octet string", der(4, &good)),
        ("in another sequence", der(0x30, &good)),
        ("raw", [high, s_of_low].concat()),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(name, signature)| edge(key, Form::Der, name, signature, false))
        .collect()
}

/// A good signature under other spellings of its key. Certificates of the corpus spell it in one way.
fn key_forms(key: &Key) -> Vec<Edge> {
    let good = key.public_point().to_vec();
    let (x, y) = good[1..].split_at(48);
    let parity = y[47] & 1;
    let with_prefix = |prefix: u8| [&[prefix], x, y].concat();
    let mut off_the_curve = good.clone();
    off_the_curve[96] ^= 1;
    let cases = [
        ("uncompressed", good.clone(), true),
        ("compressed", [&[2 + parity], x].concat(), false),
        (
            "compressed, the other point",
            [&[3 - parity], x].concat(),
            false,
        ),
        ("hybrid", with_prefix(6 + parity), false),
        ("hybrid, the other point", with_prefix(7 - parity), false),
        ("unknown prefix", with_prefix(5), false),
        ("without prefix", good[1..].to_vec(), false),
        ("subject public key info", key.spki_der(), false),
        ("off the curve", off_the_curve, false),
        ("origin", [&[4][..], &[0; 96]].concat(), false),
        ("infinity", vec![0], false),
        ("infinity, filled up", vec![0; 97], false),
        ("coordinates swapped", [&[4], y, x].concat(), false),
        (
            "coordinates as large as they fit",
            [&[4][..], &[0xff; 96]].concat(),
            false,
        ),
        ("byte behind", [&good[..], &[0]].concat(), false),
        ("byte missing", good[..96].to_vec(), false),
        ("nothing", vec![], false),
    ];
    let (r, s) = signature_with(key, true);
    let cases = cases.into_iter().map(|(name, point, right)| {
        let mut edge = edge(key, Form::Raw, name, [r, s].concat(), right);
        edge.name = format!("key::{name}");
        edge.signed.point = point;
        edge
    });
    cases.collect()
}

/// A signature whose point has an x beyond n: r is what is left of it, and nothing else may be written.
///
/// It happens once in 2^194 signatures, so it is made backwards: from r and s to the key they are valid under.
fn reduced_r() -> Vec<Edge> {
    /// Recovery id (SEC 1, 4.1.6): y even, x beyond n.
    const X_IS_REDUCED: u8 = 2;
    let digest = crypto::sha384(MESSAGE);
    let s = [1; 48];
    let small = |number: u8| {
        let mut r = [0; 48];
        r[47] = number;
        r
    };
    let recovered = (1..=u8::MAX).find_map(|number| {
        let signature = [small(number), s].concat();
        let signature = p384::ecdsa::Signature::from_slice(&signature).ok()?;
        let key =
            VerifyingKey::recover_from_prehash(&digest, &signature, X_IS_REDUCED.try_into().ok()?)
                .ok()?;
        Some((number, key.to_sec1_point(false).as_bytes().to_vec()))
    });
    let (number, point) = recovered.expect("every second x is on the curve");
    let mut unreduced = P384_ORDER;
    let (last, carry) = unreduced[47].overflowing_add(number);
    unreduced[47] = last;
    unreduced[46] += u8::from(carry);
    let of = |name: &str, r: [u8; 48], right| {
        [(Form::Raw, [r, s].concat()), (Form::Der, in_der(&r, &s))].map(|(form, signature)| {
            let mut edge = edge(&stranger_key(), form, name, signature, right);
            edge.signed.point.clone_from(&point);
            edge
        })
    };
    let reduced = of("r reduced", small(number), true);
    let unreduced = of("r not reduced", unreduced, false);
    reduced.into_iter().chain(unreduced).collect()
}

/// Digests come through the same seam; ring has an opinion on them too.
fn digests() -> Result<(), Failed> {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
    for length in (0..300).chain([512, 1000]) {
        let bytes = &bytes[..length];
        let (head, tail) = bytes.split_at(length / 3);
        let of = |algorithm| ring::digest::digest(algorithm, bytes).as_ref().to_vec();
        let same = crypto::sha256(bytes)[..] == of(&ring::digest::SHA256)
            && crypto::sha256_of(&[head, tail])[..] == of(&ring::digest::SHA256)
            && crypto::sha384(bytes)[..] == of(&ring::digest::SHA384)
            && crypto::sha512_of(&[head, tail])[..] == of(&ring::digest::SHA512);
        if !same {
            return Err(format!("digests of {length} bytes").into());
        }
    }
    Ok(())
}
