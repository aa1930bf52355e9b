//! NVIDIA's relying-party policies, unchanged (nvidia-evidence 9.5).
//!
//! Rego in `package policy` with a rule `nv_match`, read the way NVIDIA's client reads it: Rego v0 unless the text
//! imports `rego.v1`, input the JSON array of claim sets (or whatever document the policy was written for).

use std::fmt;

use serde_json::Value;

use super::rules::{self, Dialect, Rules};
use super::{Denial, PolicyError, PolicyIdentity, RevocationMode, RevocationTerms};
use crate::reason::Code;

const NV_MATCH: &str = "data.policy.nv_match";

/// A relying-party policy, compiled. The same limits of size, time and memory hold as for our own.
#[derive(Clone)]
pub struct RelyingPartyPolicy {
    identity: PolicyIdentity,
    rules: Rules,
}

impl fmt::Debug for RelyingPartyPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelyingPartyPolicy")
            .field(&self.identity)
            .finish()
    }
}

impl RelyingPartyPolicy {
    /// What such a policy takes for granted about revocation: NVIDIA's client asks about every certificate for every
    /// appraisal, and the policies look for the nonce of that very question.
    pub const REVOCATION: RevocationTerms = RevocationTerms {
        mode: RevocationMode::Required,
        allow_hold: false,
    };

    /// Compiles a policy.
    ///
    /// # Errors
    /// [`PolicyError::TooLarge`], [`PolicyError::Compile`], [`PolicyError::Builtin`], [`PolicyError::Memory`].
    pub fn compile(id: &str, rego: &str) -> Result<Self, PolicyError> {
        Ok(Self {
            identity: PolicyIdentity::new(id, rego),
            rules: Rules::compile(id, rego, Dialect::V0, NV_MATCH)?,
        })
    }

    /// The policy's name and digest.
    #[must_use]
    pub fn identity(&self) -> &PolicyIdentity {
        &self.identity
    }

    /// Whether the claims match. Undefined, as a rule without `default` is when it does not hold, is no match.
    ///
    /// # Errors
    /// Evaluation failed, or `nv_match` is neither true nor false nor undefined.
    pub fn matches(&self, claims: &Value) -> Result<bool, PolicyError> {
        match self.rules.evaluate(rules::of_json(claims)?)? {
            regorus::Value::Bool(matches) => Ok(matches),
            regorus::Value::Undefined => Ok(false),
            other => Err(PolicyError::Result {
                expected: "true or false in data.policy.nv_match",
                actual: rules::shown(&other),
            }),
        }
    }

    pub(super) fn denials(&self, claims: &Value) -> Result<Vec<Denial>, PolicyError> {
        let mismatch = || Denial {
            code: Code::RelyingPartyMismatch.as_str().to_owned(),
            message: "nv_match does not hold for the claims of the devices".to_owned(),
        };
        let matches = self.matches(claims)?;
        Ok((!matches).then(mismatch).into_iter().collect())
    }
}
