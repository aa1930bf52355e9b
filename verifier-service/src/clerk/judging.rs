//! From the stored bytes of an opening to a verdict. It has to open the commitment, for this job and by this agent;
//! then it is appraised as a bundle is, with the audit of the terms.
//!
//! Evidence is appraised once, in the first round of openings: as of the moment at which it is first judged, under the
//! policy that is in force then, or the newest version of the one that the terms name, by the collateral at hand. Until
//! a verdict is written, judging again may give another one if policy or collateral changed meanwhile; the first that
//! is written stands. Of openings of later rounds only this is judged: that they open the commitment, that nothing is
//! held back, that the points are right. What was appraised and accepted is not taken back for a policy, a revocation
//! or a manifest that came afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::policy::Policy;
use evidence::work::{Blob, Hex, Opening, ResultCommitment};
use jobs::terms::Assurance;
use jobs::{
    Assignment, AssignmentId, Blame, Code, Holder, Job, Refusal, Refuted, SeenDevice, Upheld,
    Verdict, results_digest,
};
use kernels::KeyedDigest;
use kernels::audit::Strength;
use telemetry::Incoming;
use tracing::Instrument;

use super::act::Deed;
use super::receipts::Bundled;
use super::{Clerk, ClerkError, assurance};
use crate::appraiser::Inquiry;
use crate::id::Id;
use crate::judge::{Judge, Judged, JudgedDevice, OpeningCase};
use crate::lock::lock;
use crate::policies::PolicyName;
use crate::problem::{Problem, ProblemCode};
use crate::statistics::{self, Subject};
use crate::store::agents::{Agent, AgentStore, Claimed, SeenDevice as Claim};
use crate::store::archive::Grounds;
use crate::store::clerk::Draft;
use crate::store::jobs::JobStore;
use crate::store::policies::PolicyStore;

/// What an opening is held against.
struct Brief {
    commitment: ResultCommitment,
    job: Hex<32>,
    agent_key: [u8; 32],
    /// Whether the bytes of the outputs are handed over.
    whole: bool,
    own_key: [u8; 32],
    /// The keys of the other replicas.
    keys: BTreeMap<AssignmentId, [u8; 32]>,
}

/// What an opening says, once it is known to open the commitment.
struct Said {
    results: Hex<32>,
    keyed: Hex<32>,
    cross: BTreeMap<AssignmentId, Hex<32>>,
}

impl Clerk {
    /// Judges the opening of an assignment and applies the verdict.
    ///
    /// # Errors
    /// [`ProblemCode::Unverifiable`]: it cannot be judged now. A failure.
    pub(super) async fn judge(&self, job: &Job, id: &AssignmentId) -> Result<(), ClerkError> {
        let step = telemetry::span!(parent: None, "judge", job = %job.id(), assignment = %id);
        let trace = lock(&self.0.traces).get(id).cloned();
        let incoming = Incoming {
            traceparent: trace.as_deref(),
            tracestate: None,
        };
        telemetry::adopt(&step, incoming);
        self.judge_opening(job, id).instrument(step).await
    }

    async fn judge_opening(&self, job: &Job, id: &AssignmentId) -> Result<(), ClerkError> {
        let Some(assignment) = job.assignment(id) else {
            return Ok(());
        };
        let Some(opened) = assignment.openings().last().copied() else {
            return Ok(());
        };
        let bytes = self.store().document(job.id(), opened.sha256).await?;
        let bytes = bytes.ok_or_else(|| ClerkError::Broken {
            what: format!("opening of {id} is lost"),
        })?;
        let (verdict, claims) = self.verdict(job, assignment, bytes).await?;
        if let Verdict::Refuted(refuted) = &verdict {
            let (code, blame) = (&refuted.code, refuted.blame);
            tracing::info!(job = %job.id(), assignment = %id, %code, ?blame, "opening refuted");
        }
        let draft = claims.map(|(claims, grounds)| {
            let opening = opened.sha256;
            (Draft { claims, opening }, grounds)
        });
        let deed = Deed::judge(id, opened.round, verdict, draft);
        match self.act(job.id(), deed).await {
            Ok(_) => Ok(()),
            // Somebody was faster, or time was.
            Err(ClerkError::Refused(refusal)) if is_overtaken(&refusal) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn verdict(
        &self,
        job: &Job,
        assignment: &Assignment,
        bytes: Vec<u8>,
    ) -> Result<(Verdict, Option<(String, Grounds)>), ClerkError> {
        let agent = self.agent_of(assignment).await?;
        let Some(brief) = Brief::of(job, assignment, agent.key) else {
            let what = format!("assignment {} opened without a commitment", assignment.id());
            return Err(ClerkError::Broken { what });
        };
        let workers = &self.parts().proceedings.workers;
        let tenant = Some(job.tenant().clone());
        let read = workers.run_for(tenant, move || brief.read(&bytes)).await;
        let (opening, said) = match read {
            Ok(read) => read,
            Err(code) => return Ok((refuted(code, Blame::Wrong)?, None)),
        };
        let Some(seed) = job.audit_seed() else {
            let actual = job.status();
            return Err(Refusal::JobStatus { actual }.into());
        };
        let earlier = assignment.upheld().cloned();
        let case = OpeningCase {
            bundle_sha256: bundle_digest(&opening)?,
            opening,
            challenge: assignment.challenge().0,
            randomness: seed.reveal().0,
            audit: job.terms().audit().map(|audit| Strength {
                points: job.points_in_round(),
                fraction_ppm: audit.wrong_ppm.min(999_999),
            }),
            as_of: self.parts().clock.now(),
            audience: self.parts().audience.clone(),
        };
        let judged = self.judged(job, case, earlier.is_some()).await?;
        match (judged, earlier) {
            (Judged::Refuted { code, blame }, _) => Ok((refuted(code, blame)?, None)),
            (
                Judged::Upheld {
                    level,
                    devices,
                    claims,
                    grounds,
                },
                _,
            ) => {
                let devices = self.seen((job, assignment), &agent, &devices).await?;
                let upheld = said.upheld(assurance(level), devices);
                Ok((Verdict::Upheld(upheld), Some((claims, grounds))))
            }
            (Judged::Stands, Some(before)) => {
                let upheld = said.upheld(before.assurance, before.devices);
                Ok((Verdict::Upheld(upheld), None))
            }
            (Judged::Stands, None) => {
                let what = format!("assignment {} was never appraised", assignment.id());
                Err(ClerkError::Broken { what })
            }
        }
    }

    /// Judges the result alone where the evidence `is_appraised`.
    async fn judged(
        &self,
        job: &Job,
        case: OpeningCase,
        is_appraised: bool,
    ) -> Result<Judged, ClerkError> {
        let proceedings = self.parts().proceedings.on_behalf_of(job.tenant());
        let inquiry = match is_appraised {
            true => proceedings.inquiry(),
            false => proceedings.inquiry_under(self.policy_of(job).await?),
        };
        let judge = move |judge: &dyn Judge, inquiry: &Inquiry| match is_appraised {
            true => judge.judge_again(&case, inquiry),
            false => judge.judge_opening(&case, inquiry),
        };
        let begun = Instant::now();
        let judged = proceedings.conduct(inquiry, judge).await;
        self.count(&judged, begun.elapsed());
        Ok(judged?)
    }

    fn count(&self, judged: &Result<Judged, Problem>, took: Duration) {
        let verdict = match judged {
            Ok(Judged::Refuted { code, .. }) => Some(*code),
            _ => statistics::word(judged),
        };
        if let Some(verdict) = verdict {
            let (now, counts) = (
                self.parts().clock.now(),
                &self.parts().proceedings.statistics,
            );
            counts.note(now, Subject::Opening, verdict, took);
        }
    }

    async fn agent_of(&self, assignment: &Assignment) -> Result<Agent, ClerkError> {
        let name = assignment.agent().as_str().parse();
        let broken = || ClerkError::Broken {
            what: format!("assignment {} has an unknown agent", assignment.id()),
        };
        let agent = self.store().agent(name.map_err(|_| broken())?).await?;
        agent.ok_or_else(broken)
    }

    /// The devices, each with whose it was known to be when the work was offered.
    async fn seen(
        &self,
        (job, assignment): (&Job, &Assignment),
        agent: &Agent,
        devices: &[JudgedDevice],
    ) -> Result<Vec<SeenDevice>, ClerkError> {
        let mut seen = Vec::with_capacity(devices.len());
        for device in devices {
            seen.push(SeenDevice {
                id: Hex(evidence::crypto::sha256(device.ueid.as_bytes())),
                architecture: device.architecture,
                simulated: device.simulated,
                holder: self.holder((job, assignment), agent, device).await?,
            });
        }
        Ok(seen)
    }

    /// Whose a device was known to be, which is the agent's provider's from now on if it was nobody's. Software devices call
    /// themselves what they like, and are known by nothing. What became known by this very job was nobody's before, for
    /// whichever of its replicas, and however often it is judged: all are offered before any is opened.
    async fn holder(
        &self,
        (job, assignment): (&Job, &Assignment),
        agent: &Agent,
        device: &JudgedDevice,
    ) -> Result<Holder, ClerkError> {
        if device.simulated {
            return Ok(Holder::Nobody);
        }
        let claim = Claim::new(device.ueid.as_bytes(), agent, self.parts().clock.now());
        let Claimed { owner, since } = self.store().claim_device(claim).await?;
        let (is_its, is_known) = (owner == agent.owner, since < assignment.offered_at());
        Ok(match (is_its, is_known) {
            (true, true) => Holder::Provider,
            (true, false) => Holder::Nobody,
            (false, false) if takes_part(job, owner) => Holder::Nobody,
            (false, _) => Holder::Another,
        })
    }

    /// The policy that the terms name, in its newest version; `None` for the one in force.
    async fn policy_of(&self, job: &Job) -> Result<Option<Arc<Policy>>, ClerkError> {
        let Some(name) = job.terms().policy() else {
            return Ok(None);
        };
        let policy = self.policy_named(name).await?;
        let policy = policy.ok_or_else(|| ClerkError::Broken {
            what: format!("policy {name} is gone"),
        })?;
        Ok(Some(policy))
    }

    /// The policy of this name: the one in force if it has the name, else the newest version in the book.
    pub(super) async fn policy_named(&self, name: &str) -> Result<Option<Arc<Policy>>, Problem> {
        let (book, workers) = (&self.parts().book, &self.parts().proceedings.workers);
        let in_force = book.standing().policy;
        if in_force.identity().id == name {
            return Ok(Some(in_force));
        }
        let Ok(name) = name.parse::<PolicyName>() else {
            return Ok(None);
        };
        let versions = self.store().policy_versions(name.as_str()).await?;
        let Some(newest) = versions.last() else {
            return Ok(None);
        };
        let (_, policy) = book.policy(name, newest.version, workers).await?;
        Ok(Some(Arc::new(policy)))
    }
}

fn takes_part(job: &Job, owner: Id) -> bool {
    let owner = owner.to_string();
    let mut all = job.assignments().iter();
    all.any(|one| one.owner().as_str() == owner)
}

impl Brief {
    fn of(job: &Job, assignment: &Assignment, agent_key: [u8; 32]) -> Option<Self> {
        let others = job.assignments().iter();
        let others =
            others.filter(|other| other.id() != assignment.id() && other.commitment().is_some());
        let key = |other: &Assignment| (other.id().clone(), other.replica_key().reveal().0);
        Some(Self {
            commitment: ResultCommitment {
                commitment: assignment.commitment()?.value,
            },
            job: job.digest(),
            agent_key,
            whole: job.wants_whole_outputs(),
            own_key: assignment.replica_key().reveal().0,
            keys: others.map(key).collect(),
        })
    }

    /// Reads an opening; why it is none of this commitment.
    fn read(&self, bytes: &[u8]) -> Result<(Opening, Said), &'static str> {
        let opening = Opening::parse(bytes).map_err(|error| error.code())?;
        let statement = &opening.bundle.statement;
        let canonical = statement.canonical();
        let canonical = canonical.map_err(|_| evidence::Code::JobParametersInvalid.as_str())?;
        if !opening.opens(&self.commitment, &canonical) {
            return Err("commitment_mismatch");
        }
        if statement.job != self.job {
            return Err(ProblemCode::ChallengeJobMismatch.as_str());
        }
        if statement.agent_key.0 != self.agent_key {
            return Err(ProblemCode::ChallengeAgentMismatch.as_str());
        }
        let results = results_digest(statement);
        let results = results.map_err(|_| evidence::Code::JobParametersInvalid.as_str())?;
        let said = Said {
            results,
            keyed: Hex(opening.keyed.0),
            cross: self.cross_of(&opening),
        };
        self.check_keyed(&opening, &said)?;
        Ok((opening, said))
    }

    fn cross_of(&self, opening: &Opening) -> BTreeMap<AssignmentId, Hex<32>> {
        let values = self.keys.keys().filter_map(|id| {
            let value = opening.cross.get(id.as_str())?;
            Some((id.clone(), Hex(value.0)))
        });
        values.collect()
    }

    /// Where the outputs are handed over and there is no trace, the keyed digests are computed again. Otherwise the
    /// replicas hold each other to them.
    fn check_keyed(&self, opening: &Opening, said: &Said) -> Result<(), &'static str> {
        let statement = &opening.bundle.statement;
        if !self.whole || statement.trace.is_some() {
            return Ok(());
        }
        let outputs = statement.outputs.iter();
        let outputs = outputs.map(|output| opening.bundle.outputs.get(&output.name));
        // Without them the checks of the job refuse it.
        let Some(outputs) = outputs.collect::<Option<Vec<&Blob>>>() else {
            return Ok(());
        };
        let under = |key| {
            Hex(KeyedDigest::of(
                key,
                outputs.iter().map(|b| b.0.as_slice()),
                &[],
            ))
        };
        let own = under(&self.own_key) == said.keyed;
        let others = said
            .cross
            .iter()
            .all(|(id, value)| self.keys.get(id).is_some_and(|key| under(key) == *value));
        match own && others {
            true => Ok(()),
            false => Err("keyed_digest_mismatch"),
        }
    }
}

impl Said {
    fn upheld(self, assurance: Assurance, devices: Vec<SeenDevice>) -> Upheld {
        Upheld {
            results: self.results,
            devices,
            assurance,
            keyed: self.keyed,
            cross: self.cross,
        }
    }
}

fn refuted(code: &str, blame: Blame) -> Result<Verdict, ClerkError> {
    let code = Code::parse(code).map_err(|error| ClerkError::Broken {
        what: format!("{code}: {error}"),
    })?;
    Ok(Verdict::Refuted(Refuted { code, blame }))
}

fn bundle_digest(opening: &Opening) -> Result<[u8; 32], ClerkError> {
    let bundled = Bundled::of(opening);
    let bundled = bundled.map_err(|error| ClerkError::Broken {
        what: error.to_string(),
    })?;
    Ok(bundled.sha256)
}

const fn is_overtaken(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::JudgedAlready | Refusal::AssignmentStatus { .. } | Refusal::JobStatus { .. }
    )
}
