//! A bundle's way through the service, in order: known before? well-formed? challenge ours, unspent, in time? good?
//! Then challenge, bundle and receipt go into the store in one step, and only then is there a receipt.
//!
//! A refused bundle spends nothing, also where a check of its result refuted it: bounds of such checks are for one
//! attempt. The same bytes get the same receipt for ever: after the challenge expired, after
//! a restart, and when two requests with them race.

use std::sync::Arc;

use evidence::UnixTime;
use evidence::work::{Base64Url, Bundle, BundleError, Hex, WorkStatement};
use tracing::Instrument;

use crate::appraiser::Inquiry;
use crate::body::Body;
use crate::clock::Clock;
use crate::id::Id;
use crate::judge::{Award, Case, Judge, Proceedings};
use crate::malformed;
use crate::problem::{FailedCheck, Finding, Problem, ProblemCode};
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
}

/// A receipt, and whether it is of this request or of an earlier one.
#[derive(Debug)]
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
        // Holds its share of the memory for bodies until the answer is found.
        let (bytes, _share) = body.into_parts();
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
        self.decide(submission, challenge).await
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
        let mut award = self.proceedings.conduct(inquiry, judge).await?;
        let receipt = StoredReceipt {
            id,
            token: std::mem::take(&mut award.token),
            issued_at: award.issued_at,
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
            Spent::Expired => Err(Problem::new(ProblemCode::ChallengeExpired)),
            Spent::Unknown => Err(Problem::new(ProblemCode::ChallengeUnknown)),
            Spent::KeyReused => Err(Problem::new(ProblemCode::IdempotencyKeyReused)),
        }
    }

    /// Goes on to its end, also when the client has given up waiting: a write begun is not left half done.
    async fn spend(&self, new: NewReceipt, award: Award) -> Result<Spent, Problem> {
        let store = Arc::clone(&self.store);
        let write = async move {
            let (jti, job) = (new.receipt.id, Hex(new.job));
            let spent = store.spend(new).await?;
            if spent == Spent::Issued {
                // What was issued and for which job; never for which device or agent.
                tracing::info!(%jti, %job, policy = award.policy, assurance = %award.level, "receipt issued");
            }
            Ok::<_, StoreError>(spent)
        };
        let written = tokio::spawn(write.instrument(tracing::Span::current())).await;
        let spent = written.map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
        Ok(spent?)
    }
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
