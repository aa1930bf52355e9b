//! Disputes: from the answers that are stored to the next question or a ruling.
//!
//! The referee of `kernels::bisect` is a function of two statements and of the answers so far, so nothing about it is
//! kept: at each turn it is run again over what the store has, and any verifier goes on where another stopped. Two
//! opponents whose results differ are heard at a time. Whoever is found wrong is refused, and the rest agree or are
//! heard next.

use std::collections::BTreeMap;

use evidence::work::wire::{Answer, Ask, Outputs, Reply};
use evidence::work::{Blob, Hex, Opening, WorkStatement};
use jobs::{Action, Assignment, AssignmentId, Dispute, DisputeKind, Job};
use kernels::bisect::{Claims, Progress, Referee, Side, TraceClaim};
use kernels::{Blake3Digest, Inputs, KeyedDigest};

use super::act::Deed;
use super::{Clerk, ClerkError, bounds};
use crate::store::jobs::JobStore;

/// What the referee does next.
enum Turn {
    Ask {
        text: String,
        asked: Vec<AssignmentId>,
    },
    Decide(Vec<AssignmentId>),
}

/// One side of a dispute, from the store.
struct Party {
    id: AssignmentId,
    opening: Opening,
    replica_key: [u8; 32],
    keyed: Option<Hex<32>>,
    cross: BTreeMap<AssignmentId, Hex<32>>,
    answers: BTreeMap<u32, Vec<u8>>,
}

impl Clerk {
    /// Asks the next question, or decides.
    pub(super) async fn referee(&self, job: Job) -> Result<Job, ClerkError> {
        let Some(dispute) = job.dispute().cloned() else {
            return Ok(job);
        };
        let parties = self.parties(&job, &dispute).await?;
        let workers = &self.parts().proceedings.workers;
        let spec = job.spec().clone();
        let limit = bounds::carried(self.parts().body_limit);
        let tenant = Some(job.tenant().clone());
        let turn = workers.run_for(tenant, move || match dispute.about {
            DisputeKind::Results => on_results(&spec, limit, &dispute, &parties),
            DisputeKind::Holding => on_holding(&dispute, &parties),
        });
        let action = match turn.await? {
            Turn::Ask { text, asked } => Action::Ask {
                number: job.questions().saturating_add(1),
                text,
                asked,
            },
            Turn::Decide(wrong) => {
                tracing::info!(job = %job.id(), ?wrong, "dispute decided");
                Action::Decide { wrong }
            }
        };
        self.act(job.id(), Deed::new(action)).await
    }

    async fn parties(&self, job: &Job, dispute: &Dispute) -> Result<Vec<Party>, ClerkError> {
        let mut parties = Vec::new();
        let opponents = dispute.opponents.iter();
        for assignment in opponents.filter_map(|id| job.assignment(id)) {
            // Whoever was refused meanwhile is not heard any more.
            if assignment.ended_at().is_none() {
                parties.push(self.party(job, assignment).await?);
            }
        }
        Ok(parties)
    }

    async fn party(&self, job: &Job, assignment: &Assignment) -> Result<Party, ClerkError> {
        let id = assignment.id();
        let opened = assignment.openings().last();
        let opened = opened.ok_or_else(|| broken(format!("{id} has no opening")))?;
        let opening = self.stored(job, opened.sha256).await?;
        let opening = Opening::parse(&opening).map_err(|e| broken(format!("{id}: {e}")))?;
        let mut answers = BTreeMap::new();
        for (number, sha256) in assignment.answers() {
            answers.insert(*number, self.stored(job, *sha256).await?);
        }
        let upheld = assignment.upheld();
        Ok(Party {
            id: id.clone(),
            opening,
            replica_key: assignment.replica_key().reveal().0,
            keyed: upheld.map(|upheld| upheld.keyed),
            cross: upheld.map_or_else(BTreeMap::new, |upheld| upheld.cross.clone()),
            answers,
        })
    }

    async fn stored(&self, job: &Job, sha256: Hex<32>) -> Result<Vec<u8>, ClerkError> {
        let bytes = self.store().document(job.id(), sha256).await?;
        bytes.ok_or_else(|| broken(format!("document {sha256} of job {} is lost", job.id())))
    }
}

/// Results differ: bisection down to one point, which is recomputed here. What could not be handed in is not asked for: such
/// a dispute ends with the referee's time, and nobody loses it. Jobs that could lead there are not taken.
fn on_results(
    spec: &evidence::work::JobSpec,
    limit: u64,
    dispute: &Dispute,
    parties: &[Party],
) -> Result<Turn, ClerkError> {
    let task = spec.kernel();
    let task = task.ok_or_else(|| broken("a command cannot be refereed".to_owned()))?;
    let job = kernels::Job::parse(&task.name, task.params.as_value());
    let job = job.map_err(|error| broken(error.to_string()))?;
    let [a, b] = pair(parties)?;
    let mut supplied = Inputs::none();
    for (name, Blob(bytes)) in &a.opening.bundle.inputs {
        supplied = supplied.with(name, bytes);
    }
    let inputs = job.accept(&supplied);
    let inputs = inputs.map_err(|error| broken(error.to_string()))?;
    let referee = Referee::new(&job, &inputs, claims(a), claims(b));
    let mut referee = referee.map_err(|error| broken(error.to_string()))?;
    // They met for the first time in this dispute, so the questions that both answered are those of it, in order.
    let numbers = a.answers.keys().filter(|n| b.answers.contains_key(n));
    for number in numbers {
        for (side, party) in [(Side::A, a), (Side::B, b)] {
            referee.answer(side, &party.testimony(*number));
        }
    }
    match referee.question() {
        Some(question) if question.answer_len(&job).is_none_or(|len| len > limit) => Err(broken(
            format!("an answer to {question:?} may be larger than {limit} bytes"),
        )),
        Some(question) => {
            let text = serde_json::to_string(&question).and_then(|text| ask(&Ask::Witness(text)));
            Ok(Turn::Ask {
                text: text.map_err(|error| broken(error.to_string()))?,
                asked: vec![a.id.clone(), b.id.clone()],
            })
        }
        None => ruled(&mut referee, [a, b], dispute),
    }
}

fn ruled(
    referee: &mut Referee<'_>,
    parties: [&Party; 2],
    dispute: &Dispute,
) -> Result<Turn, ClerkError> {
    match referee.time_up() {
        Progress::Decided(ruling) => {
            let losers = ruling.losers.iter().map(|(side, loss)| {
                let [a, b] = parties;
                let loser = match side {
                    Side::A => a,
                    Side::B => b,
                };
                tracing::info!(assignment = %loser.id, loss = loss.code(), "dispute lost");
                loser.id.clone()
            });
            Ok(Turn::Decide(losers.collect()))
        }
        other => Err(broken(format!(
            "nobody can tell who is right in {:?}: {other:?}",
            dispute.opponents
        ))),
    }
}

/// The first two whose statements differ.
fn pair(parties: &[Party]) -> Result<[&Party; 2], ClerkError> {
    let mut all = parties.iter();
    let first = all.next();
    let first = first.ok_or_else(|| broken("a dispute without opponents".to_owned()))?;
    let differs = |party: &&Party| claims(party) != claims(first);
    let second = all.find(differs);
    let second = second.ok_or_else(|| broken("opponents who agree".to_owned()))?;
    Ok([first, second])
}

fn claims(party: &Party) -> Claims {
    let statement = party.statement();
    let digest = |digest: &Hex<32>| Blake3Digest::from_bytes(digest.0);
    Claims {
        outputs: statement
            .outputs
            .iter()
            .map(|output| digest(&output.blake3))
            .collect(),
        trace: statement.trace.map(|trace| TraceClaim {
            entries: trace.entries,
            digest: digest(&trace.blake3),
        }),
    }
}

/// Results are the same, and somebody's keyed digest is not of them: whoever shows outputs under the agreed digests lets the
/// verifier compute all keyed digests itself.
fn on_holding(dispute: &Dispute, parties: &[Party]) -> Result<Turn, ClerkError> {
    let Some(question) = &dispute.question else {
        let text = ask(&Ask::Outputs {}).map_err(|error| broken(error.to_string()))?;
        return Ok(Turn::Ask {
            text,
            asked: parties.iter().map(|party| party.id.clone()).collect(),
        });
    };
    let shown: Vec<_> = parties
        .iter()
        .map(|party| party.outputs(question.number))
        .collect();
    let held = shown.iter().flatten().next();
    let wrong = parties.iter().zip(&shown).filter(|(party, own)| {
        own.is_none() || held.is_none_or(|held| !party.computed(held, parties))
    });
    let wrong: Vec<_> = wrong.map(|(party, _)| party.id.clone()).collect();
    match wrong.is_empty() {
        false => Ok(Turn::Decide(wrong)),
        true => Err(broken(format!(
            "all keyed digests of {:?} are right",
            dispute.opponents
        ))),
    }
}

/// Outputs, in the order of the statement, and the trace, under its digests.
struct Held {
    outputs: Vec<Vec<u8>>,
    trace: Vec<Blake3Digest>,
}

impl Held {
    fn keyed(&self, key: &[u8; 32]) -> Hex<32> {
        let outputs = self.outputs.iter().map(Vec::as_slice);
        Hex(KeyedDigest::of(key, outputs, &self.trace))
    }
}

impl Party {
    fn statement(&self) -> &WorkStatement {
        &self.opening.bundle.statement
    }

    fn reply(&self, number: u32) -> Option<Reply> {
        let bytes = self.answers.get(&number)?;
        let answer: Answer = serde_json::from_slice(bytes).ok()?;
        Some(answer.reply)
    }

    /// The bytes of a witness; none where the answer is none, which loses.
    fn testimony(&self, number: u32) -> Vec<u8> {
        match self.reply(number) {
            Some(Reply::Witness(Blob(bytes))) => bytes,
            _ => Vec::new(),
        }
    }

    /// What it holds, if that has the digests of its statement.
    fn outputs(&self, number: u32) -> Option<Held> {
        let Some(Reply::Outputs(Outputs {
            mut outputs,
            trace: Blob(trace),
        })) = self.reply(number)
        else {
            return None;
        };
        let stated = self.statement();
        let mut held = Vec::new();
        for output in &stated.outputs {
            let Blob(bytes) = outputs.remove(&output.name)?;
            let digest = Hex(*Blake3Digest::of(&bytes).as_bytes());
            (digest == output.blake3).then_some(())?;
            held.push(bytes);
        }
        let digest = Hex(*Blake3Digest::of(&trace).as_bytes());
        let is_stated = match stated.trace {
            Some(stated) => stated.blake3 == digest,
            None => trace.is_empty(),
        };
        let (entries, rest) = trace.as_chunks::<32>();
        (is_stated && rest.is_empty()).then(|| Held {
            outputs: held,
            trace: entries
                .iter()
                .copied()
                .map(Blake3Digest::from_bytes)
                .collect(),
        })
    }

    /// Whether its keyed digests are of these bytes: its own, and those under the keys of the others.
    fn computed(&self, held: &Held, parties: &[Self]) -> bool {
        let own = self.keyed == Some(held.keyed(&self.replica_key));
        let others = parties.iter().filter(|other| other.id != self.id);
        own && others
            .map(|other| (self.cross.get(&other.id), held.keyed(&other.replica_key)))
            .all(|(stated, right)| stated == Some(&right))
    }
}

fn ask(ask: &Ask) -> Result<String, serde_json::Error> {
    serde_json::to_string(ask)
}

fn broken(what: String) -> ClerkError {
    ClerkError::Broken { what }
}
