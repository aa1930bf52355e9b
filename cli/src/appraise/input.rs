//! The evidence to judge, from raw files or one of the field's forms.

use std::path::{Path, PathBuf};

use evidence::forms::{self, StatedVersions, SubmittedDevice, SubmittedEvidence};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_DEVICES, MAX_REPORT_BYTES};

use super::AppraiseArgs;
use crate::failure::Failure;
use crate::{Output, files};

/// Devices, and the nonce every report must carry.
pub(super) struct Input {
    pub(super) nonce: [u8; 32],
    pub(super) devices: Vec<Given>,
}

/// A device, and the nonce that the sender wrote beside its report.
pub(super) struct Given {
    pub(super) device: SubmittedDevice,
    pub(super) stated_nonce: Option<[u8; 32]>,
}

/// Reads what the arguments name.
pub(super) fn read(args: &AppraiseArgs, out: &mut Output<'_>) -> Result<Input, Failure> {
    let nonce = args.nonce.as_deref().map(files::parse_nonce).transpose()?;
    match (args.evidence.as_slice(), &args.report, &args.chain) {
        ([], Some(report), Some(chain)) => read_raw(report, chain, nonce),
        ([], ..) => Err(Failure::Usage(
            "expected EVIDENCE.json, or --report and --chain".to_owned(),
        )),
        (files, ..) => read_forms(files, nonce, out),
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
        devices: vec![Given {
            device,
            stated_nonce: None,
        }],
    })
}

/// The devices of all files together, as of one system. A nonce given on the command line decides, else the first that a
/// file states; what else is stated beside reports is compared with it by the appraisal.
fn read_forms(
    files: &[PathBuf],
    nonce: Option<[u8; 32]>,
    out: &mut Output<'_>,
) -> Result<Input, Failure> {
    let (mut devices, mut forms) = (Vec::new(), Vec::new());
    for file in files {
        let submitted = read_form(file)?;
        forms.push(submitted.form.as_str());
        let stated_nonce = submitted.nonce;
        devices.extend(submitted.devices.into_iter().map(|device| Given {
            device,
            stated_nonce,
        }));
    }
    if devices.len() > MAX_DEVICES {
        let message = format!(
            "expected at most {MAX_DEVICES} devices in all files, got {}",
            devices.len()
        );
        return Err(Failure::Usage(message));
    }
    let stated = devices.iter().find_map(|given| given.stated_nonce);
    let nonce = match (nonce, stated) {
        (Some(nonce), _) => nonce,
        (None, Some(stated)) => {
            out.note(format_args!(
                "no --nonce: reports are compared with the nonce the file states, which shows nothing about freshness"
            ));
            stated
        }
        (None, None) => {
            let forms = forms.join(", ");
            return Err(Failure::Usage(format!(
                "--nonce: needed, as the form {forms} states none"
            )));
        }
    };
    Ok(Input { nonce, devices })
}

fn read_form(file: &Path) -> Result<SubmittedEvidence, Failure> {
    let json = files::read(file, forms::MAX_JSON_BYTES)?;
    forms::read(&json).map_err(|reasons| {
        let lines: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        Failure::unreadable(file.display(), &lines.join("\n  "))
    })
}
