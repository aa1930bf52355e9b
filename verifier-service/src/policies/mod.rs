//! Where policies come from: the built-in ones, files, and versions uploaded to a running service.
//!
//! In scope: loading ([`configured`], [`load`], [`built_in`]), which one decides ([`InForce`]), and keeping every text
//! that ever decided, so that a receipt can be traced to it (the book of a running service). Out of scope: what a
//! policy says; `evidence` compiles and evaluates it.

mod book;
mod follow;
mod in_force;
mod name;
pub(crate) mod simulation;

use std::path::{Path, PathBuf};

use evidence::appraise::Appraised;
use evidence::policy::{Decision, Denial, MAX_POLICY_BYTES, Policy, PolicyError};
use thiserror::Error;

pub use book::BookError;
pub(crate) use book::{Book, asked, not_found};
pub use in_force::InForce;
pub(crate) use name::PolicyName;

use crate::config::AppraisalSettings;
use crate::nvidia::claims::{self, Waivers};

/// Name and text of each policy that comes with the verifier. The first applies when none is configured.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("default", include_str!("../../../policies/default.rego")),
    ("strict", include_str!("../../../policies/strict.rego")),
    (
        "air-gapped",
        include_str!("../../../policies/air-gapped.rego"),
    ),
    (
        "protected-pcie",
        include_str!("../../../policies/protected-pcie.rego"),
    ),
    (
        "tolerate-expired-manifests",
        include_str!("../../../policies/tolerate-expired-manifests.rego"),
    ),
    (
        "danger-without-revocation",
        include_str!("../../../policies/danger-without-revocation.rego"),
    ),
];

const DEFAULT: &str = BUILT_IN[0].0;

/// Why there is no policy to decide with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read, or is no text.
    #[error("cannot read policy {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The name of the file cannot be the name of a policy.
    #[error(
        "policy {path}: the name of the file must be 1 to 64 letters, digits, dots, dashes and underscores, and not begin with a dot"
    )]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A built-in policy is asked for and there is none of this name.
    #[error("appraisal.policy must be one of {}, got {name}", names())]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A built-in policy and a file.
    #[error("appraisal.policy and appraisal.policy_file must not both be set")]
    Both,
    /// The text cannot be used.
    #[error("policy {id} cannot be used: {source}")]
    Policy {
        /// Its name.
        id: String,
        /// Why not.
        source: PolicyError,
    },
}

/// The text of a policy and what it compiles to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// Its text.
    pub text: String,
}

/// The policy that the settings name: a built-in one, or that in a file; the default policy where they name none.
///
/// # Errors
/// See [`LoadError`].
pub fn configured(settings: &AppraisalSettings) -> Result<Loaded, LoadError> {
    match (&settings.policy, &settings.policy_file) {
        (Some(_), Some(_)) => Err(LoadError::Both),
        (Some(name), None) => built_in(name),
        (None, Some(file)) => from_file(file),
        (None, None) => built_in(DEFAULT),
    }
}

/// The policy in `file`, named after the file; without one, the default policy.
///
/// # Errors
/// See [`LoadError`].
pub fn load(file: Option<&Path>) -> Result<Policy, LoadError> {
    let loaded = file.map_or_else(|| built_in(DEFAULT), from_file)?;
    Ok(loaded.policy)
}

/// The built-in policy of this name.
///
/// # Errors
/// [`LoadError::UnknownName`].
pub fn built_in(name: &str) -> Result<Loaded, LoadError> {
    let known = BUILT_IN.iter().find(|(known, _)| *known == name);
    let (name, text) = known.ok_or_else(|| LoadError::UnknownName {
        name: name.to_owned(),
    })?;
    compile(name, (*text).to_owned())
}

/// Compiles a text as a policy that this verifier can decide with.
fn compile(id: &str, text: String) -> Result<Loaded, LoadError> {
    let policy = Policy::compile(id, &text).map_err(|source| LoadError::Policy {
        id: id.to_owned(),
        source,
    })?;
    Ok(Loaded { policy, text })
}

/// What a relying-party policy reads of the devices. Nothing is waived: of a software device it reads nothing that would
/// match.
fn claims_of<A: Appraised>(appraisal: &A) -> serde_json::Value {
    claims::array(appraisal.devices(), Waivers::default())
}

/// Decides. A relying-party policy reads NVIDIA's version 3 claims of the devices, as its own client would make them.
///
/// # Errors
/// The policy is at fault; the evidence is not.
pub fn decide<A: Appraised>(policy: &Policy, appraisal: A) -> Result<Decision<A>, PolicyError> {
    policy.decide_with_claims(appraisal, claims_of)
}

/// Everything that policy and floor say against an appraisal, without deciding it.
///
/// # Errors
/// The policy is at fault; the evidence is not.
pub fn objections<A: Appraised>(
    policy: &Policy,
    appraisal: &A,
) -> Result<Vec<Denial>, PolicyError> {
    policy.objections_with_claims(appraisal, claims_of)
}

fn from_file(path: &Path) -> Result<Loaded, LoadError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let name: PolicyName =
        stem.and_then(|stem| stem.parse().ok())
            .ok_or_else(|| LoadError::Name {
                path: path.to_owned(),
            })?;
    compile(name.as_str(), read(path)?)
}

/// Reads one byte more than a policy may have, so that `compile` can say that it is too large.
fn read(path: &Path) -> Result<String, LoadError> {
    use std::io::Read;

    let limit = u64::try_from(MAX_POLICY_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|source| LoadError::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests;
