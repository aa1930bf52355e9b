//! The attestation report: an SPDM 1.1 GET_MEASUREMENTS request and its MEASUREMENTS response (nvidia-evidence 1).
//!
//! In scope: reading the bytes strictly, with every reason collected ([`Report::read`]); the parts that are judged on
//! the raw bytes before anything is interpreted ([`requester_nonce`], [`signed_part`]).
//! Out of scope: whether the signature is right and the values are good (`appraise`).
//!
//! All integers are little endian. Offsets are of nvidia-evidence 1.1 and 1.2.

mod measurements;
mod opaque;

pub use measurements::MeasurementBlock;
pub use opaque::{OnOff, OpaqueData};

use crate::bytes::{Reader, Short};
use crate::crypto::P384_SIGNATURE_BYTES;
use crate::device::DeviceKind;
use crate::limits::MAX_REPORT_BYTES;
use crate::reason::{Code, Reason};
use crate::trust::Unverified;

const SPDM_VERSION_1_1: u8 = 0x11;
const GET_MEASUREMENTS: u8 = 0xe0;
const MEASUREMENTS: u8 = 0x60;
/// The only request real evidence holds: a signature is asked for, all measurements, slot 0 (row 5).
const REQUEST_PARAM_1: u8 = 0x01;
const REQUEST_PARAM_2: u8 = 0xff;
const REQUEST_SLOT: u8 = 0x00;
const NONCE_OFFSET: usize = 4;
const NONCE_BYTES: usize = 32;

/// A report, read but not authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    nonce: [u8; NONCE_BYTES],
    responder_nonce: [u8; NONCE_BYTES],
    blocks: Vec<MeasurementBlock>,
    opaque: OpaqueData,
}

/// What could be read of a report, and everything wrong with its form.
#[derive(Clone, Debug)]
pub struct ReportReading {
    /// The report, if its parts could be told apart. It may be present beside reasons: a report with a stray byte at
    /// its end still says which driver it is of.
    pub report: Option<Unverified<Report>>,
    /// Everything wrong with the form; empty for a well-formed report.
    pub reasons: Vec<Reason>,
}

impl Report {
    /// Reads a report of a device of the given kind, collecting all reasons.
    #[must_use]
    pub fn read(raw: &[u8], kind: DeviceKind) -> ReportReading {
        if raw.len() > MAX_REPORT_BYTES {
            let reason = Reason::new(Code::ReportTooLarge, "report size in bytes")
                .expected(format!("at most {MAX_REPORT_BYTES}"))
                .actual(raw.len());
            return ReportReading {
                report: None,
                reasons: vec![reason],
            };
        }
        let mut reasons = Vec::new();
        let report = read_messages(raw, kind, &mut reasons)
            .map_err(|reason| reasons.push(reason))
            .ok()
            .map(Unverified::new);
        ReportReading { report, reasons }
    }

    /// Reads a well-formed report.
    ///
    /// # Errors
    /// Everything wrong with its form.
    pub fn parse(raw: &[u8], kind: DeviceKind) -> Result<Unverified<Self>, Vec<Reason>> {
        match Self::read(raw, kind) {
            ReportReading {
                report: Some(report),
                reasons,
            } if reasons.is_empty() => Ok(report),
            ReportReading { reasons, .. } => Err(reasons),
        }
    }

    /// The nonce of the relying party, from the request.
    #[must_use]
    pub fn nonce(&self) -> &[u8; NONCE_BYTES] {
        &self.nonce
    }

    /// The device's own random nonce.
    #[must_use]
    pub fn responder_nonce(&self) -> &[u8; NONCE_BYTES] {
        &self.responder_nonce
    }

    /// The measurement blocks in their order in the record.
    #[must_use]
    pub fn blocks(&self) -> &[MeasurementBlock] {
        &self.blocks
    }

    /// The block that a golden index refers to: golden index i is block index i + 1 (nvidia-evidence 2).
    #[must_use]
    pub fn measurement(&self, golden_index: u8) -> Option<&MeasurementBlock> {
        let index = golden_index.checked_add(1)?;
        self.blocks.iter().find(|block| block.index == index)
    }

    /// Every block with its golden index, in the order of the report.
    pub fn measurements(&self) -> impl Iterator<Item = (u8, &MeasurementBlock)> {
        let indexed = self.blocks.iter();
        indexed.filter_map(|block| Some((block.index.checked_sub(1)?, block)))
    }

    /// What else the device says of itself.
    #[must_use]
    pub fn opaque(&self) -> &OpaqueData {
        &self.opaque
    }
}

/// The requester's nonce, from the raw bytes.
#[must_use]
pub fn requester_nonce(raw: &[u8]) -> Option<&[u8]> {
    raw.get(NONCE_OFFSET..)?.get(..NONCE_BYTES)
}

/// Splits the raw bytes into what is signed and the raw r ‖ s signature: all but the last 96 bytes, and those
/// (nvidia-evidence 1.3).
#[must_use]
pub fn signed_part(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    raw.split_at_checked(raw.len().checked_sub(P384_SIGNATURE_BYTES)?)
}

fn read_messages(
    raw: &[u8],
    kind: DeviceKind,
    reasons: &mut Vec<Reason>,
) -> Result<Report, Reason> {
    let mut reader = Reader::new(raw);
    let nonce = read_request(&mut reader, reasons).map_err(|e| too_short("request", e))?;
    let count =
        read_response_header(&mut reader, reasons).map_err(|e| too_short("response header", e))?;
    let record = length_prefixed(&mut reader, "measurement record", |r| {
        r.u24()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    })?;
    let blocks = measurements::read_record(record, count, reasons);
    let responder_nonce = reader
        .array()
        .map_err(|e| too_short("responder nonce", e))?;
    let opaque = length_prefixed(&mut reader, "opaque data", |r| r.u16().map(usize::from))?;
    let opaque = OpaqueData::read(opaque, kind, reasons);
    reader
        .take(P384_SIGNATURE_BYTES)
        .map_err(|e| too_short("signature", e))?;
    if !reader.is_empty() {
        let reason = Reason::new(Code::TrailingBytes, "bytes after the signature");
        reasons.push(reason.expected(0).actual(reader.left()));
    }
    Ok(Report {
        nonce,
        responder_nonce,
        blocks,
        opaque,
    })
}

fn read_request(
    reader: &mut Reader<'_>,
    reasons: &mut Vec<Reason>,
) -> Result<[u8; NONCE_BYTES], Short> {
    let [version, code, param_1, param_2] = reader.array()?;
    let nonce = reader.array()?;
    let slot = reader.u8()?;
    expect_version("request", version, reasons);
    let found = [code, param_1, param_2, slot];
    let wanted = [
        GET_MEASUREMENTS,
        REQUEST_PARAM_1,
        REQUEST_PARAM_2,
        REQUEST_SLOT,
    ];
    if found != wanted {
        let message = "request code, parameters and slot";
        let reason = Reason::new(Code::SpdmMessageUnexpected, message);
        reasons.push(
            reason
                .expected(hex::encode(wanted))
                .actual(hex::encode(found)),
        );
    }
    Ok(nonce)
}

/// Reads up to and including the number of blocks.
fn read_response_header(reader: &mut Reader<'_>, reasons: &mut Vec<Reason>) -> Result<u8, Short> {
    let [version, code, _param_1, _param_2, count] = reader.array()?;
    expect_version("response", version, reasons);
    if code != MEASUREMENTS {
        let reason = Reason::new(Code::SpdmMessageUnexpected, "response code");
        let reason = reason.expected(format!("{MEASUREMENTS:#04x}"));
        reasons.push(reason.actual(format!("{code:#04x}")));
    }
    Ok(count)
}

fn expect_version(message: &str, version: u8, reasons: &mut Vec<Reason>) {
    if version != SPDM_VERSION_1_1 {
        let reason = Reason::new(
            Code::SpdmVersionUnsupported,
            format!("{message} SPDM version"),
        );
        let reason = reason.expected(format!("{SPDM_VERSION_1_1:#04x}"));
        reasons.push(reason.actual(format!("{version:#04x}")));
    }
}

fn length_prefixed<'a>(
    reader: &mut Reader<'a>,
    field: &str,
    length: impl FnOnce(&mut Reader<'a>) -> Result<usize, Short>,
) -> Result<&'a [u8], Reason> {
    length(reader)
        .and_then(|length| reader.take(length))
        .map_err(|e| too_short(field, e))
}

fn too_short(field: &str, Short { needed, left }: Short) -> Reason {
    Reason::new(
        Code::ReportTooShort,
        format!("{field} does not fit in the report"),
    )
    .expected(format!("{needed} bytes"))
    .actual(format!("{left} bytes"))
}
