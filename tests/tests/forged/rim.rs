//! Reference manifests: form, signature, chain, and whether they are the device's.

use std::sync::Arc;

use attestation_agent::device::simulated::pki::{DIGITAL_SIGNATURE, KEY_CERT_SIGN};
use attestation_agent::device::simulated::rim::{C14N11, ENVELOPED};
use attestation_agent::device::simulated::{Attributes, Name, Reference, ReportSpec, RimSpec};
use evidence::appraise::{DeviceEvidence, DeviceReading};
use evidence::cert::AnchorUse;
use evidence::rim::RimRole;
use tests::forge::Manifest;

use crate::kit::*;

/// The same defect in either manifest.
pub(crate) fn of_both_roles(cases: fn(RimRole) -> Vec<Case>) -> Vec<Case> {
    [RimRole::Driver, RimRole::Vbios]
        .into_iter()
        .flat_map(cases)
        .collect()
}

/// One manifest with one defect, for which it is refuted; the other stays affirmed.
fn rim(
    role: RimRole,
    rows: &'static [u8],
    wrong: &str,
    codes: &[Code],
    change: impl FnOnce(&mut Manifest),
) -> Case {
    case(rows, format!("{role} manifest: {wrong}"), |it| {
        change(it.manifest(role));
    })
    .refutes(check_of(role), codes)
    .reference_lost()
}

const fn check_of(role: RimRole) -> CheckId {
    match role {
        RimRole::Driver => DriverRim,
        RimRole::Vbios => VbiosRim,
    }
}

/// An index with one reference value that the manifest covers, and one with several.
pub(crate) const fn indexes(role: RimRole) -> [u8; 2] {
    match role {
        RimRole::Driver => [7, 23],
        RimRole::Vbios => [0, 12],
    }
}

#[rustfmt::skip]
pub(crate) fn rim_form(role: RimRole) -> Vec<Case> {
    let before_root = |rows, wrong: &str, prolog: &str| {
        rim(role, rows, wrong, &[RimMalformed], |it| it.spec.prolog = prolog.to_owned())
    };
    let inside = |rows, wrong: &str, text: &str| {
        rim(role, rows, wrong, &[RimMalformed], |it| {
            it.spec.extra_before_signature = text.to_owned();
        })
    };
    let meta = |wrong: &str, name: &str, value: Option<&str>| {
        rim(role, &[78], wrong, &[RimMalformed], |it| match value {
            Some(value) => it.spec.meta.set(name, value),
            None => it.spec.meta.remove(name),
        })
    };
    vec![
        before_root(&[79], "DOCTYPE", "<!DOCTYPE SoftwareIdentity>"),
        before_root(&[79], "entity", "<!DOCTYPE a [<!ENTITY b \"c\">]>"),
        before_root(&[79], "external entity", "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">"),
        before_root(&[79], "XML declaration", "<?xml version=\"1.0\"?>"),
        before_root(&[79], "processing instruction", "<?a b?>"),
        before_root(&[79], "comment before the root", "<!-- a -->"),
        inside(&[79], "comment that is signed", "<!-- a -->"),
        inside(&[79], "processing instruction that is signed", "<?a b?>"),
        inside(&[79], "CDATA that is signed", "<![CDATA[ ]]>"),
        inside(&[79], "reference that is signed", "&#32;"),
        inside(&[79], "CR that is signed", "\r"),
        inside(&[79], "TAB that is signed", "\t"),
        inside(&[79], "character that is not ASCII", "\u{a0}"),
        inside(&[78], "element nobody knows", "<ns0:Link></ns0:Link>"),
        inside(&[78], "text beside the elements", "text"),
        inside(&[78, 85], "second payload", "<ns0:Payload></ns0:Payload>"),
        rim(role, &[78, 79], "value with an entity", &[RimMalformed], |it| {
            it.spec.entity.set("name", "a & b");
        }),
        rim(role, &[78], "document that ends early", &[RimMalformed], |it| {
            it.in_transit(|xml| xml.truncate(xml.len() - 1));
        }),
        rim(role, &[78], "document that is empty", &[RimMalformed], |it| {
            it.in_transit(Vec::clear);
        }),
        rim(role, &[78], "document that is something else", &[RimMalformed, RimSignatureMethod], |it| {
            it.in_transit(|xml| *xml = b"<a></a>".to_vec());
        }),
        rim(role, &[78], "supplement to another tag", &[RimMalformed], |it| {
            it.spec.identity.set("supplemental", "true");
        }),
        rim(role, &[78], "no resource at all", &[RimMalformed], |it| it.spec.resources.clear()),
        meta("no version", "colloquialVersion", None),
        meta("empty version", "colloquialVersion", Some("")),
        meta("no product", "product", None),
        meta("no platform model", "ns1:PlatformModel", None),
        meta("no manufacturer id", "ns1:FirmwareManufacturerId", None),
        meta("payload elsewhere", "PayloadType", Some("indirect")),
    ]
}

#[rustfmt::skip]
pub(crate) fn rim_resources(role: RimRole) -> Vec<Case> {
    let [single, several] = indexes(role);
    let resource = |rows, wrong: &str, change: fn(&mut Attributes)| {
        rim(role, rows, wrong, &[RimMalformed], |it| change(it.resource(single)))
    };
    let of_several = |rows, wrong: &str, change: fn(&mut Attributes)| {
        rim(role, rows, wrong, &[RimMalformed], |it| change(it.resource(several)))
    };
    vec![
        resource(&[78], "resource of another type", |it| it.set("type", "Setting")),
        resource(&[78], "resource neither active nor not", |it| it.set("active", "true")),
        resource(&[78], "resource without name", |it| it.remove("name")),
        resource(&[78], "index beyond a byte", |it| it.set("index", "256")),
        resource(&[78], "index with a sign", |it| it.set("index", "+1")),
        resource(&[78], "unknown attribute that might restrict", |it| it.set("mask", "0")),
        resource(&[78, 96], "no alternative", |it| it.set("alternatives", "0")),
        resource(&[97, 103], "size of 32 bytes", |it| it.set("size", "32")),
        resource(&[97], "hash in upper case", |it| {
            let upper = it.get("ns2:Hash0").expect("a hash").to_uppercase();
            it.set("ns2:Hash0", &upper);
        }),
        resource(&[97], "hash one digit short", |it| {
            let short = it.get("ns2:Hash0").expect("a hash")[1..].to_owned();
            it.set("ns2:Hash0", &short);
        }),
        resource(&[97], "hash one byte long", |it| {
            let long = format!("{}00", it.get("ns2:Hash0").expect("a hash"));
            it.set("ns2:Hash0", &long);
        }),
        resource(&[97], "hash with a digit that is none", |it| {
            let other = format!("g{}", &it.get("ns2:Hash0").expect("a hash")[1..]);
            it.set("ns2:Hash0", &other);
        }),
        resource(&[96], "hash missing", |it| it.remove("ns2:Hash0")),
        resource(&[96], "hash surplus", |it| it.set("ns2:Hash1", &"00".repeat(48))),
        of_several(&[96], "last hash missing", |it| {
            let last = it.get("alternatives").expect("a count").parse::<u8>().expect("a number") - 1;
            it.remove(&format!("ns2:Hash{last}"));
        }),
        of_several(&[96], "gap in the numbers of the hashes", |it| {
            let hash = it.get("ns2:Hash1").expect("a hash").clone();
            it.remove("ns2:Hash1");
            it.set("ns2:Hash9", &hash);
        }),
        rim(role, &[95], "index twice, both active", &[RimMalformed], |it| {
            let again = it.resource(single).clone();
            it.spec.resources.push(again);
        }),
        rim(role, &[95], "index twice, once inactive", &[RimMalformed], |it| {
            let mut again = it.resource(single).clone();
            again.set("active", "False");
            it.spec.resources.push(again);
        }),
    ]
}

#[rustfmt::skip]
pub(crate) fn rim_signature(role: RimRole) -> Vec<Case> {
    let [single, several] = indexes(role);
    let method = |rows, wrong: &str, change: fn(&mut Manifest)| rim(role, rows, wrong, &[RimSignatureMethod], change);
    let reference = |rows, wrong: &str, change: fn(&mut Reference)| {
        rim(role, rows, wrong, &[RimSignatureMethod], |it| {
            change(&mut it.signature().references[0]);
        })
    };
    let second = "<sig:Signature xmlns:sig=\"http://www.w3.org/2000/09/xmldsig#\"></sig:Signature>";
    vec![
        rim(role, &[80], "other digest signed", &[RimDigestMismatch], |it| {
            it.signature().references[0].digest = Some(vec![9; 48]);
        }),
        rim(role, &[80], "reference value changed after signing", &[RimDigestMismatch], |it| {
            let hash = it.resource(several).get("ns2:Hash0").expect("a hash").clone();
            it.replaced(&hash, &"ab".repeat(48));
        }),
        rim(role, &[80], "white space changed after signing", &[RimDigestMismatch], |it| {
            it.replaced("</ds:Signature>", "</ds:Signature>\n");
        }),
        rim(role, &[80], "signature value damaged", &[RimSignatureInvalid], |it| {
            it.signature().corrupt_value = true;
        }),
        rim(role, &[80], "signature value of zeros", &[RimSignatureInvalid], |it| {
            it.signature().value = Some(vec![0; 96]);
        }),
        rim(role, &[80], "signed info changed after signing", &[RimSignatureInvalid], |it| {
            it.replaced("<ds:SignedInfo>", "<ds:SignedInfo>\n");
        }),
        rim(role, &[82], "signed by a key that is in no chain", &[RimSignatureInvalid], |it| {
            it.signer = Some(stranger_key());
        }),
        rim(role, &[82], "signed by the key of the second certificate", &[RimSignatureInvalid], |it| {
            it.signer = Some(Arc::clone(&it.chain.certificate(1).key));
        }),
        method(&[80], "signature value of 95 bytes", |it| {
            it.signature().value = Some(vec![1; 95]);
        }),
        method(&[81], "canonical XML 1.0", |it| {
            it.signature().canonicalization = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315".to_owned();
        }),
        method(&[81], "canonical XML with comments", |it| {
            it.signature().canonicalization = format!("{C14N11}#WithComments");
        }),
        method(&[81], "ECDSA with SHA-256", |it| {
            it.signature().method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".to_owned();
        }),
        method(&[81], "HMAC", |it| {
            it.signature().method = "http://www.w3.org/2000/09/xmldsig#hmac-sha1".to_owned();
        }),
        reference(&[81], "digest by SHA-256", |it| {
            it.digest_method = "http://www.w3.org/2001/04/xmlenc#sha256".to_owned();
        }),
        reference(&[81], "digest of 32 bytes", |it| it.digest = Some(vec![1; 32])),
        reference(&[81], "no transforms", |it| it.transforms.clear()),
        reference(&[81], "transforms swapped", |it| it.transforms.reverse()),
        reference(&[81], "enveloped transform alone", |it| it.transforms = vec![ENVELOPED.to_owned()]),
        reference(&[81], "third transform", |it| it.transforms.push(C14N11.to_owned())),
        reference(&[81], "transform by a style sheet", |it| {
            it.transforms[0] = "http://www.w3.org/TR/1999/REC-xslt-19991116".to_owned();
        }),
        reference(&[83], "reference to a part", |it| it.uri = Some("#x".to_owned())),
        reference(&[83], "reference to elsewhere", |it| it.uri = Some("http://a/".to_owned())),
        reference(&[83], "reference without URI", |it| it.uri = None),
        method(&[83], "two references", |it| {
            it.signature().references.push(Reference::default());
        }),
        method(&[83], "no reference", |it| it.signature().references.clear()),
        method(&[82], "bare key", |it| {
            it.signature().extra_in_key_info = "<ds:KeyValue></ds:KeyValue>".to_owned();
        }),
        method(&[82], "name of a key", |it| {
            it.signature().extra_in_key_info = "<ds:KeyName>a</ds:KeyName>".to_owned();
        }),
        method(&[82], "name of a certificate", |it| {
            it.signature().extra_in_x509_data = "<ds:X509IssuerSerial></ds:X509IssuerSerial>".to_owned();
        }),
        method(&[82], "second lot of certificates", |it| {
            it.signature().extra_in_key_info = "<ds:X509Data></ds:X509Data>".to_owned();
        }),
        method(&[84], "object in the signature", |it| {
            it.signature().extra = "<ds:Object></ds:Object>".to_owned();
        }),
        method(&[84], "element in the signed info", |it| {
            it.signature().extra_in_signed_info = "<ds:Object></ds:Object>".to_owned();
        }),
        method(&[80, 84], "no signature", |it| it.spec.signature = None),
        rim(role, &[84], "two signatures", &[RimMalformed, RimSignatureMethod], |it| {
            it.spec.extra_before_signature = second.to_owned();
        }),
        rim(role, &[84], "something after the signature", &[RimMalformed, RimSignatureMethod], |it| {
            it.spec.after_signature = "<ns0:Link></ns0:Link>".to_owned();
        }),
        rim(role, &[84, 85], "good manifest wrapped in a forged one", &[RimSignatureMethod], |it| {
            it.in_transit(move |xml| *xml = wrapped(xml, single));
        }),
        rim(role, &[85], "forged payload before the signed one", &[RimMalformed], |it| {
            it.replaced("<ns0:Payload xmlns:SHA384", "<ns0:Payload></ns0:Payload>\n<ns0:Payload xmlns:SHA384");
        }),
    ]
}

/// A manifest with another value at `index`, whose signature element carries the good one along.
fn wrapped(good: &[u8], index: u8) -> Vec<u8> {
    let good = std::str::from_utf8(good).expect("text");
    let value = hex::encode(firmware::measurement(index));
    let outer = good.replace(&value, &"ab".repeat(48));
    assert_ne!(outer, good);
    // A prefix is declared once per document: the outer one takes others, and the inner one does without its own.
    let mut outer = outer
        .replace("xmlns:ns1=", "xmlns:own=")
        .replace(" ns1:", " own:");
    outer = outer.replace("xmlns:SHA384=", "xmlns:sha=");
    outer = outer
        .replace("xmlns:ds=", "xmlns:sig=")
        .replace("<ds:", "<sig:")
        .replace("</ds:", "</sig:");
    let declared = good.find(" corpus").expect("the first attribute");
    let inner = format!("<SoftwareIdentity{}", &good[declared..]);
    let end = "</sig:KeyInfo>";
    let object = format!("{end}<sig:Object>{inner}</sig:Object>");
    outer.replace(end, &object).into_bytes()
}

#[rustfmt::skip]
pub(crate) fn rim_chain(role: RimRole) -> Vec<Case> {
    let chain = |rows, wrong: &str, codes: &[Code], change: fn(&mut forge::Chain)| {
        rim(role, rows, wrong, codes, |it| change(&mut it.chain))
    };
    let rights = |n: usize, wrong: &str, code, change: fn(&mut CertificateSpec)| {
        let wrong = format!("certificate {n} {wrong}");
        rim(role, &[86], &wrong, &[code], |it| change(it.chain.certificate(n)))
    };
    let mut cases = vec![
        chain(&[86], "another root of the same name, and all below it", &[ChainRootUntrusted], |it| {
            *it = forge::Chain::of_a_rim_stranger();
        }),
        chain(&[86], "root of the pinned key and name, signed once more", &[ChainRootUntrusted], |it| {
            it.certificate(3);
        }),
        case(&[86], format!("{role} manifest: chain under the root of devices"), |it| {
            let other = it.chain.clone();
            it.manifest(role).chain.put_under_root_of(&other);
        })
        .refutes(check_of(role), &[ChainRootUntrusted])
        .reference_lost(),
        chain(&[86], "signature of the third certificate damaged", &[CertificateSignatureInvalid], |it| {
            it.certificate(2).corrupt_signature = true;
        }),
        chain(&[86], "leaf issued in another name", &[ChainOrder], |it| {
            it.certificate(0).issuer = Some(Name::simulated("somebody else"));
        }),
        chain(&[87], "chain of three, each signed by the next", &[ChainLength], |it| {
            it.certificates().remove(2);
        }),
        chain(&[87], "chain of five, each signed by the next", &[ChainLength], |it| {
            it.certificates().insert(3, authority());
        }),
        chain(&[82, 87], "root twice", &[ChainLength], |it| {
            it.handed_over(|ders| ders.push(ders[3].clone()));
        }),
        chain(&[87], "root left out", &[ChainLength, ChainRootUntrusted], |it| {
            it.handed_over(|ders| ders.truncate(3));
        }),
        chain(&[87], "no certificate", &[ChainLength], |it| it.handed_over(Vec::clear)),
        chain(&[86], "certificate that is not DER", &[CertificateMalformed], |it| {
            it.handed_over(|ders| ders[1] = vec![0; 9]);
        }),
        chain(
            &[86, 87],
            "second and third certificate swapped",
            &[ChainOrder, CertificateSignatureInvalid, CertificatePathLength],
            |it| {
                it.handed_over(|ders| ders.swap(1, 2));
            },
        ),
        chain(
            &[82],
            "certificate of a stranger in front",
            &[
                RimSignatureInvalid,
                ChainLength,
                ChainOrder,
                CertificateSignatureInvalid,
                CertificateBasicConstraints,
                CertificateKeyUsage,
                CertificatePathLength,
            ],
            |it| {
                let other = forge::Chain::of_a_rim_stranger().ders()[0].clone();
                it.handed_over(move |ders| ders.insert(0, other.clone()));
            },
        ),
        chain(
            &[82],
            "leaf of a stranger of the same names",
            &[RimSignatureInvalid, CertificateSignatureInvalid],
            |it| {
                let other = forge::Chain::of_a_rim_stranger().ders()[0].clone();
                it.handed_over(move |ders| ders[0] = other.clone());
            },
        ),
        rim(role, &[81, 86], "leaf with a key on P-256", &[SigningKeyUnavailable, CertificateAlgorithm], |it| {
            it.signer = Some(Arc::clone(it.chain.leaf_key()));
            it.chain.certificate(0).key = p256_key();
        }),
        rights(0, "is a CA", CertificateBasicConstraints, |it| {
            it.basic_constraints = constraints(true, None);
        }),
        rights(0, "may not sign data", CertificateKeyUsage, |it| it.key_usage = Some(KEY_CERT_SIGN)),
        rights(1, "is no CA", CertificateBasicConstraints, |it| {
            it.basic_constraints = constraints(false, None);
        }),
        rights(2, "may not sign certificates", CertificateKeyUsage, |it| {
            it.key_usage = Some(DIGITAL_SIGNATURE);
        }),
        rights(2, "allows no CA below", CertificatePathLength, |it| {
            it.basic_constraints = constraints(true, Some(0));
        }),
        rights(1, "has an unknown critical extension", CertificateExtensionCritical, |it| {
            it.extensions.push(unknown_extension(true));
        }),
    ];
    for n in 0..4 {
        let at_position = |rows, wrong: &str, code, change: fn(&mut CertificateSpec)| {
            case(rows, format!("{role} manifest: certificate {n} {wrong}"), |it| {
                let chain = &mut it.manifest(role).chain;
                change(chain.certificate(n));
                if n == 3 {
                    let anchor = chain.pin(AnchorUse::Rim);
                    it.anchors.push(anchor);
                }
            })
            .refutes(check_of(role), &[code])
            .reference_lost()
        };
        cases.push(at_position(&[88], "expired a second ago", CertificateExpired, |it| {
            it.not_after = at(second(-1));
        }));
        cases.push(at_position(&[88], "valid in a second", CertificateNotYetValid, |it| {
            it.not_before = at(second(1));
        }));
    }
    cases
}

#[rustfmt::skip]
pub(crate) fn rim_fit(role: RimRole) -> Vec<Case> {
    let meta = |rows, wrong: &str, code, name: &str, value: &str| {
        rim(role, rows, wrong, &[code], |it| it.spec.meta.set(name, value))
    };
    vec![
        meta(&[89], "of another version", RimVersionMismatch, "colloquialVersion", "999.02.SIM"),
        rim(role, &[89], "of a longer version", &[RimVersionMismatch], |it| {
            let longer = format!("{}.1", it.spec.meta.get("colloquialVersion").expect("a version"));
            it.spec.meta.set("colloquialVersion", &longer);
        }),
        meta(&[90], "of another product", RimProductMismatch, "product", "GB100"),
        meta(&[90], "of another platform", RimProductMismatch, "ns1:PlatformModel", "GB100"),
        rim(role, &[92], "filed under another id", &[RimIdMismatch], |it| {
            it.id.as_mut().expect("an id").push('0');
        }),
        rim(role, &[92], "filed under the id in lower case", &[RimIdMismatch], |it| {
            it.id.as_mut().expect("an id").make_ascii_lowercase();
        }),
        case(&[94], format!("{role} manifest missing"), |it| match role {
            RimRole::Driver => it.driver = None,
            RimRole::Vbios => it.vbios = None,
        })
        .cannot_tell(check_of(role), &[RimNotAvailable])
        .cannot_tell(Measurements, &[RimNotAvailable]),
        case(&[86], format!("{role} manifest under a vendor's root, for a software device"), |it| {
            let mut chain = forge::Chain::of_a_rim_stranger();
            let mut anchor = chain.pin(AnchorUse::Rim);
            anchor.simulated = false;
            it.anchors.push(anchor);
            it.manifest(role).chain = chain;
        })
        .refutes(check_of(role), &[RimAnchorMismatch])
        .reference_lost(),
    ]
}

#[test]
fn manifests_of_another_form_are_refused() {
    check_all(of_both_roles(rim_form));
    check_all(of_both_roles(rim_resources));
    check_all(of_both_roles(rim_signature));
}

#[test]
fn manifests_of_other_signers_are_refused() {
    check_all(of_both_roles(rim_chain));
}

#[test]
fn manifests_of_other_devices_are_refused() {
    check_all(of_both_roles(rim_fit));
    check_all(rim_pairs());
}

/// What is wrong with the two manifests together.
#[rustfmt::skip]
pub(crate) fn rim_pairs() -> Vec<Case> {
    let inactive = |spec: &mut RimSpec| {
        for resource in &mut spec.resources {
            resource.set("active", "False");
        }
    };
    let swap = |it: &mut Forged| std::mem::swap(&mut it.driver, &mut it.vbios);
    vec![
        case(&[94], "no manifest at all", |it| {
            it.driver = None;
            it.vbios = None;
        })
        .cannot_tell(DriverRim, &[RimNotAvailable])
        .cannot_tell(VbiosRim, &[RimNotAvailable])
        .cannot_tell(Measurements, &[RimNotAvailable]),
        case(&[93], "roles swapped", |it| {
            swap(it);
            it.driver().id = None;
            it.vbios().id = None;
        })
        .refutes(DriverRim, &[RimVersionMismatch])
        .refutes(VbiosRim, &[RimVersionMismatch])
        .reference_lost(),
        case(&[92, 93], "roles swapped, each filed under its own id", swap)
            .refutes(DriverRim, &[RimVersionMismatch, RimIdMismatch])
            .refutes(VbiosRim, &[RimVersionMismatch, RimIdMismatch])
            .reference_lost(),
        case(&[93], "driver manifest in both roles", |it| {
            let id = it.vbios().id.clone();
            it.vbios = it.driver.clone();
            it.vbios().id = id;
        })
        .refutes(VbiosRim, &[RimVersionMismatch])
        .cannot_tell(Measurements, &[ReferenceConflict, ReferenceNotVerified]),
        case(&[93], "VBIOS manifest in both roles", |it| {
            let id = it.driver().id.clone();
            it.driver = it.vbios.clone();
            it.driver().id = id;
        })
        .refutes(DriverRim, &[RimVersionMismatch])
        .cannot_tell(Measurements, &[ReferenceConflict, ReferenceNotVerified]),
        case(&[98], "index active in both manifests, the same value", |it| {
            let index = firmware::VBIOS_INDEXES[0];
            *it.driver().resource(index) = Attributes::resource(index, true, &firmware::references(index));
        })
        .refutes(Measurements, &[ReferenceConflict]),
        case(&[98, 102], "index active in both manifests, another value", |it| {
            *it.driver().resource(0) = Attributes::resource(0, true, &[[9; 48]]);
        })
        .refutes(Measurements, &[ReferenceConflict, MeasurementMismatch]),
        case(&[99], "nothing active in either manifest", |it| {
            inactive(&mut it.driver().spec);
            inactive(&mut it.vbios().spec);
        })
        .refutes(Measurements, &[ReferenceEmpty]),
        case(&[86], "manifests of a software device for a vendor's device", |it| {
            it.anchors[0].simulated = false;
        })
        .refutes(DriverRim, &[RimAnchorMismatch])
        .refutes(VbiosRim, &[RimAnchorMismatch])
        .reference_lost(),
        case(&[86], "manifests of a vendor for a software device", |it| {
            it.anchors[1].simulated = false;
        })
        .refutes(DriverRim, &[RimAnchorMismatch])
        .refutes(VbiosRim, &[RimAnchorMismatch])
        .reference_lost(),
    ]
}

/// Row 77: the report is signed by whoever holds the key, so its text may be anything.
#[test]
fn no_id_leaves_its_folder() {
    let ids = |change: &dyn Fn(&mut ReportSpec)| {
        let it = Forged::gpu().with(|it| change(&mut it.report));
        let (chain, report) = (it.examined_chain(), it.report_bytes());
        let evidence = DeviceEvidence {
            claimed: None,
            report: &report,
            chain: &chain,
        };
        let ids = DeviceReading::new(evidence).reference_ids();
        (ids.driver, ids.vbios)
    };
    let good = (firmware::driver_rim_id(), firmware::vbios_rim_id());
    assert_eq!(ids(&|_| ()), (Some(good.0.clone()), Some(good.1.clone())));
    for version in ["../999", "a/b", "a\\b", "a b", "a?b", "a%2fb"] {
        let (driver, vbios) =
            ids(&|it| *it.field_mut(3).expect("a field") = Tlv::text(3, version, 8));
        assert_eq!((driver, vbios), (None, Some(good.1.clone())), "{version}");
    }
    for field in [15, 17, 18] {
        let (driver, vbios) =
            ids(&|it| *it.field_mut(field).expect("a field") = Tlv::text(field, "../", 5));
        assert_eq!((driver, vbios), (Some(good.0.clone()), None), "{field}");
    }
}
