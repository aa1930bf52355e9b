//! `pogw appraise`: evidence of devices, judged on this machine.
//!
//! An auditor hands in reports with their certificate chains, the nonce that was asked for, the reference manifests and
//! answers about revocation. No store, no key, and no network unless a service is named: the same appraisal as the
//! verifier's, with NVIDIA's pinned roots.

mod answers;
mod input;
mod manifests;
mod network;
pub(crate) mod print;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use evidence::appraise::{DeviceEvidence, DeviceReading, EvidenceAppraisal, Stated};
use evidence::cert::{CertificateChain, ChainProfile};
use evidence::policy::{Decision, Policy};
use evidence::{Overall, UnixTime};
use verifier_service::anchors;
use verifier_service::policies;

use crate::failure::Failure;
use crate::{Exit, Output};
use input::Given;
use sources::{SourceArgs, Sources, Times};

/// Options of `pogw appraise`.
#[derive(Debug, Args)]
pub struct AppraiseArgs {
    /// Evidence of one or several devices as nvattest, NVIDIA's SDKs, NRAS requests, Trustee or this project serialise it.
    /// Several files are one system, such as its GPUs and its switches
    #[arg(value_name = "EVIDENCE.json", conflicts_with_all = ["report", "chain"], required_unless_present = "report")]
    evidence: Vec<PathBuf>,
    /// Attestation report of one device: the raw bytes, or their hexadecimal text
    #[arg(long, value_name = "FILE", requires_all = ["chain", "nonce"])]
    report: Option<PathBuf>,
    /// Device certificate chain: PEM, leaf first
    #[arg(long, value_name = "FILE", requires = "report")]
    chain: Option<PathBuf>,
    /// The 32-byte nonce the reports were asked for, in hexadecimal [default: the one stated in EVIDENCE.json, which
    /// shows nothing about freshness]
    #[arg(long, value_name = "HEX")]
    nonce: Option<String>,
    #[command(flatten)]
    sources: SourceArgs,
    /// Time at which certificates are judged, such as 2025-08-21T08:00:00Z [default: now]
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<String>,
    /// Policy that decides: default, strict, air-gapped, protected-pcie, tolerate-expired-manifests or
    /// danger-without-revocation, which asks nobody whether a certificate is revoked; or a file of Rego. A file called
    /// like one of these is meant by a path, such as ./strict [default: default, which wants everything asked for affirmed]
    #[arg(long, value_name = "NAME|FILE")]
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
    let as_of = as_of(args.as_of.as_deref(), now)?;
    let policy = Arc::new(policy(args.policy.as_deref())?);
    let input = input::read(args, out)?;
    let chains: Vec<_> = input
        .devices
        .iter()
        .map(|d| CertificateChain::examine(&d.device.chain_pem, ChainProfile::Device, &anchors))
        .collect();
    let times = Times { as_of, now };
    let mut sources = Sources::open(&args.sources, anchors, Arc::clone(&policy), times, out)?;

    let mut readings = Vec::new();
    for (
        Given {
            device,
            stated_nonce,
        },
        chain,
    ) in input.devices.iter().zip(&chains)
    {
        let reading = DeviceReading::new(DeviceEvidence {
            claimed: device.claimed,
            report: &device.report,
            chain,
        });
        readings.push(reading.stating(Stated {
            nonce: *stated_nonce,
            versions: device.stated.clone(),
        }));
    }
    let devices = sources.appraise(&readings, &input.nonce)?;
    sources.tell_unused(out);
    let appraisal = EvidenceAppraisal::new(devices, as_of);
    let decision = policies::decide(&policy, appraisal).map_err(Failure::usage)?;
    print::decision(&decision, sources.asked(), args.format, out)?;
    Ok(exit(&decision))
}

/// A built-in policy by its name, or one in a file. A name means the built-in policy wherever the command is run: a
/// file that lies there must not take its place.
fn policy(named: Option<&Path>) -> Result<Policy, Failure> {
    match named.and_then(built_in) {
        Some(name) => policies::built_in(name).map(|loaded| loaded.policy),
        None => policies::load(named),
    }
    .map_err(Failure::usage)
}

/// The built-in policy that is meant, if one is.
pub(crate) fn built_in(named: &Path) -> Option<&str> {
    let is_built_in = |name: &&str| policies::BUILT_IN.iter().any(|(known, _)| known == name);
    named.to_str().filter(is_built_in)
}

pub(crate) fn as_of(text: Option<&str>, now: UnixTime) -> Result<UnixTime, Failure> {
    let Some(text) = text else { return Ok(now) };
    UnixTime::parse_rfc3339(text).ok_or_else(|| {
        Failure::Usage(format!(
            "--as-of: expected an RFC 3339 time such as 2025-08-21T08:00:00Z, got `{text}`"
        ))
    })
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
