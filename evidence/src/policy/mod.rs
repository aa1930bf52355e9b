//! Decide: a Rego policy says yes or no to an appraisal.
//!
//! There are two kinds ([`PolicyKind`]), told apart by the package the text is in:
//!
//! * `package pogw`, ours: `data.pogw.deny` is a set of `{"code": …, "message": …}`; granted means it is empty.
//!   `data.pogw.revocation` says what it wants to be known about revocation ([`RevocationTerms`]).
//! * `package policy`, NVIDIA's relying-party policies, unchanged: `data.policy.nv_match` over the claim sets
//!   ([`RelyingPartyPolicy`]). Claims speak of devices alone; what they are silent about has to be affirmed.
//!
//! Under both lies a floor that no policy can waive: the checks without which nothing in the evidence was said by a
//! device ([`CORE_DEVICE_CHECKS`](crate::appraise::CORE_DEVICE_CHECKS)), and those that bind the work to it.
//!
//! In scope: compiling, evaluating within bounds of size, time and memory, the floor, the types that carry the decision.
//! Out of scope: where policies come from and which one applies; building claim sets, which the caller hands in; asking
//! about revocation.
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

mod budget;
mod cost;
mod deny;
mod floor;
mod reads;
mod relying_party;
mod revocation;
mod rules;
mod shape;
mod syntax;

use std::fmt;

use serde::{Serialize, Serializer};

pub use budget::MAX_POLICY_MEMORY_BYTES;
pub use relying_party::RelyingPartyPolicy;
pub use revocation::{DEFAULT_MAX_AGE_S, MAX_MAX_AGE_S, RevocationMode, RevocationTerms};
pub use rules::MAX_POLICY_BYTES;

use crate::appraise::Appraised;
use crate::crypto;
use crate::reason::Code;
use crate::work::Hex;
use deny::DenyRule;

/// The package of NVIDIA's relying-party policies.
const RELYING_PARTY_PACKAGE: &str = "policy";

/// Which policy decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyIdentity {
    /// Name given by whoever runs the verifier.
    pub id: String,
    /// SHA-256 of the policy text.
    pub sha256: Hex<32>,
}

impl PolicyIdentity {
    fn new(id: &str, rego: &str) -> Self {
        Self {
            id: id.to_owned(),
            sha256: Hex(crypto::sha256(rego.as_bytes())),
        }
    }
}

/// Why a policy says no.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Denial {
    /// Stable word.
    pub code: String,
    /// Sentence.
    pub message: String,
}

/// What a policy reads and what it answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Ours: reads the input document, answers with reasons against it.
    Pogw,
    /// NVIDIA's: reads an array of claim sets, answers whether they match.
    RelyingParty,
}

impl PolicyKind {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pogw => "pogw",
            Self::RelyingParty => "relying_party",
        }
    }
}

impl Serialize for PolicyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A policy, compiled.
#[derive(Clone)]
pub struct Policy {
    identity: PolicyIdentity,
    revocation: RevocationTerms,
    text: Text,
}

/// The text of either kind, compiled.
#[derive(Clone)]
enum Text {
    Pogw(DenyRule),
    RelyingParty(RelyingPartyPolicy),
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
    /// The text is not Rego, or has neither `deny` in `package pogw` nor `nv_match` in `package policy`.
    #[error("policy does not compile: {0}")]
    Compile(String),
    /// A builtin could make more than [`MAX_POLICY_MEMORY_BYTES`] allow, alone or with those before it.
    #[error(
        "policy takes too much memory: {0} could make more than is left of {MAX_POLICY_MEMORY_BYTES} bytes"
    )]
    Memory(&'static str),
    /// The text calls a builtin that is not for policies.
    #[error("policy calls {0}, which is not for policies")]
    Builtin(&'static str),
    /// `revocation` in `package pogw` is not what [`RevocationTerms`] describes.
    #[error("data.pogw.revocation is malformed: expected {expected}, got {actual}")]
    Revocation {
        /// What it must be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// Evaluation failed.
    #[error("policy does not evaluate: {0}")]
    Evaluate(String),
    /// The rule does not give what it must.
    #[error("policy result is malformed: expected {expected}, got {actual}")]
    Result {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        actual: String,
    },
    /// A relying-party policy was asked without the claim sets it reads.
    #[error("policy reads claim sets, and none were given")]
    ClaimsMissing,
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

/// An appraisal that a policy granted. Only [`Policy::decide`] and [`Policy::decide_with_claims`] make one.
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

impl<A> Decision<A> {
    /// What was judged, whatever came of it.
    #[must_use]
    pub fn appraisal(&self) -> &A {
        match self {
            Self::Granted(granted) => granted.appraisal(),
            Self::Refused(refusal) => &refusal.appraisal,
        }
    }

    /// The policy that was asked.
    #[must_use]
    pub fn policy(&self) -> &PolicyIdentity {
        match self {
            Self::Granted(granted) => granted.policy(),
            Self::Refused(refusal) => &refusal.policy,
        }
    }

    /// Why not; empty if granted.
    #[must_use]
    pub fn denials(&self) -> &[Denial] {
        match self {
            Self::Granted(_) => &[],
            Self::Refused(refusal) => &refusal.deny,
        }
    }
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
    /// Compiles a policy of either kind: the package tells which.
    ///
    /// # Errors
    /// [`PolicyError::TooLarge`], [`PolicyError::Compile`], [`PolicyError::Builtin`], [`PolicyError::Memory`],
    /// [`PolicyError::Revocation`].
    pub fn compile(id: &str, rego: &str) -> Result<Self, PolicyError> {
        let (text, revocation) = if rules::package(rego) == Some(RELYING_PARTY_PACKAGE) {
            let policy = RelyingPartyPolicy::compile(id, rego)?;
            (Text::RelyingParty(policy), RelyingPartyPolicy::REVOCATION)
        } else {
            let deny = DenyRule::compile(id, rego)?;
            let revocation = revocation::stated_by(deny.rules())?;
            (Text::Pogw(deny), revocation)
        };
        Ok(Self {
            identity: PolicyIdentity::new(id, rego),
            revocation,
            text,
        })
    }

    /// The policy's name and digest.
    #[must_use]
    pub fn identity(&self) -> &PolicyIdentity {
        &self.identity
    }

    /// What it reads.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        match self.text {
            Text::Pogw(_) => PolicyKind::Pogw,
            Text::RelyingParty(_) => PolicyKind::RelyingParty,
        }
    }

    /// What the policy wants to be known about revocation when it is asked.
    #[must_use]
    pub fn revocation(&self) -> &RevocationTerms {
        &self.revocation
    }

    /// Decides.
    ///
    /// # Errors
    /// The policy itself is at fault; nothing is decided then. [`PolicyError::ClaimsMissing`] for a relying-party policy.
    pub fn decide<A: Appraised>(&self, appraisal: A) -> Result<Decision<A>, PolicyError> {
        let deny = self.objections(&appraisal)?;
        Ok(self.decided(appraisal, deny))
    }

    /// Decides, with claim sets for the kind of policy that reads them. `claims` is asked for that kind only, and must
    /// give the array of claim sets of the devices of the appraisal (nvidia-evidence 9.2).
    ///
    /// # Errors
    /// The policy itself is at fault; nothing is decided then.
    pub fn decide_with_claims<A: Appraised>(
        &self,
        appraisal: A,
        claims: impl FnOnce(&A) -> serde_json::Value,
    ) -> Result<Decision<A>, PolicyError> {
        let deny = self.objections_with_claims(&appraisal, claims)?;
        Ok(self.decided(appraisal, deny))
    }

    /// Everything that policy and floor say against an appraisal, without deciding it: for simulation.
    ///
    /// # Errors
    /// See [`decide`](Self::decide).
    pub fn objections<A: Appraised>(&self, appraisal: &A) -> Result<Vec<Denial>, PolicyError> {
        match &self.text {
            Text::Pogw(rule) => weigh(rule, appraisal),
            Text::RelyingParty(_) => Err(PolicyError::ClaimsMissing),
        }
    }

    /// Everything that policy and floor say against an appraisal, with claim sets for the kind of policy that reads them.
    ///
    /// # Errors
    /// See [`decide_with_claims`](Self::decide_with_claims).
    pub fn objections_with_claims<A: Appraised>(
        &self,
        appraisal: &A,
        claims: impl FnOnce(&A) -> serde_json::Value,
    ) -> Result<Vec<Denial>, PolicyError> {
        match &self.text {
            Text::Pogw(rule) => weigh(rule, appraisal),
            Text::RelyingParty(policy) => weigh_claims(policy, appraisal, &claims(appraisal)),
        }
    }

    /// What the policy alone says to a document, without the floor: for simulation and for tables of decisions. Nothing is
    /// granted by it. The document is the input document or, for a relying-party policy, the array of claim sets.
    ///
    /// # Errors
    /// The policy itself is at fault.
    pub fn denials(&self, document: &serde_json::Value) -> Result<Vec<Denial>, PolicyError> {
        match &self.text {
            Text::Pogw(rule) => rule.ask(rules::of_json(document)?),
            Text::RelyingParty(policy) => policy.denials(document),
        }
    }

    fn decided<A>(&self, appraisal: A, deny: Vec<Denial>) -> Decision<A> {
        let policy = self.identity.clone();
        if deny.is_empty() {
            return Decision::Granted(Granted::assertion(appraisal, policy));
        }
        Decision::Refused(Refusal {
            appraisal,
            policy,
            deny,
        })
    }
}

/// Floor first, then what the policy says.
fn weigh<A: Appraised>(rule: &DenyRule, appraisal: &A) -> Result<Vec<Denial>, PolicyError> {
    let mut deny = floor::below(appraisal);
    deny.extend(rule.denials(appraisal.policy_input())?);
    Ok(deny)
}

/// Floor first, then what the policy says to the claims, then what claims cannot tell.
fn weigh_claims<A: Appraised>(
    policy: &RelyingPartyPolicy,
    appraisal: &A,
    claims: &serde_json::Value,
) -> Result<Vec<Denial>, PolicyError> {
    let mut deny = floor::below(appraisal);
    deny.extend(policy.denials(claims)?);
    deny.extend(floor::beside_devices(appraisal));
    Ok(deny)
}

#[cfg(test)]
mod tests;
