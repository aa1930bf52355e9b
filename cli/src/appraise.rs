//! `pogw appraise`: one device's evidence, judged offline.
//!
//! An auditor hands in a report, its certificate chain, the nonce that was asked for and the reference manifests. No
//! network, no store, no key: the same appraisal as the verifier's, with NVIDIA's pinned roots.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use evidence::appraise::{
    DeviceAppraisal, DeviceEvidence, DeviceReading, EvidenceAppraisal, Reference, References,
};
use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::device::{DeviceKind, is_rim_id};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_REPORT_BYTES, MAX_RIM_BYTES};
use evidence::policy::Decision;
use evidence::rim::{Rim, RimRole};
use evidence::{Examined, Overall, Status, UnixTime};
use verifier_service::anchors;
use verifier_service::collateral::Collateral;
use verifier_service::policies;
use verifier_service::report::AppraisalReport;

use crate::failure::Failure;
use crate::files;
use crate::{Exit, Output};

/// Options of `pogw appraise`.
#[derive(Debug, Args)]
pub struct AppraiseArgs {
    /// Attestation report: the raw bytes, or their hexadecimal text
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Device certificate chain: PEM, leaf first
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The 32-byte nonce the report was asked for, in hexadecimal
    #[arg(long, value_name = "HEX")]
    nonce: String,
    /// Reference manifest (RIM) to compare with; may be given more than once
    #[arg(long, value_name = "FILE")]
    rim: Vec<PathBuf>,
    /// Directory of reference manifests, filed as ID.xml
    #[arg(long, value_name = "DIR")]
    rim_dir: Option<PathBuf>,
    /// Time at which certificates are judged, such as 2025-08-21T08:00:00Z [default: now]
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<String>,
    /// Rego policy that decides [default: everything asked for must be affirmed]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Also trust the roots of a software device, which proves nothing about hardware
    #[arg(long, value_name = "FILE")]
    simulated_anchors: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs; members are added, never renamed
    Json,
}

/// A manifest file somebody named.
struct OfferedRim {
    path: PathBuf,
    rim: Examined<Rim>,
}

/// Judges and prints.
///
/// # Errors
/// Input that cannot be read at all, or a policy that cannot be used.
pub(crate) fn run(
    args: &AppraiseArgs,
    now: UnixTime,
    out: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let anchors = anchors::load(&args.simulated_anchors).map_err(Failure::usage)?;
    let nonce = files::parse_nonce(&args.nonce)?;
    let as_of = as_of(args.as_of.as_deref(), now)?;
    let policy = policies::load(args.policy.as_deref()).map_err(Failure::usage)?;
    let report = files::read_report(&args.report, MAX_REPORT_BYTES)?;
    let chain = files::read(&args.chain, MAX_CHAIN_BYTES)?;
    let chain = CertificateChain::examine(&chain, ChainProfile::Device, &anchors);
    let offered = read_rims(&args.rim, &anchors)?;
    let collateral = open_directory(args.rim_dir.clone(), anchors)?;

    let reading = DeviceReading::new(DeviceEvidence {
        claimed: None,
        report: &report,
        chain: &chain,
    });
    let ids = reading.reference_ids();
    let filed = |id: Option<&String>| -> Result<_, Failure> {
        let Some(id) = id else { return Ok(None) };
        collateral.rim(id).map_err(|e| Failure::unreadable(id, &e))
    };
    let (driver, vbios) = (filed(ids.driver.as_ref())?, filed(ids.vbios.as_ref())?);
    let roles = [
        (RimRole::Driver, reading.driver_version()),
        (RimRole::Vbios, reading.vbios_version()),
    ];
    let chosen = choose(&offered, &roles);
    tell_unused(&offered, &chosen, out);
    let [offered_driver, offered_vbios] = chosen.map(|offer| offer.map(OfferedRim::reference));
    let references = References {
        driver: offered_driver.or(driver.as_deref().map(|rim| Reference {
            id: ids.driver.as_deref(),
            rim,
        })),
        vbios: offered_vbios.or(vbios.as_deref().map(|rim| Reference {
            id: ids.vbios.as_deref(),
            rim,
        })),
    };
    let device = reading.appraise(&nonce, references, as_of);
    let appraisal = EvidenceAppraisal::new(vec![device], as_of);
    let decision = policy.decide(appraisal).map_err(Failure::usage)?;
    print(&decision, args.format, out)?;
    Ok(exit(&decision))
}

fn as_of(text: Option<&str>, now: UnixTime) -> Result<UnixTime, Failure> {
    let Some(text) = text else { return Ok(now) };
    UnixTime::parse_rfc3339(text).ok_or_else(|| {
        Failure::Usage(format!(
            "--as-of: expected an RFC 3339 time such as 2025-08-21T08:00:00Z, got `{text}`"
        ))
    })
}

fn read_rims(paths: &[PathBuf], anchors: &TrustAnchors) -> Result<Vec<OfferedRim>, Failure> {
    let read = paths.iter().map(|path| {
        let xml = files::read(path, MAX_RIM_BYTES)?;
        Ok(OfferedRim {
            path: path.clone(),
            rim: Rim::examine(&xml, anchors),
        })
    });
    read.collect()
}

fn open_directory(
    directory: Option<PathBuf>,
    anchors: TrustAnchors,
) -> Result<Collateral, Failure> {
    if let Some(path) = &directory {
        std::fs::read_dir(path).map_err(|e| Failure::unreadable(path.display(), &e))?;
    }
    Ok(Collateral::new(anchors, directory))
}

/// Finds a document for each role: the one for the right version, else any of that role, else one that says of
/// neither role that it is for it, which then fails that role's check with its reasons.
fn choose<'a>(
    offered: &'a [OfferedRim],
    roles: &[(RimRole, Option<String>); 2],
) -> [Option<&'a OfferedRim>; 2] {
    roles.each_ref().map(|(role, version)| {
        let of_role = || offered.iter().filter(|offer| offer.role() == Some(*role));
        let right = of_role().find(|offer| offer.is_for(version.as_deref()));
        let unknown = || offered.iter().find(|offer| offer.role().is_none());
        right.or_else(|| of_role().next()).or_else(unknown)
    })
}

/// A document that took no part is told, so that nobody believes it was looked at.
fn tell_unused(offered: &[OfferedRim], chosen: &[Option<&OfferedRim>; 2], out: &mut Output<'_>) {
    let used = |offer: &OfferedRim| {
        chosen
            .iter()
            .flatten()
            .any(|used| std::ptr::eq(*used, offer))
    };
    for offer in offered.iter().filter(|offer| !used(offer)) {
        out.note(format_args!("not used: {}", offer.path.display()));
    }
}

impl OfferedRim {
    /// The document under the id its file is named after, if that is one. A file of another name binds it to no board,
    /// and the appraisal says so.
    fn reference(&self) -> Reference<'_> {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str());
        Reference {
            id: stem.filter(|stem| is_rim_id(stem)),
            rim: &self.rim,
        }
    }

    /// By the document's own version, or by the file's name if the document cannot be read.
    fn role(&self) -> Option<RimRole> {
        if let Some(rim) = self.rim.peek() {
            return Some(rim.role());
        }
        let name = self.path.file_name()?.to_string_lossy();
        if name.starts_with("NV_GPU_DRIVER_") || name.starts_with("NV_GPU_CC_DRIVER_") {
            Some(RimRole::Driver)
        } else if name.starts_with("NV_GPU_VBIOS_") || name.starts_with("NV_SWITCH_BIOS_") {
            Some(RimRole::Vbios)
        } else {
            None
        }
    }

    fn is_for(&self, version: Option<&str>) -> bool {
        let documented = self.rim.peek().map(Rim::version);
        documented
            .zip(version)
            .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    }
}

/// 0 granted, 1 refused, 3 nothing refuted but something missing.
fn exit(decision: &Decision<EvidenceAppraisal>) -> Exit {
    match decision {
        Decision::Granted(_) => Exit::Done,
        Decision::Refused(refusal) if refusal.appraisal.overall() == Overall::Incomplete => {
            Exit::Unverifiable
        }
        Decision::Refused(_) => Exit::Refused,
    }
}

fn print(
    decision: &Decision<EvidenceAppraisal>,
    format: Format,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let report = AppraisalReport::from(decision);
    match format {
        Format::Json => out.json(&report),
        Format::Text => print_text(&report, out),
    }
}

fn print_text(report: &AppraisalReport<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
    for device in report.devices {
        print_device(device, out)?;
    }
    let policy = &report.policy;
    out.line(format_args!(
        "\npolicy {} (sha256 {}…): {}",
        policy.identity.id,
        policy
            .identity
            .sha256
            .to_string()
            .get(..16)
            .unwrap_or_default(),
        if policy.granted { "granted" } else { "refused" }
    ))?;
    for denial in policy.deny {
        out.line(format_args!("  {}: {}", denial.code, denial.message))?;
    }
    out.line(format_args!("overall: {}", report.overall))
}

fn print_device(device: &DeviceAppraisal, out: &mut Output<'_>) -> Result<(), Failure> {
    let kind = match device.kind() {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Switch => "NVSwitch",
    };
    let arch = device
        .arch()
        .map_or("unknown architecture", |arch| arch.as_str());
    let model = device.hwmodel().unwrap_or("unknown model");
    out.line(format_args!("{kind} {arch}  {model}"))?;
    for (name, value) in [
        ("ueid", device.ueid()),
        ("driver", device.driver_version()),
        ("vbios", device.vbios_version()),
    ] {
        if let Some(value) = value {
            out.line(format_args!("  {name:<8}{value}"))?;
        }
    }
    if device.simulated() {
        out.line(format_args!(
            "  SIMULATED: a software device, which proves nothing about hardware"
        ))?;
    }
    out.line(format_args!(""))?;
    for check in device.checks() {
        let mark = match check.status {
            Status::Affirmed => "ok",
            Status::Refuted => "FAIL",
            Status::Unverifiable => "?",
            Status::NotRequested => "-",
        };
        out.line(format_args!(
            "  {mark:<5}{:<18}{}",
            check.id.as_str(),
            check.status
        ))?;
        for reason in &check.reasons {
            out.line(format_args!("         {reason}"))?;
        }
        if matches!(check.status, Status::Refuted | Status::Unverifiable) {
            out.line(format_args!("         remedy: {}", check.id.remedy()))?;
        }
    }
    Ok(())
}
