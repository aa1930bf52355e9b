//! From evidence to a decision: reads, looks up collateral, appraises, asks the policy.
//!
//! Everything here but [`Inquiry::obtain`] is computation and small file reads; callers run it off the async threads. A
//! caller without a network calls [`Appraiser::appraise_bundle`] or [`Appraiser::appraise_devices`], which use what is
//! at hand; a caller with one makes passes ([`Inquiry`]).

mod gather;
mod inquiry;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::appraise::{
    BeforeResult, Collateral as AtHand, DeviceEvidence, DeviceReading, EvidenceAppraisal,
    WorkAppraisal, WorkChecker,
};
use evidence::device::Architecture;
use evidence::policy::{Decision, PolicyError};
use evidence::work::Bundle;
use evidence::{UnixTime, parallel};
use thiserror::Error;

use gather::Gathered;
pub use inquiry::{Inquiry, MAX_PASSES, Pass, Settled, Wants};

use crate::anchors::{self, AnchorError};
use crate::clock::{Clock, SystemClock};
use crate::collateral::{Collateral, UpstreamError, Used};
use crate::config::AppraisalSettings;
use crate::policies::{self, InForce};
use crate::work::{self, KernelChecker};

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
    /// A source of collateral cannot be used.
    #[error(transparent)]
    Collateral(#[from] UpstreamError),
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

/// Appraises evidence under fixed anchors, and the policy in force.
#[derive(Debug)]
pub struct Appraiser {
    collateral: Arc<Collateral>,
    policy: InForce,
    threads: NonZeroUsize,
}

/// How a result is checked.
#[derive(Clone, Copy)]
pub struct Checking<'a> {
    /// By whom.
    pub checker: &'a dyn WorkChecker,
    /// Whether it takes long, and so a place of its own.
    pub takes_long: bool,
}

/// What came of appraising a bundle.
#[derive(Debug)]
pub struct AppraisedBundle {
    /// What was found.
    pub appraisal: WorkAppraisal,
    /// What it was compared with.
    pub used: Used,
}

/// What a pass goes by.
#[derive(Clone, Copy)]
struct Passing<'a> {
    as_of: UnixTime,
    inquiry: &'a Inquiry,
    /// The nonce the reports must carry, made where it is needed: `None` if there is none that they could.
    nonce: &'a dyn Fn() -> Option<[u8; 32]>,
}

impl Appraiser {
    /// Loads anchors and policy and looks at the sources of collateral. Keeps nothing on disk.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: &AppraisalSettings) -> Result<Self, OpenError> {
        Self::with_state(settings, Arc::new(SystemClock), None)
    }

    /// The same by a clock, and with a directory to keep fetched manifests in.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn with_state(
        settings: &AppraisalSettings,
        clock: Arc<dyn Clock>,
        state_dir: Option<&std::path::Path>,
    ) -> Result<Self, OpenError> {
        if let Some(path) = &settings.rim_dir {
            std::fs::read_dir(path).map_err(|source| OpenError::RimDirectory {
                path: path.clone(),
                source,
            })?;
        }
        let anchors = anchors::load(&settings.simulated_anchors)?;
        let policy = InForce::new(policies::configured(settings)?);
        Ok(Self {
            collateral: Arc::new(Collateral::open(settings, anchors, clock, state_dir)?),
            policy,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        })
    }

    /// Which policy decides. What is put in force there decides here from then on.
    #[must_use]
    pub fn policy(&self) -> &InForce {
        &self.policy
    }

    /// Where manifests and answers come from.
    #[must_use]
    pub fn collateral(&self) -> &Arc<Collateral> {
        &self.collateral
    }

    /// Begins an appraisal under the policy in force.
    #[must_use]
    pub fn inquiry(&self) -> Inquiry {
        Inquiry::new(self.policy.current())
    }

    /// Judges a bundle that answers `challenge`, by what is at hand. `randomness` must be drawn after the bundle arrived.
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
        self.decide_over_bundle(bundle, challenge, randomness, as_of, self.inquiry())
    }

    /// The same by an inquiry of one's own, such as one over evidence of another day ([`Inquiry::of_the_past`]).
    ///
    /// # Errors
    /// The policy is at fault; the evidence is not.
    pub fn decide_over_bundle(
        &self,
        bundle: &Bundle,
        challenge: &[u8; 32],
        randomness: &[u8; 32],
        as_of: UnixTime,
        mut inquiry: Inquiry,
    ) -> Result<Decision<WorkAppraisal>, PolicyError> {
        loop {
            match self.pass_over_bundle(bundle, challenge, randomness, as_of, &inquiry) {
                Pass::Done(made) => return policies::decide(inquiry.policy(), made.appraisal),
                Pass::Wants(_) => inquiry.close(),
                Pass::ResultNext(settled) => inquiry.let_check_result(settled),
            }
        }
    }

    /// Judges devices alone, whose reports must carry `nonce`, by what is at hand.
    ///
    /// # Errors
    /// The policy is at fault; the evidence is not.
    pub fn appraise_devices(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
    ) -> Result<Decision<EvidenceAppraisal>, PolicyError> {
        let mut inquiry = self.inquiry();
        loop {
            match self.pass_over_devices(nonce, devices, as_of, &inquiry) {
                Pass::Done(appraisal) => return policies::decide(inquiry.policy(), appraisal),
                Pass::Wants(_) | Pass::ResultNext(_) => inquiry.close(),
            }
        }
    }

    /// One pass over a bundle.
    #[must_use]
    pub fn pass_over_bundle(
        &self,
        bundle: &Bundle,
        challenge: &[u8; 32],
        randomness: &[u8; 32],
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Pass<AppraisedBundle> {
        // Recomputation takes the time it takes; several of them share the processors already.
        let checker = KernelChecker::new(*randomness, NonZeroUsize::MIN);
        let checking = Checking {
            checker: &checker,
            takes_long: work::takes_long(&bundle.job),
        };
        self.pass_over_work(bundle, challenge, &checking, as_of, inquiry)
    }

    /// One pass over a bundle whose result is checked so.
    #[must_use]
    pub fn pass_over_work(
        &self,
        bundle: &Bundle,
        challenge: &[u8; 32],
        checking: &Checking<'_>,
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Pass<AppraisedBundle> {
        let devices = bundle.devices.iter();
        let evidence = devices.map(|d| (Some(d.arch), d.report.0.as_slice(), d.chain.0.as_slice()));
        let nonce = || Some(bundle.statement.canonical().ok()?.report_nonce());
        let pass = Passing {
            as_of,
            inquiry,
            nonce: &nonce,
        };
        self.with_readings(evidence, &pass, |readings| {
            let before = BeforeResult::new(
                bundle,
                readings,
                challenge,
                checking.checker,
                self.threads,
                as_of,
            );
            let takes_long = before.is_beyond_doubt() && checking.takes_long;
            let is_put_off = takes_long && !inquiry.checks_result();
            (!is_put_off).then(|| before.conclude())
        })
        .map(|(appraisal, settled)| AppraisedBundle {
            appraisal,
            used: settled.used(),
        })
    }

    /// One pass over devices alone, whose reports must carry `nonce`.
    #[must_use]
    pub fn pass_over_devices(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Pass<EvidenceAppraisal> {
        let evidence = devices
            .iter()
            .map(|d| (d.arch, d.report.as_slice(), d.chain.as_slice()));
        let pass = Passing {
            as_of,
            inquiry,
            nonce: &|| Some(*nonce),
        };
        self.with_readings(evidence, &pass, |readings| {
            let appraised = parallel::map(self.threads, readings, |(reading, at_hand)| {
                reading.appraise(nonce, *at_hand, as_of)
            });
            Some(EvidenceAppraisal::new(appraised, as_of))
        })
        .map(|(appraisal, _)| appraisal)
    }

    /// Reads the evidence, looks up what each device asks for, and hands both on; or says what has to be asked for. Who
    /// judges answers `None` where the result is left to the next pass. What was made comes with what it went by.
    fn with_readings<'e, T>(
        &self,
        evidence: impl Iterator<Item = (Option<Architecture>, &'e [u8], &'e [u8])>,
        pass: &Passing<'_>,
        judge: impl FnOnce(&[(DeviceReading<'_>, AtHand<'_>)]) -> Option<T>,
    ) -> Pass<(T, Settled)> {
        let evidence: Vec<_> = evidence.collect();
        let chains = parallel::map(self.threads, &evidence, |(_, _, chain)| {
            self.collateral.chain(chain)
        });
        let readings = evidence.iter().zip(&chains);
        let readings = readings.map(|((claimed, report, _), chain)| {
            DeviceReading::new(DeviceEvidence {
                claimed: *claimed,
                report,
                chain,
            })
        });
        let readings: Vec<_> = readings.collect();
        let settled = match self.settle(&readings, pass) {
            Ok(settled) => settled,
            Err(wants) => return Pass::Wants(wants),
        };
        let at_hand = settled.devices().iter();
        let at_hand = at_hand.map(|of_device| of_device.at_hand(pass.inquiry));
        let readings: Vec<_> = readings.into_iter().zip(at_hand).collect();
        let made = judge(&readings);
        drop(readings);
        match made {
            Some(made) => Pass::Done((made, settled)),
            None => Pass::ResultNext(settled),
        }
    }

    /// The collateral of each device: what an earlier pass settled with, or what is at hand now.
    fn settle(&self, readings: &[DeviceReading<'_>], pass: &Passing<'_>) -> Result<Settled, Wants> {
        if let Some(settled) = pass.inquiry.settled() {
            return Ok(settled.clone());
        }
        let (mut gathered, mut wants) = (Vec::with_capacity(readings.len()), Wants::default());
        for reading in readings {
            match self.gather(reading, pass) {
                Ok(of_device) => gathered.push(of_device),
                Err(more) => wants.extend(more),
            }
        }
        match wants.is_empty() {
            true => Ok(Settled::new(gathered)),
            false => Err(wants),
        }
    }

    /// What anybody could have made up sends nobody on errands: it is judged by what is at hand.
    fn gather(&self, reading: &DeviceReading<'_>, pass: &Passing<'_>) -> Result<Gathered, Wants> {
        let Passing { as_of, inquiry, .. } = *pass;
        Gathered::of(reading, &self.collateral, inquiry, as_of).or_else(|wants| {
            if (pass.nonce)().is_some_and(|nonce| reading.answers(&nonce)) {
                return Err(wants);
            }
            let mut closed = inquiry.clone();
            closed.close();
            Gathered::of(reading, &self.collateral, &closed, as_of)
        })
    }
}
