//! The opaque data: a sequence of type, length, value (nvidia-evidence 3).

use std::collections::BTreeSet;

use crate::bytes::Reader;
use crate::device::DeviceKind;
use crate::limits::MAX_OPAQUE_FIELDS;
use crate::reason::{Code, Reason};

/// Newest version of the opaque data this verifier understands (row 25).
const NEWEST_VERSION: u64 = 1;

/// GPU identities a switch reports, before the bytes about ports (nvidia-evidence 3.2).
const GPUS_OF_A_SWITCH: usize = 8;

/// Field ids (nvidia-evidence 3.1, 3.2).
mod id {
    pub(super) const DRIVER_VERSION: u16 = 3;
    pub(super) const VBIOS_VERSION: u16 = 6;
    pub(super) const NVDEC0_STATUS: u16 = 11;
    pub(super) const CHIP_SKU: u16 = 15;
    pub(super) const PROJECT: u16 = 17;
    pub(super) const PROJECT_SKU: u16 = 18;
    pub(super) const FWID: u16 = 20;
    pub(super) const PROTECTED_PCIE_STATUS: u16 = 21;
    pub(super) const GPU_SWITCH_PDIS: u16 = 22;
    pub(super) const SWITCH_DEVICE_PDI: u16 = 22;
    pub(super) const SWITCH_GPU_PDIS: u16 = 26;
    pub(super) const OPAQUE_DATA_VERSION: u16 = 34;
    pub(super) const CHIP_INFO: u16 = 35;
    pub(super) const FEATURE_FLAG: u16 = 36;
}

/// What a field's value must look like.
#[derive(Clone, Copy)]
enum Shape {
    /// Not interpreted by anyone.
    Any,
    /// So many bytes.
    Bytes(usize),
    /// A multiple of so many bytes.
    MultipleOf(usize),
    /// A little-endian unsigned integer of at most 8 bytes.
    Unsigned,
    /// Printable ASCII, NUL only at the end.
    Text,
}

/// One known field.
struct Known {
    id: u16,
    name: &'static str,
    shape: Shape,
}

const fn known(id: u16, name: &'static str, shape: Shape) -> Known {
    Known { id, name, shape }
}

/// Fields that mean the same on GPUs and switches (nvidia-evidence 3.1), the version of the VBIOS aside.
const SHARED: &[Known] = &[
    known(1, "CERT_ISSUER_NAME", Shape::Any),
    known(2, "CERT_AUTHORITY_KEY_IDENTIFIER", Shape::Any),
    known(id::DRIVER_VERSION, "DRIVER_VERSION", Shape::Text),
    known(4, "GPU_INFO", Shape::Any),
    known(5, "SKU", Shape::Any),
    known(7, "MANUFACTURER_ID", Shape::Any),
    known(8, "TAMPER_DETECTION", Shape::Any),
    known(9, "SMC", Shape::Any),
    known(10, "VPR", Shape::Any),
    known(id::NVDEC0_STATUS, "NVDEC0_STATUS", Shape::Bytes(1)),
    known(12, "MSRSCNT", Shape::MultipleOf(4)),
    known(13, "CPRINFO", Shape::Any),
    known(14, "BOARD_ID", Shape::Any),
    known(id::CHIP_SKU, "CHIP_SKU", Shape::Text),
    known(16, "CHIP_SKU_MOD", Shape::Text),
    known(id::PROJECT, "PROJECT", Shape::Text),
    known(id::PROJECT_SKU, "PROJECT_SKU", Shape::Text),
    known(19, "PROJECT_SKU_MOD", Shape::Text),
    known(id::FWID, "FWID", Shape::Bytes(48)),
    known(
        id::PROTECTED_PCIE_STATUS,
        "PROTECTED_PCIE_STATUS",
        Shape::Bytes(1),
    ),
    known(255, "INVALID", Shape::Any),
];

/// Fields of GPUs alone (nvidia-evidence 3.1).
const GPU: &[Known] = &[
    known(id::VBIOS_VERSION, "VBIOS_VERSION", Shape::Bytes(8)),
    known(id::GPU_SWITCH_PDIS, "SWITCH_PDI", Shape::MultipleOf(8)),
    known(23, "FLOORSWEPT_PORTS", Shape::Any),
    known(24, "POSITION_ID", Shape::Any),
    known(25, "LOCK_SWITCH_STATUS", Shape::Any),
    known(32, "GPU_LINK_CONN", Shape::Any),
    known(33, "SYS_ENABLE_STATUS", Shape::Any),
    known(
        id::OPAQUE_DATA_VERSION,
        "OPAQUE_DATA_VERSION",
        Shape::Unsigned,
    ),
    known(id::CHIP_INFO, "CHIP_INFO", Shape::Text),
    known(id::FEATURE_FLAG, "FEATURE_FLAG", Shape::Unsigned),
];

/// Fields of LS10 switches alone (nvidia-evidence 3.2).
const SWITCH: &[Known] = &[
    known(id::VBIOS_VERSION, "VBIOS_VERSION", Shape::Text),
    known(id::SWITCH_DEVICE_PDI, "DEVICE_PDI", Shape::Bytes(8)),
    known(23, "DISABLED_PORTS", Shape::Any),
    known(24, "POSITION_ID", Shape::Any),
    known(25, "LOCK_STATUS", Shape::Any),
    known(id::SWITCH_GPU_PDIS, "SWITCH_GPU_PDIS", Shape::MultipleOf(8)),
];

/// What an appraisal needs of each kind of device (row 26).
const GPU_REQUIRED: &[u16] = &[
    id::DRIVER_VERSION,
    id::VBIOS_VERSION,
    id::PROJECT,
    id::PROJECT_SKU,
    id::CHIP_SKU,
    id::NVDEC0_STATUS,
];
const SWITCH_REQUIRED: &[u16] = &[id::VBIOS_VERSION, id::SWITCH_DEVICE_PDI];

/// A state the device writes as one of two bytes far apart, so that no single fault turns one into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOff {
    /// 0xAA.
    Enabled,
    /// 0x55.
    Disabled,
    /// Anything else.
    Invalid(u8),
}

/// The fields of a report's opaque data that passed their shape, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpaqueData {
    fields: Vec<(u16, Vec<u8>)>,
}

impl OpaqueData {
    /// Reads the fields; everything wrong goes into `reasons`, and a field with a fault is left out.
    pub(super) fn read(bytes: &[u8], kind: DeviceKind, reasons: &mut Vec<Reason>) -> Self {
        let mut data = Self::default();
        let mut reader = Reader::new(bytes);
        let mut count = 0_usize;
        if reader.is_empty() {
            reasons.push(Reason::new(Code::OpaqueMalformed, "opaque data are empty"));
        }
        while !reader.is_empty() && count < MAX_OPAQUE_FIELDS {
            count = count.saturating_add(1);
            let Some((id, value)) = read_field(&mut reader) else {
                let reason = Reason::new(Code::OpaqueMalformed, "opaque field does not fit");
                reasons.push(reason.actual(format!("{} bytes left", reader.left())));
                break;
            };
            match data.field_fault(id, value, kind) {
                Some(reason) => reasons.push(reason),
                None => data.fields.push((id, value.to_vec())),
            }
        }
        if !reader.is_empty() && count == MAX_OPAQUE_FIELDS {
            let reason = Reason::new(Code::OpaqueMalformed, "number of opaque fields");
            reasons.push(reason.expected(format!("at most {MAX_OPAQUE_FIELDS}")));
        }
        reasons.extend(data.missing_fields(kind));
        reasons.extend(data.version_fault());
        data
    }

    /// Driver version, without its NUL.
    #[must_use]
    pub fn driver_version(&self) -> Option<&str> {
        self.text(id::DRIVER_VERSION)
    }

    /// VBIOS version of a GPU as 8 raw bytes.
    #[must_use]
    pub fn gpu_vbios_version(&self) -> Option<[u8; 8]> {
        self.get(id::VBIOS_VERSION)?.try_into().ok()
    }

    /// BIOS version of a switch.
    #[must_use]
    pub fn switch_bios_version(&self) -> Option<&str> {
        self.text(id::VBIOS_VERSION)
    }

    /// Board project, part of the VBIOS RIM id.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.text(id::PROJECT)
    }

    /// SKU of the board project, part of the VBIOS RIM id.
    #[must_use]
    pub fn project_sku(&self) -> Option<&str> {
        self.text(id::PROJECT_SKU)
    }

    /// SKU of the chip, part of the VBIOS RIM id.
    #[must_use]
    pub fn chip_sku(&self) -> Option<&str> {
        self.text(id::CHIP_SKU)
    }

    /// Chip name of Blackwell devices, which names the driver RIM.
    #[must_use]
    pub fn chip_info(&self) -> Option<&str> {
        self.text(id::CHIP_INFO)
    }

    /// Firmware id.
    #[must_use]
    pub fn fwid(&self) -> Option<&[u8]> {
        self.get(id::FWID)
    }

    /// A switch's own device identity.
    #[must_use]
    pub fn switch_pdi(&self) -> Option<&[u8]> {
        self.get(id::SWITCH_DEVICE_PDI)
    }

    /// The switches a GPU's links end at, as those switches report themselves. The GPU stores them byte-reversed, and
    /// zeros for unused links (nvidia-evidence 3.1).
    #[must_use]
    pub fn linked_switches(&self) -> BTreeSet<[u8; 8]> {
        let stored = self.get(id::GPU_SWITCH_PDIS).unwrap_or_default();
        let (pdis, _) = stored.as_chunks::<8>();
        let reversed = pdis.iter().map(|pdi| {
            let mut pdi = *pdi;
            pdi.reverse();
            pdi
        });
        reversed.filter(|pdi| *pdi != [0; 8]).collect()
    }

    /// The GPUs a switch's links end at: the first eight entries, of which zeros are unused (nvidia-evidence 3.2).
    #[must_use]
    pub fn linked_gpus(&self) -> BTreeSet<[u8; 8]> {
        let stored = self.get(id::SWITCH_GPU_PDIS).unwrap_or_default();
        let (pdis, _) = stored.as_chunks::<8>();
        let named = pdis.iter().take(GPUS_OF_A_SWITCH);
        named.copied().filter(|pdi| *pdi != [0; 8]).collect()
    }

    /// State of the video decoder, which decides whether golden index 35 is compared (nvidia-evidence 6.7).
    #[must_use]
    pub fn nvdec0(&self) -> Option<OnOff> {
        self.on_off(id::NVDEC0_STATUS)
    }

    /// State of protected PCIe. Hopper of later firmware alone states it (nvidia-evidence 3.1).
    #[must_use]
    pub fn protected_pcie(&self) -> Option<OnOff> {
        self.on_off(id::PROTECTED_PCIE_STATUS)
    }

    /// Version of the opaque data; absent on early firmware.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.unsigned(id::OPAQUE_DATA_VERSION)
    }

    /// Multi-GPU mode: 0 single passthrough, 1 multi passthrough, 2 protected PCIe.
    #[must_use]
    pub fn feature_flag(&self) -> Option<u64> {
        self.unsigned(id::FEATURE_FLAG)
    }

    /// The bytes of the field with this id.
    #[must_use]
    pub fn get(&self, id: u16) -> Option<&[u8]> {
        let field = self.fields.iter().find(|(other, _)| *other == id)?;
        Some(&field.1)
    }

    /// Every field as (id, value), in the order of the report.
    pub fn fields(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.fields
            .iter()
            .map(|(id, value)| (*id, value.as_slice()))
    }

    fn text(&self, id: u16) -> Option<&str> {
        std::str::from_utf8(strip_nuls(self.get(id)?)).ok()
    }

    fn on_off(&self, id: u16) -> Option<OnOff> {
        match self.get(id)? {
            [0xaa] => Some(OnOff::Enabled),
            [0x55] => Some(OnOff::Disabled),
            other => other.first().copied().map(OnOff::Invalid),
        }
    }

    fn unsigned(&self, id: u16) -> Option<u64> {
        let value = self.get(id)?;
        let mut bytes = [0; 8];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(u64::from_le_bytes(bytes))
    }

    fn field_fault(&self, id: u16, value: &[u8], kind: DeviceKind) -> Option<Reason> {
        let Some(known) = fields_of(kind).find(|known| known.id == id) else {
            return Some(Reason::new(Code::OpaqueFieldUnknown, "opaque field id").actual(id));
        };
        if self.get(id).is_some() {
            let message = format!("opaque field {} occurs twice", known.name);
            return Some(Reason::new(Code::OpaqueFieldDuplicate, message));
        }
        shape_fault(known, value)
    }

    fn missing_fields(&self, kind: DeviceKind) -> Vec<Reason> {
        let required = match kind {
            DeviceKind::Gpu => GPU_REQUIRED,
            DeviceKind::Switch => SWITCH_REQUIRED,
        };
        let missing =
            fields_of(kind).filter(|known| required.contains(&known.id) && self.is_blank(known));
        missing
            .map(|known| {
                let message = format!("opaque field {} is missing", known.name);
                Reason::new(Code::OpaqueFieldMissing, message)
            })
            .collect()
    }

    /// Absent, or nothing but NULs in a field of text.
    fn is_blank(&self, known: &Known) -> bool {
        let is_text = matches!(known.shape, Shape::Text);
        self.get(known.id)
            .is_none_or(|value| is_text && strip_nuls(value).is_empty())
    }

    fn version_fault(&self) -> Option<Reason> {
        let version = self.version().filter(|version| *version > NEWEST_VERSION)?;
        let reason = Reason::new(Code::OpaqueVersionUnsupported, "version of the opaque data");
        Some(
            reason
                .expected(format!("at most {NEWEST_VERSION}"))
                .actual(version),
        )
    }
}

fn fields_of(kind: DeviceKind) -> impl Iterator<Item = &'static Known> {
    let own = match kind {
        DeviceKind::Gpu => GPU,
        DeviceKind::Switch => SWITCH,
    };
    SHARED.iter().chain(own)
}

fn read_field<'a>(reader: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let id = reader.u16().ok()?;
    let length = reader.u16().ok()?;
    let value = reader.take(usize::from(length)).ok()?;
    Some((id, value))
}

/// Rows 27 to 29: widths, and text that is printable.
fn shape_fault(known: &Known, value: &[u8]) -> Option<Reason> {
    let length = value.len();
    let expected = match known.shape {
        Shape::Bytes(wanted) if length != wanted => format!("{wanted} bytes"),
        Shape::MultipleOf(wanted) if !length.is_multiple_of(wanted) => {
            format!("a multiple of {wanted} bytes")
        }
        Shape::Unsigned if !(1..=8).contains(&length) => "1 to 8 bytes".to_owned(),
        Shape::Text if !is_text(value) => "printable ASCII".to_owned(),
        Shape::Any | Shape::Bytes(_) | Shape::MultipleOf(_) | Shape::Unsigned | Shape::Text => {
            return None;
        }
    };
    let reason = Reason::new(
        Code::OpaqueFieldInvalid,
        format!("opaque field {} of {length} bytes", known.name),
    );
    Some(reason.expected(expected).actual(hex::encode(value)))
}

fn is_text(value: &[u8]) -> bool {
    strip_nuls(value)
        .iter()
        .all(|b| b.is_ascii_graphic() || *b == b' ')
}

fn strip_nuls(value: &[u8]) -> &[u8] {
    let text = value
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last.saturating_add(1));
    value.get(..text).unwrap_or_default()
}
