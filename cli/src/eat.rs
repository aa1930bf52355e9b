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
    /// Take tokens that say of themselves that a device is a software device, which proves nothing about hardware
    #[arg(long)]
    allow_simulated: bool,
    /// Take tokens that say of themselves that they pass without its being known whether a certificate is revoked
    #[arg(long)]
    allow_without_revocation: bool,
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
    let keys = read_keys(&args.jwks)?;
    let eat = files::read_text(&args.file, token::MAX_EAT_BYTES)?;
    let expected = Expected {
        issuer: &args.issuer,
        nonce: &nonce,
        ueids: ueids.as_deref(),
        at,
    };
    let verdict = token::validate(&eat, &keys, &expected);
    let judged = Judged::of(&verdict, args);
    match args.format {
        Format::Json => out.json(&json!({
            "valid": judged.status == Status::Affirmed,
            "status": judged.status,
            "not_allowed": judged.not_allowed,
            "devices_compared": judged.devices_compared,
            "verdict": verdict,
        }))?,
        Format::Text => print(&verdict, &judged, out)?,
    }
    Ok(match judged.status {
        Status::Affirmed => Exit::Done,
        Status::Refuted => Exit::Refused,
        Status::Unverifiable | Status::NotRequested => Exit::Unverifiable,
    })
}

/// What the verdict comes to for whoever asks.
struct Judged {
    /// That of the tokens; unverifiable where they say that they are weaker than was allowed.
    status: Status,
    /// The options without which what the tokens say of themselves does not count.
    not_allowed: Vec<&'static str>,
    /// Rows 127 and 128: whether anybody said which devices the tokens should be about.
    devices_compared: bool,
}

impl Judged {
    fn of(verdict: &Verdict, args: &VerifyArgs) -> Self {
        // Whatever the word is, it is there because not every certificate was found to be good.
        let without_revocation = verdict.revocation.is_some();
        let marks = [
            (verdict.simulated, args.allow_simulated, "--allow-simulated"),
            (
                without_revocation,
                args.allow_without_revocation,
                "--allow-without-revocation",
            ),
        ];
        let not_allowed = marks.iter().filter(|(said, allowed, _)| *said && !allowed);
        let not_allowed: Vec<_> = not_allowed.map(|(.., option)| *option).collect();
        let status = match verdict.status() {
            Status::Affirmed if !not_allowed.is_empty() => Status::Unverifiable,
            status => status,
        };
        Self {
            status,
            not_allowed,
            devices_compared: args.evidence.is_some(),
        }
    }
}

fn print(verdict: &Verdict, judged: &Judged, out: &mut Output<'_>) -> Result<(), Failure> {
    let word = match judged.status {
        Status::Affirmed => "valid detached EAT",
        Status::Refuted => "rejected",
        Status::Unverifiable | Status::NotRequested => "unverifiable",
    };
    let simulated = if verdict.simulated { "  SIMULATED" } else { "" };
    let revocation = match &verdict.revocation {
        Some(_) => "  WITHOUT REVOCATION",
        None => "",
    };
    out.line(format_args!("{word}{simulated}{revocation}"))?;
    for fault in &verdict.faults {
        out.line(format_args!("  {fault}"))?;
    }
    if let Some(word) = &verdict.revocation {
        out.line(format_args!("  revocation {word}, by the tokens' own word"))?;
    }
    for option in &judged.not_allowed {
        out.line(format_args!(
            "  weaker than was allowed: {option} takes it as it is"
        ))?;
    }
    if !judged.devices_compared {
        out.line(format_args!(
            "  not compared: which devices the tokens are about, and how many there should be (no --evidence)"
        ))?;
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
