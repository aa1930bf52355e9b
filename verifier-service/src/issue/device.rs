//! One device as a receipt names it: a pseudonym, an EAR appraisal, NVIDIA's own claims.

use std::collections::BTreeMap;

use evidence::appraise::{DeviceAppraisal, ReferenceUsed};
use evidence::crypto;
use evidence::device::DeviceKind;
use evidence::{Check, CheckId, Code, Status};
use receipt::{Appraisal, Device, InvalidValue, Nonce, Text, Tier, TrustVector, VendorClaims};
use serde_json::{Value, json};

use super::ReceiptContext;

const PSEUDONYM_CONTEXT: &[u8] = b"pogw/1 device\n";

/// AR4SI: genuine hardware whose state is not recognised.
const EXECUTABLES_UNRECOGNISED: i8 = 33;

/// Name of the device's submodule: `gpu0`, `switch1`.
pub(super) fn submod(device: &DeviceAppraisal, position: usize) -> Result<Text, InvalidValue> {
    let kind = match device.kind() {
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
        kind: match device.kind() {
            DeviceKind::Gpu => receipt::DeviceKind::Gpu,
            DeviceKind::Switch => receipt::DeviceKind::NvSwitch,
        },
        arch: Text::new(
            device
                .arch()
                .map_or("unknown", |arch| arch.as_str())
                .to_lowercase(),
        )?,
        simulated: device.simulated(),
    })
}

/// A name that is the same for one device towards one audience and cannot be joined across audiences without
/// knowing the `ueid`, which is a persistent identity of the device.
fn pseudonym(device: &DeviceAppraisal, position: usize, context: &ReceiptContext<'_>) -> String {
    let Some(ueid) = device.ueid() else {
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
        eat_nonce: Some(Nonce::from_bytes(*device.nonce())?),
        vendor: VendorClaims::new(vendor_claims(device))?,
    })
}

/// No claim is made about a software device: there is no hardware to speak of.
fn trust_vector(device: &DeviceAppraisal) -> TrustVector {
    if device.simulated() {
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

/// NVIDIA's version 3 claim names (nvidia-evidence 9.2). Each is `true` or a value only where that very thing was checked
/// and found so, and `null` where it was not reached. `ueid` is left out: it identifies the device for life.
///
/// Of a software device nothing is said but its name, which tells what it is: a reader of NVIDIA's names alone must not
/// take it for a genuine one.
fn vendor_claims(device: &DeviceAppraisal) -> BTreeMap<String, Value> {
    let mut claims = BTreeMap::new();
    if let Some(model) = device.hwmodel() {
        claims.insert("hwmodel".to_owned(), json!(model));
    }
    if device.simulated() {
        return claims;
    }
    claims.insert("measres".to_owned(), measurement_result(device));
    claims.insert("oemid".to_owned(), json!(device.oemid()));
    if device.affirms(CheckId::Measurements) {
        // Debug firmware and other boot states measure differently, so a full match tells them (nvidia-evidence 7).
        claims.insert("secboot".to_owned(), json!(true));
        claims.insert("dbgstat".to_owned(), json!("disabled"));
    }
    let (prefix, bios) = match device.kind() {
        DeviceKind::Gpu => ("x-nvidia-gpu", "vbios"),
        DeviceKind::Switch => ("x-nvidia-switch", "bios"),
    };
    let mut claim = |name: String, value: Value| {
        claims.insert(format!("{prefix}-{name}"), value);
    };
    for (name, check) in [
        ("attestation-report-parsed", CheckId::Parse),
        ("attestation-report-nonce-match", CheckId::Nonce),
        (
            "attestation-report-signature-verified",
            CheckId::ReportSignature,
        ),
        ("attestation-report-cert-chain-fwid-match", CheckId::Fwid),
        ("arch-check", CheckId::Identity),
    ] {
        claim(name.to_owned(), flag(device.check(check)));
    }
    claim(format!("{bios}-version"), json!(device.vbios_version()));
    manifest_claims(
        device,
        CheckId::VbiosRim,
        &format!("{bios}-rim"),
        &mut claim,
    );
    if device.kind() == DeviceKind::Gpu {
        claim("driver-version".to_owned(), json!(device.driver_version()));
        manifest_claims(device, CheckId::DriverRim, "driver-rim", &mut claim);
        claim("vbios-index-no-conflict".to_owned(), no_conflict(device));
    }
    claims
}

/// Affirmed is true, refuted is false, anything else is not known.
fn flag(check: Option<&Check>) -> Value {
    match check.map(|check| check.status) {
        Some(Status::Affirmed) => json!(true),
        Some(Status::Refuted) => json!(false),
        _ => Value::Null,
    }
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

fn manifest(device: &DeviceAppraisal, role: CheckId) -> Option<&ReferenceUsed> {
    device.references().iter().find(|used| used.role == role)
}

fn manifest_claims(
    device: &DeviceAppraisal,
    role: CheckId,
    name: &str,
    claim: &mut impl FnMut(String, Value),
) {
    let used = manifest(device, role);
    claim(format!("{name}-fetched"), json!(used.is_some()));
    claim(
        format!("{name}-signature-verified"),
        json!(used.map(|used| used.authentic)),
    );
    claim(
        format!("{name}-version-match"),
        json!(used.map(|used| used.version_matches)),
    );
    claim(
        format!("{name}-measurements-available"),
        json!(used.map(|used| used.trusted)),
    );
}

/// Known only where both manifests could be read.
fn no_conflict(device: &DeviceAppraisal) -> Value {
    let read = |role| manifest(device, role).is_some_and(|used| used.sha256.is_some());
    if !(read(CheckId::DriverRim) && read(CheckId::VbiosRim)) {
        return Value::Null;
    }
    let check = device.check(CheckId::Measurements);
    let conflict = |check: &Check| {
        check
            .reasons
            .iter()
            .any(|r| r.code == Code::ReferenceConflict)
    };
    json!(!check.is_some_and(conflict))
}
