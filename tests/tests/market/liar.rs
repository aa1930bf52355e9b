//! An agent that cheats in one way and is honest in every other: a host that goes by a script, on the clock of this
//! machine.

use std::time::{Duration, Instant, SystemTime};

use evidence::UnixTime;
use evidence::work::JobSpec;
use evidence::work::wire::{Id, Lease, Next, Offer, Open};
use reqwest::Response;
use serde_json::Value;
use tests::market::{Host, Made, Run, Verifier, random};

use crate::place::{Market, Party};

/// How an agent cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Not at all.
    None,
    /// Commits to a digest it was told, and gets the output of an accomplice before it is to open.
    CopiedAnswer,
    /// Leaves one row in eleven at zero.
    SkippedFraction,
    /// Computes the job with operands of another seed.
    WrongOperands,
    /// Computes it with operands of zeros, which takes less power.
    StructuredOperands,
    /// Makes an output up of which every column has the right sum.
    ChecksumRow,
    /// Answers with the run, the reports and the commitment of an earlier assignment.
    ReplayedChallenge,
    /// Commits to what it once committed to, and runs the job when it knows what is asked.
    ReplayedCommitment,
    /// Does not open.
    WithheldOpening,
    /// Opens after the deadline.
    LateOpening,
    /// Commits after the deadline.
    LateCommitment,
}

/// See the [module documentation](self).
pub(crate) struct Liar {
    /// What it does about the next assignment.
    pub(crate) cheat: Cheat,
    seat: Seat,
    host: Host,
    before: Option<Run>,
}

/// Where its verifier is.
struct Seat {
    url: String,
}

impl Verifier for Seat {
    fn url(&self) -> &str {
        &self.url
    }

    fn now(&self) -> UnixTime {
        now()
    }
}

/// What the verifier said to it of one assignment.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Codes with which its requests were refused.
    pub(crate) refused: Vec<String>,
    /// Questions of a referee that it was asked.
    pub(crate) questions: usize,
    /// The code with which the assignment ended, if it had one.
    pub(crate) ended: Option<String>,
}

impl Liar {
    /// Enrols with a provider, on the device of this place.
    pub(crate) async fn enrol(market: &Market, provider: &Party, place: usize) -> Self {
        let seat = Seat {
            url: market.url.clone(),
        };
        let mut host = Host::new(market.device(place));
        host.enrol(&seat, &market.enrolment_token(provider).await)
            .await;
        host.heartbeat(&seat).await;
        Self {
            cheat: Cheat::None,
            seat,
            host,
            before: None,
        }
    }

    /// Plays one assignment from its offer to its end.
    pub(crate) async fn play(&mut self) -> Played {
        let mut played = Played::default();
        let offer = self.offer().await;
        let id = &offer.assignment;
        let lease = self.host.lease(&self.seat, &offer).await;
        let mut run = self.promised(&offer, &lease);
        if self.cheat == Cheat::LateCommitment {
            until(lease.commit_until).await;
        }
        let (path, commitment) = (format!("/v1/assignments/{id}/commitment"), run.commitment());
        let committed = self.host.post(&self.seat, &path, &commitment).await;
        played.note(committed).await;
        if played.refused.is_empty() {
            if self.cheat == Cheat::ReplayedCommitment {
                run = self.run(&offer, &lease);
            }
            self.reveal(id, &run, &mut played).await;
        }
        self.before = Some(run);
        played
    }

    /// From the call for an opening to the end of the assignment.
    async fn reveal(&mut self, id: &Id, run: &Run, played: &mut Played) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            match self.host.next(&self.seat, 1).await {
                Some(Next::Open(open)) => self.open(&open, run, played).await,
                Some(Next::Question(question)) => {
                    played.questions += 1;
                    let answer = run.answer(&question);
                    let answered = self.host.reply(&self.seat, id.as_str(), &answer);
                    played.note(answered.await).await;
                }
                Some(Next::Offer(_)) | None => {}
            }
            let heard = self.host.beat(&self.seat, vec![id.clone()]).await;
            if let Some(ended) = heard.ended.first() {
                played.ended = ended.code.as_ref().map(|code| code.as_str().to_owned());
                return;
            }
        }
        panic!("the assignment has no end: {played:?}");
    }

    async fn open(&self, open: &Open, run: &Run, played: &mut Played) {
        match self.cheat {
            Cheat::WithheldOpening => return,
            Cheat::LateOpening => until(open.until).await,
            _ => {}
        }
        played
            .note(self.host.hand_in(&self.seat, run, open).await)
            .await;
    }

    /// What is committed to.
    fn promised(&self, offer: &Offer, lease: &Lease) -> Run {
        match self.cheat {
            Cheat::ReplayedChallenge | Cheat::ReplayedCommitment => {
                self.before.clone().expect("an assignment before this one")
            }
            _ => self.run(offer, lease),
        }
    }

    /// Runs the job as the cheat has it, and states the result as that of the job.
    fn run(&self, offer: &Offer, lease: &Lease) -> Run {
        let mut made = match self.cheat {
            Cheat::WrongOperands => Made::of(&other_operands(&offer.spec)),
            _ => Made::of(&offer.spec),
        };
        for output in &mut made.outputs {
            self.cheat.spoil(output);
        }
        let run = self.host.state(&self.seat, offer, lease, made);
        match self.cheat {
            // Without the output there is nothing to digest.
            Cheat::CopiedAnswer => run.with_keyed(random()),
            _ => run,
        }
    }

    /// Takes an offer at the verifier that listens there.
    pub(crate) async fn accept_at(&self, url: &str, offer: &Offer) -> Response {
        let seat = Seat {
            url: url.to_owned(),
        };
        self.host.accept(&seat, offer).await
    }

    pub(crate) async fn offer(&mut self) -> Offer {
        for _ in 0..12 {
            if let Some(Next::Offer(offer)) = self.host.next(&self.seat, 5).await {
                return *offer;
            }
            self.host.heartbeat(&self.seat).await;
        }
        panic!("no offer comes");
    }
}

impl Cheat {
    /// What becomes of an output, rows of 64 numbers of 4 bytes.
    fn spoil(self, bytes: &mut [u8]) {
        const ROW: usize = 64 * 4;
        match self {
            Self::SkippedFraction => bytes
                .chunks_mut(ROW)
                .step_by(11)
                .for_each(|row| row.fill(0)),
            // The product of a left operand all of whose rows are its first: one row is worked out, the others are copies.
            Self::StructuredOperands => {
                let (first, others) = bytes.split_at_mut(ROW);
                others
                    .chunks_mut(ROW)
                    .for_each(|row| row.copy_from_slice(first));
            }
            Self::ChecksumRow => bytes.rotate_left(ROW),
            _ => {}
        }
    }
}

impl Played {
    async fn note(&mut self, answer: Response) {
        if answer.status().is_success() {
            return;
        }
        let problem: Value = answer.json().await.unwrap();
        self.refused
            .push(problem["code"].as_str().unwrap().to_owned());
    }
}

/// With another seed in place of the one that every job of these tests has.
fn other_operands(spec: &JobSpec) -> JobSpec {
    let spec = serde_json::to_string(spec).unwrap();
    let spec = spec.replace(&"5eed".repeat(16), &"0bad".repeat(16));
    serde_json::from_str(&spec).unwrap()
}

fn now() -> UnixTime {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixTime::from_secs(i64::try_from(since_epoch.as_secs()).unwrap())
}

/// Waits until a deadline is over.
async fn until(deadline: UnixTime) {
    while now().secs() <= deadline.secs() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
