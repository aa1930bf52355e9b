//! Decide: a Rego policy says yes or no to an appraisal.
//!
//! `data.pogw.deny` is a set of `{"code": …, "message": …}`; granted means it is empty. Under it lies a floor that no
//! policy can waive: the checks without which nothing in the evidence was said by a device
//! ([`CORE_DEVICE_CHECKS`]), and those that bind the work to it.
//!
//! In scope: compiling, evaluating, the floor, the types that carry the decision.
//! Out of scope: where policies come from and which one applies.
//!
//! A [`Granted`] is used like this, and nobody outside this module can make one:
//!
//! ```
//! use evidence::policy::{Granted, PolicyIdentity};
//! fn read(granted: Granted<()>) -> PolicyIdentity {
//!     granted.policy().clone()
//! }
//! ```
//!
//! ```compile_fail,E0624
//! use evidence::policy::{Granted, PolicyIdentity};
//! fn forge(policy: PolicyIdentity) -> Granted<()> {
//!     Granted::assertion((), policy) // associated function is private
//! }
//! ```
//!
//! ```compile_fail,E0451
//! use evidence::policy::{Granted, PolicyIdentity};
//! fn forge(policy: PolicyIdentity) -> Granted<()> {
//!     Granted { appraisal: (), policy } // fields are private
//! }
//! ```

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use regorus::Engine;
use regorus::utils::limits::ExecutionTimerConfig;
use serde::Serialize;

use crate::appraise::{Appraised, CORE_DEVICE_CHECKS};
use crate::check::{CheckId, Status};
use crate::crypto;
use crate::reason::Code;
use crate::work::Hex;

/// Largest policy text, in bytes.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

const DENY: &str = "data.pogw.deny";

/// How long a decision may take. The shipped policies take a thousandth of it; one that loops must not hold a thread.
const TIME_LIMIT: ExecutionTimerConfig = ExecutionTimerConfig {
    limit: Duration::from_secs(1),
    check_interval: NonZeroU32::MIN.saturating_add(999),
};

/// Which policy decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyIdentity {
    /// Name given by whoever runs the verifier.
    pub id: String,
    /// SHA-256 of the policy text.
    pub sha256: Hex<32>,
}

/// Why a policy says no.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Denial {
    /// Stable word.
    pub code: String,
    /// Sentence.
    pub message: String,
}

/// A policy, compiled.
#[derive(Clone)]
pub struct Policy {
    identity: PolicyIdentity,
    engine: Engine,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policy").field(&self.identity).finish()
    }
}

/// Why a policy cannot be used. A fault of the policy, never of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is longer than [`MAX_POLICY_BYTES`].
    #[error("policy is too large: expected at most {MAX_POLICY_BYTES} bytes, got {0}")]
    TooLarge(usize),
    /// The text is not Rego, or has no `deny` in `package pogw`.
    #[error("policy does not compile: {0}")]
    Compile(String),
    /// Evaluation failed.
    #[error("policy does not evaluate: {0}")]
    Evaluate(String),
    /// `deny` is not a set of `{{code, message}}`.
    #[error(
        "policy result is malformed: expected a set of {{code, message}} in data.pogw.deny, got {0}"
    )]
    Result(String),
}

impl PolicyError {
    /// The stable word.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::PolicyInvalid
    }
}

/// What was decided about an appraisal.
#[derive(Debug)]
pub enum Decision<A> {
    /// Yes.
    Granted(Granted<A>),
    /// No.
    Refused(Refusal<A>),
}

/// An appraisal that a policy granted. Only [`Policy::decide`] makes one.
#[derive(Debug)]
pub struct Granted<A> {
    appraisal: A,
    policy: PolicyIdentity,
}

/// An appraisal that was refused, with every reason. A refusal is an answer, not an error.
#[derive(Debug)]
pub struct Refusal<A> {
    /// What was judged.
    pub appraisal: A,
    /// The policy that was asked.
    pub policy: PolicyIdentity,
    /// Why not; never empty.
    pub deny: Vec<Denial>,
}

impl<A> Granted<A> {
    /// States that policy and floor have been asked and denied nothing.
    fn assertion(appraisal: A, policy: PolicyIdentity) -> Self {
        Self { appraisal, policy }
    }

    /// What was judged.
    #[must_use]
    pub fn appraisal(&self) -> &A {
        &self.appraisal
    }

    /// The policy that granted it.
    #[must_use]
    pub fn policy(&self) -> &PolicyIdentity {
        &self.policy
    }
}

impl Policy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// [`PolicyError::TooLarge`], [`PolicyError::Compile`].
    pub fn compile(id: &str, rego: &str) -> Result<Self, PolicyError> {
        if rego.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge(rego.len()));
        }
        let compile = |error: &dyn fmt::Display| PolicyError::Compile(error.to_string());
        let mut engine = Engine::new();
        engine
            .add_policy(format!("{id}.rego"), rego.to_owned())
            .map_err(|e| compile(&e))?;
        engine.set_execution_timer_config(TIME_LIMIT);
        // Compiling for the entry point shows that there is one, and leaves the engine ready to be copied.
        engine
            .compile_with_entrypoint(&DENY.into())
            .map_err(|e| compile(&e))?;
        let identity = PolicyIdentity {
            id: id.to_owned(),
            sha256: Hex(crypto::sha256(rego.as_bytes())),
        };
        Ok(Self { identity, engine })
    }

    /// The policy's name and digest.
    #[must_use]
    pub fn identity(&self) -> &PolicyIdentity {
        &self.identity
    }

    /// Decides.
    ///
    /// # Errors
    /// The policy itself is at fault; nothing is decided then.
    pub fn decide<A: Appraised>(&self, appraisal: A) -> Result<Decision<A>, PolicyError> {
        let mut deny = floor(&appraisal);
        deny.extend(self.denials(&appraisal.policy_input())?);
        let policy = self.identity.clone();
        if deny.is_empty() {
            return Ok(Decision::Granted(Granted::assertion(appraisal, policy)));
        }
        Ok(Decision::Refused(Refusal {
            appraisal,
            policy,
            deny,
        }))
    }

    /// What the policy alone says to a document, without the floor: for simulation and for tables of decisions. Nothing is
    /// granted by it.
    ///
    /// # Errors
    /// The policy itself is at fault.
    pub fn denials(&self, input: &serde_json::Value) -> Result<Vec<Denial>, PolicyError> {
        let evaluate = |error: &dyn fmt::Display| PolicyError::Evaluate(error.to_string());
        let input: regorus::Value =
            serde_json::from_value(input.clone()).map_err(|e| evaluate(&e))?;
        let mut engine = self.engine.clone();
        engine.set_input(input);
        let deny = engine
            .eval_rule(DENY.to_owned())
            .map_err(|e| evaluate(&e))?;
        let entries = deny
            .as_set()
            .map_err(|_| PolicyError::Result(deny.to_string()))?;
        entries.iter().map(denial).collect()
    }
}

fn denial(entry: &regorus::Value) -> Result<Denial, PolicyError> {
    let text = |name: &str| entry[name].as_string().map(|text| text.to_string());
    match (text("code"), text("message")) {
        (Ok(code), Ok(message)) => Ok(Denial { code, message }),
        _ => Err(PolicyError::Result(entry.to_string())),
    }
}

/// The checks no policy can waive.
fn floor<A: Appraised>(appraisal: &A) -> Vec<Denial> {
    let devices = appraisal.devices().iter().enumerate();
    let of_devices = devices.flat_map(|(position, device)| {
        let lookup = move |id: &CheckId| (*id, device.check(*id).map(|check| check.status));
        let named = move |(id, status)| unaffirmed(&format!("device {position}: "), id, status);
        CORE_DEVICE_CHECKS.iter().map(lookup).filter_map(named)
    });
    let of_whole = appraisal.core_checks().iter().filter_map(|id| {
        let check = appraisal.all_checks().find(|check| check.id == *id);
        unaffirmed("", *id, check.map(|check| check.status))
    });
    of_whole.chain(of_devices).collect()
}

fn unaffirmed(subject: &str, id: CheckId, status: Option<Status>) -> Option<Denial> {
    if status == Some(Status::Affirmed) {
        return None;
    }
    let found = status.map_or("missing", Status::as_str);
    Some(Denial {
        code: Code::CoreCheckNotAffirmed.as_str().to_owned(),
        message: format!("{subject}{id} is {found}; no policy can waive it"),
    })
}
