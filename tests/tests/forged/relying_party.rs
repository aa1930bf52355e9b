//! NVIDIA's relying-party policies over appraisals really made, through our own claims.
//!
//! The devices are software devices, of which a verifier tells such a policy nothing; here that is waived, and nothing
//! else is.

use attestation_agent::device::simulated::ocsp::CERTIFICATE_HOLD;
use attestation_agent::device::simulated::{Attributes, CertStatus};
use evidence::appraise::EvidenceAppraisal;
use evidence::policy::{Decision, Policy};
use serde_json::Value;
use tests::forge::ABOUT_ALL;
use verifier_service::nvidia::claims::{self, Waivers};
use verifier_service::nvidia::errors;

use crate::kit::*;

/// The nonce of each question.
const SENT: [u8; 32] = [0x5a; 32];

/// What NVIDIA's client demands of every device by default, in its words (nvidia-evidence 9.2).
const DEMANDS_ALL: &str = r#"package policy

import rego.v1

default nv_match := false

nv_match if {
    count(input) > 0
    every device in input {
        device.measres == "success"
        every name in chains[device["x-nvidia-device-type"]] {
            chain := device[name]
            chain["x-nvidia-cert-status"] == "valid"
            chain["x-nvidia-cert-ocsp-status"] == "good"
            chain["x-nvidia-cert-ocsp-nonce-matches"] == true
            chain["x-nvidia-cert-ocsp-response-valid"] == true
        }
    }
}

chains := {
    "gpu": [
        "x-nvidia-gpu-attestation-report-cert-chain",
        "x-nvidia-gpu-driver-rim-cert-chain",
        "x-nvidia-gpu-vbios-rim-cert-chain",
    ],
    "nvswitch": [
        "x-nvidia-switch-attestation-report-cert-chain",
        "x-nvidia-switch-bios-rim-cert-chain",
    ],
}
"#;

const DRIVER: &str = "x-nvidia-gpu-driver-rim-cert-chain";

/// Asked about with a nonce, which each answer repeats.
fn asked(device: Forged, nonce: Option<[u8; 32]>) -> Forged {
    device.with(|it| {
        it.ask();
        for about in ABOUT_ALL {
            it.answer(about, move |it| {
                it.nonce_sent = nonce;
                it.spec.nonce = nonce.map(|nonce| nonce.to_vec());
            });
        }
    })
}

fn claims_of(appraisal: &EvidenceAppraisal) -> Value {
    let waivers = Waivers {
        simulated: true,
        ..Waivers::default()
    };
    claims::array(appraisal.devices(), waivers)
}

/// Whether the policy grants, and the claims it read.
fn decided(device: &Forged) -> (bool, Value) {
    decided_by(DEMANDS_ALL, device)
}

fn decided_by(policy: &str, device: &Forged) -> (bool, Value) {
    let policy = Policy::compile("of-a-test", policy).expect("a policy");
    let appraisal = EvidenceAppraisal::new(vec![appraise(device)], forge::AS_OF);
    let claims = claims_of(&appraisal);
    let decision = policy.decide_with_claims(appraisal, claims_of);
    let granted = matches!(decision, Ok(Decision::Granted(_)));
    (granted, claims)
}

#[test]
fn answers_that_repeat_the_nonce_match() {
    for device in [Forged::gpu(), Forged::switch()] {
        let (granted, claims) = decided(&asked(device, Some(SENT)));
        assert!(granted, "{claims:#}");
    }
}

#[test]
fn answers_that_do_not_repeat_it_do_not_match() {
    type Change = fn(&mut forge::Answer);
    let table: [(&str, Change, Value); 4] = [
        ("no nonce", |it| it.spec.nonce = None, false.into()),
        (
            "another nonce",
            |it| it.spec.nonce = Some(vec![1; 32]),
            false.into(),
        ),
        // Whoever altered it wrote the nonce too.
        (
            "the nonce, signed by nobody",
            |it| it.in_transit(|der| *der.last_mut().expect("bytes") ^= 1),
            false.into(),
        ),
        ("no answer", |it| it.unasked = true, false.into()),
    ];
    for (wrong, change, told) in table {
        let device = asked(Forged::gpu(), Some(SENT)).with(|it| {
            it.answer(forge::About::Driver(1), change);
        });
        let (granted, claims) = decided(&device);
        assert!(!granted, "{wrong}: {claims:#}");
        let chain = &claims[0][DRIVER];
        assert_eq!(chain["x-nvidia-cert-ocsp-nonce-matches"], told, "{wrong}");
    }
}

/// Answers that appraisals share were asked for without a nonce: neither true nor false is told.
#[test]
fn where_no_nonce_was_sent_none_is_told_of() {
    let (granted, claims) = decided(&asked(Forged::gpu(), None));
    assert!(!granted);
    let chain = claims[0][DRIVER].as_object().expect("a chain");
    assert_eq!(chain["x-nvidia-cert-ocsp-status"], "good");
    assert!(!chain.contains_key("x-nvidia-cert-ocsp-nonce-matches"));
}

/// As two of NVIDIA's published examples relax it: differences at one index, and manifests whose signer is revoked. Like
/// them they read no claim but those of the chains and the differences.
const RELAXED: &str = r#"package policy

import rego.v1

default nv_match := false

nv_match if {
    count(input) > 0
    every device in input {
        bearable(object.get(device, "x-nvidia-mismatch-measurement-records", null))
        good(device["x-nvidia-gpu-attestation-report-cert-chain"], {"good"})
        good(device["x-nvidia-gpu-driver-rim-cert-chain"], {"good", "revoked"})
        good(device["x-nvidia-gpu-vbios-rim-cert-chain"], {"good", "revoked"})
    }
}

bearable(records) if records == null

bearable(records) if {
    records != null
    every record in records {
        record.index == 7
    }
}

good(chain, statuses) if {
    chain["x-nvidia-cert-status"] == "valid"
    chain["x-nvidia-cert-ocsp-status"] in statuses
    chain["x-nvidia-cert-ocsp-nonce-matches"] == true
    chain["x-nvidia-cert-ocsp-response-valid"] == true
}
"#;

fn relaxed(change: impl FnOnce(&mut Forged)) -> (bool, Value) {
    let device = asked(Forged::gpu(), Some(SENT)).with(change);
    decided_by(RELAXED, &device)
}

#[test]
fn a_policy_bears_what_it_names() {
    let (granted, claims) = relaxed(|it| block(it, 7).value[0] ^= 1);
    assert!(granted, "{claims:#}");
    assert_eq!(claims[0]["measres"], "fail");
    let on_hold = |it: &mut forge::Answer| {
        it.spec.status = CertStatus::Revoked {
            at: at(second(-60)),
            reason: Some(CERTIFICATE_HOLD),
        };
    };
    let (granted, claims) = relaxed(|it| {
        it.answer(forge::About::Driver(0), on_hold);
    });
    assert!(granted, "{claims:#}");
    let chain = &claims[0][DRIVER];
    assert_eq!(chain["x-nvidia-cert-status"], "valid");
    assert_eq!(chain["x-nvidia-cert-ocsp-status"], "revoked");
    let reason = &chain["x-nvidia-cert-revocation-reason"];
    assert_eq!(reason, "certificateHold");
    let (granted, _) = relaxed(|it| {
        it.answer(forge::About::Device(1), on_hold);
    });
    assert!(!granted, "a device on hold");
    let (granted, _) = relaxed(|it| {
        it.answer(forge::About::Driver(0), on_hold);
        it.answer(forge::About::Vbios(1), |it| it.unasked = true);
    });
    assert!(!granted, "not known of another certificate");
}

#[test]
fn a_policy_bears_manifests_that_ran_out() {
    let ran_out = RELAXED.replace(r#"== "valid""#, r#"in {"valid", "expired"}"#);
    let expired = |certificate: fn(&mut Forged) -> &mut CertificateSpec| {
        let device = asked(Forged::gpu(), Some(SENT));
        let device = device.with(|it| certificate(it).not_after = at(second(-1)));
        decided_by(&ran_out, &device)
    };
    let (granted, claims) = expired(|it| it.driver().chain.certificate(0));
    assert!(granted, "{claims:#}");
    let chain = &claims[0][DRIVER];
    assert_eq!(chain["x-nvidia-cert-status"], "expired");
    assert_eq!(claims[0]["measres"], "success");
    assert!(claims[0]["oemid"].is_string(), "{claims:#}");
    let (granted, _) = expired(|it| it.chain.certificate(1));
    assert!(!granted, "a device's certificate that ran out");
}

/// NVIDIA's client ends with an error and asks no policy; published policies do not read the claims that would say so.
#[test]
fn what_ends_nvidias_client_is_not_for_a_policy_to_bear() {
    type Change = fn(&mut Forged);
    let table: [(&str, Change); 10] = [
        ("another index", |it| block(it, 8).value[0] ^= 1),
        ("decoder status that is none", |it| field(it, 11, &[0x54])),
        ("index active in both manifests", |it| {
            let index = firmware::VBIOS_INDEXES[0];
            let references = firmware::references(index);
            *it.driver().resource(index) = Attributes::resource(index, true, &references);
        }),
        ("nothing active in either manifest", |it| {
            for manifest in [&mut it.driver, &mut it.vbios].into_iter().flatten() {
                let resources = manifest.spec.resources.iter_mut();
                resources.for_each(|resource| resource.set("active", "False"));
            }
        }),
        ("driver manifest in both roles", |it| {
            let id = it.vbios().id.clone();
            it.vbios = it.driver.clone();
            it.vbios().id = id;
        }),
        ("manifest of another version", |it| {
            let meta = &mut it.vbios().spec.meta;
            meta.set("colloquialVersion", "999.02.SIM");
        }),
        ("manifest signed by a stranger", |it| {
            it.vbios().signer = Some(stranger_key());
        }),
        ("manifest of another product", |it| {
            it.driver().spec.meta.set("product", "GB100");
        }),
        ("firmware id of another", |it| field(it, 20, &[9; 48])),
        ("manifest missing", |it| it.vbios = None),
    ];
    for (wrong, change) in table {
        let (granted, claims) = relaxed(change);
        assert!(!granted, "{wrong}: {claims:#}");
        // Whoever asks its policy itself has to find an error, since policies do not read what else would tell.
        let device = asked(Forged::gpu(), Some(SENT)).with(change);
        let is_error = errors::of(&appraise(&device), true).is_some();
        let has_claims = ["another index", "manifest missing"].contains(&wrong);
        assert_eq!(is_error, !has_claims, "{wrong}");
        assert!(claims[0]["measres"].is_string(), "{wrong}: {claims:#}");
    }
}

#[test]
fn the_claims_say_which_version_they_are() {
    let (_, claims) = decided(&Forged::gpu());
    assert_eq!(claims[0]["x-nvidia-gpu-claims-version"], "3.0");
    let (_, claims) = decided(&Forged::switch());
    assert_eq!(claims[0]["x-nvidia-version"], "3.0");
}

/// What a verifier decides by: nothing is waived, so a software device never matches.
#[test]
fn a_software_device_never_matches_where_nothing_is_waived() {
    let policy = Policy::compile("demands-all", DEMANDS_ALL).expect("a policy");
    let device = appraise(&asked(Forged::gpu(), Some(SENT)));
    let appraisal = EvidenceAppraisal::new(vec![device], forge::AS_OF);
    let decision = verifier_service::policies::decide(&policy, appraisal);
    assert!(matches!(decision, Ok(Decision::Refused(_))), "{decision:?}");
}
