//! Attestation reports: an SPDM 1.1 measurement request followed by its signed response.
//!
//! In scope: writing reports byte by byte after sections 1 to 3 of the evidence specification, with
//! defaults that follow a Hopper of opaque version 1.
//!
//! Out of scope: consistency. A [`ReportSpec`] writes lengths, counts and codes as it is told,
//! because a test kit needs reports that are wrong in exactly one way. What it builds is believed
//! only by a verifier that trusts the root above the key it is signed with.
//!
//! Integers are little endian, signatures big endian.

use super::{DeviceError, Key, firmware};
use crate::device::NONCE_LENGTH;

/// SPDM 1.1.
pub const SPDM_VERSION: u8 = 0x11;
/// GET_MEASUREMENTS.
pub const REQUEST_CODE: u8 = 0xe0;
/// MEASUREMENTS.
pub const RESPONSE_CODE: u8 = 0x60;
/// Status byte: enabled, on.
pub const STATUS_ON: u8 = 0xaa;
/// Status byte: disabled, off.
pub const STATUS_OFF: u8 = 0x55;

/// A report to build. Fields in the order of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSpec {
    /// Version byte of the request.
    pub request_version: u8,
    /// Code byte of the request.
    pub request_code: u8,
    /// Parameter 1 of the request: bit 0 asks for a signature.
    pub request_param1: u8,
    /// Parameter 2 of the request: 0xFF asks for all measurements.
    pub request_param2: u8,
    /// The nonce of the relying party.
    pub nonce: [u8; NONCE_LENGTH],
    /// Certificate slot.
    pub slot: u8,
    /// Version byte of the response.
    pub response_version: u8,
    /// Code byte of the response.
    pub response_code: u8,
    /// Parameter 1 of the response.
    pub response_param1: u8,
    /// Parameter 2 of the response.
    pub response_param2: u8,
    /// Number of blocks as written, if not the true one.
    pub block_count: Option<u8>,
    /// Length of the measurement record as written (24 bits), if not the true one.
    pub record_length: Option<u32>,
    /// The measurement record.
    pub blocks: Vec<Block>,
    /// Bytes behind the last block that are counted in the record.
    pub record_trailing: Vec<u8>,
    /// The responder's own nonce.
    pub responder_nonce: [u8; NONCE_LENGTH],
    /// Length of the opaque data as written, if not the true one.
    pub opaque_length: Option<u16>,
    /// The opaque data.
    pub opaque: Vec<Tlv>,
    /// Bytes behind the last field that are counted in the opaque data.
    pub opaque_trailing: Vec<u8>,
    /// The signature as written, if not a valid one.
    pub signature: Option<Vec<u8>>,
    /// Flip the last bit of the signature.
    pub corrupt_signature: bool,
    /// Bytes behind the signature.
    pub trailing: Vec<u8>,
}

/// One measurement block (section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// SPDM index, from 1: the golden index plus one.
    pub index: u8,
    /// Measurement specification: 1 is DMTF.
    pub specification: u8,
    /// Measurement size as written, if not 3 more than the value has.
    pub measurement_size: Option<u16>,
    /// DMTF value type: 1 is a digest of firmware.
    pub value_type: u8,
    /// Value size as written, if not the true one.
    pub value_size: Option<u16>,
    /// The digest.
    pub value: Vec<u8>,
}

/// One field of the opaque data (section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// What the field is.
    pub id: u16,
    /// Length as written, if not the true one.
    pub length: Option<u16>,
    /// Content.
    pub value: Vec<u8>,
}

impl Default for ReportSpec {
    /// What the simulated device reports for a nonce of zeros.
    fn default() -> Self {
        Self {
            request_version: SPDM_VERSION,
            request_code: REQUEST_CODE,
            request_param1: 0x01,
            request_param2: 0xff,
            nonce: [0; NONCE_LENGTH],
            slot: 0,
            response_version: SPDM_VERSION,
            response_code: RESPONSE_CODE,
            response_param1: 0,
            response_param2: 0,
            block_count: None,
            record_length: None,
            blocks: default_blocks(),
            record_trailing: Vec::new(),
            responder_nonce: [0; NONCE_LENGTH],
            opaque_length: None,
            opaque: default_opaque(),
            opaque_trailing: Vec::new(),
            signature: None,
            corrupt_signature: false,
            trailing: Vec::new(),
        }
    }
}

impl ReportSpec {
    /// The report, signed with `key`: ECDSA r ‖ s over everything before the signature.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if signing fails.
    pub fn build(&self, key: &Key) -> Result<Vec<u8>, DeviceError> {
        let mut report = self.signed_part();
        let mut signature = match &self.signature {
            Some(bytes) => bytes.clone(),
            None => key.sign_fixed(&report)?,
        };
        if let (true, Some(end)) = (self.corrupt_signature, signature.last_mut()) {
            *end ^= 1;
        }
        report.extend(signature);
        report.extend(&self.trailing);
        Ok(report)
    }

    /// The opaque field with this id, to be changed in place.
    pub fn field_mut(&mut self, id: u16) -> Option<&mut Tlv> {
        self.opaque.iter_mut().find(|field| field.id == id)
    }

    /// The block of this golden index (from 0), to be changed in place.
    pub fn block_mut(&mut self, golden_index: u8) -> Option<&mut Block> {
        let index = golden_index.checked_add(1)?;
        self.blocks.iter_mut().find(|block| block.index == index)
    }

    /// Request and response up to the signature (section 1).
    fn signed_part(&self) -> Vec<u8> {
        let mut record: Vec<u8> = self.blocks.iter().flat_map(Block::bytes).collect();
        record.extend(&self.record_trailing);
        let mut opaque: Vec<u8> = self.opaque.iter().flat_map(Tlv::bytes).collect();
        opaque.extend(&self.opaque_trailing);

        let mut bytes = self.request();
        bytes.extend(self.response_header(&record));
        bytes.extend(record);
        bytes.extend(self.responder_nonce);
        bytes.extend(
            self.opaque_length
                .unwrap_or_else(|| short(opaque.len()))
                .to_le_bytes(),
        );
        bytes.extend(opaque);
        bytes
    }

    fn request(&self) -> Vec<u8> {
        let mut bytes = vec![
            self.request_version,
            self.request_code,
            self.request_param1,
            self.request_param2,
        ];
        bytes.extend(self.nonce);
        bytes.push(self.slot);
        bytes
    }

    fn response_header(&self, record: &[u8]) -> [u8; 8] {
        let true_count = u8::try_from(self.blocks.len()).unwrap_or(u8::MAX);
        let true_length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let [low, middle, high, _] = self.record_length.unwrap_or(true_length).to_le_bytes();
        [
            self.response_version,
            self.response_code,
            self.response_param1,
            self.response_param2,
            self.block_count.unwrap_or(true_count),
            low,
            middle,
            high,
        ]
    }
}

impl Block {
    /// A block in DMTF form holding the digest of one golden index.
    #[must_use]
    pub fn digest(golden_index: u8, value: [u8; firmware::DIGEST_LENGTH]) -> Self {
        Self {
            index: golden_index.saturating_add(1),
            specification: 1,
            measurement_size: None,
            value_type: 1,
            value_size: None,
            value: value.to_vec(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let value_size = short(self.value.len());
        let size = self
            .measurement_size
            .unwrap_or(value_size.saturating_add(3));
        let mut bytes = vec![self.index, self.specification];
        bytes.extend(size.to_le_bytes());
        bytes.push(self.value_type);
        bytes.extend(self.value_size.unwrap_or(value_size).to_le_bytes());
        bytes.extend(&self.value);
        bytes
    }
}

impl Tlv {
    /// A field with its true length.
    #[must_use]
    pub fn new(id: u16, value: impl Into<Vec<u8>>) -> Self {
        Self {
            id,
            length: None,
            value: value.into(),
        }
    }

    /// Text padded with NULs to a width; at least as long as the text.
    #[must_use]
    pub fn text(id: u16, text: &str, width: usize) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.resize(width.max(value.len()), 0);
        Self::new(id, value)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_le_bytes().to_vec();
        bytes.extend(
            self.length
                .unwrap_or_else(|| short(self.value.len()))
                .to_le_bytes(),
        );
        bytes.extend(&self.value);
        bytes
    }
}

fn default_blocks() -> Vec<Block> {
    (0..firmware::BLOCKS)
        .map(|index| Block::digest(index, firmware::measurement(index)))
        .collect()
}

/// The fields of a Hopper with opaque version 1, in the order genuine ones are seen to have.
fn default_opaque() -> Vec<Tlv> {
    let driver = firmware::DRIVER_VERSION;
    vec![
        Tlv::new(6, firmware::VBIOS_VERSION),
        Tlv::new(14, *b"SIM\0"),
        Tlv::text(15, firmware::CHIP_SKU, 9),
        Tlv::text(16, "0", 5),
        Tlv::text(17, firmware::PROJECT, 5),
        Tlv::text(18, firmware::PROJECT_SKU, 5),
        Tlv::text(19, "", 2),
        Tlv::text(3, driver, driver.len().saturating_add(1)),
        Tlv::new(4, [0; 8]),
        Tlv::new(12, extension_counters()),
        Tlv::new(13, [0; 4]),
        Tlv::new(11, [STATUS_OFF]),
        Tlv::new(20, firmware::firmware_id()),
        Tlv::new(21, [STATUS_OFF]),
        Tlv::new(22, [0; 144]),
        Tlv::new(34, [1, 0]),
        Tlv::new(36, [0, 0]),
    ]
}

/// Field 12: how often each register was extended, 64 numbers of 32 bits.
fn extension_counters() -> Vec<u8> {
    let extended = |index| u32::from(firmware::measurement(index) != [0; firmware::DIGEST_LENGTH]);
    (0..firmware::BLOCKS)
        .flat_map(|index| extended(index).to_le_bytes())
        .collect()
}

/// A length as 16 bits. Content that long fits no report; its written length is then cut.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(change: impl FnOnce(&mut ReportSpec)) -> Vec<u8> {
        let mut spec = ReportSpec::default();
        change(&mut spec);
        spec.build(&Key::generate().unwrap()).unwrap()
    }

    #[test]
    fn each_lie_changes_only_its_own_bytes() {
        let truth = ReportSpec::default().signed_part();
        let lie = |change: &dyn Fn(&mut ReportSpec)| {
            let report = built(change);
            let changed: Vec<_> = (0..truth.len())
                .filter(|at| truth[*at] != report[*at])
                .collect();
            (changed, report.len().abs_diff(truth.len() + 96))
        };
        assert_eq!(lie(&|s| s.request_version = 0x12), (vec![0], 0));
        assert_eq!(lie(&|s| s.slot = 1), (vec![36], 0));
        assert_eq!(lie(&|s| s.block_count = Some(63)), (vec![41], 0));
        assert_eq!(
            lie(&|s| s.record_length = Some(0x00ff_ffff)),
            (vec![42, 43, 44], 0)
        );
        assert_eq!(lie(&|s| s.block_mut(0).unwrap().index = 9), (vec![45], 0));
        assert_eq!(
            lie(&|s| s.block_mut(1).unwrap().measurement_size = Some(50)),
            (vec![102], 0)
        );
        assert_eq!(
            lie(&|s| s.block_mut(1).unwrap().value_size = Some(47)),
            (vec![105], 0)
        );
        assert_eq!(lie(&|s| s.opaque_length = Some(0)).0, [3597, 3598]);
        assert_eq!(
            lie(&|s| s.field_mut(6).unwrap().length = Some(9)),
            (vec![3601], 0)
        );
        assert_eq!(lie(&|s| s.trailing = vec![0]), (vec![], 1));
        assert_eq!(lie(&|s| s.signature = Some(vec![0; 95])), (vec![], 1));
    }

    #[test]
    fn text_is_padded_and_never_cut() {
        assert_eq!(Tlv::text(17, "SIM0", 5).value, b"SIM0\0");
        assert_eq!(Tlv::text(17, "SIMULATED", 5).value, b"SIMULATED");
    }
}
