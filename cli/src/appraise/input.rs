//! The evidence to judge, from raw files or one of the field's forms.

use std::path::Path;

use evidence::appraise::DeviceReading;
use evidence::forms::{self, StatedVersions, SubmittedDevice, SubmittedEvidence};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_REPORT_BYTES};

use super::AppraiseArgs;
use crate::failure::Failure;
use crate::{Output, files};

/// Devices, and the nonce every report must carry.
pub(super) struct Input {
    pub(super) nonce: [u8; 32],
    pub(super) devices: Vec<SubmittedDevice>,
}

/// Reads what the arguments name.
pub(super) fn read(args: &AppraiseArgs, out: &mut Output<'_>) -> Result<Input, Failure> {
    let nonce = args.nonce.as_deref().map(files::parse_nonce).transpose()?;
    match (&args.evidence, &args.report, &args.chain) {
        (Some(file), ..) => read_form(file, nonce, out),
        (None, Some(report), Some(chain)) => read_raw(report, chain, nonce),
        _ => Err(Failure::Usage(
            "expected EVIDENCE.json, or --report and --chain".to_owned(),
        )),
    }
}

fn read_raw(report: &Path, chain: &Path, nonce: Option<[u8; 32]>) -> Result<Input, Failure> {
    let nonce = nonce.ok_or_else(|| Failure::Usage("--nonce: missing".to_owned()))?;
    let device = SubmittedDevice {
        claimed: None,
        report: files::read_report(report, MAX_REPORT_BYTES)?,
        chain_pem: files::read(chain, MAX_CHAIN_BYTES)?,
        stated: StatedVersions::default(),
        uuid: None,
    };
    Ok(Input {
        nonce,
        devices: vec![device],
    })
}

/// A nonce given on the command line decides; what the file states beside its reports is compared with it.
fn read_form(file: &Path, nonce: Option<[u8; 32]>, out: &mut Output<'_>) -> Result<Input, Failure> {
    let json = files::read(file, forms::MAX_JSON_BYTES)?;
    let submitted = forms::read(&json).map_err(|reasons| {
        let lines: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        Failure::unreadable(file.display(), &lines.join("\n  "))
    })?;
    let nonce = match (nonce, submitted.nonce) {
        (Some(nonce), _) => {
            tell_other_nonce(&submitted, &nonce, out);
            nonce
        }
        (None, Some(stated)) => {
            out.note(format_args!(
                "no --nonce: reports are compared with the nonce the file states, which shows nothing about freshness"
            ));
            stated
        }
        (None, None) => {
            let form = submitted.form.as_str();
            return Err(Failure::Usage(format!(
                "--nonce: needed, as the form {form} states none"
            )));
        }
    };
    Ok(Input {
        nonce,
        devices: submitted.devices,
    })
}

/// Row 33: the report decides, but a file that states another nonce than it should deserves a word.
fn tell_other_nonce(submitted: &SubmittedEvidence, nonce: &[u8; 32], out: &mut Output<'_>) {
    if let Some(reason) = submitted.nonce_mismatch(nonce) {
        out.note(format_args!("{reason}"));
    }
}

/// Row 41: versions stated beside a report are unsigned. They decide nothing; a difference is told.
pub(super) fn tell_other_versions(
    position: usize,
    device: &SubmittedDevice,
    reading: &DeviceReading<'_>,
    out: &mut Output<'_>,
) {
    let (driver, vbios) = (reading.driver_version(), reading.vbios_version());
    for reason in device
        .stated
        .mismatches(driver.as_deref(), vbios.as_deref())
    {
        out.note(format_args!("device {position}: {reason}"));
    }
}
