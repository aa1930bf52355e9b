//! The steps of a bundle through the service, in order: was it answered before? Is it well-formed? Is the challenge
//! ours, unspent and in time? Is the evidence good? Then challenge, bundle and receipt are stored in one step, and only
//! then is there a receipt.
//!
//! A refused bundle spends nothing, unless an audit or Freivalds' check refuted its result: the error bounds of such
//! checks are for one attempt, so its challenge takes no other bundle. The same bytes always get the same receipt:
//! after the challenge expired, after a restart, and when two requests with them race.
//!
//! The same bytes are judged once at a time: judging goes on when the client hangs up, and whoever sends them meanwhile
//! gets the same answer.

use std::sync::Arc;
use std::time::Instant;

use evidence::work::{Base64Url, Bundle, BundleError, Hex, WorkStatement};
use evidence::{Code, UnixTime};
use tracing::Instrument;

use crate::appraiser::Inquiry;
use crate::body::Body;
use crate::budget::Share;
use crate::clock::Clock;
use crate::flights::{Flights, Landing};
use crate::id::Id;
use crate::judge::{Award, Case, Judge, Proceedings};
use crate::malformed;
use crate::problem::{FailedCheck, Finding, Problem, ProblemCode};
use crate::result_checks::Busy;
use crate::statistics::{self, Subject};
use crate::store::{Challenge, NewReceipt, Spent, Standing, Store, StoreError, StoredReceipt};
use crate::workers::Workers;

/// What takes bundles.
#[derive(Clone)]
pub(crate) struct Desk {
    /// What was issued before.
    pub(crate) store: Arc<dyn Store>,
    /// What is good.
    pub(crate) proceedings: Proceedings,
    /// Where bytes are read.
    pub(crate) workers: Workers,
    /// When bundles arrive.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whom receipts are for unless the challenge says otherwise.
    pub(crate) audience: Arc<[String]>,
    /// What is being judged, by SHA-256 of the bundle.
    pub(crate) flights: Judgements,
}

/// Judgements under way.
pub(crate) type Judgements = Flights<[u8; 32], Result<Outcome, Problem>>;

/// A receipt, and whether it is of this request or of an earlier one.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The receipt.
    pub(crate) receipt: StoredReceipt,
    /// Whether this request made it.
    pub(crate) fresh: bool,
}

/// A bundle that has been read.
struct Submission {
    bundle: Bundle,
    bytes: Vec<u8>,
    sha256: [u8; 32],
    arrived_at: UnixTime,
    idempotency_key: Option<String>,
    /// Its share of the memory for bodies, held until it is judged, whether or not anybody waits for that.
    _share: Share,
}

impl Desk {
    /// Takes a bundle and answers with its receipt.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn submit(
        &self,
        body: Body,
        idempotency_key: Option<String>,
    ) -> Result<Outcome, Problem> {
        let arrived_at = self.clock.now();
        let (bytes, share) = body.into_parts();
        let (bytes, sha256, parsed) = self.workers.run(move || read(bytes)).await;
        if let Some(receipt) = self.store.receipt_of(sha256).await? {
            return Ok(Outcome {
                receipt,
                fresh: false,
            });
        }
        let submission = Submission {
            bundle: parsed.map_err(not_a_bundle)?,
            bytes,
            sha256,
            arrived_at,
            idempotency_key,
            _share: share,
        };
        match self.consider(submission).await {
            Ok(outcome) => Ok(outcome),
            Err(refused) => self.granted_meanwhile(sha256, refused).await,
        }
    }

    /// A twin of a request that was refused may have been granted after the first look at the store: then what stood in
    /// the way (the challenge spent, the key used) was the receipt of these very bytes.
    async fn granted_meanwhile(
        &self,
        sha256: [u8; 32],
        refused: Problem,
    ) -> Result<Outcome, Problem> {
        match self.store.receipt_of(sha256).await {
            Ok(Some(receipt)) => Ok(Outcome {
                receipt,
                fresh: false,
            }),
            // Why the store cannot say is of less use than the first answer.
            Ok(None) | Err(_) => Err(refused),
        }
    }

    async fn consider(&self, submission: Submission) -> Result<Outcome, Problem> {
        self.key_is_free(&submission).await?;
        let challenge = self.challenge_of(&submission).await?;
        let Some((wait, landing)) = self.flights.join(&submission.sha256) else {
            return Err(Busy.into());
        };
        let is_ours = landing.is_some();
        if let Some(landing) = landing {
            let judging = self.clone().judge(submission, challenge, landing);
            tokio::spawn(judging.instrument(tracing::Span::current()));
        }
        // Nothing comes of a judgement that panicked.
        let came = wait.end().await;
        let mut outcome = came.unwrap_or_else(|| Err(Problem::new(ProblemCode::Internal)))?;
        outcome.fresh &= is_ours;
        Ok(outcome)
    }

    /// The one judgement of these bytes, to its end.
    async fn judge(
        self,
        submission: Submission,
        challenge: Challenge,
        landing: Landing<[u8; 32], Result<Outcome, Problem>>,
    ) {
        let value = challenge.value;
        let mut outcome = self.decide(submission, challenge).await;
        if let Err(refused) = &outcome
            && refutes_result(refused)
            && let Err(error) = self.store.refute(value).await
        {
            // Who could not be kept from trying again is not told that there was anything to be kept from.
            outcome = Err(error.into());
        }
        landing.bring(outcome);
    }

    async fn key_is_free(&self, submission: &Submission) -> Result<(), Problem> {
        let Some(key) = &submission.idempotency_key else {
            return Ok(());
        };
        let agent_key = submission.bundle.statement.agent_key.0;
        match self.store.bundle_under(agent_key, key).await? {
            Some(_) => Err(Problem::new(ProblemCode::IdempotencyKeyReused)),
            None => Ok(()),
        }
    }

    /// The challenge the statement names, if the statement may answer it.
    async fn challenge_of(&self, submission: &Submission) -> Result<Challenge, Problem> {
        let statement = &submission.bundle.statement;
        let challenge = match self.store.standing(statement.challenge.0).await? {
            Standing::Unknown => return Err(Problem::new(ProblemCode::ChallengeUnknown)),
            Standing::Spent => return Err(Problem::new(ProblemCode::ChallengeSpent)),
            Standing::Refuted => return Err(Problem::new(ProblemCode::ChallengeRefuted)),
            Standing::Unspent(challenge) => challenge,
        };
        if challenge.expires_at <= submission.arrived_at {
            return Err(expired(&challenge, submission.arrived_at));
        }
        is_issued_for(&challenge, statement)?;
        Ok(challenge)
    }

    async fn decide(
        &self,
        submission: Submission,
        challenge: Challenge,
    ) -> Result<Outcome, Problem> {
        let Submission {
            bundle,
            bytes,
            sha256,
            arrived_at,
            idempotency_key,
            _share,
        } = submission;
        let id = Id::random();
        let case = Case {
            bundle,
            bundle_sha256: sha256,
            challenge: challenge.value,
            arrived_at,
            id,
            audience: challenge
                .audience
                .map_or_else(|| self.audience.to_vec(), |name| vec![name]),
        };
        let judge = move |judge: &dyn Judge, inquiry: &Inquiry| judge.judge(&case, inquiry);
        let inquiry = self.proceedings.inquiry();
        let begun = Instant::now();
        let judged = self.proceedings.conduct(inquiry, judge).await;
        if let Some(verdict) = statistics::word(&judged) {
            let (now, counts) = (self.clock.now(), &self.proceedings.statistics);
            counts.note(now, Subject::Bundle, verdict, begun.elapsed());
        }
        let mut award = judged?;
        let receipt = StoredReceipt {
            id,
            token: std::mem::take(&mut award.token),
            issued_at: award.issued_at,
            provisional: false,
            revoked_at: None,
        };
        let new = NewReceipt {
            receipt: receipt.clone(),
            challenge: challenge.value,
            arrived_at,
            bundle_sha256: sha256,
            bundle: bytes,
            job: challenge.job,
            agent_key: challenge.agent_key,
            idempotency_key,
            collateral: std::mem::take(&mut award.collateral),
        };
        match self.spend(new, award).await? {
            Spent::Issued => Ok(Outcome {
                receipt,
                fresh: true,
            }),
            Spent::Before(receipt) => Ok(Outcome {
                receipt,
                fresh: false,
            }),
            Spent::ByAnother => Err(Problem::new(ProblemCode::ChallengeSpent)),
            Spent::Refuted => Err(Problem::new(ProblemCode::ChallengeRefuted)),
            Spent::Expired => Err(Problem::new(ProblemCode::ChallengeExpired)),
            Spent::Unknown => Err(Problem::new(ProblemCode::ChallengeUnknown)),
            Spent::KeyReused => Err(Problem::new(ProblemCode::IdempotencyKeyReused)),
        }
    }

    async fn spend(&self, new: NewReceipt, award: Award) -> Result<Spent, Problem> {
        let (jti, job) = (new.receipt.id, Hex(new.job));
        let spent = self.store.spend(new).await?;
        if spent == Spent::Issued {
            // What was issued and for which job; never for which device or agent.
            tracing::info!(%jti, %job, policy = award.policy, assurance = %award.level, "receipt issued");
        }
        Ok(spent)
    }
}

/// Whether the bytes that the statement commits to were looked at and are wrong. Nobody but the agent, who signed the
/// statement, can bring that about.
fn refutes_result(refused: &Problem) -> bool {
    [Code::AuditRefuted, Code::FreivaldsRefuted]
        .into_iter()
        .any(|code| refused.has_reason(code))
}

/// The digest first: bytes that were granted once are recognised whatever later versions think of their form.
fn read(bytes: Vec<u8>) -> (Vec<u8>, [u8; 32], Result<Bundle, BundleError>) {
    let sha256 = evidence::crypto::sha256(&bytes);
    let parsed = Bundle::parse(&bytes);
    (bytes, sha256, parsed)
}

fn not_a_bundle(error: BundleError) -> Problem {
    match error {
        BundleError::Json(error) => malformed::problem(ProblemCode::BundleMalformed, &error),
        // The others name limits and counts.
        error => Problem::new(ProblemCode::BundleMalformed).detail(error.to_string()),
    }
}

fn expired(challenge: &Challenge, arrived_at: UnixTime) -> Problem {
    let detail = format!(
        "expired at {}, the bundle arrived at {arrived_at}",
        challenge.expires_at
    );
    Problem::new(ProblemCode::ChallengeExpired).detail(detail)
}

/// A challenge answers for one job and one agent: otherwise a bundle could spend somebody else's.
fn is_issued_for(challenge: &Challenge, statement: &WorkStatement) -> Result<(), Problem> {
    let (code, message, expected, actual, remedy) = if statement.job.0 != challenge.job {
        (
            ProblemCode::ChallengeJobMismatch,
            "job in the statement",
            Hex(challenge.job).to_string(),
            statement.job.to_string(),
            "ask for a challenge with the digest of the job that is run",
        )
    } else if statement.agent_key.0 != challenge.agent_key {
        (
            ProblemCode::ChallengeAgentMismatch,
            "agent key in the statement",
            Base64Url(challenge.agent_key).to_string(),
            statement.agent_key.to_string(),
            "answer a challenge with the agent key it was asked for with",
        )
    } else {
        return Ok(());
    };
    let finding = Finding::new(code, message, expected, actual);
    Err(Problem::new(code).checks([FailedCheck::of_challenge(finding, remedy)]))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error.is_transient() {
            true => Self::caused(ProblemCode::StoreUnavailable, error).retry_after_s(STORE_RETRY_S),
            false => Self::caused(ProblemCode::StoreFailed, error),
        }
    }
}

/// Seconds after which a lock is let go or space may have been made.
const STORE_RETRY_S: u32 = 5;
