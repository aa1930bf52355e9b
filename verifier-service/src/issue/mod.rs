//! From a granted appraisal to a signed receipt: the one place where what `evidence` found becomes what `receipt` says.
//!
//! In scope: mapping checks to methods and to EAR claims, the assurance level, the pseudonym of a device.
//! Out of scope: what may be said at all, which `receipt` enforces here and again at every validation.
//!
//! Claims are drafted only from a [`Granted`] work appraisal, and only a policy's decision makes one.

mod collateral;
mod device;
mod findings;

use std::collections::BTreeMap;

use evidence::UnixTime;
use evidence::appraise::WorkAppraisal;
use evidence::policy::Granted;
use evidence::work::{Hex, KernelRef, ProgramRef, WorkStatement};
use receipt::{
    Asserted, Assurance, Audience, Blake3Digest, Claims, ClaimsError, ClaimsParts, Confirmation,
    InvalidValue, Kernel, Level, Nonce, Output, Policy, Program, Sha256Digest, SignedReceipt,
    Signer, Source, Text, Thumbprint, Tier, Timings, Trace, UnverifiedReceipt, VerifierId, Work,
};
use serde_json::Value;
use thiserror::Error;

/// How far `nbf` lies before `iat`, in seconds: a marketplace whose clock is a little slow can use a fresh receipt.
const NOT_BEFORE_MARGIN_S: u64 = 60;

/// What a receipt says beside the appraisal.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptContext<'a> {
    /// `iss`: the verifier's URL.
    pub issuer: &'a str,
    /// `aud`: at least one.
    pub audience: &'a [String],
    /// `jti`: the receipt's id.
    pub jti: &'a str,
    /// `iat`.
    pub now: UnixTime,
    /// `exp` − `iat`; without it a receipt has no end.
    pub lifetime_s: Option<u64>,
    /// SHA-256 of the bundle as it arrived.
    pub bundle_sha256: [u8; 32],
}

/// What a receipt of a replica gets when the job is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// `jti`: the receipt's id.
    pub jti: &'a str,
    /// `iat`.
    pub now: UnixTime,
    /// `exp` − `iat`; without it a receipt has no end.
    pub lifetime_s: Option<u64>,
}

/// Why there is no receipt although it was granted: a fault of ours.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A value does not fit a claim.
    #[error("claim value: {0}")]
    Value(#[from] InvalidValue),
    /// The claims contradict each other.
    #[error("claims: {0}")]
    Claims(#[from] ClaimsError),
    /// Signing failed.
    #[error("signing: {0}")]
    Sign(#[from] receipt::IssueError),
    /// A time lies before 1970.
    #[error("time {0} lies before 1970")]
    Time(UnixTime),
}

/// The claims of a token as they stand, without validation: for tokens of our own store, where nothing is changed, and for who
/// looks at the signature beside.
///
/// # Errors
/// It is no receipt that this version reads.
pub fn claims_of(token: &str) -> Result<ClaimsParts, receipt::Rejected> {
    let payload = UnverifiedReceipt::peek(token)?.payload().clone();
    let claims = Claims::parse(Value::from(payload).to_string().as_bytes())?;
    Ok(claims.into_parts())
}

/// Signs a receipt for granted work and says which level it has.
///
/// # Errors
/// See [`IssueError`].
pub fn issue(
    granted: &Granted<WorkAppraisal>,
    context: &ReceiptContext<'_>,
    signer: &dyn Signer,
) -> Result<(SignedReceipt, Level), IssueError> {
    let claims = draft(granted, context)?;
    let level = claims.pogw.assurance.level;
    Ok((receipt::issue(&claims, signer)?, level))
}

/// Signs the claims of a replica's work once it is known how many executions agree with it, this one counted; fewer than
/// two vouch for nothing.
///
/// # Errors
/// See [`IssueError`].
pub fn issue_agreed(
    draft: Claims,
    stamp: &Stamp<'_>,
    agreeing: usize,
    signer: &dyn Signer,
) -> Result<(SignedReceipt, Level), IssueError> {
    let mut parts = draft.into_parts();
    let iat = seconds(stamp.now)?;
    (parts.iat, parts.nbf, parts.exp) = times(iat, stamp.lifetime_s);
    parts.jti = Text::new(stamp.jti)?;
    if agreeing >= 2 {
        let agreeing = u32::try_from(agreeing).unwrap_or(u32::MAX);
        let finding = receipt::Finding::replicas(receipt::Agreeing::new(agreeing)?);
        parts.pogw.methods.push(finding);
    }
    parts.pogw.assurance.results = parts.affirmed_results();
    let claims = Claims::new(parts)?;
    let level = claims.pogw.assurance.level;
    Ok((receipt::issue(&claims, signer)?, level))
}

/// `iat`, `nbf` and `exp`.
fn times(
    iat: u64,
    lifetime_s: Option<u64>,
) -> (
    receipt::UnixTime,
    receipt::UnixTime,
    Option<receipt::UnixTime>,
) {
    let time = receipt::UnixTime::from_secs;
    let end = lifetime_s.map(|lifetime| time(iat.saturating_add(lifetime)));
    (
        time(iat),
        time(iat.saturating_sub(NOT_BEFORE_MARGIN_S)),
        end,
    )
}

/// The claims of granted work.
///
/// # Errors
/// See [`IssueError`].
pub fn draft(
    granted: &Granted<WorkAppraisal>,
    context: &ReceiptContext<'_>,
) -> Result<Claims, IssueError> {
    let appraisal = granted.appraisal();
    let (iat, nbf, exp) = times(seconds(context.now)?, context.lifetime_s);
    let audience = context.audience.iter().map(Text::new);
    let submods = submods(granted)?;
    // Granted: the agent has signed with it.
    let agent = Thumbprint::of_ed25519(&appraisal.statement().agent_key.0);
    let mut parts = ClaimsParts {
        iss: Text::new(context.issuer)?,
        sub: Text::new(agent.to_string())?,
        aud: Audience::new(audience.collect::<Result<Vec<_>, _>>()?)?,
        iat,
        nbf,
        exp,
        jti: Text::new(context.jti)?,
        cnf: Confirmation { jkt: agent },
        eat_nonce: Nonce::from_bytes(appraisal.statement().challenge.0)?,
        ear_verifier_id: VerifierId {
            developer: Text::new("https://pogw.dev")?,
            build: Text::new(concat!("verifier-service ", env!("CARGO_PKG_VERSION")))?,
        },
        ear_status: submods
            .values()
            .map(|s| s.ear_status)
            .min()
            .unwrap_or(Tier::None),
        submods,
        pogw: work(granted, context)?,
    };
    // The level and the result checks are what the findings support, no more and no less.
    parts.pogw.assurance = Assurance {
        level: parts.supported_level().0,
        results: parts.affirmed_results(),
    };
    Ok(Claims::new(parts)?)
}

fn submods(
    granted: &Granted<WorkAppraisal>,
) -> Result<BTreeMap<Text, receipt::Appraisal>, IssueError> {
    let named = granted.appraisal().devices().iter().enumerate();
    let submods = named.map(|(position, device)| {
        let appraisal = device::appraisal(device, &granted.policy().id)?;
        Ok((device::submod(device, position)?, appraisal))
    });
    submods.collect()
}

fn work(
    granted: &Granted<WorkAppraisal>,
    context: &ReceiptContext<'_>,
) -> Result<Work, IssueError> {
    let appraisal = granted.appraisal();
    let statement = &appraisal.statement();
    let named = appraisal.devices().iter().enumerate();
    let devices = named.map(|(position, device)| device::entry(device, position, context));
    let outputs = statement.outputs.iter().map(|output| {
        Ok(Output {
            name: Text::new(&output.name)?,
            len: output.len,
            blake3: Blake3Digest::from_bytes(output.blake3.0),
        })
    });
    let policy = granted.policy();
    Ok(Work {
        job_digest: Sha256Digest::from_bytes(statement.job.0),
        kernel: statement.kernel().map(kernel).transpose()?,
        program: statement.program().map(program).transpose()?,
        executor: Some(Asserted {
            value: Text::new(&statement.executor)?,
            source: Source::ProviderAsserted,
        }),
        module_digest: module(statement).map(|module| Asserted {
            value: Sha256Digest::from_bytes(module.0),
            source: Source::ProviderAsserted,
        }),
        outputs: outputs.collect::<Result<_, InvalidValue>>()?,
        trace: statement.trace.map(|trace| Trace {
            entries: trace.entries,
            blake3: Blake3Digest::from_bytes(trace.blake3.0),
        }),
        devices: devices.collect::<Result<_, InvalidValue>>()?,
        methods: findings::methods(appraisal)?,
        assurance: Assurance {
            level: Level::A0,
            results: std::collections::BTreeSet::new(),
        },
        policy: Policy {
            id: Text::new(&policy.id)?,
            sha256: Sha256Digest::from_bytes(policy.sha256.0),
        },
        collateral: collateral::manifests(appraisal.devices(), appraisal.as_of())?,
        revocation: collateral::revocation(appraisal.devices())?,
        evidence_digest: Sha256Digest::from_bytes(context.bundle_sha256),
        timings: Some(timings(statement)),
        as_of: receipt::UnixTime::from_secs(seconds(appraisal.as_of())?),
        batch: None,
        log_index: None,
    })
}

fn kernel(kernel: &KernelRef) -> Result<Kernel, InvalidValue> {
    Ok(Kernel {
        name: Text::new(&kernel.name)?,
        digest: Blake3Digest::from_bytes(kernel.spec.0),
    })
}

/// What the agent says it started: asserted by the provider.
fn program(program: &ProgramRef) -> Result<Asserted<Program>, InvalidValue> {
    Ok(Asserted {
        value: Program {
            name: Text::new(&program.name)?,
            blake3: Blake3Digest::from_bytes(program.blake3.0),
            exit_code: program.exit_code,
        },
        source: Source::ProviderAsserted,
    })
}

fn module(statement: &WorkStatement) -> Option<Hex<32>> {
    statement.kernel().and_then(|kernel| kernel.module)
}

/// The agent's own clock: asserted by the provider.
fn timings(statement: &WorkStatement) -> Timings {
    let timing = &statement.timing;
    let duration_us = timing.run_us.saturating_add(timing.digest_us);
    Timings {
        source: Source::ProviderAsserted,
        started_unix_ms: timing.started_at_ms,
        finished_unix_ms: timing.started_at_ms.saturating_add(duration_us / 1000),
        device_ns: None,
    }
}

fn seconds(time: UnixTime) -> Result<u64, IssueError> {
    u64::try_from(time.secs()).map_err(|_| IssueError::Time(time))
}
