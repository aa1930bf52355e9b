//! One device as a receipt names it: a pseudonym, an EAR appraisal, NVIDIA's own claims.

use std::collections::BTreeMap;

use evidence::appraise::DeviceAppraisal;
use evidence::crypto;
use evidence::device::DeviceKind;
use evidence::{CheckId, Code, Status};
use receipt::{Appraisal, Device, InvalidValue, Nonce, Text, Tier, TrustVector, VendorClaims};
use serde_json::{Value, json};

use super::ReceiptContext;

const PSEUDONYM_CONTEXT: &[u8] = b"pogw/1 device\n";

/// AR4SI: genuine hardware whose state is not recognised.
const EXECUTABLES_UNRECOGNISED: i8 = 33;

/// Name of the device's submodule: `gpu0`, `switch1`.
pub(super) fn submod(device: &DeviceAppraisal, position: usize) -> Result<Text, InvalidValue> {
    let kind = match device.kind {
        DeviceKind::Gpu => "gpu",
        DeviceKind::Switch => "switch",
    };
    Text::new(format!("{kind}{position}"))
}

/// The device in the list of the work claim.
pub(super) fn entry(
    device: &DeviceAppraisal,
    position: usize,
    context: &ReceiptContext<'_>,
) -> Result<Device, InvalidValue> {
    Ok(Device {
        id: Text::new(pseudonym(device, position, context))?,
        submod: submod(device, position)?,
        kind: match device.kind {
            DeviceKind::Gpu => receipt::DeviceKind::Gpu,
            DeviceKind::Switch => receipt::DeviceKind::NvSwitch,
        },
        arch: Text::new(
            device
                .arch
                .map_or("unknown", |arch| arch.as_str())
                .to_lowercase(),
        )?,
        simulated: device.simulated,
    })
}

/// A name that is the same for one device towards one audience and cannot be joined across audiences without
/// knowing the `ueid`, which is a persistent identity of the device.
fn pseudonym(device: &DeviceAppraisal, position: usize, context: &ReceiptContext<'_>) -> String {
    let Some(ueid) = &device.ueid else {
        return format!("device-{position}");
    };
    let audience = context.audience.join("\n");
    let parts = [context.issuer, "\n", &audience, "\n", ueid];
    let mut message = vec![PSEUDONYM_CONTEXT];
    message.extend(parts.iter().map(|part| part.as_bytes()));
    hex::encode(&crypto::sha256_of(&message)[..16])
}

/// The EAR appraisal of one device.
pub(super) fn appraisal(device: &DeviceAppraisal, policy: &str) -> Result<Appraisal, InvalidValue> {
    let vector = trust_vector(device);
    Ok(Appraisal {
        ear_status: vector.bound(),
        ear_trustworthiness_vector: vector,
        ear_appraisal_policy_ids: vec![Text::new(policy)?],
        eat_nonce: Some(Nonce::from_bytes(device.nonce)?),
        vendor: VendorClaims::new(vendor_claims(device))?,
    })
}

/// No claim is made about a software device: there is no hardware to speak of.
fn trust_vector(device: &DeviceAppraisal) -> TrustVector {
    if device.simulated {
        return TrustVector::default();
    }
    TrustVector {
        hardware: hardware(device),
        executables: executables(device),
        ..TrustVector::default()
    }
}

fn hardware(device: &DeviceAppraisal) -> i8 {
    let genuine = [
        CheckId::Chain,
        CheckId::Identity,
        CheckId::ReportSignature,
        CheckId::Nonce,
        CheckId::Fwid,
    ];
    if genuine.iter().all(|id| device.affirms(*id)) {
        TrustVector::HARDWARE_GENUINE
    } else {
        TrustVector::CRYPTO_VALIDATION_FAILED
    }
}

fn executables(device: &DeviceAppraisal) -> i8 {
    let check = device
        .check(CheckId::Measurements)
        .map(|check| check.status);
    match check {
        Some(Status::Affirmed) => TrustVector::EXECUTABLES_AT_BOOT,
        Some(Status::Refuted) => Tier::Contraindicated.value().cast_signed(),
        _ => EXECUTABLES_UNRECOGNISED,
    }
}

/// NVIDIA's version 3 claim names (nvidia-evidence 9.2), as far as this appraisal has checked what they say.
/// `ueid` is left out: it identifies the device for life.
fn vendor_claims(device: &DeviceAppraisal) -> BTreeMap<String, Value> {
    let matched = device.affirms(CheckId::Measurements);
    let mut claims = BTreeMap::from([
        ("measres".to_owned(), measurement_result(device)),
        ("hwmodel".to_owned(), json!(device.hwmodel)),
        ("oemid".to_owned(), json!(device.oemid)),
    ]);
    if matched {
        // Debug firmware and other boot states measure differently, so a full match tells them (nvidia-evidence 7).
        claims.insert("secboot".to_owned(), json!(true));
        claims.insert("dbgstat".to_owned(), json!("disabled"));
    }
    let (prefix, bios) = match device.kind {
        DeviceKind::Gpu => ("x-nvidia-gpu", "vbios"),
        DeviceKind::Switch => ("x-nvidia-switch", "bios"),
    };
    let mut claim = |name: String, value: Value| claims.insert(format!("{prefix}-{name}"), value);
    for (name, check) in [
        ("parsed", CheckId::Parse),
        ("nonce-match", CheckId::Nonce),
        ("signature-verified", CheckId::ReportSignature),
        ("cert-chain-fwid-match", CheckId::Fwid),
    ] {
        claim(
            format!("attestation-report-{name}"),
            json!(device.affirms(check)),
        );
    }
    claim(
        "arch-check".to_owned(),
        json!(device.affirms(CheckId::Identity)),
    );
    claim(format!("{bios}-version"), json!(device.vbios_version));
    manifest_claims(
        device,
        CheckId::VbiosRim,
        &format!("{bios}-rim"),
        &mut claim,
    );
    if device.kind == DeviceKind::Gpu {
        claim("driver-version".to_owned(), json!(device.driver_version));
        manifest_claims(device, CheckId::DriverRim, "driver-rim", &mut claim);
        let conflict = has_reason(device, CheckId::Measurements, &[Code::ReferenceConflict]);
        claim("vbios-index-no-conflict".to_owned(), json!(!conflict));
    }
    claims
}

fn measurement_result(device: &DeviceAppraisal) -> Value {
    match device
        .check(CheckId::Measurements)
        .map(|check| check.status)
    {
        Some(Status::Affirmed) => json!("success"),
        Some(Status::Refuted) => json!("fail"),
        _ => Value::Null,
    }
}

fn manifest_claims(
    device: &DeviceAppraisal,
    id: CheckId,
    name: &str,
    claim: &mut impl FnMut(String, Value) -> Option<Value>,
) {
    let fetched = !has_reason(device, id, &[Code::RimNotAvailable]);
    let unsigned = [
        Code::RimDigestMismatch,
        Code::RimSignatureInvalid,
        Code::RimMalformed,
    ];
    let signed = fetched && !has_reason(device, id, &unsigned);
    let version = fetched && !has_reason(device, id, &[Code::RimVersionMismatch]);
    claim(format!("{name}-fetched"), json!(fetched));
    claim(format!("{name}-signature-verified"), json!(signed));
    claim(format!("{name}-version-match"), json!(version));
    claim(
        format!("{name}-measurements-available"),
        json!(device.affirms(id)),
    );
}

fn has_reason(device: &DeviceAppraisal, id: CheckId, codes: &[Code]) -> bool {
    let check = device.check(id);
    check.is_some_and(|check| {
        check
            .reasons
            .iter()
            .any(|reason| codes.contains(&reason.code))
    })
}
