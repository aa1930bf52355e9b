//! What the devices of an agent showed in the last evidence that was appraised, read from its latest receipt.

use receipt::{ClaimsParts, Device, DeviceKind, Tier};
use serde::Serialize;
use serde_json::Value;

use crate::issue;

/// The claims of NVIDIA that name firmware: the driver's, the VBIOS of a GPU, the BIOS of a switch.
const DRIVER: &str = "x-nvidia-gpu-driver-version";
const FIRMWARE: [&str; 2] = ["x-nvidia-gpu-vbios-version", "x-nvidia-switch-bios-version"];

/// One device, in the words of a receipt.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ShownDevice {
    id: String,
    kind: DeviceKind,
    architecture: String,
    simulated: bool,
    status: Tier,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measurements: Option<&'static str>,
}

/// The devices of a receipt of ours. A text that this version cannot read shows none.
pub(super) fn of(token: &str) -> Vec<ShownDevice> {
    let Ok(claims) = issue::claims_of(token) else {
        return Vec::new();
    };
    let devices = claims.pogw.devices.iter();
    devices.map(|device| shown(device, &claims)).collect()
}

fn shown(device: &Device, claims: &ClaimsParts) -> ShownDevice {
    let appraisal = claims.submods.get(&device.submod);
    let text = |name: &str| {
        let value = appraisal.and_then(|appraisal| appraisal.vendor.get(name));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let matches = appraisal.and_then(|appraisal| appraisal.vendor.measurements_match());
    ShownDevice {
        id: device.id.to_string(),
        kind: device.kind,
        architecture: device.arch.to_string(),
        simulated: device.simulated,
        status: appraisal.map_or(Tier::None, |appraisal| appraisal.ear_status),
        model: text("hwmodel"),
        driver: text(DRIVER),
        firmware: FIRMWARE.into_iter().find_map(text),
        measurements: matches.map(|matches| match matches {
            true => "as_referenced",
            false => "different",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token of one of the published vectors.
    fn vector(text: &'static str) -> &'static str {
        text.lines().last().unwrap_or_default()
    }

    #[test]
    fn firmware_of_a_genuine_device_is_told() {
        let shown = of(vector(include_str!(
            "../../../receipt/vectors/good_es384.txt"
        )));
        let [device] = shown.as_slice() else {
            panic!("{shown:?}");
        };
        assert_eq!(device.driver.as_deref(), Some("570.124.06"));
        assert_eq!(device.model.as_deref(), Some("GH100 A01 GSP BROM"));
        assert_eq!(device.measurements, Some("as_referenced"));
        assert!(!device.simulated && device.status == Tier::Affirming);
    }

    #[test]
    fn a_software_device_has_no_firmware() {
        let shown = of(vector(include_str!(
            "../../../receipt/vectors/good_simulated.txt"
        )));
        let [device] = shown.as_slice() else {
            panic!("{shown:?}");
        };
        assert!(device.simulated && device.driver.is_none() && device.firmware.is_none());
    }

    #[test]
    fn what_is_no_receipt_shows_nothing() {
        assert_eq!(of("a.b.c"), []);
    }
}
