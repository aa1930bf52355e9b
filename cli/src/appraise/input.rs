//! The evidence to judge, from raw files or one of the field's forms.

use std::path::Path;

use evidence::forms::{self, StatedVersions, SubmittedDevice};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_REPORT_BYTES};

use super::AppraiseArgs;
use crate::failure::Failure;
use crate::{Output, files};

/// Devices, and the nonce every report must carry.
pub(super) struct Input {
    pub(super) nonce: [u8; 32],
    /// The nonce that the sender wrote beside the reports.
    pub(super) stated_nonce: Option<[u8; 32]>,
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
        stated_nonce: None,
        devices: vec![device],
    })
}

/// A nonce given on the command line decides; what the file states beside its reports is compared with it by the
/// appraisal.
fn read_form(file: &Path, nonce: Option<[u8; 32]>, out: &mut Output<'_>) -> Result<Input, Failure> {
    let json = files::read(file, forms::MAX_JSON_BYTES)?;
    let submitted = forms::read(&json).map_err(|reasons| {
        let lines: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        Failure::unreadable(file.display(), &lines.join("\n  "))
    })?;
    let nonce = match (nonce, submitted.nonce) {
        (Some(nonce), _) => nonce,
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
        stated_nonce: submitted.nonce,
        devices: submitted.devices,
    })
}
