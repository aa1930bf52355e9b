//! Disputes about a training: the referee finds the first step that differs, then the chunk of its state, and recomputes
//! that from the state before, all by questions over HTTP.

use evidence::work::Blob;
use evidence::work::JobSpec;
use evidence::work::wire::{Answer, Ask, Next, Question, Reply};
use serde_json::{Value, json};
use tests::market::{
    Astray, FUNDS, Host, Market, PRICE, Party, Run, STAKE, Verifier, audited, new_database, terms,
};
use tests::served::problem;
use tests::world::validate;

/// Steps of the training: its trace has several chunks, so that the referee has to look for the one that differs.
const STEPS: u64 = 96;
/// In the middle of a segment, and of a chunk of the trace.
const MIDDLE: u64 = 45;

fn training() -> JobSpec {
    let spec = json!({
        "profile": "pogw/1", "kernel": "mlp_sgd", "checks": [],
        "params": { "layers": [2, 16, 16, 3], "task": "classification", "samples": 48, "batch": 4, "steps": STEPS,
            "checkpoint_every": 8, "learning_rate": 6554, "momentum": 58_982, "seed": "5eed".repeat(16), "data": "seeded" },
    });
    serde_json::from_value(spec).unwrap()
}

fn astray(step: u64, bits: u8) -> Option<Astray> {
    Some(Astray { step, bits })
}

/// How a host answers the referee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// All of what it committed to.
    Consistent,
    /// From so many answers on, bytes that it did not commit to.
    Garbled(usize),
    /// From so many answers on, no bytes of what was asked for.
    Evasive(usize),
    /// Nothing after so many answers.
    Silent(usize),
}

/// Hosts of as many providers that have opened results of one training, which differ.
struct Trial {
    job: String,
    providers: Vec<Party>,
    hosts: Vec<Host>,
    runs: Vec<Run>,
}

impl Trial {
    /// Up to the dispute; each host went astray as is said.
    async fn new(market: &mut Market, terms: fn(u32) -> Value, lies: &[Option<Astray>]) -> Self {
        let (mut providers, mut hosts, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in lies {
            let provider = market.provider().await;
            hosts.push(market.host(&provider).await);
            providers.push(provider);
        }
        let replicas = u32::try_from(lies.len()).unwrap();
        let job = market.job(&training(), terms(replicas)).await;
        for (host, lie) in hosts.iter_mut().zip(lies) {
            let offer = host.offer(market).await;
            runs.push(match lie {
                Some(astray) => host.run_astray(market, &offer, *astray).await,
                None => host.run(market, &offer, |_| {}).await,
            });
        }
        for (host, run) in hosts.iter().zip(&runs) {
            assert_eq!(host.commit(market, run).await.status(), 204);
        }
        for (host, run) in hosts.iter_mut().zip(&runs) {
            let open = host.open(market).await;
            assert_eq!(host.hand_in(market, run, &open).await.status(), 202);
        }
        Self {
            job,
            providers,
            hosts,
            runs,
        }
    }

    /// Everybody answers the referee, each in its manner, until nobody is asked any more. What each was asked.
    async fn testify(&mut self, market: &Market, manners: &[Manner]) -> Vec<Vec<Question>> {
        market.until(&self.job, "disputed").await;
        let mut asked = vec![Vec::new(); manners.len()];
        let mut quiet = 0;
        // Questions go to two at a time, so that a host is asked again after a while without.
        while quiet < 2 * manners.len() {
            for (at, manner) in manners.iter().enumerate() {
                let (host, run) = (&mut self.hosts[at], &self.runs[at]);
                let Some(next) = host.next(market, 1).await else {
                    quiet += 1;
                    continue;
                };
                let Next::Question(question) = next else {
                    panic!("expected a question: {next:?}");
                };
                quiet = 0;
                if let Some(answer) = manner.answer(run, &question, asked[at].len()) {
                    let answered = host.reply(market, &run.id, &answer).await;
                    assert_eq!(answered.status(), 204);
                }
                asked[at].push(question);
            }
        }
        asked
    }

    /// What became of each replica and of its provider's money: paid, or refused for this and slashed.
    async fn ends(&self, market: &Market, status: &str, codes: &[Option<&str>]) {
        let seen = market.until(&self.job, status).await;
        for (run, code) in self.runs.iter().zip(codes) {
            let mut all = seen["assignments"].as_array().unwrap().iter();
            let one = all.find(|one| one["id"] == run.id).unwrap();
            let expected = match code {
                None => (json!("accepted"), Value::Null),
                Some(code) => (json!("refused"), json!(code)),
            };
            let found = (one["status"].clone(), one["code"].clone());
            assert_eq!(found, expected, "{seen:#}");
        }
        let right = codes.iter().filter(|code| code.is_none()).count();
        if right > 0 {
            assert_eq!(seen["agreeing"].as_u64(), u64::try_from(right).ok());
            market.clock.advance_s(3_601);
            market.until(&self.job, "settled").await;
        }
        for (provider, code) in self.providers.iter().zip(codes) {
            let change = if code.is_none() { PRICE } else { -STAKE };
            assert_eq!(market.balance(provider).await, FUNDS + change);
        }
        let paid = i64::try_from(right).unwrap() * PRICE;
        assert_eq!(market.balance(&market.tenant).await, FUNDS - paid);
    }
}

impl Manner {
    /// The answer after so many; none from one that is silent.
    fn answer(self, run: &Run, question: &Question, given: usize) -> Option<Answer> {
        let mut answer = run.answer(question);
        match self {
            Self::Silent(from) if given >= from => return None,
            Self::Evasive(from) if given >= from => answer.reply = Reply::Witness(Blob(Vec::new())),
            Self::Garbled(from) if given >= from => {
                let Reply::Witness(Blob(bytes)) = &mut answer.reply else {
                    panic!("expected a witness: {answer:?}");
                };
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            _ => {}
        }
        Some(answer)
    }
}

/// What a question is about, in the words of its form.
fn subject(question: &Question) -> String {
    let Ask::Witness(text) = &question.ask else {
        panic!("expected a question to a witness: {question:?}");
    };
    let asked: Value = serde_json::from_str(text).unwrap();
    let (kind, about) = asked.as_object().unwrap().iter().next().unwrap();
    let tree = match about {
        Value::Array(stretches) => &stretches[0][0],
        about => &about["tree"],
    };
    format!("{kind} {tree}")
}

on_both! {
    async fn the_first_wrong_step_is_found_and_recomputed(market) {
        let mut trial = Trial::new(&mut market, terms, &[None, astray(MIDDLE, 1)]).await;
        // Whoever goes on knows from the store what was asked and answered.
        market.restart(0).await;
        let asked = trial.testify(&market, &[Manner::Consistent; 2]).await;
        let subjects: Vec<_> = asked[1].iter().map(subject).collect();
        let (wrong, before) = (format!(r#"{{"state":{MIDDLE}}}"#), format!(r#"{{"state":{}}}"#, MIDDLE - 1));
        let expected = [
            r#"nodes "trace""#.to_owned(),
            r#"open "trace""#.to_owned(),
            format!("nodes {wrong}"),
            format!("open {wrong}"),
            format!("open {before}"),
        ];
        assert_eq!(subjects, expected);
        let what = |of: usize| asked[of].iter().map(|question| &question.ask).collect::<Vec<_>>();
        assert_eq!(what(0), what(1), "both are asked the same");
        trial.ends(&market, "accepted", &[None, Some("dispute_lost")]).await;
    }

    async fn the_first_step_is_a_step_like_others(market) {
        let mut trial = Trial::new(&mut market, terms, &[astray(0, 1), None]).await;
        trial.testify(&market, &[Manner::Consistent; 2]).await;
        trial.ends(&market, "accepted", &[Some("dispute_lost"), None]).await;
    }

    async fn the_last_step_is_a_step_like_others(market) {
        let mut trial = Trial::new(&mut market, terms, &[astray(STEPS - 1, 128), None]).await;
        trial.testify(&market, &[Manner::Consistent; 2]).await;
        trial.ends(&market, "accepted", &[Some("dispute_lost"), None]).await;
    }

    async fn whoever_answers_with_what_it_did_not_commit_to_loses(market) {
        let mut trial = Trial::new(&mut market, terms, &[None, astray(MIDDLE, 1)]).await;
        trial.testify(&market, &[Manner::Consistent, Manner::Garbled(2)]).await;
        trial.ends(&market, "accepted", &[None, Some("dispute_lost")]).await;
    }

    async fn whoever_evades_a_question_loses(market) {
        let mut trial = Trial::new(&mut market, terms, &[None, astray(MIDDLE, 1)]).await;
        trial.testify(&market, &[Manner::Consistent, Manner::Evasive(0)]).await;
        trial.ends(&market, "accepted", &[None, Some("dispute_lost")]).await;
    }

    async fn whoever_stops_answering_loses(market) {
        let mut trial = Trial::new(&mut market, terms, &[None, astray(MIDDLE, 1)]).await;
        let asked = trial.testify(&market, &[Manner::Consistent, Manner::Silent(3)]).await;
        assert_eq!(asked[1].len(), 4);
        market.clock.advance_s(121);
        trial.ends(&market, "accepted", &[None, Some("dispute_unanswered")]).await;
    }

    async fn an_answer_counts_once(market) {
        let mut trial = Trial::new(&mut market, terms, &[None, astray(MIDDLE, 1)]).await;
        market.until(&trial.job, "disputed").await;
        let (host, run) = (&mut trial.hosts[1], &trial.runs[1]);
        let Some(Next::Question(question)) = host.next(&market, 10).await else {
            panic!("expected a question");
        };
        let answer = run.answer(&question);
        for _ in 0..2 {
            assert_eq!(host.reply(&market, &run.id, &answer).await.status(), 204);
        }
        let other = Manner::Garbled(0).answer(run, &question, 0).unwrap();
        let (status, code, _) = problem(host.reply(&market, &run.id, &other).await).await;
        assert_eq!((status, code.as_str()), (409, "answer_differs"));
        let unasked = Answer { number: question.number + 1, ..answer };
        let (status, code, _) = problem(host.reply(&market, &run.id, &unasked).await).await;
        assert_eq!((status, code.as_str()), (409, "round_unknown"));
        trial.testify(&market, &[Manner::Consistent; 2]).await;
        trial.ends(&market, "accepted", &[None, Some("dispute_lost")]).await;
    }

    /// The referee judges the first difference alone. Of two liars the one that went astray later wins a dispute, and is
    /// paid; its receipt has no word of replicas.
    async fn of_two_liars_the_first_to_go_astray_loses(market) {
        let mut trial = Trial::new(&mut market, terms, &[astray(20, 1), astray(MIDDLE, 1)]).await;
        trial.testify(&market, &[Manner::Consistent; 2]).await;
        trial.ends(&market, "accepted", &[Some("dispute_lost"), None]).await;
        let keys = market.key_set().await;
        let receipts = market.receipts(&trial.job).await;
        let [token] = receipts.as_slice() else {
            panic!("expected one receipt: {receipts:?}");
        };
        let receipt = validate(&keys, token, market.now()).unwrap();
        assert_eq!(receipt.results().iter().count(), 0, "{:?}", receipt.results());
    }

    /// An audit does not stop at the first difference.
    async fn an_audit_finds_both_liars(market) {
        let trial = Trial::new(&mut market, audited, &[astray(20, 1), astray(MIDDLE, 1)]).await;
        trial.ends(&market, "failed", &[Some("audit_refuted"); 2]).await;
    }

    async fn two_liars_that_go_astray_at_one_step_both_lose(market) {
        let mut trial = Trial::new(&mut market, terms, &[astray(MIDDLE, 1), astray(MIDDLE, 2)]).await;
        trial.testify(&market, &[Manner::Consistent; 2]).await;
        trial.ends(&market, "failed", &[Some("dispute_lost"); 2]).await;
    }

    async fn one_honest_replica_wins_against_two_different_liars(market) {
        let lies = [astray(20, 1), None, astray(MIDDLE, 1)];
        let mut trial = Trial::new(&mut market, terms, &lies).await;
        trial.testify(&market, &[Manner::Consistent; 3]).await;
        let codes = [Some("dispute_lost"), None, Some("dispute_lost")];
        trial.ends(&market, "accepted", &codes).await;
    }

    /// Nothing is put to a vote.
    async fn one_honest_replica_wins_against_two_that_tell_the_same_lie(market) {
        let lies = [astray(MIDDLE, 1), astray(MIDDLE, 1), None];
        let mut trial = Trial::new(&mut market, terms, &lies).await;
        trial.testify(&market, &[Manner::Consistent; 3]).await;
        let codes = [Some("dispute_lost"), Some("dispute_lost"), None];
        trial.ends(&market, "accepted", &codes).await;
    }

    async fn one_liar_falls_silent_and_the_other_is_found_wrong(market) {
        let lies = [None, astray(20, 1), astray(MIDDLE, 1), None];
        let mut trial = Trial::new(&mut market, terms, &lies).await;
        let manners = [Manner::Consistent, Manner::Silent(1), Manner::Consistent, Manner::Consistent];
        trial.testify(&market, &manners).await;
        market.clock.advance_s(121);
        trial.testify(&market, &manners).await;
        trial.ends(&market, "accepted", &[None, Some("dispute_unanswered"), Some("dispute_lost"), None]).await;
    }
}
