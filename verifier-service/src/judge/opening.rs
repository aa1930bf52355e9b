//! An opening to be judged, and what judging it showed.

use std::num::NonZeroUsize;

use evidence::UnixTime;
use evidence::device::Architecture;
use evidence::work::Opening;
use jobs::Blame;
use kernels::audit::Strength;
use receipt::Level;

use crate::store::archive::Grounds;
use crate::work::{self, OpeningChecker};

/// An opening to be judged.
#[derive(Debug)]
pub(crate) struct OpeningCase {
    /// The opening.
    pub(crate) opening: Opening,
    /// SHA-256 of its bundle's bytes, as they are kept.
    pub(crate) bundle_sha256: [u8; 32],
    /// The challenge of the assignment.
    pub(crate) challenge: [u8; 32],
    /// Drawn after all replicas had committed.
    pub(crate) randomness: [u8; 32],
    /// The point audit of the terms.
    pub(crate) audit: Option<Strength>,
    /// The time everything is judged at.
    pub(crate) as_of: UnixTime,
    /// Whom a receipt will be for.
    pub(crate) audience: Vec<String>,
}

impl OpeningCase {
    pub(super) fn checker(&self) -> OpeningChecker<'_> {
        let (slices, one) = (self.opening.slices.as_slice(), NonZeroUsize::MIN);
        OpeningChecker::new(self.randomness, slices, self.audit, one)
    }

    pub(super) fn takes_long(&self) -> bool {
        self.audit.is_some() || work::takes_long(&self.opening.bundle.job)
    }
}

/// What judging an opening showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Everything held.
    Upheld {
        /// The level of the evidence.
        level: Level,
        /// The devices.
        devices: Vec<JudgedDevice>,
        /// The claims, JSON, for the receipt that may come of it.
        claims: String,
        /// What they rest on.
        grounds: Grounds,
    },
    /// The result held once more, of an opening whose evidence was appraised before.
    Stands,
    /// Something did not.
    Refuted {
        /// The first reason.
        code: &'static str,
        /// What it says of the agent.
        blame: Blame,
    },
}

/// A device of which evidence was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JudgedDevice {
    /// Its lasting identity.
    pub(crate) ueid: String,
    /// What it is.
    pub(crate) architecture: Architecture,
    /// Whether it is software.
    pub(crate) simulated: bool,
}
