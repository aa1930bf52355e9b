//! From evidence to a decision: reads, looks up collateral, appraises, asks the policy.
//!
//! Everything here is computation and small file reads; callers run it off the async threads.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::appraise::{
    Collateral, DeviceEvidence, DeviceReading, EvidenceAppraisal, Reference, ReferenceIds,
    References, WorkAppraisal,
};
use evidence::device::Architecture;
use evidence::policy::{Decision, Denial, Policy, PolicyError};
use evidence::rim::Rim;
use evidence::work::Bundle;
use evidence::{Examined, UnixTime};
use thiserror::Error;

use crate::anchors::{self, AnchorError};
use crate::collateral;
use crate::config::AppraisalSettings;
use crate::policies::{self, InForce};
use crate::work::KernelChecker;

/// Why an appraiser cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file of anchors cannot be used.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] policies::LoadError),
    /// The directory of manifests cannot be read.
    #[error("cannot read reference manifests from {path}: {source}")]
    RimDirectory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// One device's evidence as somebody handed it in.
#[derive(Clone, Debug)]
pub struct DeviceSubmission {
    /// The architecture claimed, where the form of the evidence has a place for it.
    pub arch: Option<Architecture>,
    /// The raw report.
    pub report: Vec<u8>,
    /// The device certificate chain, PEM.
    pub chain: Vec<u8>,
}

/// Appraises evidence under fixed anchors, collateral and policy.
#[derive(Debug)]
pub struct Appraiser {
    collateral: collateral::Collateral,
    policy: InForce,
    threads: NonZeroUsize,
}

/// The manifests one device asks for, as far as they are at hand.
struct Manifests {
    ids: ReferenceIds,
    driver: Option<Arc<Examined<Rim>>>,
    vbios: Option<Arc<Examined<Rim>>>,
}

impl Appraiser {
    /// Loads anchors and policy and looks at the directory of manifests.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: &AppraisalSettings) -> Result<Self, OpenError> {
        if let Some(path) = &settings.rim_dir {
            std::fs::read_dir(path).map_err(|source| OpenError::RimDirectory {
                path: path.clone(),
                source,
            })?;
        }
        let anchors = anchors::load(&settings.simulated_anchors)?;
        Ok(Self {
            collateral: collateral::Collateral::new(anchors, settings.rim_dir.clone()),
            policy: InForce::new(policies::configured(settings)?),
            threads: NonZeroUsize::MIN,
        })
    }

    /// Which policy decides. What is put in force there decides here from then on.
    #[must_use]
    pub fn policy(&self) -> &InForce {
        &self.policy
    }

    /// Judges a bundle that answers `challenge`. `randomness` must be drawn after the bundle arrived.
    ///
    /// # Errors
    /// The policy is at fault; the evidence is not.
    pub fn appraise_bundle(
        &self,
        bundle: &Bundle,
        challenge: &[u8; 32],
        randomness: &[u8; 32],
        as_of: UnixTime,
    ) -> Result<Decision<WorkAppraisal>, PolicyError> {
        let policy = self.policy.current();
        let appraisal = self.appraisal_of(bundle, challenge, randomness, as_of);
        policy.decide(appraisal)
    }

    /// What a policy, in force or not, and the floor say against a bundle. Decides nothing.
    ///
    /// # Errors
    /// The policy is at fault; the evidence is not.
    pub fn reconsider_bundle(
        &self,
        policy: &Policy,
        bundle: &Bundle,
        challenge: &[u8; 32],
        randomness: &[u8; 32],
        as_of: UnixTime,
    ) -> Result<Vec<Denial>, PolicyError> {
        policy.objections(&self.appraisal_of(bundle, challenge, randomness, as_of))
    }

    fn appraisal_of(
        &self,
        bundle: &Bundle,
        challenge: &[u8; 32],
        randomness: &[u8; 32],
        as_of: UnixTime,
    ) -> WorkAppraisal {
        let checker = KernelChecker::new(*randomness, self.threads);
        let devices = bundle.devices.iter();
        let evidence = devices.map(|d| (Some(d.arch), d.report.0.as_slice(), d.chain.0.as_slice()));
        self.with_readings(evidence, |readings| {
            WorkAppraisal::new(bundle, &readings, challenge, &checker, as_of)
        })
    }

    /// Judges devices alone, whose reports must carry `nonce`.
    ///
    /// # Errors
    /// The policy is at fault; the evidence is not.
    pub fn appraise_devices(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
    ) -> Result<Decision<EvidenceAppraisal>, PolicyError> {
        let policy = self.policy.current();
        let evidence = devices
            .iter()
            .map(|d| (d.arch, d.report.as_slice(), d.chain.as_slice()));
        let devices = self.with_readings(evidence, |readings| {
            let appraised = readings
                .into_iter()
                .map(|(reading, collateral)| reading.appraise(nonce, collateral, as_of));
            appraised.collect()
        });
        policy.decide(EvidenceAppraisal::new(devices, as_of))
    }

    /// Reads the evidence, looks up what each device asks for, and hands both on.
    fn with_readings<'e, T>(
        &self,
        evidence: impl Iterator<Item = (Option<Architecture>, &'e [u8], &'e [u8])>,
        judge: impl FnOnce(Vec<(DeviceReading<'_>, Collateral<'_>)>) -> T,
    ) -> T {
        let examined: Vec<_> = evidence
            .map(|(claimed, report, chain)| (claimed, report, self.collateral.chain(chain)))
            .collect();
        let readings: Vec<_> = examined
            .iter()
            .map(|(claimed, report, chain)| {
                DeviceReading::new(DeviceEvidence {
                    claimed: *claimed,
                    report,
                    chain,
                })
            })
            .collect();
        let manifests: Vec<_> = readings
            .iter()
            .map(|reading| self.manifests(reading.reference_ids()))
            .collect();
        let collateral = manifests.iter().map(Manifests::collateral);
        judge(readings.into_iter().zip(collateral).collect())
    }

    fn manifests(&self, ids: ReferenceIds) -> Manifests {
        let driver = ids.driver.as_deref().and_then(|id| self.manifest(id));
        let vbios = ids.vbios.as_deref().and_then(|id| self.manifest(id));
        Manifests { ids, driver, vbios }
    }

    /// A manifest that cannot be read is one that is not at hand: the appraisal says `unverifiable`, the log says why.
    fn manifest(&self, id: &str) -> Option<Arc<Examined<Rim>>> {
        self.collateral.rim(id).unwrap_or_else(|error| {
            tracing::error!(id, %error, "cannot read reference manifest");
            None
        })
    }
}

impl Manifests {
    fn collateral(&self) -> Collateral<'_> {
        Collateral {
            references: References {
                driver: reference(self.ids.driver.as_deref(), self.driver.as_deref()),
                vbios: reference(self.ids.vbios.as_deref(), self.vbios.as_deref()),
                ..References::default()
            },
            ..Collateral::default()
        }
    }
}

fn reference<'a>(id: Option<&'a str>, rim: Option<&'a Examined<Rim>>) -> Option<Reference<'a>> {
    rim.map(|rim| Reference {
        id,
        rim,
        obtained_at: None,
    })
}
