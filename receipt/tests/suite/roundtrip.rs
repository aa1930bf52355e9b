//! Whatever claims can be made, validation gives back.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use receipt::{
    Agreeing, Appraisal, Asserted, Audience, Blake3Digest, Chain, Claims, ClaimsParts, Collateral,
    Device, DeviceKind, Finding, Inclusion, Kernel, Log2Error, Method, Nonce, Output,
    PartsPerMillion, Program, Sha256Digest, Source, Status, Text, Tier, Trace, TrustVector,
    Validator, VendorClaims, issue,
};
use serde_json::Value;

use crate::kit::{AUDIENCE, IAT, TestKey, expectations, key_set, parts, text, time};

fn any_text() -> impl Strategy<Value = Text> {
    "[ -~\u{a1}-\u{1ff}\u{4e00}-\u{4eff}]{1,40}".prop_map(|text| Text::new(text).unwrap())
}

fn any_sha256() -> impl Strategy<Value = Sha256Digest> {
    any::<[u8; 32]>().prop_map(Sha256Digest::from_bytes)
}

fn any_asserted<T: Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Asserted<T>> {
    let source = proptest::sample::select(&[Source::ProviderAsserted, Source::GuestAsserted][..]);
    (value, source).prop_map(|(value, source)| Asserted { value, source })
}

fn any_int() -> impl Strategy<Value = u64> {
    0..=receipt::limits::MAX_JSON_INTEGER
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn any_vendor() -> impl Strategy<Value = VendorClaims> {
    let other = proptest::collection::btree_map("x-nvidia-[a-z-]{0,20}", any_json(), 0..5);
    (other, option::of("[0-9]{1,40}")).prop_map(|(mut claims, ueid)| {
        claims.extend(ueid.map(|ueid| ("ueid".to_owned(), Value::from(ueid))));
        VendorClaims::new(claims).unwrap()
    })
}

fn any_appraisal() -> impl Strategy<Value = Appraisal> {
    let values = any::<[i8; 8]>();
    let nonce = option::of(vec(any::<u8>(), 8..=64));
    (values, vec(any_text(), 1..3), nonce, any_vendor()).prop_map(
        |(values, policies, nonce, vendor)| {
            let [
                instance_identity,
                configuration,
                mut executables,
                file_system,
                hardware,
                runtime_opaque,
                storage_opaque,
                sourced_data,
            ] = values;
            if executables == 2 {
                executables = TrustVector::EXECUTABLES_AT_BOOT;
            }
            let vector = TrustVector {
                instance_identity,
                configuration,
                executables,
                file_system,
                hardware,
                runtime_opaque,
                storage_opaque,
                sourced_data,
            };
            Appraisal {
                ear_status: vector.bound(),
                ear_trustworthiness_vector: vector,
                ear_appraisal_policy_ids: policies,
                eat_nonce: nonce.map(|nonce| Nonce::from_bytes(nonce).unwrap()),
                vendor,
            }
        },
    )
}

fn any_finding(method: &'static Method) -> impl Strategy<Value = Finding> {
    let sources = proptest::sample::select(method.sources());
    let statuses = proptest::sample::select(Status::ALL);
    (sources, statuses, option::of(-4096..=0)).prop_map(|(source, status, strength)| {
        let mut finding = Finding::new(method.clone(), status, source);
        if status == Status::Affirmed && source == Source::Recomputation {
            finding.log2_error = strength.map(|strength| Log2Error::new(strength).unwrap());
            let share = || PartsPerMillion::new(50_000).unwrap();
            let audited = *method == Method::Audit && strength.is_some();
            finding.wrong_ppm = audited.then(share);
            let chained = audited && strength.is_some_and(|strength| strength % 2 == 0);
            finding.chain = chained.then(|| Chain::new(400, 1 << 40, 300).unwrap());
        }
        let counted = *method == Method::Replicas && status == Status::Affirmed;
        finding.agreeing = counted.then(|| Agreeing::new(3).unwrap());
        finding
    })
}

fn any_program() -> impl Strategy<Value = Program> {
    let digest = any::<[u8; 32]>().prop_map(Blake3Digest::from_bytes);
    (any_text(), digest, any::<u8>()).prop_map(|(name, blake3, exit_code)| Program {
        name,
        blake3,
        exit_code,
    })
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    let all: Vec<_> = Method::KNOWN
        .iter()
        .map(|method| option::of(any_finding(method)))
        .collect();
    all.prop_map(|findings| findings.into_iter().flatten().collect())
}

prop_compose! {
    fn any_parts()(
        sub in any_text(),
        jti in any_text(),
        others in vec(any_text(), 0..3),
        exp in option::of(IAT + 1..IAT + 1_000_000_000),
        nonce in vec(any::<u8>(), 8..=64),
        appraisals in vec((any_appraisal(), any_text()), 1..4),
        findings in any_findings(),
        job_digest in any_sha256(),
        kernel in option::of((any_text(), any::<[u8; 32]>())),
        program in option::of(any_asserted(any_program())),
        trace in option::of((any_int(), any::<[u8; 32]>())),
        executor in option::of(any_asserted(any_text())),
        module_digest in option::of(any_asserted(any_sha256())),
        outputs in vec((any_int(), any::<[u8; 32]>()), 1..5),
        collateral in vec((any_text(), any_sha256(), any_int()), 0..4),
        batch in option::of((any_sha256(), any_int(), vec(any_sha256(), 0..5))),
        log_index in option::of(any_int()),
    ) -> ClaimsParts {
        let mut parts = parts();
        parts.sub = sub;
        parts.jti = jti;
        let mut audience = vec![text(AUDIENCE)];
        audience.extend(others);
        audience.sort();
        audience.dedup();
        parts.aud = Audience::new(audience).unwrap();
        parts.exp = exp.map(time);
        parts.eat_nonce = Nonce::from_bytes(nonce).unwrap();
        parts.pogw.devices = appraisals.iter().enumerate().map(|(index, (_, arch))| Device {
            id: text(&format!("dev-{index}")),
            submod: text(&format!("gpu{index}")),
            kind: DeviceKind::Gpu,
            arch: arch.clone(),
            simulated: false,
        }).collect();
        parts.submods = appraisals.into_iter().enumerate()
            .map(|(index, (appraisal, _))| (text(&format!("gpu{index}")), appraisal))
            .collect::<BTreeMap<_, _>>();
        parts.ear_status = parts.submods.values().map(|appraisal| appraisal.ear_status).min().unwrap_or(Tier::None);
        parts.pogw.methods = findings;
        parts.pogw.job_digest = job_digest;
        parts.pogw.kernel = kernel.map(|(name, digest)| Kernel {
            name,
            digest: Blake3Digest::from_bytes(digest),
        });
        parts.pogw.program = program.filter(|_| parts.pogw.kernel.is_none());
        parts.pogw.trace = trace.map(|(entries, blake3)| Trace {
            entries,
            blake3: Blake3Digest::from_bytes(blake3),
        });
        parts.pogw.executor = executor;
        parts.pogw.module_digest = module_digest;
        parts.pogw.outputs = outputs.into_iter().enumerate().map(|(index, (len, blake3))| Output {
            name: text(&format!("out-{index}")),
            len,
            blake3: Blake3Digest::from_bytes(blake3),
        }).collect();
        parts.pogw.collateral = collateral.into_iter()
            .map(|(id, sha256, as_of)| Collateral { id, sha256, as_of: time(as_of) })
            .collect();
        let asked = parts.pogw.finding(&Method::Revocation);
        if asked.is_some_and(|finding| finding.status == Status::NotRequested) {
            parts.pogw.revocation.clear();
        }
        parts.pogw.batch = batch.map(|(root, index, path)| Inclusion {
            root,
            index: index.saturating_sub(1),
            size: index.max(1),
            path,
        });
        parts.pogw.log_index = log_index;
        parts.pogw.assurance.level = parts.supported_level().0;
        let refuted = [Method::Audit, Method::Freivalds, Method::Sumcheck, Method::Replicas].iter()
            .any(|method| parts.pogw.finding(method).is_some_and(|finding| finding.status == Status::Refuted));
        parts.pogw.assurance.results = match refuted {
            true => Default::default(),
            false => parts.affirmed_results(),
        };
        parts
    }
}

/// Values as a careless caller might hand them over: numbers of any kind, any nesting.
fn any_careless_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_int().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_json(),
    ];
    (leaf, 0..20_usize)
        .prop_map(|(leaf, depth)| (0..depth).fold(leaf, |inner, _| Value::Array(vec![inner])))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn issue_then_validate_is_identity(parts in any_parts()) {
        let claims = Claims::new(parts).unwrap();
        let signed = issue(&claims, &TestKey::Ed25519.signer()).unwrap();
        let validator = Validator::new(key_set(), expectations().danger_accept_a0());
        let receipt = validator.validate(signed.as_str(), time(IAT)).unwrap();
        prop_assert_eq!(receipt.claims(), &claims);
    }

    #[test]
    fn what_is_issued_can_be_read_whatever_was_handed_over(
        mut parts in any_parts(),
        value in any_careless_json(),
        number in any::<u64>(),
        careless in 0..4_usize,
    ) {
        match careless {
            0 => parts.pogw.outputs[0].len = number,
            1 => parts.pogw.log_index = Some(number),
            2 => parts.pogw.as_of = time(number),
            _ => {
                let claims = [("x-nvidia-share".to_owned(), value)].into();
                let first = parts.submods.values_mut().next().unwrap();
                first.vendor = VendorClaims::new(claims).unwrap();
            }
        }
        let claims = Claims::new(parts).unwrap();
        let validator = Validator::new(key_set(), expectations().danger_accept_a0());
        match issue(&claims, &TestKey::Ed25519.signer()) {
            Ok(signed) => {
                let receipt = validator.validate(signed.as_str(), time(IAT)).unwrap();
                prop_assert_eq!(receipt.claims(), &claims);
            }
            Err(refused) => {
                let code = refused.code();
                prop_assert!(["json_number_not_integer", "json_too_deep"].contains(&code), "{}", code);
            }
        }
    }

    #[test]
    fn no_text_makes_validation_panic(token in ".{0,200}") {
        let validator = Validator::new(key_set(), expectations());
        prop_assert!(validator.validate(&token, time(IAT)).is_err());
    }
}
