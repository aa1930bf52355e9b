//! Reports and their opaque data, of GPUs and switches.

use evidence::device::DeviceKind;
use evidence::limits::MAX_REPORT_BYTES;
use evidence::report::{self, OnOff, Report, ReportReading};

use super::explained;

const KINDS: [DeviceKind; 2] = [DeviceKind::Gpu, DeviceKind::Switch];

const SIGNATURE_BYTES: usize = 96;

/// Reports: as either kind of device, read as a whole or refused, never both; what is accepted is written again, byte
/// for byte.
pub fn report(raw: &[u8]) {
    for kind in KINDS {
        let ReportReading { report, reasons } = Report::read(raw, kind);
        let parsed = Report::parse(raw, kind);
        assert_eq!(parsed.is_ok(), reasons.is_empty());
        if let Err(reasons) = &parsed {
            explained(reasons);
        }
        let Some(report) = report else {
            assert!(parsed.is_err(), "neither a report nor a reason");
            continue;
        };
        let report = report.peek();
        assert!(raw.len() <= MAX_REPORT_BYTES);
        assert_eq!(&report.nonce()[..], &raw[4..36]);
        assert_eq!(report::requester_nonce(raw), Some(&report.nonce()[..]));
        answers_every_question(report, kind);
        if let Ok(parsed) = parsed {
            assert_eq!(parsed.peek(), report);
            assert_eq!(written(report, raw), raw, "not all bytes were read");
            let signed = report::signed_part(raw).expect("a signature");
            assert_eq!(signed.1.len(), SIGNATURE_BYTES);
        }
    }
}

/// Opaque data, put into a report that is otherwise good.
pub fn opaque(data: &[u8]) {
    let Ok(length) = u16::try_from(data.len()) else {
        return;
    };
    let header = [
        &[0x11, 0xe0, 1, 0xff][..],
        &[0; 33],
        &[0x11, 0x60, 0, 0, 1],
        &[55, 0, 0],
        &[1, 1, 51, 0, 1, 48, 0],
        &[0; 48],
        &[0; 32],
        &length.to_le_bytes(),
    ];
    let raw = [&header.concat(), data, &[0; SIGNATURE_BYTES]].concat();
    for kind in KINDS {
        let ReportReading { report, reasons } = Report::read(&raw, kind);
        let Some(report) = report else {
            assert!(raw.len() > MAX_REPORT_BYTES, "{reasons:?}");
            continue;
        };
        let opaque = report.peek().opaque();
        answers_every_question(report.peek(), kind);
        let ids: Vec<u16> = opaque.fields().map(|(id, _)| id).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "a field occurs twice");
        if reasons.is_empty() {
            assert_eq!(fields_of(report.peek()), data, "not all fields were read");
        } else {
            explained(&reasons);
        }
    }
}

/// The accessors agree with the bytes of the fields.
fn answers_every_question(report: &Report, kind: DeviceKind) {
    let opaque = report.opaque();
    for (id, value) in opaque.fields() {
        assert_eq!(opaque.get(id), Some(value));
    }
    let texts = [
        (3, opaque.driver_version()),
        (15, opaque.chip_sku()),
        (17, opaque.project()),
        (18, opaque.project_sku()),
        (35, opaque.chip_info()),
    ];
    for (id, text) in texts {
        let stored = opaque.get(id).map(|value| {
            let end = value.iter().rposition(|byte| *byte != 0);
            &value[..end.map_or(0, |end| end + 1)]
        });
        assert_eq!(text.map(str::as_bytes), stored, "field {id}");
    }
    let number = |id| {
        let digits = opaque.get(id)?.iter().rev();
        Some(digits.fold(0_u64, |sum, digit| sum << 8 | u64::from(*digit)))
    };
    if kind == DeviceKind::Gpu {
        assert_eq!(opaque.version(), number(34));
        assert_eq!(opaque.feature_flag(), number(36));
        assert_eq!(
            opaque.gpu_vbios_version().is_some(),
            opaque.get(6).is_some()
        );
        assert!(!opaque.linked_switches().contains(&[0; 8]));
    } else {
        assert_eq!(
            opaque.switch_bios_version().is_some(),
            opaque.get(6).is_some()
        );
        assert_eq!(opaque.switch_pdi(), opaque.get(22));
        assert!(opaque.linked_gpus().len() <= 8);
    }
    let nvdec0 = match opaque.nvdec0() {
        None => None,
        Some(OnOff::Enabled) => Some(0xaa),
        Some(OnOff::Disabled) => Some(0x55),
        Some(OnOff::Invalid(other)) => Some(other),
    };
    assert_eq!(nvdec0, opaque.get(11).map(|value| value[0]));
    assert_eq!(opaque.fwid(), opaque.get(20));
    for golden_index in 0..=u8::MAX {
        let block = report.measurement(golden_index);
        assert!(block.is_none_or(|block| block.index == golden_index + 1));
    }
}

/// A report as a device would write it. What a [`Report`] does not keep is taken from the raw bytes: the response's two
/// parameters and the signature.
fn written(report: &Report, raw: &[u8]) -> Vec<u8> {
    let blocks = report.blocks().iter().flat_map(|block| {
        let value = length_u16(&block.value);
        let size = (u16::from_le_bytes(value) + 3).to_le_bytes();
        let header = [&[block.index, 1][..], &size, &[block.value_type], &value];
        [&header.concat()[..], &block.value].concat()
    });
    let record: Vec<u8> = blocks.collect();
    let count = u8::try_from(report.blocks().len()).expect("a byte counts the blocks");
    let [length @ .., _] = u32::try_from(record.len()).expect("24 bits").to_le_bytes();
    let opaque = fields_of(report);
    let parts = [
        &[0x11, 0xe0, 1, 0xff][..],
        report.nonce(),
        &[0, 0x11, 0x60],
        &raw[39..41],
        &[count],
        &length,
        &record,
        report.responder_nonce(),
        &length_u16(&opaque),
        &opaque,
        &raw[raw.len() - SIGNATURE_BYTES..],
    ];
    parts.concat()
}

fn fields_of(report: &Report) -> Vec<u8> {
    let fields = report.opaque().fields();
    let written =
        fields.map(|(id, value)| [&id.to_le_bytes()[..], &length_u16(value), value].concat());
    written.flatten().collect()
}

fn length_u16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("16 bits").to_le_bytes()
}
