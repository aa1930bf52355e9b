//! `pogw receipt`: check a receipt offline, or just look at one.

mod archive;
mod reappraise;

use std::path::PathBuf;

use ::receipt::{
    Chain, Expectations, Finding, Jwks, Level, Receipt, Rejected, UnverifiedReceipt, Validator,
    limits,
};
use clap::{Args, Subcommand, ValueEnum};
use evidence::UnixTime;
use serde_json::json;

use crate::failure::Failure;
use crate::{Exit, Format, Output, fetch, files};
use reappraise::ReappraiseArgs;

/// Said of a receipt that was accepted whatever its level.
const ANY_LEVEL: &str = "any level was accepted, A0 too, of which no hardware vouches for anything";

/// Options of `pogw receipt`.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    #[command(subcommand)]
    command: ReceiptCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Validate a receipt: signature, issuer, audience, times, and that it does not contradict itself
    Verify(VerifyArgs),
    /// Print what a token says, without believing any of it
    Show {
        /// The receipt, a JWT
        file: PathBuf,
    },
    /// Judge all that a receipt rests on again, from its archive, without a network
    Reappraise(ReappraiseArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The receipt, a JWT
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    /// The audience the receipt must be for
    #[arg(long, value_name = "NAME")]
    audience: String,
    /// The lowest assurance level that is accepted
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = MinimumLevel::A1)]
    minimum_level: MinimumLevel,
    /// Accept level A0 too: self-asserted and simulated work, of which no hardware vouches for anything
    #[arg(long, conflicts_with = "minimum_level")]
    danger_accept_a0: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Whose receipts are believed.
#[derive(Debug, Args)]
struct KeyArgs {
    /// The issuer's key set: a file, or a URL to fetch it from
    #[arg(long, value_name = "FILE|URL")]
    jwks: String,
    /// The issuer the receipt must be from [default: the origin of the key set's URL; for a key set in a file, the
    /// issuer the receipt names, since then the keys alone decide]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

impl KeyArgs {
    /// The key set, and the issuer that this token must be from.
    fn read(&self, token: &str) -> Result<(Jwks, String), Failure> {
        let (keys, origin) = read_keys(&self.jwks)?;
        let issuer = self.issuer.clone().or(origin);
        Ok((keys, issuer.unwrap_or_else(|| issuer_named(token))))
    }
}

/// Assurance levels as the command line spells them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MinimumLevel {
    /// A genuine device, fresh
    #[value(name = "A1")]
    A1,
    /// A1, and the output committed in the device report
    #[value(name = "A2")]
    A2,
    /// A2, and a CPU TEE quote over the same statement
    #[value(name = "A3")]
    A3,
}

/// Runs `pogw receipt`.
///
/// # Errors
/// A file or key set cannot be read.
pub(crate) fn run(
    args: &ReceiptArgs,
    now: UnixTime,
    out: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match &args.command {
        ReceiptCommand::Verify(args) => verify(args, now, out),
        ReceiptCommand::Show { file } => {
            let token = read_token(file)?;
            show(&token, file, out)
        }
        ReceiptCommand::Reappraise(args) => reappraise::run(args, out),
    }
}

fn verify(args: &VerifyArgs, now: UnixTime, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let token = read_token(&args.file)?;
    let (keys, issuer) = args.keys.read(&token)?;
    let expected = Expectations::new(&issuer, &args.audience).map_err(Failure::usage)?;
    let expected = match (args.danger_accept_a0, args.minimum_level) {
        (true, _) => expected.danger_accept_a0(),
        (false, MinimumLevel::A1) => expected.minimum_level(Level::A1),
        (false, MinimumLevel::A2) => expected.minimum_level(Level::A2),
        (false, MinimumLevel::A3) => expected.minimum_level(Level::A3),
    };
    let now = receipt::UnixTime::from_secs(u64::try_from(now.secs()).unwrap_or_default());
    match Validator::new(keys, expected).validate(&token, now) {
        Ok(receipt) => accepted(&receipt, args, out),
        Err(rejected) => refused(&rejected, args.format, out),
    }
}

fn accepted(receipt: &Receipt, args: &VerifyArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    match args.format {
        Format::Json => out.json(&json!({
            "valid": true,
            "kid": receipt.kid(),
            "level": receipt.level(),
            "results": receipt.results(),
            "simulated": receipt.is_simulated(),
            "claims": receipt.claims(),
        }))?,
        Format::Text => {
            print(receipt, out)?;
            if args.danger_accept_a0 {
                out.line(format_args!("{ANY_LEVEL}"))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn refused(rejected: &Rejected, format: Format, out: &mut Output<'_>) -> Result<Exit, Failure> {
    match format {
        Format::Json => out.json(&json!({
            "valid": false,
            "code": rejected.code(),
            "message": rejected.to_string(),
        }))?,
        Format::Text => out.line(format_args!("rejected: {}: {rejected}", rejected.code()))?,
    }
    Ok(Exit::Refused)
}

/// A time of a claim.
fn time(time: receipt::UnixTime) -> UnixTime {
    UnixTime::from_secs(i64::try_from(time.secs()).unwrap_or(i64::MAX))
}

/// What a person who pays wants to know, with the limits of each claim in words.
pub(crate) fn print(receipt: &Receipt, out: &mut Output<'_>) -> Result<(), Failure> {
    let claims = receipt.claims();
    out.line(format_args!("valid receipt {}", receipt.id()))?;
    out.line(format_args!(
        "  issuer    {}  (key {})",
        claims.iss,
        receipt.kid()
    ))?;
    out.line(format_args!("  issued    {}", time(claims.iat)))?;
    if let Some(exp) = claims.exp {
        out.line(format_args!("  expires   {}", time(exp)))?;
    }
    out.line(format_args!("  agent     {}", receipt.subject()))?;
    out.line(format_args!("  job       sha256 {}", receipt.job_digest()))?;
    for output in receipt.outputs() {
        let (name, len, digest) = (&output.name, output.len, output.blake3);
        out.line(format_args!(
            "  output    {name}: {len} bytes, blake3 {digest}"
        ))?;
    }
    if let Some(executor) = &claims.pogw.executor {
        let (value, source) = (&executor.value, executor.source);
        out.line(format_args!("  executor  {value} ({source})"))?;
    }
    for device in &claims.pogw.devices {
        let simulated = if device.simulated { "  SIMULATED" } else { "" };
        let (submod, arch, id) = (&device.submod, &device.arch, &device.id);
        out.line(format_args!("  device    {submod}: {arch} {id}{simulated}"))?;
    }
    out.line(format_args!(
        "  level     {}: {}",
        receipt.level(),
        meaning(receipt.level())
    ))?;
    for finding in &claims.pogw.methods {
        let strength = strength(finding) + &agreement(finding);
        let (method, status, source) = (finding.method.as_str(), finding.status, finding.source);
        out.line(format_args!("  {method:<24}{status} ({source}){strength}"))?;
    }
    Ok(())
}

/// What an affirmed recomputation leaves open.
fn strength(finding: &Finding) -> String {
    let Some(log2) = finding.log2_error else {
        return String::new();
    };
    let wrong = match finding.wrong_ppm {
        Some(share) => {
            let share = f64::from(share.get()) / 1e4;
            format!("outputs of which {share} % of the points or more do not follow")
        }
        None => "wrong results".to_owned(),
    };
    let chain = finding.chain.map(chained).unwrap_or_default();
    format!(
        ", {wrong} pass with probability at most 2^{}{chain}",
        log2.get()
    )
}

/// What an audit of points that are computed from one another leaves open.
fn chained(chain: Chain) -> String {
    let (steps, points, drawn) = (chain.steps(), chain.points(), chain.drawn());
    let found = 1.0 - (1.0 - 1.0 / points as f64).powf(f64::from(drawn));
    format!(
        "; CHAINED: points build on each other, up to {steps} in a row, and a single made-up one among {points} is found \
         with probability {found:.2} only"
    )
}

/// What replicas that agree come to.
fn agreement(finding: &Finding) -> String {
    finding.agreeing.map_or(String::new(), |agreeing| {
        format!(
            ", {} executions agree: right if one of them is honest",
            agreeing.get()
        )
    })
}

/// DESIGN section 6, in a line each.
const fn meaning(level: Level) -> &'static str {
    match level {
        Level::A0 => "self-asserted or simulated; no hardware vouches for anything",
        Level::A1 => "a genuine device signed its state after the challenge",
        Level::A2 => "as A1, and the output was fixed before the device signed",
        Level::A3 => "as A2, and a measured guest vouches for the statement",
    }
}

fn show(token: &str, file: &std::path::Path, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let receipt = UnverifiedReceipt::peek(token)
        .map_err(|rejected| Failure::unreadable(file.display(), &rejected))?;
    out.json(&json!({
        "verified": false,
        "header": receipt.header(),
        "payload": receipt.payload(),
    }))?;
    Ok(Exit::Done)
}

fn read_token(file: &std::path::Path) -> Result<String, Failure> {
    let text = files::read_text(file, limits::MAX_TOKEN_BYTES.saturating_add(2))?;
    Ok(text.trim_end().to_owned())
}

/// The key set and, if it came from a URL, the origin of that URL.
fn read_keys(source: &str) -> Result<(Jwks, Option<String>), Failure> {
    let (text, origin) = if source.contains("://") {
        let fetched = crate::runtime()?.block_on(fetch::get(source, limits::MAX_JWKS_BYTES))?;
        (fetched.text, Some(fetched.origin))
    } else {
        (
            files::read_text(source.as_ref(), limits::MAX_JWKS_BYTES)?,
            None,
        )
    };
    let keys = Jwks::parse(&text).map_err(|error| Failure::unreadable(source, &error))?;
    Ok((keys, origin))
}

/// The issuer a token names. Used only to say which name is expected, when the keys alone decide.
fn issuer_named(token: &str) -> String {
    let receipt = UnverifiedReceipt::peek(token).ok();
    let issuer = receipt
        .as_ref()
        .and_then(|receipt| receipt.payload().get("iss")?.as_str());
    issuer.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use receipt::{Log2Error, Method, PartsPerMillion, Source, Status};

    use super::*;

    #[test]
    fn what_an_audit_leaves_open_is_said() {
        let mut audit = Finding::new(Method::Audit, Status::Affirmed, Source::Recomputation);
        assert_eq!(strength(&audit), "");
        audit.log2_error = Some(Log2Error::new(-22).unwrap());
        audit.wrong_ppm = Some(PartsPerMillion::new(50_000).unwrap());
        let alone = strength(&audit);
        assert!(
            alone.contains("5 % of the points") && !alone.contains("CHAINED"),
            "{alone}"
        );
        audit.chain = Some(Chain::new(400, 10_000, 300).unwrap());
        let chained = strength(&audit);
        assert!(chained.starts_with(&alone), "{chained}");
        assert!(chained.contains("up to 400 in a row"), "{chained}");
        assert!(
            chained.ends_with("one among 10000 is found with probability 0.03 only"),
            "{chained}"
        );
    }
}
