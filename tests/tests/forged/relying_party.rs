//! NVIDIA's relying-party policies over appraisals really made, through our own claims.
//!
//! The devices are software devices, of which a verifier tells such a policy nothing; here that is waived, and nothing
//! else is.

use evidence::appraise::EvidenceAppraisal;
use evidence::policy::{Decision, Policy};
use serde_json::Value;
use tests::forge::ABOUT_ALL;
use verifier_service::nvidia::claims::{self, Waivers};

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
    let policy = Policy::compile("demands-all", DEMANDS_ALL).expect("a policy");
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

/// What a verifier decides by: nothing is waived, so a software device never matches.
#[test]
fn a_software_device_never_matches_where_nothing_is_waived() {
    let policy = Policy::compile("demands-all", DEMANDS_ALL).expect("a policy");
    let device = appraise(&asked(Forged::gpu(), Some(SENT)));
    let appraisal = EvidenceAppraisal::new(vec![device], forge::AS_OF);
    let decision = verifier_service::policies::decide(&policy, appraisal);
    assert!(matches!(decision, Ok(Decision::Refused(_))), "{decision:?}");
}
