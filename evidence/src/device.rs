//! Kinds of devices, and the names derived from what they report (nvidia-evidence 3.3, 4.1).

use serde::{Deserialize, Serialize};

/// What the device is. Opaque field ids above 21 mean different things for each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A GPU.
    Gpu,
    /// An NVSwitch.
    Switch,
}

impl DeviceKind {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Switch => "switch",
        }
    }
}

/// The architectures whose evidence is understood, under NVIDIA's names for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Architecture {
    /// GH100.
    Hopper,
    /// GB100 and its family.
    Blackwell,
    /// The LS10 NVSwitch.
    Ls10,
}

impl Architecture {
    /// The architecture of the chip that a certificate's common name starts with (nvidia-evidence 4.1).
    #[must_use]
    pub fn of_common_name(common_name: &str) -> Option<Self> {
        let chip = common_name.split(' ').next()?;
        match chip {
            "GH100" => Some(Self::Hopper),
            "LS_10" => Some(Self::Ls10),
            _ if is_blackwell_chip(chip) => Some(Self::Blackwell),
            _ => None,
        }
    }

    /// NVIDIA's word, without regard to case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hopper, Self::Blackwell, Self::Ls10]
            .into_iter()
            .find(|architecture| architecture.as_str().eq_ignore_ascii_case(word))
    }

    /// NVIDIA's word: `HOPPER`, `BLACKWELL`, `LS10`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hopper => "HOPPER",
            Self::Blackwell => "BLACKWELL",
            Self::Ls10 => "LS10",
        }
    }

    /// GPU or switch.
    #[must_use]
    pub const fn kind(self) -> DeviceKind {
        match self {
            Self::Hopper | Self::Blackwell => DeviceKind::Gpu,
            Self::Ls10 => DeviceKind::Switch,
        }
    }

    /// The product a RIM for this device names; `chip_info` is the device's own word for it, where it has one
    /// (nvidia-evidence 6.6).
    #[must_use]
    pub fn rim_product(self, chip_info: Option<&str>) -> &str {
        match self {
            Self::Hopper => "GH100",
            Self::Blackwell => blackwell_chip(chip_info),
            Self::Ls10 => "LS10",
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `GB` and three digits: GB100, GB102, GB202 and so on.
fn is_blackwell_chip(chip: &str) -> bool {
    chip.strip_prefix("GB")
        .is_some_and(|number| number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()))
}

fn blackwell_chip(chip_info: Option<&str>) -> &str {
    chip_info.unwrap_or("GB100")
}

/// The GPU VBIOS version from its 8 bytes: b3.b2.b1.b0.b4 in two-digit upper-case hex (nvidia-evidence 3.3).
#[must_use]
pub fn gpu_vbios_version(bytes: [u8; 8]) -> String {
    let [b0, b1, b2, b3, b4, ..] = bytes;
    format!("{b3:02X}.{b2:02X}.{b1:02X}.{b0:02X}.{b4:02X}")
}

/// Id of the driver RIM; `None` when a part would not be safe in a path or URL.
#[must_use]
pub fn driver_rim_id(
    architecture: Architecture,
    chip_info: Option<&str>,
    driver_version: &str,
) -> Option<String> {
    let id = match architecture {
        Architecture::Hopper => format!("NV_GPU_DRIVER_GH100_{driver_version}"),
        Architecture::Blackwell => {
            format!(
                "NV_GPU_CC_DRIVER_{}_{driver_version}",
                blackwell_chip(chip_info)
            )
        }
        Architecture::Ls10 => return None,
    };
    is_safe_rim_id(&id).then_some(id)
}

/// Id of a GPU's VBIOS RIM; `None` when a part would not be safe in a path or URL.
#[must_use]
pub fn vbios_rim_id(
    project: &str,
    project_sku: &str,
    chip_sku: &str,
    version: &str,
) -> Option<String> {
    let digits = vbios_digits(version);
    let id = format!("NV_GPU_VBIOS_{project}_{project_sku}_{chip_sku}_{digits}");
    is_safe_rim_id(&id).then_some(id)
}

/// Id of an LS10 switch's BIOS RIM; the three numbers are constants (nvidia-evidence 3.3).
#[must_use]
pub fn switch_bios_rim_id(version: &str) -> Option<String> {
    let digits = vbios_digits(version);
    let id = format!("NV_SWITCH_BIOS_5612_0002_890_{digits}");
    is_safe_rim_id(&id).then_some(id)
}

/// The version of a VBIOS or BIOS as ids end with it.
pub(crate) fn vbios_digits(version: &str) -> String {
    version.replace('.', "").to_ascii_uppercase()
}

/// What ids of driver RIMs begin with, Hopper's and Blackwell's; the chip follows.
const DRIVER_PREFIXES: [&str; 2] = ["NV_GPU_DRIVER_", "NV_GPU_CC_DRIVER_"];

/// Whether `id` is that of a driver RIM, by its prefix.
#[must_use]
pub fn is_driver_rim_id(id: &str) -> bool {
    DRIVER_PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

/// The chip that an id names in what stands before its version; the id of a GPU's VBIOS names none.
pub(crate) fn chip_named(before_version: &str) -> Option<&str> {
    let prefixes = DRIVER_PREFIXES.iter();
    let of_driver = prefixes
        .filter_map(|prefix| before_version.strip_prefix(prefix))
        .next();
    let is_of_switch = before_version.starts_with("NV_SWITCH_BIOS_");
    of_driver.or_else(|| is_of_switch.then(|| Architecture::Ls10.rim_product(None)))
}

/// Whether `id` may become part of a path or URL: letters, digits, `_` and `.`, not leading with a dot, at most 128
/// characters (nvidia-evidence 3.3, row 77).
#[must_use]
pub fn is_safe_rim_id(id: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    (1..=128).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(safe)
}

/// Whether `id` has the form of an id that a device asks for: a known prefix, and behind it the parts and the version
/// that this kind of manifest has.
#[must_use]
pub fn is_rim_id(id: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let driver = |rest: &str| {
        rest.split_once('_').is_some_and(|(chip, version)| {
            word(chip) && !version.is_empty() && version.split('.').all(word)
        })
    };
    let vbios = |rest: &str| {
        let parts: Vec<&str> = rest.split('_').collect();
        let version = parts
            .last()
            .is_some_and(|version| version.len() == VBIOS_DIGITS);
        parts.len() == 4 && parts.iter().all(|part| word(part)) && version
    };
    let after = |prefix: &str| id.strip_prefix(prefix);
    DRIVER_PREFIXES
        .iter()
        .any(|prefix| after(prefix).is_some_and(driver))
        || after("NV_GPU_VBIOS_").is_some_and(vbios)
        || after("NV_SWITCH_BIOS_").is_some_and(vbios)
}

/// Hexadecimal digits of a VBIOS version without its dots.
const VBIOS_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vbios_version_of_the_specification() {
        let bytes = [0x00, 0x9f, 0x00, 0x96, 0x01, 0, 0, 0];
        assert_eq!(gpu_vbios_version(bytes), "96.00.9F.00.01");
    }

    #[test]
    fn rim_ids_of_the_specification() {
        let driver = |arch, chip, version| driver_rim_id(arch, chip, version).unwrap();
        assert_eq!(
            driver(Architecture::Hopper, None, "550.90.07"),
            "NV_GPU_DRIVER_GH100_550.90.07"
        );
        assert_eq!(
            driver(Architecture::Blackwell, None, "575.32"),
            "NV_GPU_CC_DRIVER_GB100_575.32"
        );
        assert_eq!(
            vbios_rim_id("1010", "0200", "882", "96.00.9f.00.01").unwrap(),
            "NV_GPU_VBIOS_1010_0200_882_96009F0001"
        );
        assert_eq!(
            switch_bios_rim_id("96.10.55.00.01").unwrap(),
            "NV_SWITCH_BIOS_5612_0002_890_9610550001"
        );
    }

    #[test]
    fn no_path_separator_passes() {
        assert_eq!(
            driver_rim_id(Architecture::Hopper, None, "../../etc/passwd"),
            None
        );
        assert_eq!(vbios_rim_id("1010", "02/0", "882", "96"), None);
        assert!(!is_safe_rim_id("..") && !is_safe_rim_id("") && !is_safe_rim_id("a b"));
    }

    #[test]
    fn ids_are_told_from_file_names() {
        for id in [
            "NV_GPU_DRIVER_GH100_550.90.07",
            "NV_GPU_CC_DRIVER_GB100_575.32",
            "NV_GPU_VBIOS_1010_0200_882_96009F0001",
            "NV_SWITCH_BIOS_5612_0002_890_9610550001",
            "NV_GPU_DRIVER_GH100_999.01.SIM",
        ] {
            assert!(is_rim_id(id), "{id}");
        }
        for name in [
            "vbios",
            "NV_GPU_DRIVER_GH100",
            "NV_GPU_DRIVER_GH100_570.124.03__expired",
            "NV_SWITCH_BIOS_5612_0002_890_9610550001__wrong_product",
            "NV_GPU_VBIOS_1010_0200_882_96009F0001 (1)",
            "NV_GPU_VBIOS_1010_0200_882",
        ] {
            assert!(!is_rim_id(name), "{name}");
        }
    }

    #[test]
    fn chips_by_common_name() {
        let of = Architecture::of_common_name;
        assert_eq!(of("GH100 A01 GSP FMC LF"), Some(Architecture::Hopper));
        assert_eq!(of("GB100 A01 GSP BROM"), Some(Architecture::Blackwell));
        assert_eq!(of("LS_10 A01 FSP FMC LF"), Some(Architecture::Ls10));
        assert_eq!(of("GH1000 A01"), None);
        assert_eq!(of("NVIDIA GH100 Identity"), None);
    }
}
