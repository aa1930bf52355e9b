//! `pogw eat`: check a detached EAT of NVIDIA's attestation service, or of a verifier that answers in its form.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use evidence::cert::CertificateChain;
use evidence::forms::{self, SubmittedDevice};
use evidence::{Status, UnixTime};
use serde_json::json;
use verifier_service::nvidia::token::{self, Expected, KeySet, Verdict};

use crate::failure::Failure;
use crate::{Exit, Format, Output, fetch, files};

/// Options of `pogw eat`.
#[derive(Debug, Args)]
pub struct EatArgs {
    #[command(subcommand)]
    command: EatCommand,
}

#[derive(Debug, Subcommand)]
enum EatCommand {
    /// Check signatures, issuer, times, nonce, digests, devices and result of a detached EAT
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The detached EAT, JSON
    file: PathBuf,
    /// The issuer's key set: a file, or a URL to fetch it from
    #[arg(long, value_name = "FILE|URL")]
    jwks: String,
    /// The nonce the evidence was collected for, 64 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    nonce: String,
    /// The issuer the tokens must be from
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The evidence that was sent, in any form of the field: the tokens must be about its devices and no others
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Judge as of this time, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs `pogw eat`.
///
/// # Errors
/// A file, a key set or an argument cannot be read.
pub(crate) fn run(args: &EatArgs, now: UnixTime, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let EatCommand::Verify(args) = &args.command;
    let nonce = files::parse_nonce(&args.nonce)?;
    let at = match &args.at {
        None => now,
        Some(text) => UnixTime::parse_rfc3339(text).ok_or_else(|| {
            Failure::Usage("--at: expected an RFC 3339 time, such as 2026-01-01T00:00:00Z".into())
        })?,
    };
    let ueids = args.evidence.as_deref().map(ueids).transpose()?;
    if ueids.is_none() {
        out.note(format_args!(
            "no --evidence: nothing is said about which devices the tokens are about"
        ));
    }
    let keys = read_keys(&args.jwks)?;
    let eat = files::read_text(&args.file, token::MAX_EAT_BYTES)?;
    let expected = Expected {
        issuer: &args.issuer,
        nonce: &nonce,
        ueids: ueids.as_deref(),
        at,
    };
    let verdict = token::validate(&eat, &keys, &expected);
    match args.format {
        Format::Json => out.json(&json!({
            "valid": verdict.status() == Status::Affirmed,
            "status": verdict.status(),
            "verdict": verdict,
        }))?,
        Format::Text => print(&verdict, out)?,
    }
    Ok(match verdict.status() {
        Status::Affirmed => Exit::Done,
        Status::Refuted => Exit::Refused,
        Status::Unverifiable | Status::NotRequested => Exit::Unverifiable,
    })
}

fn print(verdict: &Verdict, out: &mut Output<'_>) -> Result<(), Failure> {
    let word = match verdict.status() {
        Status::Affirmed => "valid detached EAT",
        Status::Refuted => "rejected",
        Status::Unverifiable | Status::NotRequested => "unverifiable",
    };
    let simulated = if verdict.simulated { "  SIMULATED" } else { "" };
    out.line(format_args!("{word}{simulated}"))?;
    for fault in &verdict.faults {
        out.line(format_args!("  {fault}"))?;
    }
    if let Some(certificate) = &verdict.key_certificate {
        let (subject, end) = (&certificate.subject, certificate.not_after);
        out.line(format_args!(
            "  key       published with a certificate of {subject}, valid to {end} (not validated)"
        ))?;
    }
    for device in &verdict.devices {
        let claim = |name: &str| {
            let text = device.claims.get(name).and_then(serde_json::Value::as_str);
            text.unwrap_or("-").to_owned()
        };
        let (name, model) = (&device.name, claim("hwmodel"));
        let (ueid, measres) = (claim("ueid"), claim("measres"));
        out.line(format_args!(
            "  {name:<10}{model}  ueid {ueid}  measurements {measres}"
        ))?;
    }
    Ok(())
}

/// The name each device has in a token: the serial number of its leaf certificate.
fn ueids(file: &Path) -> Result<Vec<String>, Failure> {
    let json = files::read(file, forms::MAX_JSON_BYTES)?;
    let submitted = forms::read(&json).map_err(|reasons| {
        let lines: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        Failure::unreadable(file.display(), &lines.join("\n  "))
    })?;
    let devices = submitted.devices.iter().enumerate();
    devices
        .map(|(position, device)| {
            ueid(device).ok_or_else(|| {
                let why = format!("device {position} has no certificate that can be read");
                Failure::unreadable(file.display(), &why)
            })
        })
        .collect()
}

fn ueid(device: &SubmittedDevice) -> Option<String> {
    let chain = CertificateChain::from_pem(&device.chain_pem).ok()?;
    let leaf = chain.peek().leaf()?;
    Some(leaf.serial_decimal().to_owned())
}

fn read_keys(source: &str) -> Result<KeySet, Failure> {
    let text = if source.contains("://") {
        let fetched = fetch::get(source, token::MAX_KEY_SET_BYTES);
        crate::runtime()?.block_on(fetched)?.text
    } else {
        files::read_text(source.as_ref(), token::MAX_KEY_SET_BYTES)?
    };
    KeySet::parse(&text).map_err(|error| Failure::unreadable(source, &error))
}
