//! Claims that contradict themselves: each case is the good receipt with one change.

use std::collections::BTreeSet;

use receipt::{
    Agreeing, Appraisal, CertificateStatus, Chain, Claims, ClaimsError, ClaimsParts, DeviceKind,
    Finding, Inclusion, Level, Log2Error, Method, PartsPerMillion, ResultCheck, Shortfall, Source,
    Status, Tier, TrustVector, Validator, limits,
};
use serde_json::json;

use crate::kit::{
    IAT, appraisal, code, device, expectations, finding, key_set, nonce, parts, parts_at_a3,
    parts_simulated, payload_of, set_finding, sha256, text, time, token_of, validate, vendor_of,
};

type Change = fn(&mut ClaimsParts);

fn gpu0(parts: &mut ClaimsParts) -> &mut Appraisal {
    parts.submods.get_mut(&text("gpu0")).unwrap()
}

fn add_device(parts: &mut ClaimsParts, kind: DeviceKind, appraisal: Appraisal) {
    let mut second = device(1);
    second.kind = kind;
    parts.pogw.devices.push(second);
    parts.submods.insert(text("gpu1"), appraisal);
}

fn freivalds_of(parts: &mut ClaimsParts) -> &mut Finding {
    let mut methods = parts.pogw.methods.iter_mut();
    let freivalds = methods.find(|finding| finding.method == Method::Freivalds);
    freivalds.unwrap()
}

fn status_of(parts: &mut ClaimsParts, method: Method, status: Status) {
    let finding = parts
        .pogw
        .methods
        .iter_mut()
        .find(|finding| finding.method == method);
    finding.unwrap().status = status;
}

const CONTRADICTIONS: &[(&str, Change)] = &[
    ("expiry_not_after_issue", |p| p.exp = Some(time(IAT))),
    ("expiry_not_after_issue", |p| {
        p.nbf = time(IAT + 50);
        p.exp = Some(time(IAT + 40));
    }),
    ("too_many_entries", |p| {
        p.pogw.outputs = vec![p.pogw.outputs[0].clone(); limits::MAX_OUTPUTS + 1];
    }),
    ("too_many_entries", |p| {
        p.pogw.devices = vec![device(0); limits::MAX_DEVICES + 1];
    }),
    ("too_many_entries", |p| {
        p.pogw.methods = vec![p.pogw.methods[0].clone(); limits::MAX_METHODS + 1];
    }),
    ("too_many_entries", |p| {
        p.pogw.collateral = vec![p.pogw.collateral[0].clone(); limits::MAX_COLLATERAL + 1];
    }),
    ("too_many_entries", |p| {
        p.pogw.revocation = vec![p.pogw.revocation[0].clone(); limits::MAX_REVOCATION + 1];
    }),
    ("too_many_entries", |p| {
        let path = vec![sha256(1); limits::MAX_INCLUSION_PATH + 1];
        p.pogw.batch = Some(Inclusion {
            root: sha256(2),
            index: 0,
            size: 1,
            path,
        });
    }),
    ("devices_missing", |p| {
        p.pogw.devices.clear();
        p.submods.clear();
    }),
    ("device_duplicate", |p| {
        add_device(p, DeviceKind::Gpu, appraisal());
        p.pogw.devices[1].id = text("dev-0");
    }),
    ("device_duplicate", |p| {
        add_device(p, DeviceKind::Gpu, appraisal());
        p.pogw.devices[1].submod = text("gpu0");
    }),
    ("device_submod_missing", |p| {
        p.pogw.devices[0].submod = text("gpu7")
    }),
    ("submod_without_device", |p| {
        p.submods.insert(text("gpu1"), appraisal());
    }),
    ("policy_ids_missing", |p| {
        gpu0(p).ear_appraisal_policy_ids.clear()
    }),
    ("executables_overstated", |p| {
        gpu0(p).ear_trustworthiness_vector.executables = 2
    }),
    ("measurement_contradiction", |p| {
        gpu0(p).vendor = vendor_of(json!({"measres": "fail"}));
    }),
    ("ear_status_too_good", |p| {
        gpu0(p).ear_trustworthiness_vector.configuration = 32
    }),
    ("ear_status_too_good", |p| {
        gpu0(p).ear_trustworthiness_vector = TrustVector::default()
    }),
    ("ear_status_too_good", |p| gpu0(p).ear_status = Tier::None),
    ("ear_status_too_good", |p| {
        gpu0(p).ear_status = Tier::Warning
    }),
    ("ear_status_too_good", |p| {
        p.ear_status = Tier::Warning;
        gpu0(p).ear_status = Tier::Contraindicated;
    }),
    ("output_duplicate", |p| {
        p.pogw.outputs.push(p.pogw.outputs[0].clone())
    }),
    ("method_duplicate", |p| {
        let again = finding(Method::Timing, Status::Refuted, Source::VerifierClock);
        p.pogw.methods.push(again);
    }),
    ("method_source_not_allowed", |p| {
        set_finding(
            p,
            finding(Method::Timing, Status::Affirmed, Source::Hardware),
        );
    }),
    ("method_source_not_allowed", |p| {
        set_finding(
            p,
            finding(Method::Telemetry, Status::Affirmed, Source::Hardware),
        );
    }),
    ("method_source_not_allowed", |p| {
        set_finding(
            p,
            finding(Method::Audit, Status::Affirmed, Source::ProviderAsserted),
        );
    }),
    ("strength_not_allowed", |p| {
        p.pogw.methods[0].log2_error = Some(Log2Error::new(-1).unwrap());
    }),
    ("strength_not_allowed", |p| {
        p.pogw.assurance.results.clear();
        status_of(p, Method::Freivalds, Status::Unverifiable);
    }),
    ("strength_share", |p| {
        let mut audit = finding(Method::Audit, Status::Affirmed, Source::Recomputation);
        audit.log2_error = Some(Log2Error::new(-22).unwrap());
        set_finding(p, audit);
    }),
    ("strength_share", |p| {
        let mut audit = finding(Method::Audit, Status::Affirmed, Source::Recomputation);
        audit.wrong_ppm = Some(PartsPerMillion::new(50_000).unwrap());
        set_finding(p, audit);
    }),
    ("strength_share", |p| {
        let share = PartsPerMillion::new(1).unwrap();
        let freivalds = p
            .pogw
            .methods
            .iter_mut()
            .find(|f| f.method == Method::Freivalds);
        freivalds.unwrap().wrong_ppm = Some(share);
    }),
    ("strength_chain", |p| {
        freivalds_of(p).chain = Some(Chain::new(2, 1, 1).unwrap());
    }),
    ("strength_chain", |p| {
        let mut audit = finding(Method::Audit, Status::Affirmed, Source::Recomputation);
        audit.chain = Some(Chain::new(2, 1, 1).unwrap());
        set_finding(p, audit);
    }),
    ("agreeing_count", |p| {
        set_finding(
            p,
            finding(Method::Replicas, Status::Affirmed, Source::Replicas),
        )
    }),
    ("agreeing_count", |p| {
        let mut refuted = finding(Method::Replicas, Status::Refuted, Source::Replicas);
        refuted.agreeing = Some(Agreeing::new(2).unwrap());
        set_finding(p, refuted)
    }),
    ("agreeing_count", |p| {
        freivalds_of(p).agreeing = Some(Agreeing::new(2).unwrap());
    }),
    ("revocation_not_requested", |p| {
        status_of(p, Method::Revocation, Status::NotRequested)
    }),
    ("revocation_unshown", |p| p.pogw.revocation.clear()),
    ("revocation_contradiction", |p| {
        p.pogw.revocation[0].status = CertificateStatus::Revoked
    }),
    ("revocation_contradiction", |p| {
        p.pogw.revocation[0].status = CertificateStatus::Unknown
    }),
    ("revocation_contradiction", |p| {
        p.pogw.revocation[0].status = CertificateStatus::NotChecked
    }),
    ("outputs_missing", |p| p.pogw.outputs.clear()),
    ("program_beside_kernel", |p| {
        p.pogw.program = crate::kit::parts_of_program().pogw.program;
    }),
    ("asserted_source_not_allowed", |p| {
        p.pogw = crate::kit::parts_of_program().pogw;
        p.pogw.program.as_mut().unwrap().source = Source::Hardware;
    }),
    ("asserted_source_not_allowed", |p| {
        p.pogw.executor.as_mut().unwrap().source = Source::Hardware
    }),
    ("asserted_source_not_allowed", |p| {
        p.pogw.module_digest.as_mut().unwrap().source = Source::Recomputation
    }),
    ("timings_invalid", |p| {
        let timings = p.pogw.timings.as_mut().unwrap();
        timings.finished_unix_ms = timings.started_unix_ms - 1;
    }),
    ("timings_invalid", |p| {
        p.pogw.timings.as_mut().unwrap().source = Source::Hardware
    }),
    ("batch_index_out_of_range", |p| {
        p.pogw.batch = Some(Inclusion {
            root: sha256(2),
            index: 4,
            size: 4,
            path: vec![],
        });
    }),
    ("assurance_result_not_affirmed", |p| {
        p.pogw.assurance.results.insert(ResultCheck::Audit);
    }),
    ("assurance_result_not_affirmed", |p| {
        set_finding(
            p,
            finding(Method::Replicas, Status::Unverifiable, Source::Replicas),
        );
        p.pogw.assurance.results.insert(ResultCheck::Replicas);
    }),
    ("assurance_result_contradicted", |p| {
        set_finding(
            p,
            finding(Method::Replicas, Status::Refuted, Source::Replicas),
        );
    }),
    ("assurance_level_unsupported", |p| {
        p.pogw.assurance.level = Level::A3
    }),
];

#[test]
fn contradictions_are_not_signed_and_not_accepted() {
    let good = payload_of(parts());
    for (row, (expected, change)) in CONTRADICTIONS.iter().enumerate() {
        let mut parts = parts();
        change(&mut parts);
        let refused = Claims::new(parts.clone()).unwrap_err();
        assert_eq!(refused.code(), *expected, "row {row}: {refused}");
        assert!(ClaimsError::CODES.contains(expected));

        // An issuer without these rules signs it anyway.
        let mut payload = good.clone();
        let changed = serde_json::to_value(&parts).unwrap();
        payload.extend(changed.as_object().unwrap().clone());
        assert_eq!(code(&validate(&token_of(&payload))), *expected, "row {row}");
    }
}

#[test]
fn a_simulated_device_is_never_presented_as_genuine() {
    assert_eq!(Claims::new(parts_simulated()).map(|_| ()), Ok(()));
    let cases: &[(&str, Change)] = &[
        ("assurance_level_unsupported", |p| {
            p.pogw.assurance.level = Level::A1
        }),
        ("simulated_device_affirmed", |p| {
            gpu0(p).ear_trustworthiness_vector.hardware = 2;
        }),
        ("simulated_device_affirmed", |p| {
            gpu0(p).ear_trustworthiness_vector.executables = 3;
            gpu0(p).ear_status = Tier::Affirming;
        }),
        ("simulated_hardware_source", |p| {
            set_finding(
                p,
                finding(Method::DeviceReport, Status::Affirmed, Source::Hardware),
            );
        }),
        ("simulated_hardware_source", |p| {
            set_finding(
                p,
                finding(Method::OutputCommitment, Status::Affirmed, Source::Hardware),
            );
        }),
    ];
    for (expected, change) in cases {
        let mut parts = parts_simulated();
        change(&mut parts);
        assert_eq!(Claims::new(parts).unwrap_err().code(), *expected);
    }
}

/// A reader of NVIDIA's names alone never takes software for a genuine device.
#[test]
fn a_simulated_device_is_told_by_its_model_alone() {
    let verdict = |claims| {
        let mut parts = parts_simulated();
        gpu0(&mut parts).vendor = vendor_of(claims);
        // Whatever is not signed is not accepted of an issuer without these rules either.
        let mut payload = payload_of(parts_simulated());
        let changed = serde_json::to_value(&parts).unwrap();
        payload.extend(changed.as_object().unwrap().clone());
        let validator = Validator::new(key_set(), expectations().danger_accept_a0());
        let answer = validator.validate(&token_of(&payload), time(IAT));
        let made = Claims::new(parts).map_or_else(|error| error.code(), |_| "ok");
        assert_eq!(code(&answer), made);
        made
    };
    for good in [
        json!({}),
        json!({"hwmodel": "SIMULATED"}),
        json!({"hwmodel": "PoGW SIMULATED GH100 Identity"}),
    ] {
        assert_eq!(verdict(good.clone()), "ok", "{good}");
    }
    for bad in [
        json!({"hwmodel": "GH100 A01 GSP BROM"}),
        json!({"hwmodel": "GH100 simulated"}),
        json!({"hwmodel": "UNSIMULATED GH100"}),
        json!({"hwmodel": null}),
        json!({"hwmodel": "SIMULATED", "measres": "success"}),
        json!({"hwmodel": "SIMULATED", "measres": null}),
        json!({"hwmodel": "SIMULATED", "ueid": "1"}),
        json!({"hwmodel": "SIMULATED", "x-nvidia-gpu-arch-check": true}),
        json!({"secboot": true}),
    ] {
        assert_eq!(verdict(bad.clone()), "simulated_vendor_claim", "{bad}");
    }
}

#[test]
fn what_the_guest_asserts_is_asserted() {
    let mut parts = parts();
    parts.pogw.executor.as_mut().unwrap().source = Source::GuestAsserted;
    parts.pogw.module_digest.as_mut().unwrap().source = Source::GuestAsserted;
    for source in Source::ALL {
        parts.pogw.executor.as_mut().unwrap().source = *source;
        let asserted = [Source::GuestAsserted, Source::ProviderAsserted].contains(source);
        assert_eq!(Claims::new(parts.clone()).is_ok(), asserted, "{source}");
    }
}

#[test]
fn a_simulated_guest_cannot_rest_on_hardware() {
    let mut parts = parts_at_a3();
    let mut guest = appraisal();
    guest.ear_status = Tier::None;
    guest.ear_trustworthiness_vector = TrustVector::default();
    guest.vendor = Default::default();
    add_device(&mut parts, DeviceKind::CpuTee, guest);
    parts.pogw.devices[1].simulated = true;
    parts.ear_status = Tier::None;
    parts.pogw.assurance.level = Level::A0;
    assert_eq!(
        Claims::new(parts).unwrap_err().code(),
        "simulated_hardware_source"
    );
}

const SHORTFALLS: &[(Level, &str, Change)] = &[
    (Level::A0, "gpu_missing", |p| {
        p.pogw.devices[0].kind = DeviceKind::NvSwitch
    }),
    (Level::A0, "hardware_not_affirmed", |p| {
        gpu0(p).ear_trustworthiness_vector.hardware = 32;
    }),
    (Level::A0, "hardware_not_affirmed", |p| {
        add_device(
            p,
            DeviceKind::NvSwitch,
            Appraisal {
                ear_trustworthiness_vector: TrustVector::default(),
                ..appraisal()
            },
        );
    }),
    (Level::A0, "evidence_nonce_missing", |p| {
        gpu0(p).eat_nonce = None
    }),
    (Level::A0, "report_not_affirmed", |p| {
        status_of(p, Method::DeviceReport, Status::Unverifiable);
    }),
    (Level::A0, "report_not_affirmed", |p| {
        set_finding(
            p,
            finding(
                Method::DeviceReport,
                Status::Affirmed,
                Source::ProviderAsserted,
            ),
        );
    }),
    (Level::A0, "report_not_affirmed", |p| p.pogw.methods.clear()),
    (Level::A0, "revoked", |p| {
        status_of(p, Method::Revocation, Status::Refuted)
    }),
    (Level::A0, "simulated", |p| {
        p.pogw.devices[0].simulated = true
    }),
    (Level::A1, "output_not_committed", |p| {
        set_finding(
            p,
            finding(
                Method::OutputCommitment,
                Status::Affirmed,
                Source::GuestAsserted,
            ),
        );
    }),
    (Level::A1, "output_not_committed", |p| {
        status_of(p, Method::OutputCommitment, Status::Refuted);
    }),
    (Level::A2, "guest_not_quoted", |p| {
        status_of(p, Method::GuestQuote, Status::Refuted)
    }),
    (Level::A2, "guest_not_quoted", |p| {
        set_finding(
            p,
            finding(
                Method::GuestQuote,
                Status::Affirmed,
                Source::ProviderAsserted,
            ),
        );
    }),
];

#[test]
fn each_level_names_what_it_lacks() {
    for (level, expected, change) in SHORTFALLS {
        let mut parts = parts_at_a3();
        change(&mut parts);
        let (supported, shortfall) = parts.supported_level();
        let shortfall = shortfall.unwrap();
        assert_eq!(
            (supported, shortfall.code()),
            (*level, *expected),
            "{shortfall}"
        );
        assert!(Shortfall::CODES.contains(expected));
    }
    assert_eq!(parts_at_a3().supported_level(), (Level::A3, None));
}

#[test]
fn every_contradiction_and_every_shortfall_has_a_case() {
    const ELSEWHERE: [&str; 3] = [
        "simulated_device_affirmed",
        "simulated_vendor_claim",
        "simulated_hardware_source",
    ];
    for code in ClaimsError::CODES {
        let here = CONTRADICTIONS.iter().any(|(expected, _)| expected == code);
        assert!(here || ELSEWHERE.contains(code), "{code}");
    }
    for code in Shortfall::CODES {
        assert!(
            SHORTFALLS.iter().any(|(_, expected, _)| expected == code),
            "{code}"
        );
    }
}

#[test]
fn a_level_may_be_understated() {
    for level in Level::ALL {
        let mut parts = parts_at_a3();
        parts.pogw.assurance.level = *level;
        assert_eq!(Claims::new(parts).map(|_| ()), Ok(()), "{level}");
    }
}

#[test]
fn collateral_that_could_not_be_had_does_not_undo_a_genuine_device() {
    let mut parts = parts();
    status_of(&mut parts, Method::Revocation, Status::Unverifiable);
    assert_eq!(parts.supported_level().0, Level::A2);
}

#[test]
fn affirmed_results_are_those_that_held() {
    let mut parts = parts();
    assert_eq!(
        parts.affirmed_results(),
        BTreeSet::from([ResultCheck::Freivalds])
    );
    set_finding(&mut parts, Finding::replicas(Agreeing::new(2).unwrap()));
    set_finding(
        &mut parts,
        finding(Method::Audit, Status::Unverifiable, Source::Recomputation),
    );
    let held = BTreeSet::from([ResultCheck::Freivalds, ResultCheck::Replicas]);
    assert_eq!(parts.affirmed_results(), held);
}

#[test]
fn an_unknown_method_is_kept_and_counts_for_nothing() {
    let mut parts = parts();
    let method: Method = "lattice_audit".parse().unwrap();
    assert!(matches!(method, Method::Other(_)));
    set_finding(
        &mut parts,
        finding(method, Status::Affirmed, Source::Hardware),
    );
    assert_eq!(parts.supported_level().0, Level::A2);
    assert_eq!(parts.affirmed_results().len(), 1);
    let claims = Claims::new(parts.clone()).unwrap();
    assert_eq!(claims.into_parts(), parts);
    for bad in ["", "Audit", "a b", &"x".repeat(65)] {
        assert!(bad.parse::<Method>().is_err(), "{bad}");
    }
    for known in Method::KNOWN {
        assert_eq!(known.as_str().parse().as_ref(), Ok(known));
    }
}

#[test]
fn a_receipt_without_nonce_in_evidence_may_still_be_a0() {
    let mut parts = parts();
    gpu0(&mut parts).eat_nonce = None;
    parts.pogw.assurance.level = Level::A0;
    assert_eq!(Claims::new(parts).map(|_| ()), Ok(()));
    assert_ne!(nonce(1), nonce(2));
}
