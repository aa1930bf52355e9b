//! `pogw receipt reappraise`: a receipt and all it rests on, judged again on this machine, without a network.
//!
//! In scope: that the token is what its issuer signed, that the bundle, the policy and the collateral of the archive are those
//! that the receipt names, and the appraisal of the bundle by them. Out of scope: whether the job found the work wrong
//! afterwards, and how many replicas agreed, of which there is nothing in an archive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::receipt::{Blake3Digest, ClaimsParts, Expectations, Thumbprint, Validator};
use clap::Args;
use evidence::appraise::WorkAppraisal;
use evidence::crypto::sha256;
use evidence::policy::{Decision, Granted};
use evidence::work::Bundle;
use evidence::{Check, Overall, Status};
use serde::Serialize;
use serde_json::{Value, json};
use verifier_service::AppraisalSettings;
use verifier_service::appraiser::Appraiser;
use verifier_service::issue::{self, ReceiptContext};
use verifier_service::report::PolicyReport;

use super::archive::{Archive, Member};
use super::{KeyArgs, time};
use crate::appraise::print;
use crate::failure::Failure;
use crate::{Exit, Format, Output, random};

/// Options of `pogw receipt reappraise`.
#[derive(Debug, Args)]
pub(super) struct ReappraiseArgs {
    /// The archive, a tar file: GET /v1/receipts/ID/archive of the verifier, with its operator's token
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    /// The audience the receipt must be for [default: whichever it names]
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Time at which everything is judged, such as 2026-11-28T08:00:00Z [default: the time for which it was judged before]
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<String>,
    /// Policy that decides, by its name or in a file [default: the one of the archive, which granted it]
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<PathBuf>,
    /// Also trust the roots of a software device, which proves nothing about hardware
    #[arg(long, value_name = "FILE")]
    simulated_anchors: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Whether a part of the archive is what the receipt says.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Part {
    #[serde(rename = "part")]
    name: &'static str,
    status: Status,
    /// What it is, or what is wrong with it.
    note: String,
}

/// # Errors
/// An archive, key set or policy that cannot be used.
pub(super) fn run(args: &ReappraiseArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let archive = Archive::read(&args.file)?;
    let unreadable = |what: &str, why: &dyn std::fmt::Display| {
        Failure::unreadable(format_args!("{what} of {}", args.file.display()), why)
    };
    let claims = issue::claims_of(&archive.token).map_err(|why| unreadable("receipt.jwt", &why))?;
    let bundle =
        Bundle::parse(&archive.bundle).map_err(|error| unreadable("bundle.json", &error))?;
    let mut parts = vec![token(args, &archive.token, &claims)?];
    parts.extend(held_against(&archive, &claims));

    let as_of = crate::appraise::as_of(args.as_of.as_deref(), time(claims.pogw.as_of))?;
    let dir = tempfile::tempdir().map_err(|error| Failure::Write(error.to_string()))?;
    let appraiser = appraiser(args, &archive, &claims, dir.path())?;
    let challenge = claims.eat_nonce.as_bytes().try_into();
    let challenge =
        challenge.map_err(|_| unreadable("receipt.jwt", &"expected a nonce of 32 bytes"))?;
    let inquiry = appraiser.inquiry().of_the_past();
    // What is drawn, whoever made the bundle cannot have known.
    let decision = appraiser
        .decide_over_bundle(&bundle, &challenge, &random()?, as_of, inquiry)
        .map_err(Failure::usage)?;
    parts.push(stated(&bundle, &claims));
    if let Decision::Granted(granted) = &decision {
        parts.push(said_again(args, granted, &claims, &archive)?);
    }
    let overall = overall(&parts, &decision);
    match args.format {
        Format::Json => out.json(&document(&claims, &parts, &decision, overall))?,
        Format::Text => text(&claims, &parts, &decision, overall, out)?,
    }
    Ok(match overall {
        Overall::Pass => Exit::Done,
        Overall::Fail => Exit::Refused,
        Overall::Incomplete => Exit::Unverifiable,
    })
}

/// Whether the receipt would be issued again: its parts are those it names, and the policy grants the bundle. Where nothing is
/// refuted and something is missing, that is open.
fn overall(parts: &[Part], decision: &Decision<WorkAppraisal>) -> Overall {
    let has = |status| parts.iter().any(|part| part.status == status);
    let is_granted = decision.denials().is_empty();
    let appraised = decision.appraisal().overall();
    let is_refused = !is_granted && appraised != Overall::Incomplete;
    if has(Status::Refuted) || appraised == Overall::Fail || is_refused {
        Overall::Fail
    } else if has(Status::Unverifiable) || !is_granted {
        Overall::Incomplete
    } else {
        Overall::Pass
    }
}

/// The token, as it was on the day that it was issued.
fn token(args: &ReappraiseArgs, token: &str, claims: &ClaimsParts) -> Result<Part, Failure> {
    let (keys, issuer) = args.keys.read(token)?;
    let audience = claims.aud.names().first().map(ToString::to_string);
    let audience = args.audience.clone().or(audience).unwrap_or_default();
    let expected = Expectations::new(&issuer, &audience).map_err(Failure::usage)?;
    let validator = Validator::new(keys, expected.danger_accept_a0());
    Ok(match validator.validate(token.trim_end(), claims.iat) {
        Ok(receipt) => Part::affirmed(
            "token",
            format!("signed by {issuer}, key {}", receipt.kid()),
        ),
        Err(rejected) => Part::refuted("token", format!("{}: {rejected}", rejected.code())),
    })
}

/// Everything that the receipt names by digest.
fn held_against(archive: &Archive, claims: &ClaimsParts) -> Vec<Part> {
    let work = &claims.pogw;
    let bundle = Part::digest("bundle", &archive.bundle, work.evidence_digest.as_bytes());
    let policy = match &archive.policy {
        Some(text) => Part::digest("policy", text.as_bytes(), work.policy.sha256.as_bytes()),
        None => Part::missing("policy", "is not in the archive".to_owned()),
    };
    let rims = work.collateral.iter().map(|named| *named.sha256.as_bytes());
    let asked = work.revocation.iter().filter_map(|asked| asked.sha256);
    let asked = asked.map(|sha256| *sha256.as_bytes());
    vec![
        bundle,
        policy,
        only_named(&archive.rims, claims)
            .unwrap_or_else(|| Part::all("manifests", &archive.rims, rims.collect())),
        Part::all("revocation", &archive.answers, asked.collect()),
    ]
}

/// A manifest that the receipt does not name under its id would be compared with in the place of one that it does.
fn only_named(rims: &[Member], claims: &ClaimsParts) -> Option<Part> {
    let is_named = |member: &&Member| {
        let named = claims.pogw.collateral.iter();
        let mut named = named.filter(|named| *named.sha256.as_bytes() == member.sha256);
        let hex = hex::encode(member.sha256);
        let id = member.file.trim_end_matches(".xml");
        named.any(|named| named.id.as_str() == id || hex == id)
    };
    let other = rims.iter().find(|member| !is_named(member))?;
    let note = format!("rims/{} is not what the receipt names so", other.file);
    Some(Part::refuted("manifests", note))
}

/// That the receipt is about the work of the bundle: its agent, job and outputs.
fn stated(bundle: &Bundle, claims: &ClaimsParts) -> Part {
    const NAME: &str = "work";
    let (statement, work) = (&bundle.statement, &claims.pogw);
    let agent = Thumbprint::of_ed25519(&statement.agent_key.0);
    let outputs = statement.outputs.iter().map(|output| {
        let digest = Blake3Digest::from_bytes(output.blake3.0);
        (output.name.as_str(), output.len, digest)
    });
    let named = work.outputs.iter();
    let named = named.map(|output| (output.name.as_str(), output.len, output.blake3));
    let faults = [
        (
            "agent",
            claims.cnf.jkt != agent || claims.sub.as_str() != agent.to_string(),
        ),
        ("job", *work.job_digest.as_bytes() != statement.job.0),
        ("outputs", !outputs.eq(named)),
    ];
    let faults = faults.into_iter().filter(|(_, is_wrong)| *is_wrong);
    let faults: Vec<_> = faults.map(|(what, _)| what).collect();
    match faults.is_empty() {
        true => Part::affirmed(
            NAME,
            "agent, job and outputs are those of the bundle".to_owned(),
        ),
        false => Part::refuted(
            NAME,
            format!(
                "of the receipt and of the bundle differ: {}",
                faults.join(", ")
            ),
        ),
    }
}

/// That the receipt says what a receipt for this bundle would say now. Left out are what replicas add, which are not in an
/// archive, what is held against the archive by digest, which build judged, and what was chosen otherwise here: the policy,
/// the time.
fn said_again(
    args: &ReappraiseArgs,
    granted: &Granted<WorkAppraisal>,
    claims: &ClaimsParts,
    archive: &Archive,
) -> Result<Part, Failure> {
    let audience: Vec<_> = claims.aud.names().iter().map(ToString::to_string).collect();
    let lifetime_s = claims
        .exp
        .map(|exp| exp.secs().saturating_sub(claims.iat.secs()));
    let context = ReceiptContext {
        issuer: claims.iss.as_str(),
        audience: &audience,
        jti: claims.jti.as_str(),
        now: time(claims.iat),
        lifetime_s,
        bundle_sha256: sha256(&archive.bundle),
    };
    let draft = issue::draft(granted, &context)
        .map_err(Failure::usage)?
        .into_parts();
    let said = [claims, &draft].map(|claims| {
        serde_json::to_value(claims).map(|mut said| {
            leave_out(&mut said, args);
            said
        })
    });
    let [Ok(then), Ok(now)] = said else {
        return Err(Failure::Usage("the claims cannot be compared".to_owned()));
    };
    let mut differing = Vec::new();
    differences(&then, &now, String::new(), &mut differing);
    Ok(match differing.is_empty() {
        true => Part::affirmed("claims", "are what this bundle gives".to_owned()),
        false => Part::refuted(
            "claims",
            format!("are not what this bundle gives: {}", differing.join(", ")),
        ),
    })
}

fn leave_out(claims: &mut Value, args: &ReappraiseArgs) {
    if let Some(claims) = claims.as_object_mut() {
        claims.remove("ear_verifier_id");
    }
    let submods = claims.get_mut("submods").and_then(Value::as_object_mut);
    let submods = submods.into_iter().flat_map(|submods| submods.values_mut());
    for submod in submods.filter_map(Value::as_object_mut) {
        if args.policy.is_some() {
            submod.remove("ear_appraisal_policy_ids");
        }
    }
    let Some(work) = claims.get_mut("pogw").and_then(Value::as_object_mut) else {
        return;
    };
    work.remove("collateral");
    work.remove("revocation");
    if args.policy.is_some() {
        work.remove("policy");
    }
    if args.as_of.is_some() {
        work.remove("as_of");
    }
    let of_replicas = |value: &Value| value == "replicas" || value["method"] == "replicas";
    if let Some(methods) = work.get_mut("methods").and_then(Value::as_array_mut) {
        methods.retain(|method| !of_replicas(method));
    }
    let results = work
        .get_mut("assurance")
        .and_then(|all| all.get_mut("results"));
    if let Some(results) = results.and_then(Value::as_array_mut) {
        results.retain(|result| !of_replicas(result));
    }
}

/// The places at which two values differ.
fn differences(then: &Value, now: &Value, at: String, into: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let names: BTreeSet<_> = then.keys().chain(now.keys()).collect();
            for name in names {
                let [then, now] = [then, now].map(|of| of.get(name).unwrap_or(&Value::Null));
                differences(then, now, format!("{at}/{name}"), into);
            }
        }
        (then, now) if then != now => into.push(at),
        _ => {}
    }
}

impl Part {
    fn affirmed(name: &'static str, note: String) -> Self {
        let status = Status::Affirmed;
        Self { name, status, note }
    }

    fn refuted(name: &'static str, note: String) -> Self {
        let status = Status::Refuted;
        Self { name, status, note }
    }

    fn missing(name: &'static str, note: String) -> Self {
        let status = Status::Unverifiable;
        Self { name, status, note }
    }

    fn digest(name: &'static str, bytes: &[u8], named: &[u8; 32]) -> Self {
        let found = sha256(bytes);
        match found == *named {
            true => Self::affirmed(name, format!("sha256 {}", hex::encode(found))),
            false => Self::refuted(
                name,
                format!(
                    "the receipt names sha256 {}, got {}",
                    hex::encode(named),
                    hex::encode(found)
                ),
            ),
        }
    }

    /// That every document the receipt names is there. What is there beside them was about devices by name, which a receipt
    /// does not say.
    fn all(name: &'static str, members: &[Member], named: BTreeSet<[u8; 32]>) -> Self {
        let there: BTreeSet<_> = members.iter().map(|member| member.sha256).collect();
        let missing: Vec<_> = named.difference(&there).map(hex::encode).collect();
        match missing.is_empty() {
            true => Self::affirmed(
                name,
                format!(
                    "{} in the archive, {} named by the receipt",
                    members.len(),
                    named.len()
                ),
            ),
            false => Self::missing(
                name,
                format!("not in the archive: sha256 {}", missing.join(", ")),
            ),
        }
    }
}

fn appraiser(
    args: &ReappraiseArgs,
    archive: &Archive,
    claims: &ClaimsParts,
    dir: &Path,
) -> Result<Appraiser, Failure> {
    let failed = |error: std::io::Error| Failure::Write(error.to_string());
    let (rims, answers) = archive.file_collateral(dir).map_err(failed)?;
    let mut settings = AppraisalSettings {
        rim_dir: Some(rims),
        simulated_anchors: args.simulated_anchors.clone(),
        ..AppraisalSettings::default()
    };
    settings.ocsp.dir = Some(answers);
    match (&args.policy, &archive.policy) {
        (Some(named), _) => match crate::appraise::built_in(named) {
            Some(name) => settings.policy = Some(name.to_owned()),
            None => settings.policy_file = Some(named.clone()),
        },
        (None, Some(text)) => {
            // Its name is that of the file.
            let id = claims.pogw.policy.id.as_str();
            let is_plain = id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            let name = if is_plain && !id.starts_with('.') {
                id
            } else {
                "policy"
            };
            let file = dir.join(format!("{name}.rego"));
            std::fs::write(&file, text).map_err(failed)?;
            settings.policy_file = Some(file);
        }
        (None, None) => {
            let what = "the archive has no policy.rego; --policy NAME|FILE names one";
            return Err(Failure::Usage(what.to_owned()));
        }
    }
    Appraiser::open(&settings).map_err(Failure::usage)
}

/// Those of the bundle, then those of the result.
fn checks(appraisal: &WorkAppraisal) -> impl Iterator<Item = &Check> {
    let of_result = appraisal.findings().iter().map(|finding| &finding.check);
    appraisal.checks().iter().chain(of_result)
}

fn text(
    claims: &ClaimsParts,
    parts: &[Part],
    decision: &Decision<WorkAppraisal>,
    overall: Overall,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let (id, issued_at) = (&claims.jti, time(claims.iat));
    out.line(format_args!("receipt {id}, issued {issued_at}\n"))?;
    for part in parts {
        let mark = print::mark(part.status);
        out.line(format_args!("  {mark:<5}{:<18}{}", part.name, part.note))?;
    }
    let appraisal = decision.appraisal();
    let as_of = appraisal.as_of();
    out.line(format_args!("\nthe bundle, judged as of {as_of}\n"))?;
    for check in checks(appraisal) {
        print::print_check(check, out)?;
    }
    for device in appraisal.devices() {
        out.line(format_args!(""))?;
        print::print_device(device, out)?;
    }
    print::print_policy(&decision.into(), out)?;
    out.line(format_args!("overall: {overall}"))
}

fn document(
    claims: &ClaimsParts,
    parts: &[Part],
    decision: &Decision<WorkAppraisal>,
    overall: Overall,
) -> Value {
    let appraisal = decision.appraisal();
    json!({
        "receipt": claims.jti,
        "issued_at": time(claims.iat),
        "overall": overall,
        "parts": parts,
        "as_of": appraisal.as_of(),
        "checks": checks(appraisal).collect::<Vec<_>>(),
        "devices": appraisal.devices(),
        "policy": PolicyReport::from(decision),
    })
}
