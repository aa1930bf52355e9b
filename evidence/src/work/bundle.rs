//! The bundle: everything an agent hands in for one piece of work.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::encoding::{Base64Url, Blob, distinct_members};
use super::job::JobSpec;
use super::statement::{CanonicalStatement, Profile, WorkStatement};
use crate::crypto;
use crate::device::Architecture;
use crate::limits::{MAX_DEVICES, MAX_OUTPUTS};

/// One device's evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleDevice {
    /// The architecture the agent claims.
    pub arch: Architecture,
    /// The raw report.
    pub report: Blob,
    /// The device certificate chain, PEM text, leaf first.
    pub chain: Blob,
}

/// A bundle before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct UnsignedBundle {
    /// The job that was run.
    pub job: JobSpec,
    /// What the agent says about the run.
    pub statement: WorkStatement,
    /// Evidence of the devices, in order.
    pub devices: Vec<BundleDevice>,
    /// Input bytes by name, where the job gives inputs by digest.
    pub inputs: BTreeMap<String, Blob>,
    /// Output bytes by name, where a check of the job needs them.
    pub outputs: BTreeMap<String, Blob>,
}

/// A bundle as it travels: JSON, media type `application/vnd.pogw.bundle+json`. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Version of this form.
    pub profile: Profile,
    /// The job that was run.
    pub job: JobSpec,
    /// What the agent says about the run.
    pub statement: WorkStatement,
    /// Evidence of the devices, in order.
    pub devices: Vec<BundleDevice>,
    /// Input bytes by name, where the job gives inputs by digest.
    #[serde(
        default,
        deserialize_with = "distinct_members",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub inputs: BTreeMap<String, Blob>,
    /// Output bytes by name, where a check of the job needs them.
    #[serde(
        default,
        deserialize_with = "distinct_members",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub outputs: BTreeMap<String, Blob>,
    /// Ed25519 signature by the agent key over the bundle message.
    pub signature: Base64Url<64>,
}

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not the JSON of a bundle.
    #[error("bundle is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// More of something than a bundle may hold.
    #[error("too many {what}: expected at most {limit}, got {actual}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
}

impl UnsignedBundle {
    /// Adds the agent's signature, made by `sign` over the message given to it.
    ///
    /// # Errors
    /// The statement cannot be written canonically.
    pub fn sign(self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Bundle, serde_json::Error> {
        let canonical = self.statement.canonical()?;
        let signature = sign(&message(&canonical, &self.devices));
        Ok(Bundle {
            profile: Profile::V1,
            job: self.job,
            statement: self.statement,
            devices: self.devices,
            inputs: self.inputs,
            outputs: self.outputs,
            signature: Base64Url(signature),
        })
    }
}

impl Bundle {
    /// Reads the JSON of a bundle. Unknown and repeated members are refused.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = serde_json::from_slice(json)?;
        bundle.check_counts()?;
        Ok(bundle)
    }

    /// What its form alone does not bound.
    pub(super) fn check_counts(&self) -> Result<(), BundleError> {
        at_most("devices", MAX_DEVICES, self.devices.len())?;
        at_most("outputs", MAX_OUTPUTS, self.statement.outputs.len())
    }

    /// Whether the agent key in the statement signed statement, reports and chains.
    pub(crate) fn is_signed_by_its_agent(&self, canonical: &CanonicalStatement) -> bool {
        let key = &self.statement.agent_key.0;
        crypto::ed25519(key, &message(canonical, &self.devices), &self.signature.0)
    }
}

fn message(canonical: &CanonicalStatement, devices: &[BundleDevice]) -> Vec<u8> {
    let devices = devices.iter();
    canonical.bundle_message(devices.map(|d| (d.report.0.as_slice(), d.chain.0.as_slice())))
}

fn at_most(what: &'static str, limit: usize, actual: usize) -> Result<(), BundleError> {
    if actual > limit {
        return Err(BundleError::TooMany {
            what,
            limit,
            actual,
        });
    }
    Ok(())
}
