//! Answers about revocation that are wrong in exactly one way.
//!
//! What is wrong with an answer says nothing about its certificate: it is then as if there were none, which is never a
//! pass and never a reason to refuse what is genuine. What an answer to be believed says does count.

use std::sync::Arc;

use attestation_agent::device::simulated::ocsp::{
    CERTIFICATE_HOLD, OID_BASIC, OID_ECDSA_SHA384, OID_SHA256,
};
use attestation_agent::device::simulated::pki::{DIGITAL_SIGNATURE, KEY_CERT_SIGN};
use attestation_agent::device::simulated::{CertId, CertStatus, Name, PkiSpec, ResponderId};
use evidence::Reason;
use evidence::limits::{MAX_OCSP_BYTES, MAX_OCSP_CERTIFICATES};
use evidence::ocsp::{MAX_CLOCK_SKEW_SECS, RevocationReason};
use tests::forge::{ABOUT_ALL, About, Answer};
use time::Duration;

use crate::kit::*;

use RevocationStatus::{Good, NotChecked, OnHold, Revoked, Unknown};

/// The nonce of a question.
const ASKED: [u8; 32] = [0x5a; 32];
/// Reserved by RFC 5280 5.3.1: a reason no responder may give.
const NO_REASON: u8 = 7;

/// A GPU whose answers are good but for one.
fn answer(
    rows: &'static [u8],
    wrong: &str,
    about: About,
    change: impl Fn(&mut Answer) + Send + Sync + 'static,
) -> Case {
    case(rows, format!("answer about {about:?}: {wrong}"), |it| {
        it.ask();
        it.answer(about, change);
    })
}

/// The same, of the certificate that holds the device's identity.
fn of_device(
    rows: &'static [u8],
    wrong: &str,
    codes: &[Code],
    change: impl Fn(&mut Answer) + Send + Sync + 'static,
) -> Case {
    let about = About::Device(1);
    answer(rows, wrong, about, change).tells_nothing(about, codes)
}

/// A GPU whose answers are good, changed in another way.
fn asking(rows: &'static [u8], wrong: impl Into<String>, change: impl FnOnce(&mut Forged)) -> Case {
    case(rows, wrong, |it| {
        it.ask();
        change(it);
    })
}

impl Case {
    /// The answer about one certificate is as good as none.
    fn tells_nothing(self, about: About, codes: &[Code]) -> Self {
        self.cannot_tell(CheckId::Revocation, codes).knows(
            &certificates_of(about),
            NotChecked,
            codes,
        )
    }

    /// One certificate is not good.
    fn tells(self, about: About, status: RevocationStatus, codes: &[Code]) -> Self {
        self.refutes(CheckId::Revocation, codes)
            .knows(&certificates_of(about), status, codes)
    }

    /// One certificate is not good, and that is tolerated.
    fn tells_in_passing(self, about: About, status: RevocationStatus, codes: &[Code]) -> Self {
        self.remarks(CheckId::Revocation, codes)
            .knows(&certificates_of(about), status, codes)
    }
}

/// Where a certificate stands. The manifests of a GPU share all but their signers.
fn certificates_of(about: About) -> Vec<(CheckId, usize)> {
    match about {
        About::Device(n) => vec![(Chain, n)],
        About::Driver(0) => vec![(DriverRim, 0)],
        About::Vbios(0) => vec![(VbiosRim, 0)],
        About::Driver(n) | About::Vbios(n) => vec![(DriverRim, n), (VbiosRim, n)],
    }
}

/// Certificates that one answer each is about.
fn abouts() -> impl Iterator<Item = About> {
    let shared = |about: &About| !matches!(about, About::Vbios(1 | 2));
    ABOUT_ALL.into_iter().filter(shared)
}

const fn row_of(about: About) -> &'static [u8] {
    match about {
        About::Device(_) => &[58],
        About::Driver(_) | About::Vbios(_) => &[59],
    }
}

//------------ Rows 58 to 60: who is asked about -----------------------------

#[rustfmt::skip]
pub(crate) fn missing() -> Vec<Case> {
    let mut cases = Vec::new();
    for about in abouts() {
        cases.extend([
            answer(row_of(about), "nobody asked", about, |it| it.unasked = true)
                .tells_nothing(about, &[OcspNotAvailable]),
            answer(row_of(about), "responder out of reach", about, |it| {
                it.outage = Some(Reason::new(OcspNotAvailable, "connection refused"));
            })
            .tells_nothing(about, &[OcspNotAvailable]),
        ]);
    }
    let none = asking(&[58, 59], "no answer at all", |it| {
        ABOUT_ALL.iter().for_each(|about| it.answer(*about, |it| it.unasked = true));
    });
    let none = none.cannot_tell(CheckId::Revocation, &[OcspNotAvailable]);
    cases.push(ABOUT_ALL.iter().fold(none, |case, about| {
        case.knows(&certificates_of(*about), NotChecked, &[OcspNotAvailable])
    }));
    cases
}

/// Whom a verifier asks about does not depend on what the peer leaves out or adds: a chain of another length is no chain.
#[rustfmt::skip]
pub(crate) fn other_numbers_of_certificates() -> Vec<Case> {
    let of_device = |wrong: &str, codes: &[Code], change: fn(&mut forge::Chain)| {
        asking(&[60], format!("device chain: {wrong}"), |it| change(&mut it.chain))
            .refutes(Chain, codes)
            .cannot_tell(CheckId::Revocation, &[OcspNotAvailable])
            .cannot_ask(Chain)
    };
    let of_driver = |wrong: &str, codes: &[Code], change: fn(&mut forge::Chain)| {
        asking(&[60], format!("chain of the driver manifest: {wrong}"), |it| change(&mut it.driver().chain))
            .refutes(DriverRim, codes)
            .reference_lost()
            .cannot_ask(DriverRim)
    };
    let authority = || CertificateSpec::authority("PoGW SIMULATED CA too many").expect("a key");
    vec![
        of_device("root left out", &[ChainLength, ChainRootUntrusted], |it| it.handed_over(|ders| ders.truncate(4))),
        of_device("highest below the root left out", &[ChainLength, ChainOrder, CertificateSignatureInvalid], |it| {
            it.handed_over(|ders| drop(ders.remove(3)));
        }),
        of_device("one certificate fewer, each signed by the next", &[ChainLength], |it| {
            it.certificates().remove(2);
        }),
        asking(&[60], "device chain: one certificate more, each signed by the next", |it| {
            it.chain.certificates().insert(2, authority());
        })
        .refutes(Chain, &[ChainLength])
        .cannot_tell(CheckId::Revocation, &[OcspNotAvailable])
        .cannot_ask(Chain),
        of_device("root twice", &[ChainLength], |it| it.handed_over(|ders| ders.push(ders[4].clone()))),
        of_driver("root left out", &[ChainLength, ChainRootUntrusted], |it| it.handed_over(|ders| ders.truncate(3))),
        of_driver("one certificate fewer, each signed by the next", &[ChainLength], |it| {
            it.certificates().remove(2);
        }),
        of_driver("root twice", &[ChainLength], |it| it.handed_over(|ders| ders.push(ders[3].clone()))),
        asking(&[59], "no manifest, so that there is nobody to ask about", |it| {
            it.driver = None;
            it.vbios = None;
        })
        .cannot_tell(DriverRim, &[RimNotAvailable])
        .cannot_tell(VbiosRim, &[RimNotAvailable])
        .cannot_tell(Measurements, &[RimNotAvailable])
        .cannot_ask(DriverRim)
        .cannot_ask(VbiosRim),
    ]
}

#[test]
fn every_certificate_is_asked_about() {
    check_all(missing());
    check_all(other_numbers_of_certificates());
    let asked = appraise(&Forged::gpu().with(Forged::ask));
    let positions: Vec<_> = certificates(&asked).into_keys().collect();
    let all = [
        (Chain, [1, 2, 3]),
        (DriverRim, [0, 1, 2]),
        (VbiosRim, [0, 1, 2]),
    ];
    let all: Vec<_> = all
        .iter()
        .flat_map(|(id, at)| at.map(|at| (*id, at)))
        .collect();
    assert_eq!(positions, all);
    let switch = appraise(&Forged::switch().with(Forged::ask));
    assert_eq!(certificates(&switch).len(), 6);
}

//------------ Row 61: form --------------------------------------------------

#[rustfmt::skip]
pub(crate) fn form() -> Vec<Case> {
    let malformed = |wrong: &str, change: fn(&mut Answer)| of_device(&[61], wrong, &[OcspMalformed], change);
    let mut cases = vec![
        of_device(&[61], "says to try later, over a good answer", &[OcspResponseUnsuccessful], |it| {
            it.spec.response_status = 3;
        }),
        malformed("status nobody knows", |it| it.spec.response_status = 4),
        malformed("successful, without a response", |it| it.spec.response_type = None),
        malformed("response of another type", |it| it.spec.response_type = Some([&OID_BASIC[..9], &[2]].concat())),
        malformed("empty", |it| it.in_transit(Vec::clear)),
        malformed("text", |it| it.in_transit(|der| *der = b"-----BEGIN OCSP RESPONSE-----".to_vec())),
        malformed("a byte after it", |it| it.spec.trailing = vec![0]),
        malformed("last byte missing", |it| it.in_transit(|der| der.truncate(der.len() - 1))),
        malformed("cut in the middle", |it| it.in_transit(|der| der.truncate(der.len() / 2))),
        malformed("length in three bytes where two do", |it| {
            it.in_transit(|der| {
                assert_eq!(der[1], 0x82);
                der[1] = 0x83;
                der.insert(2, 0);
            });
        }),
        malformed("indefinite length", |it| {
            it.in_transit(|der| {
                der.splice(1..4, [0x80]);
                der.extend([0, 0]);
            });
        }),
        malformed("version 2", |it| it.spec.version = Some(1)),
        malformed("about no certificate", |it| it.spec.singles = 0),
        malformed("about a certificate twice", |it| it.spec.singles = 2),
        malformed("responder id of another kind", |it| it.spec.responder_id = ResponderId::Other(vec![0xa3, 0])),
        malformed("status of another kind", |it| it.spec.status = CertStatus::Other(vec![0x83, 0])),
        malformed("status good with something in it", |it| it.spec.status = CertStatus::Other(vec![0x80, 1, 0])),
        malformed("revoked without a time", |it| it.spec.status = CertStatus::Other(vec![0xa1, 0])),
        malformed("revoked for a reason that is none", |it| {
            it.spec.status = CertStatus::Revoked { at: at(second(-60)), reason: Some(NO_REASON) };
        }),
        malformed("times of two digits a year", |it| it.before_signing(|data| {
            let time = data.windows(3).position(|window| window == [0x18, 15, b'2']).expect("a time");
            data[time] = 0x17;
        })),
        malformed("day that no month has", |it| it.before_signing(|data| {
            let day = data.windows(15).position(|window| window == b"20260531233000Z").expect("a time") + 6;
            data[day..day + 2].copy_from_slice(b"32");
        })),
        malformed("signed part that is something else", |it| it.spec.response_data = Some(vec![0x30, 0])),
        malformed("hash of the issuer's name cut by a byte", |it| it.spec.id.issuer_name_hash.truncate(47)),
        malformed("hash of the issuer's key longer by a byte", |it| it.spec.id.issuer_key_hash.push(0)),
        malformed("hash that nobody asks by", |it| it.spec.id.hash = vec![2, 16, 840, 1, 101, 3, 4, 2, 3]),
        malformed("hash of another length than its name's", |it| it.spec.id.hash = OID_SHA256.to_vec()),
        malformed("serial number of no bytes", |it| it.spec.id.serial.clear()),
        malformed("serial number with zeros before it", |it| it.spec.id.serial.insert(0, 0)),
        malformed("nonce of no bytes", |it| it.spec.nonce = Some(Vec::new())),
        malformed("nonce of 129 bytes", |it| it.spec.nonce = Some(vec![1; 129])),
        malformed("nonce twice", |it| {
            it.spec.nonce = Some(ASKED.to_vec());
            it.spec.extensions.push(Extension::ocsp_nonce(&ASKED));
        }),
        malformed("extension about the certificate twice", |it| {
            it.spec.single_extensions = vec![unknown_extension(false), unknown_extension(false)];
        }),
        malformed("more certificates than any has", |it| {
            let own = it.spec.responder.certificate.clone();
            let others = vec![it.issuer_der().to_vec(); MAX_OCSP_CERTIFICATES];
            it.spec.certificates = Some([vec![own], others].concat());
        }),
        malformed("certificate of the responder twice", |it| {
            it.spec.certificates = Some(vec![it.spec.responder.certificate.clone(); 2]);
        }),
        of_device(&[61], "certificate that is none", &[CertificateMalformed], |it| {
            it.spec.certificates = Some(vec![vec![0x30, 0]]);
        }),
        of_device(&[61], "critical extension nobody knows", &[OcspExtensionCritical], |it| {
            it.spec.extensions.push(unknown_extension(true));
        }),
        of_device(&[61], "critical extension about the certificate", &[OcspExtensionCritical], |it| {
            it.spec.single_extensions.push(unknown_extension(true));
        }),
        of_device(&[61], "longer than any by a byte", &[OcspTooLarge], |it| {
            it.in_transit(|der| der.resize(MAX_OCSP_BYTES + 1, 0));
        }),
        malformed("of exactly the largest size, the rest zeros", |it| it.in_transit(|der| der.resize(MAX_OCSP_BYTES, 0))),
    ];
    for (status, name) in [(1, "malformed request"), (2, "internal error"), (3, "try later"), (5, "sign first"), (6, "unauthorized")] {
        cases.push(of_device(&[61], &format!("refusal: {name}"), &[OcspResponseUnsuccessful], move |it| {
            it.spec.response_status = status;
            it.spec.response_type = None;
        }));
    }
    for about in abouts() {
        cases.push(answer(&[61], "try later", about, |it| {
            it.spec.response_status = 3;
            it.spec.response_type = None;
        })
        .tells_nothing(about, &[OcspResponseUnsuccessful]));
    }
    cases
}

#[test]
fn answers_of_another_form_tell_nothing() {
    check_all(form());
}

//------------ Row 62: the certificate asked about ---------------------------

#[rustfmt::skip]
pub(crate) fn identities() -> Vec<Case> {
    let device = About::Device(1);
    let other = |wrong: &str, change: fn(&mut Answer)| of_device(&[62], wrong, &[OcspCertificateMismatch], change);
    let made_for = |asked: About, other: About, codes: &[Code]| {
        asking(&[62], format!("{asked:?} answered with the answer about {other:?}"), |it| it.answer_with(asked, other))
            .tells_nothing(asked, codes)
    };
    let of_another_issuer = &[OcspCertificateMismatch, OcspResponderUntrusted];
    let mut cases = vec![
        other("last bit of the hash of the issuer's name", |it| it.spec.id.issuer_name_hash[47] ^= 1),
        other("last bit of the hash of the issuer's key", |it| it.spec.id.issuer_key_hash[47] ^= 1),
        other("last bit of the serial number", |it| it.spec.id.serial[8] ^= 1),
        other("serial number longer by a byte", |it| it.spec.id.serial.push(0)),
        other("serial number shorter by a byte", |it| it.spec.id.serial.truncate(8)),
        other("hashes of name and key swapped", |it| {
            std::mem::swap(&mut it.spec.id.issuer_name_hash, &mut it.spec.id.issuer_key_hash);
        }),
        other("other serial number, by SHA-1", |it| {
            it.spec.id = CertId::sha1(it.issuer_der(), it.issuer_der()).expect("a certificate");
        }),
        made_for(device, About::Device(2), of_another_issuer),
        made_for(About::Device(2), About::Device(3), of_another_issuer),
        made_for(About::Device(3), device, of_another_issuer),
        made_for(device, About::Driver(0), of_another_issuer),
        made_for(About::Driver(2), About::Device(3), of_another_issuer),
        made_for(About::Driver(0), About::Driver(1), of_another_issuer),
        made_for(About::Driver(0), About::Vbios(0), &[OcspCertificateMismatch]),
        made_for(About::Vbios(0), About::Driver(0), &[OcspCertificateMismatch]),
        asking(&[62], "answer about the same serial number under another issuer of the same name", |it| {
            let stranger = forge::Chain::of_a_stranger().ders();
            it.answer(device, move |answer| {
                let serial = answer.spec.id.serial.clone();
                answer.spec.id = CertId::sha384(&stranger[1], &stranger[2]).expect("certificates");
                assert_eq!(answer.spec.id.serial, serial);
            });
        })
        .tells_nothing(device, &[OcspCertificateMismatch]),
    ];
    for (asked, other) in [(device, About::Device(2)), (About::Driver(0), About::Vbios(0)), (About::Driver(1), device)] {
        let wrong = format!("{asked:?} mixed up with {other:?} by the verifier itself");
        cases.push(asking(&[62], wrong, |it| it.mix_up(asked, other)).tells_nothing(asked, &[OcspCertificateMismatch]));
    }
    for about in abouts() {
        cases.push(answer(&[62], "other serial number", about, |it| it.spec.id.serial[1] ^= 1)
            .tells_nothing(about, &[OcspCertificateMismatch]));
    }
    cases
}

#[test]
fn answers_about_other_certificates_tell_nothing() {
    check_all(identities());
}

//------------ Row 63: signature ---------------------------------------------

#[rustfmt::skip]
pub(crate) fn signatures() -> Vec<Case> {
    let unsigned = |wrong: &str, change: fn(&mut Answer)| of_device(&[63], wrong, &[OcspSignatureInvalid], change);
    let method = |wrong: &str, change: fn(&mut Answer)| of_device(&[63], wrong, &[OcspSignatureMethod], change);
    let by_sha256 = |it: &mut Answer| {
        let data = it.spec.data().expect("response data");
        let signature = signed_over_sha256(&it.spec.responder.key, &data);
        it.spec.signature = Some(signature.to_der().as_bytes().to_vec());
    };
    let name_sha256 = |it: &mut Answer| it.spec.algorithm = vec![1, 2, 840, 10045, 4, 3, 2];
    let mut cases = vec![
        unsigned("signed by a stranger", |it| it.spec.signer = Some(stranger_key())),
        unsigned("signed by the issuer in the responder's name", |it| {
            it.spec.signer = Some(Arc::clone(&it.issuer().key));
        }),
        unsigned("signed by the certificate asked about", |it| it.spec.signer = Some(Arc::clone(&it.subject().key))),
        unsigned("signature of no bytes", |it| it.spec.signature = Some(Vec::new())),
        unsigned("signature of zeros", |it| it.spec.signature = Some(vec![0x30, 6, 2, 1, 0, 2, 1, 0])),
        unsigned("signature as r and s, without structure", |it| {
            let data = it.spec.data().expect("response data");
            it.spec.signature = Some(it.spec.responder.key.sign_fixed(&data).expect("a signature"));
        }),
        unsigned("time changed after signing", |it| it.in_transit(|der| {
            let last = der.windows(15).rposition(|window| window == b"20260531233000Z").expect("this update") + 13;
            der[last] = b'1';
        })),
        unsigned("revocation made good after signing", |it| {
            it.spec.status = CertStatus::Other(vec![0x82, 0]);
            it.in_transit(|der| {
                let status = der.windows(4).position(|window| window == [0x82, 0, 0x18, 15]).expect("a status");
                der[status] = 0x80;
            });
        }),
        of_device(&[63], "signed with SHA-256", &[OcspSignatureInvalid], by_sha256),
        of_device(&[63], "names SHA-256, signed with SHA-384", &[OcspSignatureMethod], name_sha256),
        of_device(&[63], "signed with SHA-256, as it says", &[OcspSignatureMethod], move |it| {
            by_sha256(it);
            name_sha256(it);
        }),
        method("names RSA", |it| it.spec.algorithm = vec![1, 2, 840, 113_549, 1, 1, 12]),
        method("names Ed25519", |it| it.spec.algorithm = vec![1, 3, 101, 112]),
        method("names a hash alone", |it| it.spec.algorithm = OID_SHA256.to_vec()),
        of_device(&[63], "signed by a responder on P-256", &[CertificateAlgorithm, SigningKeyUnavailable], |it| {
            it.responder(|responder| responder.key = p256_key());
        }),
    ];
    for about in abouts() {
        cases.push(answer(&[63], "last bit of the signature", about, |it| it.spec.corrupt_signature = true)
            .tells_nothing(about, &[OcspSignatureInvalid]));
    }
    cases
}

#[test]
fn answers_signed_otherwise_tell_nothing() {
    assert_eq!(
        OID_ECDSA_SHA384.last(),
        Some(&3),
        "what the names above differ from"
    );
    check_all(signatures());
}

//------------ Rows 64 to 66: responder --------------------------------------

#[rustfmt::skip]
pub(crate) fn responders() -> Vec<Case> {
    let untrusted = |wrong: &str, change: fn(&mut Answer)| of_device(&[64], wrong, &[OcspResponderUntrusted], change);
    let under = |wrong: &str, issuer: fn(&mut Forged) -> CertificateSpec| {
        asking(&[64], format!("responder {wrong}"), |it| {
            let issuer = issuer(it);
            it.answer(About::Device(1), move |answer| answer.respond_under(&issuer));
        })
        .tells_nothing(About::Device(1), &[OcspResponderUntrusted])
    };
    let useless = |wrong: &str, change: fn(&mut CertificateSpec)| {
        of_device(&[65], wrong, &[OcspResponderUsage], move |it| it.responder(change))
    };
    let purpose = |purpose: &[u64]| vec![Extension::extended_key_usage(purpose)];
    let (client, any) = (purpose(&[1, 3, 6, 1, 5, 5, 7, 3, 2]), purpose(&[2, 5, 29, 37, 0]));
    let mut cases = vec![
        under("under the issuer's issuer", |it| it.chain.certificates()[3].clone()),
        under("under the root of the chain", |it| it.chain.certificates()[4].clone()),
        under("under the certificate asked about", |it| it.chain.certificates()[1].clone()),
        under("under the root of manifests", |it| it.driver().chain.certificates()[3].clone()),
        under("under the issuer of manifests", |it| it.driver().chain.certificates()[1].clone()),
        under("under a stranger of the issuer's name", |_| {
            forge::Chain::of_a_stranger().certificates()[2].clone()
        }),
        under("under the issuer's key in another name", |it| {
            let mut issuer = it.chain.certificates()[2].clone();
            issuer.subject = Name::simulated("somebody else");
            issuer
        }),
        untrusted("responder that signed its own certificate", Answer::respond_under_itself),
        untrusted("responder whose certificate is damaged", |it| it.responder(|it| it.corrupt_signature = true)),
        untrusted("responder without its certificate", |it| it.spec.certificates = Some(Vec::new())),
        untrusted("responder beside the certificate of its issuer", |it| {
            it.spec.certificates = Some(vec![it.issuer_der().to_vec()]);
        }),
        untrusted("responder by the hash of nobody's key", |it| {
            it.spec.responder_id = ResponderId::Other(der(0xa2, &der(4, &[9; 20])));
        }),
        untrusted("responder by nobody's name", |it| it.spec.responder_id = ResponderId::Other(vec![0xa1, 2, 0x30, 0])),
        useless("responder without extended key usage", |it| it.extensions.clear()),
        of_device(&[65], "responder for client authentication", &[OcspResponderUsage], move |it| {
            it.responder(|it| it.extensions.clone_from(&client));
        }),
        of_device(&[65], "responder for any purpose", &[OcspResponderUsage], move |it| {
            it.responder(|it| it.extensions.clone_from(&any));
        }),
        useless("responder that may sign certificates alone", |it| it.key_usage = Some(KEY_CERT_SIGN)),
        useless("responder without key usage", |it| it.key_usage = None),
        of_device(&[65], "issuer that may not sign data", &[OcspResponderUsage], Answer::respond_by_issuer),
        of_device(&[65], "responder with a critical extension nobody knows", &[CertificateExtensionCritical], |it| {
            it.responder(|it| it.extensions.push(unknown_extension(true)));
        }),
        of_device(&[66], "responder expired a second ago", &[OcspResponderExpired], |it| {
            it.responder(|it| it.not_after = at(second(-1)));
        }),
        of_device(&[66], "responder valid a second later than clocks may differ", &[CertificateNotYetValid], |it| {
            it.responder(|it| it.not_before = at(second(MAX_CLOCK_SKEW_SECS + 1)));
        }),
    ];
    for about in abouts() {
        cases.extend([
            answer(&[64], "responder under a stranger", about, |it| it.respond_under(&STRANGER))
                .tells_nothing(about, &[OcspResponderUntrusted]),
            answer(&[65], "responder for no purpose", about, |it| {
                it.responder(|it| it.extensions.clear());
            })
            .tells_nothing(about, &[OcspResponderUsage]),
            answer(&[66], "responder expired", about, |it| it.responder(|it| it.not_after = at(second(-1))))
                .tells_nothing(about, &[OcspResponderExpired]),
        ]);
    }
    cases
}

static STRANGER: std::sync::LazyLock<CertificateSpec> = std::sync::LazyLock::new(|| {
    let stranger = PkiSpec::rim().expect("keys");
    stranger.certificates[1].clone()
});

#[test]
fn answers_of_other_responders_tell_nothing() {
    check_all(responders());
}

//------------ Row 67: nonce -------------------------------------------------

#[rustfmt::skip]
pub(crate) fn nonces() -> Vec<Case> {
    let other = |wrong: &str, code, nonce: Option<&'static [u8]>| {
        of_device(&[67], wrong, &[code], move |it| {
            it.nonce_sent = Some(ASKED);
            it.spec.nonce = nonce.map(<[u8]>::to_vec);
        })
    };
    const LAST_BIT: &[u8] = &{
        let mut nonce = ASKED;
        nonce[31] ^= 1;
        nonce
    };
    let mut cases = vec![
        other("no nonce, though one was sent", OcspNonceAbsent, None),
        other("last bit of the nonce", OcspNonceMismatch, Some(LAST_BIT)),
        other("nonce of zeros", OcspNonceMismatch, Some(&[0; 32])),
        other("nonce cut by a byte", OcspNonceMismatch, Some(&ASKED[..31])),
        other("nonce cut to a byte", OcspNonceMismatch, Some(&ASKED[..1])),
        other("nonce longer by a byte", OcspNonceMismatch, Some(&[0x5a; 33])),
        asking(&[67], "answer to another question of the same time", |it| {
            it.answer(About::Device(1), |it| it.nonce_sent = Some([1; 32]));
            it.answer(About::Device(1), |it| it.spec.nonce = Some(vec![2; 32]));
        })
        .tells_nothing(About::Device(1), &[OcspNonceMismatch]),
    ];
    for about in abouts() {
        cases.push(answer(&[67], "other nonce", about, |it| {
            it.nonce_sent = Some(ASKED);
            it.spec.nonce = Some(vec![9; 32]);
        })
        .tells_nothing(about, &[OcspNonceMismatch]));
    }
    cases
}

#[test]
fn answers_to_other_questions_tell_nothing() {
    check_all(nonces());
}

//------------ Rows 68 and 69: time ------------------------------------------

/// This update and produced at, as the same second.
fn known_at(it: &mut Answer, offset: i64) {
    it.spec.this_update = at(second(offset));
    it.spec.produced_at = at(second(offset));
}

#[rustfmt::skip]
pub(crate) fn times() -> Vec<Case> {
    let too_far = MAX_CLOCK_SKEW_SECS + 1;
    let time = |rows, wrong: &str, codes: &[Code], change: fn(&mut Answer)| of_device(rows, wrong, codes, change);
    let too_old = |about: About| {
        asking(&[68], format!("answer about {about:?} a second older than the verifier wants"), |it| {
            it.asked().max_age_secs = Some(30 * 60);
            it.answer(about, |it| known_at(it, -30 * 60 - 1));
        })
        .tells_nothing(about, &[OcspTooOld])
    };
    let mut cases = vec![
        of_device(&[68], "for a time to come", &[OcspNotYetValid], move |it| known_at(it, too_far)),
        of_device(&[68], "no longer for this time", &[OcspStale], move |it| {
            it.spec.next_update = Some(at(second(-too_far)));
        }),
        of_device(&[68], "without next update, a day old", &[OcspStale], move |it| {
            it.spec.next_update = None;
            known_at(it, -24 * 60 * 60 - too_far);
        }),
        time(&[68], "of last year", &[OcspStale], |it| {
            known_at(it, -365 * 24 * 60 * 60);
            it.spec.next_update = Some(at(second(-364 * 24 * 60 * 60)));
        }),
        of_device(&[69], "produced in the future", &[OcspNotYetValid], move |it| {
            it.spec.produced_at = at(second(too_far));
        }),
        time(&[69], "produced before its status was known", &[OcspTimesImplausible], |it| {
            it.spec.produced_at = it.spec.this_update.saturating_sub(Duration::seconds(MAX_CLOCK_SKEW_SECS + 1));
        }),
        time(&[69], "produced after something newer was due", &[OcspTimesImplausible], |it| {
            it.spec.next_update = Some(at(second(-100)));
            it.spec.produced_at = at(second(-99));
        }),
        time(&[69], "next update before this one", &[OcspTimesImplausible], |it| {
            known_at(it, -10);
            it.spec.next_update = Some(at(second(-20)));
        }),
    ];
    for about in abouts() {
        cases.extend([
            too_old(about),
            answer(&[68], "stale", about, move |it| it.spec.next_update = Some(at(second(-too_far))))
                .tells_nothing(about, &[OcspStale]),
            answer(&[68], "not yet valid", about, move |it| known_at(it, too_far))
                .tells_nothing(about, &[OcspNotYetValid]),
        ]);
    }
    cases
}

#[test]
fn answers_of_another_time_tell_nothing() {
    check_all(times());
}

//------------ Rows 70 to 72: status -----------------------------------------

/// Every reason that RFC 5280 5.3.1 has, but for the hold.
const REASONS: [Option<u8>; 10] = [
    None,
    Some(0),
    Some(1),
    Some(2),
    Some(3),
    Some(4),
    Some(5),
    Some(8),
    Some(9),
    Some(10),
];

fn revoked(it: &mut Answer, offset: i64, reason: Option<u8>) {
    it.spec.status = CertStatus::Revoked {
        at: at(second(offset)),
        reason,
    };
}

fn stale(it: &mut Answer) {
    it.spec.next_update = Some(at(second(-MAX_CLOCK_SKEW_SECS - 1)));
}

#[rustfmt::skip]
pub(crate) fn statuses() -> Vec<Case> {
    let device = About::Device(1);
    let hold = |it: &mut Answer| revoked(it, -60, Some(CERTIFICATE_HOLD));
    let tolerating = |wrong: &str, about: About, change: fn(&mut Answer)| {
        asking(&[71], format!("{wrong}: {about:?}, holds tolerated"), |it| {
            it.asked().hold = Hold::ToleratedForRims;
            it.answer(about, change);
        })
    };
    let mut cases = vec![
        answer(&[70], "to be revoked in an hour", device, |it| revoked(it, 3600, Some(1)))
            .tells(device, Revoked, &[CertificateRevoked]),
        answer(&[70], "revoked by then, by a stale answer", device, |it| {
            revoked(it, -60, Some(1));
            stale(it);
        })
        .tells(device, Revoked, &[CertificateRevoked, OcspStale]),
        answer(&[70], "to be revoked in an hour, by a stale answer", device, |it| {
            revoked(it, 3600, Some(1));
            stale(it);
        })
        .tells_nothing(device, &[CertificateRevoked, OcspStale]),
        answer(&[70], "unknown, by a stale answer", device, |it| {
            it.spec.status = CertStatus::Unknown;
            stale(it);
        })
        .tells_nothing(device, &[CertificateStatusUnknown, OcspStale]),
        answer(&[63, 70], "revoked, says whoever signed this", device, |it| {
            revoked(it, -60, Some(1));
            it.spec.signer = Some(stranger_key());
        })
        .tells_nothing(device, &[OcspSignatureInvalid]),
        answer(&[64, 70], "revoked, says a stranger", device, |it| {
            revoked(it, -60, Some(1));
            it.respond_under(&STRANGER);
        })
        .tells_nothing(device, &[OcspResponderUntrusted]),
        answer(&[62, 70], "revoked, about another certificate", device, |it| {
            revoked(it, -60, Some(1));
            it.spec.id.serial[8] ^= 1;
        })
        .tells_nothing(device, &[OcspCertificateMismatch]),
        answer(&[71], "on hold, by a stale answer", device, move |it| {
            hold(it);
            stale(it);
        })
        .tells_nothing(device, &[CertificateOnHold, OcspStale]),
        answer(&[71], "hold since 1970, of a certificate never issued", About::Driver(0), |it| {
            revoked(it, -forge::AS_OF.secs(), Some(CERTIFICATE_HOLD));
        })
        .tells(About::Driver(0), Revoked, &[CertificateRevoked]),
        tolerating("hold since 1970, of a certificate never issued", About::Driver(0), |it| {
            revoked(it, -forge::AS_OF.secs(), Some(CERTIFICATE_HOLD));
        })
        .tells(About::Driver(0), Revoked, &[CertificateRevoked]),
        tolerating("hold by a stale answer", About::Driver(0), |it| {
            revoked(it, -60, Some(CERTIFICATE_HOLD));
            stale(it);
        })
        .tells_nothing(About::Driver(0), &[CertificateOnHold, OcspStale]),
        tolerating("revoked for good", About::Driver(0), |it| revoked(it, -60, Some(1)))
            .tells(About::Driver(0), Revoked, &[CertificateRevoked]),
        tolerating("unknown", About::Vbios(0), |it| it.spec.status = CertStatus::Unknown)
            .tells(About::Vbios(0), Unknown, &[CertificateStatusUnknown]),
    ];
    for reason in REASONS {
        let wrong = format!("revoked for reason {reason:?}");
        cases.push(answer(&[70, 72], &wrong, device, move |it| revoked(it, -60, reason))
            .tells(device, Revoked, &[CertificateRevoked]));
    }
    for about in abouts() {
        cases.extend([
            answer(&[70], "revoked", about, |it| revoked(it, -3600, None)).tells(about, Revoked, &[CertificateRevoked]),
            answer(&[70], "unknown", about, |it| it.spec.status = CertStatus::Unknown)
                .tells(about, Unknown, &[CertificateStatusUnknown]),
            answer(&[71], "on hold", about, hold).tells(about, OnHold, &[CertificateOnHold]),
        ]);
        let tolerated = tolerating("on hold", about, |it| revoked(it, -60, Some(CERTIFICATE_HOLD)));
        cases.push(match about {
            About::Device(_) => tolerated.tells(about, OnHold, &[CertificateOnHold]),
            _ => tolerated.tells_in_passing(about, OnHold, &[CertificateOnHold]),
        });
    }
    cases
}

#[test]
fn what_is_not_good_is_refused() {
    check_all(statuses());
}

/// Row 72: for every certificate its state, since when, and why.
#[test]
fn the_findings_tell_who_when_and_why() {
    let revoked_at = second(-60);
    for (about, reason, said) in [
        (
            About::Device(1),
            Some(1),
            Some(RevocationReason::KeyCompromise),
        ),
        (
            About::Device(3),
            Some(2),
            Some(RevocationReason::CaCompromise),
        ),
        (
            About::Driver(0),
            Some(4),
            Some(RevocationReason::Superseded),
        ),
        (About::Vbios(2), None, None),
        (
            About::Vbios(0),
            Some(CERTIFICATE_HOLD),
            Some(RevocationReason::CertificateHold),
        ),
    ] {
        let it = Forged::gpu().with(|it| {
            it.ask();
            it.answer(about, move |it| revoked(it, -60, reason));
        });
        let found = appraise(&it);
        let mut told = 0;
        for chain in found.revocation() {
            for finding in &chain.certificates {
                let place = (chain.chain, finding.position());
                assert_eq!(finding.this_update(), Some(second(-30 * 60)), "{place:?}");
                assert_eq!(
                    finding.next_update(),
                    Some(second(24 * 3600 - 30 * 60)),
                    "{place:?}"
                );
                if certificates_of(about).contains(&place) {
                    told += 1;
                    assert_eq!(finding.revoked_at(), Some(revoked_at), "{place:?}");
                    assert_eq!(finding.revocation_reason(), said, "{place:?}");
                    assert_eq!(finding.verdict(), Refuted, "{place:?}");
                } else {
                    assert_eq!(
                        (finding.status(), finding.verdict()),
                        (Good, Affirmed),
                        "{place:?}"
                    );
                    assert_eq!(
                        (finding.revoked_at(), finding.revocation_reason()),
                        (None, None)
                    );
                }
            }
        }
        assert_eq!(told, certificates_of(about).len());
    }
    let found = appraise(&Forged::gpu().with(Forged::ask));
    let of_device = &found.revocation()[0];
    assert_eq!(of_device.chain, Chain);
    let first = &of_device.certificates[0];
    assert_eq!(Some(first.serial()), found.device_serial());
    assert_eq!(Some(first.subject()), found.hwmodel());
}

/// Row 73: nobody asks about responders; whether one is exempt from that is in the findings.
#[test]
fn whether_anybody_asked_about_the_responder_is_recorded() {
    let it = Forged::gpu().with(|it| {
        it.ask();
        it.chain.certificate(3).key_usage = Some(KEY_CERT_SIGN | DIGITAL_SIGNATURE);
        it.answer(About::Device(1), |it| {
            it.responder(|it| it.extensions.push(Extension::ocsp_no_check()));
        });
        it.answer(About::Device(2), Answer::respond_by_issuer);
    });
    let found = appraise(&it);
    assert!(
        found.affirms(CheckId::Revocation),
        "{:#?}",
        found.check(CheckId::Revocation)
    );
    let recorded = found.revocation().iter().map(|chain| {
        let certificates = chain.certificates.iter();
        certificates
            .map(|it| it.responder_no_check())
            .collect::<Vec<_>>()
    });
    let exempt = vec![Some(true); 3];
    let recorded: Vec<_> = recorded.collect();
    assert_eq!(
        recorded,
        [vec![Some(true), None, Some(false)], exempt.clone(), exempt]
    );
}

//------------ What is allowed -----------------------------------------------

/// Things that look odd and are allowed, so that a stricter rule does not creep in unseen.
#[rustfmt::skip]
pub(crate) fn tolerated() -> Vec<Case> {
    let good = |rows, wrong: &str, change: fn(&mut Answer)| answer(rows, wrong, About::Device(1), change);
    let mut cases = vec![
        good(&[62], "CertID by SHA-1, as OpenSSL asks", |it| {
            let id = CertId { serial: it.spec.id.serial.clone(), ..CertId::sha1(it.issuer_der(), it.issuer_der()).expect("a certificate") };
            it.spec.id = id;
        }),
        good(&[62], "CertID by SHA-256", |it| {
            let id = CertId { serial: it.spec.id.serial.clone(), ..CertId::sha256(it.issuer_der(), it.issuer_der()).expect("a certificate") };
            it.spec.id = id;
        }),
        good(&[64], "responder by name", |it| it.spec.responder_id = ResponderId::Name),
        good(&[64], "other certificates beside the responder's", |it| {
            let own = it.spec.responder.certificate.clone();
            it.spec.certificates = Some(vec![it.issuer_der().to_vec(), own]);
        }),
        good(&[65], "extended key usage not critical", |it| it.responder(|it| it.extensions[0].critical = false)),
        good(&[65], "responder with an unknown extension that is not critical", |it| {
            it.responder(|it| it.extensions.push(unknown_extension(false)));
        }),
        good(&[66], "first second of the responder as far ahead as clocks may differ, and its last", |it| it.responder(|it| {
            it.not_before = at(second(MAX_CLOCK_SKEW_SECS));
            it.not_after = at(forge::AS_OF);
        })),
        good(&[61], "unknown extensions that are not critical", |it| {
            it.spec.extensions.push(unknown_extension(false));
            it.spec.single_extensions.push(unknown_extension(false));
        }),
        good(&[61], "version 1 in so many words, though DER leaves it out", |it| it.spec.version = Some(0)),
        good(&[67], "nonce repeated", |it| {
            it.nonce_sent = Some(ASKED);
            it.spec.nonce = Some(ASKED.to_vec());
        }),
        good(&[67], "nonce repeated, marked critical", |it| {
            it.nonce_sent = Some(ASKED);
            it.spec.extensions = vec![Extension { critical: true, ..Extension::ocsp_nonce(&ASKED) }];
        }),
        good(&[67], "nonce that nobody sent", |it| it.spec.nonce = Some(vec![1])),
        good(&[68], "from as far ahead as clocks may differ", |it| known_at(it, MAX_CLOCK_SKEW_SECS)),
        good(&[68], "ended as long ago as clocks may differ", |it| {
            it.spec.next_update = Some(at(second(-MAX_CLOCK_SKEW_SECS)));
        }),
        good(&[68], "without next update, of the last day", |it| {
            it.spec.next_update = None;
            known_at(it, -24 * 60 * 60 - MAX_CLOCK_SKEW_SECS);
        }),
        good(&[69], "produced long after its status was known, as from stock", |it| {
            it.spec.produced_at = at(second(0));
            it.spec.this_update = at(second(-7 * 24 * 60 * 60));
        }),
        asking(&[68], "exactly as old as the verifier allows", |it| it.asked().max_age_secs = Some(30 * 60)),
        asking(&[64, 65], "issuer that answers itself and may sign data", |it| {
            it.chain.certificate(2).key_usage = Some(KEY_CERT_SIGN | DIGITAL_SIGNATURE);
            it.answer(About::Device(1), Answer::respond_by_issuer);
        }),
        asking(&[58, 59], "nothing wrong", |_| ()),
    ];
    cases.extend(abouts().map(|about| {
        answer(&[73], "responder exempt from being asked about, or not", about, move |it| {
            it.responder(|it| match about {
                About::Device(_) => it.extensions.push(Extension::ocsp_no_check()),
                _ => it.extensions.truncate(1),
            });
        })
    }));
    cases
}

#[test]
fn what_is_odd_but_allowed_is_good() {
    check_all(tolerated());
}
