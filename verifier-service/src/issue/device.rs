//! One device as a receipt names it: a pseudonym, an EAR appraisal, NVIDIA's own claims.

use std::collections::BTreeMap;

use evidence::appraise::DeviceAppraisal;
use evidence::crypto;
use evidence::device::DeviceKind;
use evidence::forms::ClaimsVersion;
use evidence::{CheckId, Status};
use receipt::{Appraisal, Device, InvalidValue, Nonce, Text, Tier, TrustVector, VendorClaims};
use serde_json::Value;

use super::ReceiptContext;
use crate::nvidia::claims::{self, Form, Waivers};

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

/// A name that is the same for one device towards one list of audiences, in its order. Names for different lists cannot
/// be joined without knowing the `ueid`, which is a persistent identity of the device.
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

/// NVIDIA's version 3 claims (nvidia-evidence 9.2). `ueid` is left out: it identifies the device for life. The nonce has a
/// claim of the receipt's own.
///
/// Of a software device nothing is said but its name, which tells what it is: a reader of NVIDIA's names alone must not
/// take it for a genuine one.
fn vendor_claims(device: &DeviceAppraisal) -> BTreeMap<String, Value> {
    let form = Form {
        version: ClaimsVersion::V3,
        extended: false,
        waivers: Waivers::default(),
    };
    let is_told = |name: &str| match name {
        "ueid" | "eat_nonce" => false,
        name => !device.simulated() || name == "hwmodel",
    };
    let claims = claims::of(device, form).into_iter();
    claims
        .filter(|(name, value)| is_told(name) && !(device.simulated() && value.is_null()))
        .collect()
}
