//! What a tenant sees of its job.

use evidence::UnixTime;
use evidence::work::{Hex, JobSpec};
use serde::Serialize;

use crate::assignment::{Assignment, AssignmentStatus};
use crate::code::Code;
use crate::id::{AssignmentId, JobId, PartyId};
use crate::incentive::advised_stake;
use crate::job::{Job, JobStatus, Phase};
use crate::money::Amount;
use crate::terms::Terms;

/// A job, for its tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TenantView<'j> {
    /// Which.
    pub id: &'j JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'j Code>,
    /// SHA-256 of the canonical spec.
    pub digest: Hex<32>,
    /// What is to be run.
    pub spec: &'j JobSpec,
    /// SHA-256 of the canonical terms.
    pub terms_sha256: Hex<32>,
    /// What is offered beside it.
    pub terms: &'j Terms,
    /// The stake from which cheating is a loss under these terms, as far as anybody can reckon
    /// ([`incentive`](crate::incentive)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advised_stake: Option<Amount>,
    /// When it was created.
    pub created_at: UnixTime,
    /// When its dispute window ends, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_at: Option<UnixTime>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixTime>,
    /// How many replicas were accepted with the same results. One alone agrees with nobody.
    pub agreeing: usize,
    /// Who ran it: the assignments that committed to a result, once openings are asked for.
    pub assignments: Vec<AssignmentSummary<'j>>,
}

/// An assignment that committed to a result, as a tenant sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssignmentSummary<'j> {
    /// Which.
    pub id: &'j AssignmentId,
    /// Whose agent ran it.
    pub provider: &'j PartyId,
    /// Where it stands.
    pub status: AssignmentStatus,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'j Code>,
}

impl<'j> TenantView<'j> {
    /// What the tenant may see of its job. That it is its own is for the caller to know.
    #[must_use]
    pub fn of(job: &'j Job) -> Self {
        Self {
            id: &job.id,
            status: job.status(),
            code: job.code(),
            digest: job.digest,
            spec: &job.spec,
            terms_sha256: job.terms_sha256,
            terms: &job.terms,
            advised_stake: advised_stake(&job.terms),
            created_at: job.created_at,
            settle_at: settle_at(job),
            ended_at: job.ended_at(),
            agreeing: job.agreeing(),
            assignments: assignments(job),
        }
    }
}

const fn settle_at(job: &Job) -> Option<UnixTime> {
    match job.phase {
        Phase::Accepted { settle_at, .. } => Some(settle_at),
        _ => None,
    }
}

fn assignments(job: &Job) -> Vec<AssignmentSummary<'_>> {
    let committed = |assignment: &&Assignment| assignment.commitment.is_some();
    match job.phase {
        Phase::Open => Vec::new(),
        _ => job
            .assignments
            .iter()
            .filter(committed)
            .map(summary)
            .collect(),
    }
}

fn summary(assignment: &Assignment) -> AssignmentSummary<'_> {
    AssignmentSummary {
        id: &assignment.id,
        provider: &assignment.owner,
        status: assignment.status(),
        code: assignment.code(),
    }
}
