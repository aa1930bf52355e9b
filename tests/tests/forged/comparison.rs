//! Measurements against reference values.

use evidence::rim::RimRole;

use crate::kit::*;
use crate::rim::indexes;

#[rustfmt::skip]
pub(crate) fn comparison() -> Vec<Case> {
    let [driver, ..] = indexes(RimRole::Driver);
    let [vbios, several] = indexes(RimRole::Vbios);
    let mut cases = Vec::new();
    for (role, index) in [("driver", driver), ("VBIOS", vbios), ("VBIOS", several)] {
        let differs = |rows, wrong: &str, change: &dyn Fn(&mut Forged)| {
            case(rows, format!("{role} measurement {index} {wrong}"), change)
                .refutes(Measurements, &[MeasurementMismatch])
        };
        cases.extend([
            differs(&[102], "differs in the last bit", &|it| block(it, index).value[47] ^= 1),
            differs(&[102], "of zeros", &|it| block(it, index).value = vec![0; 48]),
            differs(&[102], "is that of another index", &|it| {
                block(it, index).value = firmware::measurement(8).to_vec();
            }),
            differs(&[103], "cut by a byte", &|it| block(it, index).value.truncate(47)),
            differs(&[103], "longer by a byte", &|it| block(it, index).value.push(0)),
            differs(&[103], "empty", &|it| block(it, index).value.clear()),
            differs(&[18], "is right but a raw bit stream", &|it| block(it, index).value_type = 0x81),
            case(&[104], format!("{role} measurement {index} missing"), |it| {
                it.report.blocks.retain(|block| block.index != index + 1);
            })
            .refutes(Measurements, &[MeasurementMissing]),
        ]);
    }
    let failed = |it: &mut Forged| it.driver().signature().corrupt_value = true;
    cases.extend([
        case(&[80, 102], "measurement differs from a manifest that is not believed", |it| {
            failed(it);
            block(it, driver).value[0] ^= 1;
        })
        .refutes(DriverRim, &[RimSignatureInvalid])
        .cannot_tell(Measurements, &[UnverifiedReferenceMismatch, ReferenceNotVerified]),
        case(&[80, 102], "measurement differs from the manifest that is believed, the other is not", |it| {
            failed(it);
            block(it, vbios).value[0] ^= 1;
        })
        .refutes(DriverRim, &[RimSignatureInvalid])
        .refutes(Measurements, &[MeasurementMismatch, ReferenceNotVerified]),
        case(&[94, 102], "measurement differs from the one manifest at hand", |it| {
            it.driver = None;
            block(it, vbios).value[0] ^= 1;
        })
        .cannot_tell(DriverRim, &[RimNotAvailable])
        .refutes(Measurements, &[MeasurementMismatch, RimNotAvailable]),
    ]);
    cases
}

#[rustfmt::skip]
pub(crate) fn video_decoder() -> Vec<Case> {
    let with_status = |it: &mut Forged, status: u8| field(it, 11, &[status]);
    vec![
        case(&[106], "measurement 35 differs while the decoder is off", |it| {
            block(it, 35).value[0] ^= 1;
        }),
        case(&[104, 106], "measurement 35 missing while the decoder is off", |it| {
            it.report.blocks.retain(|block| block.index != 36);
        }),
        case(&[106], "decoder on, measurement 35 right", |it| with_status(it, 0xaa)),
        case(&[106], "measurement 35 differs while the decoder is on", |it| {
            with_status(it, 0xaa);
            block(it, 35).value[0] ^= 1;
        })
        .refutes(Measurements, &[MeasurementMismatch]),
        case(&[104, 106], "measurement 35 missing while the decoder is on", |it| {
            with_status(it, 0xaa);
            it.report.blocks.retain(|block| block.index != 36);
        })
        .refutes(Measurements, &[MeasurementMissing]),
        case(&[106], "measurement 36 differs while the decoder is off", |it| {
            block(it, 36).value[0] ^= 1;
        })
        .refutes(Measurements, &[MeasurementMismatch]),
        case(&[107], "decoder status zero", |it| with_status(it, 0)).refutes(Measurements, &[Nvdec0StatusInvalid]),
        case(&[107], "decoder status neither on nor off", |it| with_status(it, 0x54))
            .refutes(Measurements, &[Nvdec0StatusInvalid]),
        case(&[106, 107], "measurement 35 differs under an unknown decoder status", |it| {
            with_status(it, 0x54);
            block(it, 35).value[0] ^= 1;
        })
        .refutes(Measurements, &[Nvdec0StatusInvalid, MeasurementMismatch]),
    ]
}

#[test]
fn other_measurements_are_refused() {
    check_all(comparison());
    check_all(video_decoder());
}

#[test]
fn the_summary_names_what_differs() {
    let two = Forged::gpu().with(|it| {
        block(it, 30).value[0] ^= 1;
        block(it, 0).value[0] ^= 1;
    });
    let compared = appraise(&two).compared().clone();
    assert_eq!(compared.mismatched, [0, 30]);
    assert_eq!((compared.compared, compared.skipped_nvdec0), (32, 1));
    let enabled = Forged::gpu().with(|it| field(it, 11, &[0xaa]));
    let compared = appraise(&enabled).compared().clone();
    assert_eq!((compared.compared, compared.skipped_nvdec0), (33, 0));
}

/// Row 109: a value at an index that nobody vouches for is not judged, and told.
#[test]
fn what_no_manifest_covers_is_recorded() {
    assert_eq!(appraise(&Forged::gpu()).compared().uncovered, [0; 0]);
    let it = Forged::gpu().with(|it| {
        block(it, 63).value = vec![9; 48];
        block(it, 41).value[47] = 1;
    });
    let found = appraise(&it);
    assert!(found.affirms(Measurements));
    assert_eq!(found.compared().uncovered, [41, 63]);
}
