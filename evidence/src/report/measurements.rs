//! The measurement record (nvidia-evidence 2; DMTF DSP0274 10.11.1).

use crate::bytes::{Reader, Short};
use crate::reason::{Code, Reason};

const SPECIFICATION_DMTF: u8 = 0x01;
/// DMTF value type and value size stand before the value.
const DMTF_HEADER_BYTES: u16 = 3;
/// Bit 7 of the value type: the value is a raw bit stream, not a digest.
const RAW_BIT_STREAM: u8 = 0x80;

/// One measurement block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasurementBlock {
    /// 1-based index, unique within the record.
    pub index: u8,
    /// DMTF value type.
    pub value_type: u8,
    /// The value; 48 bytes of SHA-384 for a digest.
    pub value: Vec<u8>,
}

impl MeasurementBlock {
    /// Whether the value is a digest; only digests are compared with reference values (row 18).
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.value_type & RAW_BIT_STREAM == 0
    }
}

/// Reads exactly `count` blocks. What is wrong goes into `reasons`; blocks before the fault are returned.
pub(super) fn read_record(
    record: &[u8],
    count: u8,
    reasons: &mut Vec<Reason>,
) -> Vec<MeasurementBlock> {
    let mut reader = Reader::new(record);
    let mut blocks: Vec<MeasurementBlock> = Vec::with_capacity(usize::from(count));
    let mut seen = [false; 256];
    for position in 0..count {
        match read_block(&mut reader, position) {
            Ok((block, faults)) => {
                reasons.extend(faults);
                reasons.extend(index_fault(block.index, &mut seen));
                blocks.push(block);
            }
            Err(Short { needed, left }) => {
                let message = format!("block {position} does not fit in the measurement record");
                let reason = Reason::new(Code::MeasurementRecordMalformed, message);
                let reason = reason.expected(format!("{needed} bytes"));
                reasons.push(reason.actual(format!("{left} bytes")));
                return blocks;
            }
        }
    }
    if count == 0 {
        let reason = Reason::new(Code::MeasurementRecordMalformed, "number of blocks");
        reasons.push(reason.expected("at least 1").actual(0));
    }
    if !reader.is_empty() {
        let message = "bytes after the last block of the measurement record";
        let reason = Reason::new(Code::MeasurementRecordMalformed, message);
        reasons.push(reason.expected(0).actual(reader.left()));
    }
    blocks
}

/// Reads one block. A block whose inner size is wrong is stepped over by its outer size.
fn read_block(
    reader: &mut Reader<'_>,
    position: u8,
) -> Result<(MeasurementBlock, Vec<Reason>), Short> {
    let [index, specification] = reader.array()?;
    let size = reader.u16()?;
    let mut content = Reader::new(reader.take(usize::from(size))?);
    let mut faults = Vec::new();
    let fault = |what: &str| {
        Reason::new(
            Code::MeasurementBlockMalformed,
            format!("block {position}: {what}"),
        )
    };
    if specification != SPECIFICATION_DMTF {
        let reason = fault("measurement specification").expected(SPECIFICATION_DMTF);
        faults.push(reason.actual(specification));
    }
    let value_type = content.u8().unwrap_or_default();
    let value_size = content.u16().unwrap_or_default();
    if size.checked_sub(DMTF_HEADER_BYTES) != Some(value_size) {
        let reason = fault("measurement size against value size");
        let reason =
            reason.expected(u32::from(value_size).saturating_add(DMTF_HEADER_BYTES.into()));
        faults.push(reason.actual(size));
    }
    let value = content.take(content.left())?.to_vec();
    let block = MeasurementBlock {
        index,
        value_type,
        value,
    };
    Ok((block, faults))
}

/// Rows 15 and 16: index at least 1 and not seen before.
fn index_fault(index: u8, seen: &mut [bool; 256]) -> Option<Reason> {
    let reason = || Reason::new(Code::MeasurementIndexInvalid, "measurement block index");
    if index == 0 {
        return Some(reason().expected("at least 1").actual(0));
    }
    let before = seen.get_mut(usize::from(index))?;
    std::mem::replace(before, true).then(|| reason().expected("unique").actual(index))
}
