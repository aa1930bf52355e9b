//! Device certificates, the firmware ids in them, and the chip they name.

use std::sync::Arc;

use attestation_agent::device::simulated::Name;
use attestation_agent::device::simulated::pki::{DIGITAL_SIGNATURE, KEY_CERT_SIGN};
use evidence::cert::AnchorUse;

use crate::kit::*;

#[rustfmt::skip]
pub(crate) fn chain_text() -> Vec<Case> {
    let unreadable = |rows, wrong: &str, code, change: fn(&mut Forged)| {
        case(rows, wrong, change).refutes(Chain, &[code]).no_certificate()
    };
    vec![
        unreadable(&[42], "no certificate at all", ChainLength, |it| {
            it.chain.handed_over(Vec::clear);
        }),
        unreadable(&[42], "more certificates than are looked at", ChainLength, |it| {
            it.chain.handed_over(|ders| ders.resize(9, ders[4].clone()));
        }),
        unreadable(&[42], "private key among the certificates", PemMalformed, |it| {
            it.chain_in_transit(|pem| {
                pem.extend(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
            });
        }),
        unreadable(&[42], "certificate that is not base64", PemMalformed, |it| {
            it.chain_in_transit(|pem| pem[40] = b'*');
        }),
        unreadable(&[42], "certificate that is not DER", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| ders[2][0] = 0x31);
        }),
        unreadable(&[42], "byte after a certificate", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| ders[1].push(0));
        }),
        unreadable(&[46], "basic constraints twice", CertificateMalformed, |it| {
            let oid = vec![2, 5, 29, 19];
            let value = vec![0x30, 3, 1, 1, 0xff];
            let again = Extension { oid, critical: true, value };
            it.chain.certificate(2).extensions.push(again);
        }),
        unreadable(&[47], "signature algorithm named in one of two places", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| {
                let mut parts = CertificateParts::of(&ders[2]);
                name_sha256(&mut parts.algorithm);
                ders[2] = parts.der();
            });
        }),
        case(&[42], "chain of four, each signed by the next", |it| {
            it.chain.certificates().remove(2);
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42], "chain of six, each signed by the next", |it| {
            it.chain.certificates().insert(2, authority());
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42], "root twice", |it| {
            it.chain.handed_over(|ders| ders.push(ders[4].clone()));
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42, 43, 44], "root left out, as TLS would", |it| {
            it.chain.handed_over(|ders| ders.truncate(4));
        })
        .refutes(Chain, &[ChainLength, ChainRootUntrusted]),
        case(&[42, 45], "certificate missing in the middle", |it| {
            it.chain.handed_over(|ders| drop(ders.remove(2)));
        })
        .refutes(Chain, &[ChainLength, ChainOrder, CertificateSignatureInvalid]),
    ]
}

#[rustfmt::skip]
pub(crate) fn chain_roots() -> Vec<Case> {
    let untrusted =
        |rows, wrong: &str, change: fn(&mut Forged)| case(rows, wrong, change).refutes(Chain, &[ChainRootUntrusted]);
    vec![
        untrusted(&[43, 44], "another root of the same name, and all below it", |it| {
            it.chain = forge::Chain::of_a_stranger();
        }),
        untrusted(&[44], "root of the pinned key and name, signed once more", |it| {
            it.chain.certificate(4);
        }),
        untrusted(&[43], "no device root pinned", |it| drop(it.anchors.remove(0))),
        untrusted(&[43], "device root pinned for manifests alone", |it| {
            it.anchors[0].usage = AnchorUse::Rim;
        }),
        untrusted(&[43], "fact about the root with another digest", |it| {
            it.anchors[0].sha256[31] ^= 1;
        }),
        untrusted(&[43], "fact about the root with another key", |it| {
            it.anchors[0].spki = stranger_key().spki_der();
        }),
        untrusted(&[43], "chain under the root of manifests", |it| {
            let other = it.driver().chain.clone();
            it.chain.put_under_root_of(&other);
        }),
    ]
}

#[rustfmt::skip]
pub(crate) fn chain_links() -> Vec<Case> {
    let mut cases = vec![
        case(&[45], "third and fourth certificate swapped", |it| {
            it.chain.handed_over(|ders| ders.swap(2, 3));
        })
        .refutes(Chain, &[ChainOrder, CertificateSignatureInvalid]),
        case(&[45], "report and leaf of another device of the same names", |it| {
            let other = forge::Chain::of_a_stranger();
            it.report_signer = Some(Arc::clone(other.leaf_key()));
            it.chain.handed_over(move |ders| ders[0] = other.ders()[0].clone());
        })
        .refutes(Chain, &[CertificateSignatureInvalid]),
    ];
    for n in 0..4 {
        cases.push(
            case(&[45], format!("signature of certificate {n} damaged"), |it| {
                it.chain.certificate(n).corrupt_signature = true;
            })
            .refutes(Chain, &[CertificateSignatureInvalid]),
        );
        cases.push(
            case(&[45], format!("certificate {n} signed by a stranger"), |it| {
                it.chain.certificate(n).signer = Some(stranger_key());
            })
            .refutes(Chain, &[CertificateSignatureInvalid]),
        );
        cases.push(
            case(&[45], format!("certificate {n} issued in another name"), |it| {
                it.chain.certificate(n).issuer = Some(Name::simulated("somebody else"));
            })
            .refutes(Chain, &[ChainOrder]),
        );
    }
    cases
}

#[rustfmt::skip]
pub(crate) fn chain_rights() -> Vec<Case> {
    let rights = |n: usize, wrong: &str, code, change: &dyn Fn(&mut CertificateSpec)| {
        let rows: &[u8] = if n == 0 { &[46, 56] } else { &[46] };
        case(rows, format!("certificate {n} {wrong}"), |it| {
            change(it.chain.certificate(n));
            if n == 4 {
                it.trust_device_root();
            }
        })
        .refutes(Chain, &[code])
    };
    let mut cases = vec![
        rights(0, "is a CA", CertificateBasicConstraints, &|it| it.basic_constraints = constraints(true, None)),
        rights(0, "may not sign data", CertificateKeyUsage, &|it| it.key_usage = Some(KEY_CERT_SIGN)),
        rights(0, "has no key usage", CertificateKeyUsage, &|it| it.key_usage = None),
    ];
    for n in 1..5 {
        cases.extend([
            rights(n, "is no CA", CertificateBasicConstraints, &|it| it.basic_constraints = constraints(false, None)),
            rights(n, "has no basic constraints", CertificateBasicConstraints, &|it| it.basic_constraints = None),
            rights(n, "may not sign certificates", CertificateKeyUsage, &|it| it.key_usage = Some(DIGITAL_SIGNATURE)),
            rights(n, "has no key usage", CertificateKeyUsage, &|it| it.key_usage = None),
        ]);
    }
    for n in 2..5 {
        let below = u8::try_from(n - 1).expect("small");
        cases.push(rights(n, "allows one CA too few below", CertificatePathLength, &|it| {
            it.basic_constraints = constraints(true, Some(below - 1));
        }));
    }
    for n in 0..5 {
        cases.push(rights(n, "has an unknown critical extension", CertificateExtensionCritical, &|it| {
            it.extensions.push(unknown_extension(true));
        }));
    }
    cases
}

#[rustfmt::skip]
pub(crate) fn chain_algorithms() -> Vec<Case> {
    let mut cases = vec![
        case(&[47], "key of certificate 2 on P-256", |it| {
            it.chain.certificate(2).key = p256_key();
        })
        .refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
    ];
    for n in 0..4 {
        let issuer = |it: &mut Forged| Arc::clone(&it.chain.certificates()[n + 1].key);
        let wrong = format!("certificate {n} names SHA-256 and is signed with SHA-384");
        cases.push(
            case(&[47], wrong, |it| {
                let issuer = issuer(it);
                it.chain.handed_over(move |ders| {
                    let mut parts = named_sha256(&ders[n]);
                    parts.sign(&issuer);
                    ders[n] = parts.der();
                });
            })
            .refutes(Chain, &[CertificateAlgorithm]),
        );
        let wrong = format!("certificate {n} signed with SHA-256, as it says");
        cases.push(
            case(&[47], wrong, |it| {
                let issuer = issuer(it);
                it.chain.handed_over(move |ders| {
                    let mut parts = named_sha256(&ders[n]);
                    let signature = signed_over_sha256(&issuer, &parts.tbs);
                    parts.signature = signature.to_der().as_bytes().to_vec();
                    ders[n] = parts.der();
                });
            })
            .refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
        );
    }
    for n in 0..4 {
        let wrong = format!("key of certificate {n} spelled as a hybrid point");
        let hybrid = case(&[47], wrong, |it| {
            let issuer = Arc::clone(&it.chain.certificates()[n + 1].key);
            let point = it.chain.certificates()[n].key.public_point().to_vec();
            it.chain.handed_over(move |ders| {
                let mut parts = CertificateParts::of(&ders[n]);
                let mut windows = parts.tbs.windows(point.len());
                let at = windows.position(|window| window == point).expect("the key");
                parts.tbs[at] = 6 + (point[96] & 1);
                parts.sign(&issuer);
                ders[n] = parts.der();
            });
        });
        cases.push(match n {
            0 => hybrid.refutes(Chain, &[CertificateAlgorithm]).refutes(ReportSignature, &[ReportSignatureInvalid]),
            _ => hybrid.refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
        });
    }
    cases
}

#[rustfmt::skip]
pub(crate) fn chain_times() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in 0..5 {
        let trust = |it: &mut Forged| {
            if n == 4 {
                it.trust_device_root();
            }
        };
        cases.push(
            case(&[48], format!("certificate {n} expired a second ago"), |it| {
                it.chain.certificate(n).not_after = at(second(-1));
                trust(it);
            })
            .refutes(Chain, &[CertificateExpired]),
        );
        cases.push(
            case(&[49], format!("certificate {n} valid in a second"), |it| {
                it.chain.certificate(n).not_before = at(second(1));
                trust(it);
            })
            .refutes(Chain, &[CertificateNotYetValid]),
        );
    }
    cases
}

#[test]
fn other_device_chains_are_refused() {
    check_all(chain_text());
    check_all(chain_roots());
    check_all(chain_links());
    check_all(chain_rights());
    check_all(chain_algorithms());
    check_all(chain_times());
}

#[rustfmt::skip]
pub(crate) fn firmware_ids() -> Vec<Case> {
    let fwid = firmware::firmware_id();
    let extension = |rows, wrong: &str, value: Extension| case(rows, wrong, |it| *fwid_extension(it) = value);
    let malformed = |wrong: &str, value| extension(&[53], wrong, value).refutes(Fwid, &[FwidMalformed]);
    let compound = |value: Vec<u8>| Extension { value, ..Extension::fwid(&[], &[]) };
    let good = Extension::fwid(&[], &fwid).value;
    let trailing = [&good[..], &[0]].concat();
    let mut sha256 = good.clone();
    let at = sha256.len() - 51;
    assert_eq!(sha256[at], 2, "last arc of id-sha384");
    sha256[at] = 1;
    vec![
        case(&[51], "firmware id of other firmware in the report", |it| {
            field(it, 20, &[9; 48]);
        })
        .refutes(Fwid, &[FwidMismatch]),
        case(&[51], "last bit of the firmware id in the report", |it| {
            it.report.field_mut(20).expect("FWID").value[47] ^= 1;
        })
        .refutes(Fwid, &[FwidMismatch]),
        extension(&[51], "firmware id of other firmware in the leaf", Extension::fwid(&[], &[9; 48]))
            .refutes(Fwid, &[FwidMismatch]),
        extension(
            &[51],
            "second of two firmware ids in the leaf",
            tcb_info(&[sha384_fwid(&[0; 48]), sha384_fwid(&fwid)]),
        )
        .refutes(Fwid, &[FwidMismatch]),
        case(&[51], "no firmware id in the leaf", |it| {
            it.chain.certificate(0).extensions.remove(1);
        })
        .refutes(Fwid, &[FwidAbsentInCertificate]),
        case(&[52], "no firmware id in a report of opaque version 1", |it| without_field(it, 20))
            .refutes(Fwid, &[FwidAbsentInReport]),
        case(&[52], "no firmware id in a report of opaque version 0", |it| {
            without_field(it, 20);
            field(it, 34, &[0, 0]);
        })
        .refutes(Fwid, &[FwidAbsentInReport]),
        malformed("firmware id of 47 bytes", Extension::fwid(&[], &fwid[..47])),
        malformed("firmware id of 49 bytes", Extension::fwid(&[], &[&fwid[..], &[0]].concat())),
        malformed("firmware id of another hash", compound(sha256)),
        malformed("byte after the firmware id", compound(trailing)),
        malformed("firmware id without structure", compound(fwid.to_vec())),
        malformed("firmware id that is empty", compound(Vec::new())),
        malformed("firmware ids of Blackwell that are none", tcb_info(&[])),
        malformed("firmware id of Blackwell of another hash", tcb_info(&[der(0x30, &der(0x04, &fwid))])),
        case(&[53], "firmware id twice", |it| {
            let again = fwid_extension(it).clone();
            it.chain.certificate(0).extensions.push(again);
        })
        .refutes(Fwid, &[FwidMalformed]),
        case(&[53], "firmware id in both forms", |it| {
            let other = tcb_info(&[sha384_fwid(&fwid)]);
            it.chain.certificate(0).extensions.push(other);
        })
        .refutes(Fwid, &[FwidMalformed]),
    ]
}

#[rustfmt::skip]
pub(crate) fn identities() -> Vec<Case> {
    let rename = |it: &mut Forged, n: usize, name: &str| {
        it.chain.certificate(n).subject.common_name = Some(name.to_owned());
    };
    vec![
        case(&[39, 40], "sender claims another architecture", |it| {
            it.claimed = Some(Architecture::Blackwell);
        })
        .refutes(Identity, &[ArchitectureMismatch]),
        case(&[39, 40], "sender claims a switch", |it| it.claimed = Some(Architecture::Ls10))
            .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "second certificate of another chip", |it| {
            rename(it, 1, "GB100 A01 GSP BROM SIMULATED");
        })
        .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "second certificate of no chip", |it| rename(it, 1, "GSP BROM SIMULATED"))
            .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "certificates of a chip nobody knows", |it| {
            rename(it, 0, "GX100 A01 GSP FMC LF SIMULATED");
            rename(it, 1, "GX100 A01 GSP BROM SIMULATED");
        })
        .refutes(Identity, &[ArchitectureUnknown]),
        case(&[40, 90], "certificates of a Blackwell over the manifests of a Hopper", |it| {
            it.claimed = Some(Architecture::Blackwell);
            rename(it, 0, "GB100 A01 GSP FMC LF SIMULATED");
            rename(it, 1, "GB100 A01 GSP BROM SIMULATED");
        })
        .refutes(DriverRim, &[RimIdMismatch, RimProductMismatch])
        .refutes(VbiosRim, &[RimProductMismatch])
        .reference_lost(),
    ]
}

#[test]
fn other_devices_are_refused() {
    check_all(firmware_ids());
    check_all(identities());
}
