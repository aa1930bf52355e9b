//! Jobs over real HTTP: from an offer to settlement among software devices, and every way to lose a stake.

use evidence::work::wire::{Answer, Next, Open, Reply};
use evidence::work::{Blob, JobSpec};
use receipt::{Method, ResultCheck};
use serde_json::{Value, json};
use tests::market::{FUNDS, Host, Market, PRICE, Party, Run, STAKE, audited, new_database, terms};
use tests::scene::gemm;
use tests::served::problem;
use tests::world::validate;
use verifier_service::Clock;

/// Runs a body over SQLite, and over the PostgreSQL that `POGW_TEST_POSTGRES` names.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($market:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            #[allow(unused_mut, reason = "not every body changes its market")]
            async fn body(mut $market: Market) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                body(Market::new(None).await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL: tests/postgres/with"]
            async fn postgres() {
                let url = new_database();
                let url = url.expect("POGW_TEST_POSTGRES names a server: see tests/postgres/with");
                body(Market::new(Some(&url)).await).await;
            }
        }
    )*};
}

mod again;
mod dispatch;
mod history;
mod leases;
mod money;
mod outage;
mod traces;

on_both! {
    async fn two_honest_replicas_are_paid_and_their_receipts_say_that_they_agree(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        let mut h2 = market.host(&p2).await;
        let job = market.job(&gemm(16, "[]"), audited(2)).await;
        assert_eq!(market.balance(&market.tenant).await, FUNDS - 2 * PRICE);
        let o1 = h1.offer(&market).await;
        let o2 = h2.offer(&market).await;
        let r1 = h1.run(&market, &o1, |_| {}).await;
        market.restart(0).await;
        let r2 = h2.run(&market, &o2, |_| {}).await;
        assert_eq!(market.balance(&p1).await, FUNDS - STAKE);
        assert_eq!(h1.commit(&market, &r1).await.status(), 204);
        assert_eq!(h1.commit(&market, &r1).await.status(), 204, "again");
        assert_eq!(market.seen(&job).await["assignments"], json!([]), "nothing before openings");
        market.restart(0).await;
        assert_eq!(h2.commit(&market, &r2).await.status(), 204);
        let (a1, a2) = (h1.open(&market).await, h2.open(&market).await);
        assert_eq!((a1.points, a1.whole, a1.cross.len()), (271, false, 1));
        assert_eq!(h1.hand_in(&market, &r1, &a1).await.status(), 202);
        market.restart(0).await;
        assert_eq!(h2.hand_in(&market, &r2, &a2).await.status(), 202);
        let accepted = market.until(&job, "accepted").await;
        assert_eq!(accepted["agreeing"], 2, "{accepted:#}");
        let receipts = market.receipts(&job).await;
        assert_eq!(receipts.len(), 2);
        let keys = market.key_set().await;
        for token in &receipts {
            let receipt = validate(&keys, token, market.clock.now()).unwrap();
            assert!(receipt.results().contains(&ResultCheck::Replicas));
            assert!(receipt.results().contains(&ResultCheck::Audit));
            let methods = &receipt.claims().pogw.methods;
            let replicas = methods.iter().find(|f| f.method == Method::Replicas).unwrap();
            assert_eq!(replicas.agreeing.unwrap().get(), 2);
            let audit = methods.iter().find(|f| f.method == Method::Audit).unwrap();
            assert_eq!(audit.wrong_ppm.unwrap().get(), 50_000);
            assert!(audit.log2_error.unwrap().get() <= -20);
        }
        market.restart(0).await;
        market.clock.advance_s(3_601);
        market.until(&job, "settled").await;
        assert_eq!(market.balance(&p1).await, FUNDS + PRICE);
        assert_eq!(market.balance(&p2).await, FUNDS + PRICE);
        assert_eq!(market.balance(&market.tenant).await, FUNDS - 2 * PRICE);
        let events = market.get(&market.tenant, &format!("/v1/jobs/{job}/events")).await;
        let events = events.text().await.unwrap();
        let kinds: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(kinds.first(), Some(&"job_created"));
        assert_eq!(kinds.last(), Some(&"job_settled"));
        assert!(!kinds.contains(&"assignment_committed"), "{kinds:?}");
    }
}

/// Two hosts of two providers that both have committed to a run of the same job, and are asked to open.
struct Pair {
    job: String,
    providers: [Party; 2],
    hosts: [Host; 2],
    runs: [Run; 2],
    opens: [Open; 2],
}

type Alter = fn(&mut [Vec<u8>]);

/// With outputs of the second host as `alter` leaves them.
async fn pair(market: &mut Market, spec: &JobSpec, terms: Value, alter: Alter) -> Pair {
    let providers = [market.provider().await, market.provider().await];
    let h1 = market.host(&providers[0]).await;
    let h2 = market.host(&providers[1]).await;
    committed(market, spec, terms, providers, [h1, h2], alter).await
}

async fn committed(
    market: &mut Market,
    spec: &JobSpec,
    terms: Value,
    providers: [Party; 2],
    [mut h1, mut h2]: [Host; 2],
    alter: Alter,
) -> Pair {
    let job = market.job(spec, terms).await;
    let (o1, o2) = (h1.offer(market).await, h2.offer(market).await);
    let r1 = h1.run(market, &o1, |_| {}).await;
    let r2 = h2.run(market, &o2, alter).await;
    assert_eq!(h1.commit(market, &r1).await.status(), 204);
    assert_eq!(h2.commit(market, &r2).await.status(), 204);
    let opens = [h1.open(market).await, h2.open(market).await];
    Pair {
        job,
        providers,
        hosts: [h1, h2],
        runs: [r1, r2],
        opens,
    }
}

/// Two providers' agents on one software device have both handed in, and the job has failed for it.
async fn on_one_device(market: &mut Market) -> (Pair, Value) {
    let providers = [market.provider().await, market.provider().await];
    let h1 = market.host_on(&providers[0], 0).await;
    let h2 = market.host_on(&providers[1], 0).await;
    let hosts = [h1, h2];
    let pair = committed(market, &gemm(16, "[]"), terms(2), providers, hosts, honest).await;
    pair.hand_in(market, 0).await;
    pair.hand_in(market, 1).await;
    let seen = market.until(&pair.job, "failed").await;
    (pair, seen)
}

impl Pair {
    async fn hand_in(&self, market: &Market, place: usize) -> u16 {
        let answer = self.hosts[place].hand_in(market, &self.runs[place], &self.opens[place]);
        answer.await.status().as_u16()
    }

    /// The first is accepted and paid, the second refused for this reason and its stake slashed.
    async fn ends_with(&self, market: &Market, code: &str) {
        let seen = market.until(&self.job, "accepted").await;
        let of = |run: &Run| {
            let all = seen["assignments"].as_array().unwrap();
            all.iter().find(|one| one["id"] == run.id).unwrap().clone()
        };
        let (honest, liar) = (of(&self.runs[0]), of(&self.runs[1]));
        assert_eq!(honest["status"], "accepted", "{seen:#}");
        assert_eq!(
            (&liar["status"], &liar["code"]),
            (&json!("refused"), &json!(code))
        );
        assert_eq!(seen["agreeing"], 1);
        market.clock.advance_s(3_601);
        market.until(&self.job, "settled").await;
        let [honest, liar] = &self.providers;
        assert_eq!(market.balance(honest).await, FUNDS + PRICE);
        assert_eq!(market.balance(liar).await, FUNDS - STAKE);
        assert_eq!(market.balance(&market.tenant).await, FUNDS - PRICE);
        // One that agrees with nobody has no word of replicas.
        let keys = market.key_set().await;
        for token in market.receipts(&self.job).await {
            let receipt = validate(&keys, &token, market.clock.now()).unwrap();
            assert!(!receipt.results().contains(&ResultCheck::Replicas));
        }
    }
}

/// A liar answers the first question with so many bytes, and nothing else.
async fn answered_with(market: &mut Market, bytes: usize) {
    let mut pair = pair(market, &gemm(32, "[]"), terms(2), wrong_point).await;
    pair.hand_in(market, 0).await;
    pair.hand_in(market, 1).await;
    market.until(&pair.job, "disputed").await;
    let liar = &mut pair.hosts[1];
    let Some(Next::Question(question)) = liar.next(market, 3).await else {
        panic!("expected a question");
    };
    let answer = Answer {
        number: question.number,
        reply: Reply::Witness(Blob(vec![0; bytes])),
    };
    let refused = liar.reply(market, &pair.runs[1].id, &answer).await;
    let (status, code, _) = problem(refused).await;
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    pair.hosts[0].testify(market, &pair.runs[0]).await;
    market.clock.advance_s(121);
    pair.ends_with(market, "dispute_answer_too_large").await;
}

fn wrong_point(outputs: &mut [Vec<u8>]) {
    outputs[0][77] ^= 1;
}

fn garbage(outputs: &mut [Vec<u8>]) {
    outputs[0].fill(9);
}

fn honest(_: &mut [Vec<u8>]) {}

on_both! {
    async fn one_wrong_point_loses_the_dispute(market) {
        let mut pair = pair(&mut market, &gemm(32, "[]"), terms(2), wrong_point).await;
        assert_eq!(pair.hand_in(&market, 0).await, 202);
        assert_eq!(pair.hand_in(&market, 1).await, 202);
        market.until(&pair.job, "disputed").await;
        // Whoever goes on knows from the store what was asked and answered.
        market.restart(0).await;
        let [h1, h2] = &mut pair.hosts;
        let [r1, r2] = &pair.runs;
        tokio::join!(h1.testify(&market, r1), h2.testify(&market, r2));
        pair.ends_with(&market, "dispute_lost").await;
    }

    async fn silence_loses_the_dispute(market) {
        let mut pair = pair(&mut market, &gemm(32, "[]"), terms(2), wrong_point).await;
        pair.hand_in(&market, 0).await;
        pair.hand_in(&market, 1).await;
        market.until(&pair.job, "disputed").await;
        let answers = async {
            let h1 = &mut pair.hosts[0];
            h1.testify(&market, &pair.runs[0]).await;
        };
        answers.await;
        market.clock.advance_s(121);
        pair.ends_with(&market, "dispute_unanswered").await;
    }

    async fn an_answer_larger_than_any_right_one_is_not_kept_and_no_silence(market) {
        answered_with(&mut market, 200_000).await;
    }

    async fn an_answer_larger_than_is_read_is_no_silence(market) {
        answered_with(&mut market, 50 << 20).await;
    }

    async fn a_skipped_part_is_caught_by_the_audit(market) {
        let pair = pair(&mut market, &gemm(32, "[]"), audited(2), garbage).await;
        pair.hand_in(&market, 0).await;
        pair.hand_in(&market, 1).await;
        pair.ends_with(&market, "audit_refuted").await;
    }

    async fn a_wrong_product_is_caught_by_freivalds(market) {
        let spec = gemm(32, r#"["freivalds"]"#);
        let pair = pair(&mut market, &spec, terms(2), wrong_point).await;
        assert!(pair.opens[0].whole);
        pair.hand_in(&market, 0).await;
        pair.hand_in(&market, 1).await;
        pair.ends_with(&market, "freivalds_refuted").await;
    }

    async fn an_opening_that_is_withheld_or_late_is_lost(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        assert_eq!(pair.hand_in(&market, 0).await, 202);
        market.clock.advance_s(121);
        let late = pair.hosts[1].hand_in(&market, &pair.runs[1], &pair.opens[1]).await;
        let (status, code, _) = problem(late).await;
        assert_eq!((status, code.as_str()), (410, "opening_late"));
        pair.ends_with(&market, "opening_withheld").await;
    }

    async fn another_opening_than_the_committed_one_is_refused(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        pair.hand_in(&market, 0).await;
        let mut opening = pair.runs[1].opening(&pair.opens[1]);
        opening.salt.0[0] ^= 1;
        let bytes = serde_json::to_vec(&opening).unwrap();
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 0, bytes).await;
        pair.ends_with(&market, "commitment_mismatch").await;
    }

    async fn bytes_that_are_no_opening_are_refused(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        pair.hand_in(&market, 0).await;
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 0, b"{}".to_vec()).await;
        let other = pair.hosts[1].hand_in(&market, &pair.runs[1], &pair.opens[1]).await;
        let (status, code, _) = problem(other).await;
        assert_eq!((status, code.as_str()), (409, "opening_differs"));
        pair.ends_with(&market, "opening_malformed").await;
    }

    async fn slices_that_are_not_opened_are_refused(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), audited(2), honest).await;
        pair.hand_in(&market, 0).await;
        let mut opening = pair.runs[1].opening(&pair.opens[1]);
        opening.slices.clear();
        let bytes = serde_json::to_vec(&opening).unwrap();
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 0, bytes).await;
        pair.ends_with(&market, "output_not_provided").await;
    }

    async fn the_outputs_of_another_under_a_made_up_keyed_digest_are_found_out(market) {
        let mut pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        // It committed to the right statement before it had the outputs, which it has now.
        pair.hand_in(&market, 0).await;
        let mut opening = pair.runs[1].opening(&pair.opens[1]);
        for digest in opening.cross.values_mut() {
            digest.0[0] ^= 1;
        }
        let bytes = serde_json::to_vec(&opening).unwrap();
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 0, bytes).await;
        market.until(&pair.job, "disputed").await;
        let [h1, h2] = &mut pair.hosts;
        let [r1, r2] = &pair.runs;
        tokio::join!(h1.testify(&market, r1), h2.testify(&market, r2));
        pair.ends_with(&market, "keyed_digest_mismatch").await;
    }

    async fn two_identities_on_one_software_device_are_both_refused(market) {
        let (pair, seen) = on_one_device(&mut market).await;
        assert_eq!(seen["code"], "no_result");
        for one in seen["assignments"].as_array().unwrap() {
            assert_eq!(one["code"], "device_shared");
        }
        for provider in &pair.providers {
            assert_eq!(market.balance(provider).await, FUNDS - STAKE);
        }
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
    }

    async fn evidence_for_another_challenge_is_a_replay(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        pair.hand_in(&market, 0).await;
        // The whole opening of the other, by whom it was not made.
        let bytes = serde_json::to_vec(&pair.runs[0].opening(&pair.opens[0])).unwrap();
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 0, bytes).await;
        pair.ends_with(&market, "commitment_mismatch").await;
    }

    async fn a_second_audit_within_the_window_changes_nothing_for_honest_replicas(market) {
        let mut pair = pair(&mut market, &gemm(16, "[]"), audited(2), honest).await;
        pair.hand_in(&market, 0).await;
        pair.hand_in(&market, 1).await;
        market.until(&pair.job, "accepted").await;
        let path = format!("/v1/jobs/{}/dispute", pair.job);
        assert_eq!(market.post(&market.tenant, &path, json!({})).await.status(), 202);
        for place in 0..2 {
            let open = pair.hosts[place].open(&market).await;
            assert_eq!((open.round, open.points), (1, 542));
            let answer = pair.hosts[place].hand_in(&market, &pair.runs[place], &open).await;
            assert_eq!(answer.status(), 202);
        }
        market.until(&pair.job, "accepted").await;
        market.clock.advance_s(3_601);
        market.until(&pair.job, "settled").await;
        assert_eq!(market.balance(&pair.providers[1]).await, FUNDS + PRICE);
        assert_eq!(market.receipts(&pair.job).await.len(), 2, "no receipt twice");
        let recorded = format!("/v1/audit?object={}&action=job.dispute", pair.job);
        let recorded: Value = market.get(&market.tenant, &recorded).await.json().await.unwrap();
        let entries = recorded["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{recorded:#}");
        assert_eq!(entries[0]["actor"]["party"], market.tenant.id.as_str());
    }

    async fn an_outage_makes_nobody_late(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), terms(2), honest).await;
        market.restart(10_000).await;
        assert_eq!(pair.hand_in(&market, 0).await, 202);
        assert_eq!(pair.hand_in(&market, 1).await, 202);
        let seen = market.until(&pair.job, "accepted").await;
        assert_eq!(seen["agreeing"], 2);
    }

    async fn what_is_committed_late_or_otherwise_is_refused(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        let h2 = market.host(&p2).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let (mut h1, h2) = match h1.next(&market, 2).await {
            Some(offer) => { drop(offer); (h1, h2) }
            None => (h2, h1),
        };
        h1.forget();
        let offer = h1.offer(&market).await;
        // Another's assignment is not there.
        let (status, code, _) = problem(h2.accept(&market, &offer).await).await;
        assert_eq!((status, code.as_str()), (404, "assignment_unknown"));
        let run = h1.run(&market, &offer, honest).await;
        assert_eq!(h1.commit(&market, &run).await.status(), 204);
        let other = run.with_keyed([1; 32]);
        let (status, code, _) = problem(h1.commit(&market, &other).await).await;
        assert_eq!((status, code.as_str()), (409, "commitment_differs"));
        market.job(&gemm(16, "[]"), terms(1)).await;
        // Whichever of them is drawn; the first is also asked to open.
        let mut hosts = [h1, h2];
        let (taker, offer) = 'offered: loop {
            for host in &mut hosts {
                if let Some(Next::Offer(offer)) = host.next(&market, 1).await {
                    break 'offered (host, offer);
                }
            }
        };
        market.clock.advance_s(31);
        taker.heartbeat(&market).await;
        let (status, code, _) = problem(taker.accept(&market, &offer).await).await;
        assert_eq!((status, code.as_str()), (410, "offer_over"));
    }

    async fn jobs_that_cannot_be_taken_say_why(market) {
        let with = |at: &str, value: Value| {
            let mut terms = audited(2);
            *terms.pointer_mut(at).unwrap_or_else(|| panic!("{at}")) = value;
            terms
        };
        let mut named = terms(1);
        named["policy"] = json!("nobody");
        let mut dots = terms(1);
        dots["policy"] = json!("a/b");
        let mut architectures = terms(1);
        architectures["devices"] = json!({ "architectures": [] });
        let mut devices = terms(1);
        devices["devices"] = json!({ "count": 0 });
        let plain = gemm(16, "[]");
        let command = |output_bytes: u64| -> JobSpec {
            let limits = json!({ "wall_s": 1, "output_bytes": output_bytes, "processes": 1, "memory_bytes": 1 });
            let command = json!({ "argv": ["true"], "inputs": {}, "outputs": ["out"], "limits": limits });
            let spec = json!({ "profile": "pogw/1", "checks": [], "command": command });
            serde_json::from_value(spec).unwrap()
        };
        let kernel = |kernel: &str, params: Value| -> JobSpec {
            let spec = json!({ "profile": "pogw/1", "kernel": kernel, "params": params, "checks": [] });
            serde_json::from_value(spec).unwrap()
        };
        let table = [
            (plain.clone(), with("/replicas/count", json!(0)), 422, "terms_replica_count"),
            (
                plain.clone(),
                with("/replicas", json!({ "count": 2, "adaptive": false, "min_agreeing": 3 })),
                422,
                "terms_min_agreeing",
            ),
            (plain.clone(), with("/audit/wrong_ppm", json!(0)), 422, "terms_audit_fraction"),
            (plain.clone(), with("/audit/log2_miss", json!(1)), 422, "terms_audit_miss"),
            (plain.clone(), with("/audit/wrong_ppm", json!(1)), 422, "check_too_costly"),
            (plain.clone(), with("/price/currency", json!("euro")), 422, "terms_price"),
            (plain.clone(), with("/stake", json!(-1)), 422, "terms_stake"),
            (plain.clone(), with("/deadline_s", json!(1)), 422, "terms_deadline"),
            (plain.clone(), with("/commit_within_s", json!(0)), 422, "terms_time"),
            (plain.clone(), with("/open_within_s", json!(9)), 422, "terms_time"),
            // Outputs of 144 MB, digested under one key: 4 seconds more.
            (gemm(6000, "[]"), with_time(&terms(1), 13), 422, "terms_time"),
            // 16 MiB to be shown, which base64 makes 21: as many seconds on an ordinary line.
            (gemm(2048, r#"["freivalds"]"#), with_time(&terms(1), 30), 422, "terms_time"),
            (gemm(2048, "[]"), with_time(&terms(2), 30), 422, "terms_time"),
            // 40 MiB of a command, of which two replicas may have to show all.
            (command(40 << 20), with_time(&terms(2), 60), 422, "terms_time"),
            (plain.clone(), with("/price/amount", json!(9_007_199_254_740_991_i64)), 422, "terms_escrow"),
            (plain.clone(), with("/price/amount", json!(FUNDS)), 402, "funds_missing"),
            (plain.clone(), json!({}), 422, "terms_malformed"),
            (plain.clone(), named, 422, "policy_unknown"),
            (plain.clone(), dots, 422, "terms_policy_name"),
            (plain.clone(), architectures, 422, "terms_architectures"),
            (plain.clone(), devices, 422, "terms_device_count"),
            (gemm(16, r#"["audit"]"#), audited(1), 422, "audit_asked_twice"),
            // Whole outputs of 64 MiB, which base64 makes a third more; slices of as much.
            (gemm(4096, r#"["freivalds"]"#), terms(1), 422, "opening_beyond_limit"),
            // With another replica, either may have to hand its outputs over.
            (gemm(4096, "[]"), terms(2), 422, "dispute_beyond_limit"),
            (kernel("nothing", json!({})), terms(1), 422, "kernel_unknown"),
            (kernel("gemm_i8", json!({})), terms(1), 422, "job_parameters_invalid"),
        ];
        for (spec, terms, status, code) in table {
            let (found, word, body) = problem(market.offer(&spec, terms).await).await;
            assert_eq!((found, word.as_str()), (status, code), "{body:#}");
        }
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
    }

    async fn where_too_few_agree_the_tenant_has_its_money_back_and_no_receipt(market) {
        let mut both = terms(2);
        both["replicas"]["min_agreeing"] = json!(2);
        let pair = pair(&mut market, &gemm(16, "[]"), both, |_| {}).await;
        assert_eq!(pair.hand_in(&market, 0).await, 202);
        // The other one stays silent.
        market.clock.advance_s(121);
        let seen = market.until(&pair.job, "failed").await;
        assert_eq!((&seen["code"], &seen["agreeing"]), (&json!("too_few_agree"), &json!(0)));
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
        let [honest, silent] = &pair.providers;
        assert_eq!(market.balance(honest).await, FUNDS);
        assert_eq!(market.balance(silent).await, FUNDS - STAKE);
        assert_eq!(market.receipts(&pair.job).await, [""; 0]);
    }

    async fn a_job_is_its_tenants_alone_and_made_once_by_one_key(market) {
        let body = json!({ "spec": gemm(16, "[]"), "terms": terms(1) });
        let send = |key: &'static str, body: Value| {
            let request = market.request(reqwest::Method::POST, "/v1/jobs");
            request.bearer_auth(&market.tenant.key).header("idempotency-key", key).json(&body).send()
        };
        let first = send("a", body.clone()).await.unwrap();
        assert_eq!(first.status(), 201);
        let job: Value = first.json().await.unwrap();
        let again = send("a", body).await.unwrap();
        assert_eq!(again.status(), 200);
        assert_eq!(again.json::<Value>().await.unwrap()["id"], job["id"]);
        let other = send("a", json!({ "spec": gemm(8, "[]"), "terms": terms(1) })).await.unwrap();
        assert_eq!(problem(other).await.1, "idempotency_key_reused");
        assert_eq!(market.balance(&market.tenant).await, FUNDS - PRICE);

        let id = job["id"].as_str().unwrap();
        let stranger = market.party("tenant").await;
        for path in ["", "/receipts", "/events"] {
            let path = format!("/v1/jobs/{id}{path}");
            let (status, code, _) = problem(market.get(&stranger, &path).await).await;
            assert_eq!((status, code.as_str()), (404, "job_not_found"), "{path}");
        }
        let cancel = format!("/v1/jobs/{id}/cancel");
        let (status, _, _) = problem(market.post(&stranger, &cancel, json!({})).await).await;
        assert_eq!(status, 404);
        assert_eq!(market.post(&market.tenant, &cancel, json!({})).await.status(), 200);
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
        for _ in 0..3 {
            market.job(&gemm(16, "[]"), terms(1)).await;
        }
        let first = market.get(&market.tenant, "/v1/jobs?limit=3").await;
        let first: Value = first.json().await.unwrap();
        assert_eq!(first["jobs"].as_array().unwrap().len(), 3);
        let next = format!("/v1/jobs?cursor={}", first["next"].as_str().unwrap());
        let next: Value = market.get(&market.tenant, &next).await.json().await.unwrap();
        assert_eq!((next["jobs"].as_array().unwrap().len(), &next["next"]), (1, &Value::Null));
    }
}

/// Terms with so many seconds to open in.
fn with_time(terms: &Value, open_within_s: u32) -> Value {
    let mut terms = terms.clone();
    terms["open_within_s"] = json!(open_within_s);
    terms
}
