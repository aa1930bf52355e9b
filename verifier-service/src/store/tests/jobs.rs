//! Jobs: a life from creation to payment, with every write failing once, and several services at work on it.

use std::collections::BTreeSet;

use ::jobs::books::{Account, Transfer};
use ::jobs::{Action, Amount, Context, JobStatus, Record, Refusal};
use evidence::work::Hex;

use super::life::{
    END, ESCROW, FUNDS, PRICE, STAKE, STEPS, agent, job_id, money, party, request, step,
};
use super::*;
use crate::store::books::BookStore;
use crate::store::clerk::ClerkStore;
use crate::store::jobs::{Act, Acted, Change, CreatedJob, JobRequest, JobStore};
use crate::store::outbox::{Attempt, OutboxStore};
use crate::store::sql::values;

on_both! {
    async fn a_job_lives_from_its_creation_to_its_payment(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS {
            if number == 3 {
                assert_eq!(rig.available("p1").await, FUNDS - STAKE);
            }
            step(store, number).await.unwrap();
            rig.books_balance().await;
        }
        let id = job_id("j");
        let job = store.job(&id).await.unwrap().unwrap();
        assert_eq!(job.status(), JobStatus::Settled);
        assert_eq!(rig.available("tenant").await, FUNDS - ESCROW);
        for (provider, name) in [("p1", "a1"), ("p2", "a2")] {
            assert_eq!(rig.available(provider).await, FUNDS + PRICE);
            let record = store.record(&agent(name), &job.workload(), job.size().unwrap()).await.unwrap();
            assert_eq!(record, Record(1));
            assert_eq!(store.unfinished(&agent(name)).await.unwrap(), []);
            assert_eq!(store.askable(&agent(name)).await.unwrap(), []);
        }
        assert_eq!(rig.balance(&Account::Escrow(id.clone())).await, 0);
        let first = job.assignments()[0].id();
        assert_eq!(store.job_of(first).await.unwrap(), Some(id.clone()));
        let digest = Hex(evidence::crypto::sha256(first.as_str().as_bytes()));
        let document = store.document(&id, digest).await.unwrap();
        assert_eq!(document.unwrap(), first.as_str().as_bytes());
        // Both receipts are there, as receipts of the service too.
        let receipts = store.job_receipts(&id).await.unwrap();
        assert_eq!(receipts.len(), 2);
        let token = store.receipt(receipts[0].id).await.unwrap().unwrap().token;
        assert_eq!(token, format!("token of {}", receipts[0].assignment));
        assert_eq!(receipts[0].revoked_at, None);
        // Whoever asks for one by its name hears when it was revoked, and the others hold.
        let named = receipts[1].id;
        let mut tx = store.database().write().await.unwrap();
        let revoke = "UPDATE job_receipts SET revoked_at = 7 WHERE receipt = $1";
        tx.execute(revoke, values![named]).await.unwrap();
        tx.commit().await.unwrap();
        let standing = async |n: usize| {
            let receipt = store.receipt(receipts[n].id).await.unwrap().unwrap();
            (receipt.provisional, receipt.revoked_at)
        };
        assert_eq!(standing(0).await, (false, None));
        assert_eq!(standing(1).await, (false, Some(UnixTime::from_secs(7))));
        for status in ["accepted", "opening", "disputed", "failed", "cancelled", "settled"] {
            let mut tx = store.database().write().await.unwrap();
            tx.execute("UPDATE jobs SET status = $1 WHERE id = $2", values![status, &id]).await.unwrap();
            tx.commit().await.unwrap();
            let goes_on = ["accepted", "opening", "disputed"].contains(&status);
            assert_eq!(standing(0).await, (goes_on, None), "{status}");
        }
        let mut tx = store.database().write().await.unwrap();
        tx.execute("UPDATE job_receipts SET revoked_at = NULL", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let mut listed = store.receipts_of(Some(&party("tenant")), Page { after: None, limit: 9 }).await.unwrap();
        listed.sort_by_key(|receipt| receipt.assignment.clone());
        assert_eq!(listed, receipts);
        let mut of_all = store.receipts_of(None, Page { after: None, limit: 9 }).await.unwrap();
        of_all.sort_by_key(|receipt| receipt.assignment.clone());
        assert_eq!(of_all, receipts);
        let last = Some((listed[0].issued_at, String::new()));
        let none = store.receipts_of(Some(&party("tenant")), Page { after: last, limit: 9 }).await.unwrap();
        assert_eq!(none, []);
        // The history is in order, and the outbox holds what tenant and provider may read.
        let events = store.events(&id, 0, 100).await.unwrap();
        assert!(events.is_sorted_by_key(|event| event.number));
        assert_eq!(events[0].kind, ::jobs::EventKind::JobCreated);
        let tail = store.events(&id, events[1].number, 2).await.unwrap();
        assert_eq!(tail, events[2..4]);
        let mut told = Vec::new();
        loop {
            let some = store.due_deliveries(END, END, 100).await.unwrap();
            if some.is_empty() {
                break;
            }
            for delivery in some {
                store.attempted(delivery.number, Attempt::Delivered, END).await.unwrap();
                told.push(delivery);
            }
        }
        let tenant = told.iter().filter(|d| d.webhook.party == party("tenant"));
        assert!(tenant.clone().count() > 2);
        for delivery in tenant {
            assert!(!delivery.event.body.contains("assignment_committed"));
        }
        let provider = told.iter().filter(|d| d.webhook.party == party("p1"));
        for delivery in provider {
            assert!(delivery.event.body.contains(&format!(r#""provider":"{}""#, party("p1"))), "{delivery:?}");
        }
        // Nothing is due any more.
        assert_eq!(store.take_due(END, END, 10).await, []);
    }

    async fn whatever_write_fails_nothing_is_half_done(rig) {
        let store = rig.with_market().await;
        let faults = store.database().faults();
        let mut struck = 0;
        for number in 0..STEPS {
            let before = rig.everything().await;
            for writes in 0.. {
                faults.fail_after(writes);
                let done = step(store, number).await;
                if !faults.have_struck() {
                    done.unwrap();
                    break;
                }
                assert!(done.unwrap_err().is_transient());
                struck += 1;
                assert_eq!(rig.everything().await, before, "step {number}, write {writes}");
            }
            faults.none();
            let after = rig.everything().await;
            assert_ne!(after, before);
            rig.books_balance().await;
            // Asked for again, it is answered and changes nothing.
            step(store, number).await.unwrap();
            assert_eq!(rig.everything().await, after, "step {number} again");
        }
        assert!(struck > 60, "{struck} writes failed");
    }

    async fn an_answer_lost_after_a_commit_is_no_second_change(rig) {
        let store = rig.with_market().await;
        let faults = store.database().faults();
        for number in 0..STEPS {
            faults.lose_answer_after(0);
            step(store, number).await.unwrap_err();
            faults.none();
            let after = rig.everything().await;
            step(store, number).await.unwrap();
            assert_eq!(rig.everything().await, after, "step {number}");
        }
        rig.books_balance().await;
        assert_eq!(rig.available("p1").await, FUNDS + PRICE);
    }

    async fn no_two_services_are_handed_the_same_job(rig) {
        let store = rig.with_market().await;
        let deposit = Transfer::deposit(&party("market"), &party("tenant"), money(100 * ESCROW), "more", NOW);
        store.book(deposit, by(NOW)).await.unwrap();
        let names: Vec<&'static str> = (0..40).map(|n| &*format!("j{n}").leak()).collect();
        for name in &names {
            assert!(matches!(store.create(name).await.unwrap(), CreatedJob::New(..)));
        }
        let other = rig.reopen().await;
        let services = (0..8).map(|n| {
            let store = [store, &other][n % 2].clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                // One that comes away empty may just have met others.
                for _ in 0..30 {
                    taken.extend(store.take_due(END, UnixTime::from_secs(END.secs() + 60), 3).await);
                }
                taken
            })
        });
        let mut all = Vec::new();
        for service in services.collect::<Vec<_>>() {
            all.extend(service.await.unwrap());
        }
        assert_eq!(all.len(), names.len());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), names.len());
        // Whoever took one and died: a service that starts calls it up, and otherwise it is due again later.
        assert_eq!(store.take_due(END, END, 10).await, []);
        let later = UnixTime::from_secs(END.secs() + 60);
        store.call_up(END, UnixTime::from_secs(later.secs() - 1)).await.unwrap();
        assert_eq!(store.take_due(END, END, 10).await, []);
        store.call_up(END, later).await.unwrap();
        assert_eq!(store.take_due(END, later, 100).await.len(), names.len());
        assert_eq!(store.take_due(later, later, 100).await.len(), names.len());
    }

    async fn nobody_spends_what_another_has_spent(rig) {
        let store = rig.with_market().await;
        let other = rig.reopen().await;
        let names: Vec<&'static str> = (0..12).map(|n| &*format!("j{n}").leak()).collect();
        let created = names.iter().enumerate().map(|(n, name)| {
            let (store, name) = ([store, &other][n % 2].clone(), *name);
            tokio::spawn(async move { store.create(name).await.unwrap() })
        });
        let (mut new, mut refused) = (0, 0);
        for created in created.collect::<Vec<_>>() {
            match created.await.unwrap() {
                CreatedJob::New(..) => new += 1,
                CreatedJob::Refused(Refusal::FundsMissing { .. }) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        // 10000 pay for four jobs of 2400.
        assert_eq!((new, refused), (4, 8));
        assert_eq!(rig.available("tenant").await, FUNDS - 4 * ESCROW);
        rig.books_balance().await;
    }

    async fn agents_that_act_at_once_on_one_job_all_count(rig) {
        let store = rig.with_market().await;
        for number in 0..2 {
            step(store, number).await.unwrap();
        }
        let other = rig.reopen().await;
        // Each twice, as a client that repeats itself.
        for from in [2, 4, 6, 8] {
            let acts = (0..4).map(|n| {
                let store = [store, &other][n % 2].clone();
                tokio::spawn(async move { step(&store, from + n / 2).await.unwrap() })
            });
            for act in acts.collect::<Vec<_>>() {
                act.await.unwrap();
            }
        }
        step(store, 10).await.unwrap();
        assert_eq!(rig.available("p1").await, FUNDS + PRICE);
        assert_eq!(rig.available("p2").await, FUNDS + PRICE);
        rig.books_balance().await;
    }

    async fn a_request_made_twice_makes_one_job(rig) {
        let store = rig.with_market().await;
        let other = rig.reopen().await;
        let requests = (0..6).map(|n| {
            let store = [store, &other][n % 2].clone();
            let name: &'static str = format!("j{n}").leak();
            // Another id each time, as it is drawn; the same key.
            let request = JobRequest {
                idempotency: Some(("order 7".to_owned(), [1; 32])),
                ..request(name)
            };
            tokio::spawn(async move { store.create_job(request).await.unwrap() })
        });
        let mut made = BTreeSet::new();
        let mut new = 0;
        for request in requests.collect::<Vec<_>>() {
            match request.await.unwrap() {
                CreatedJob::New(job, written) => {
                    new += 1;
                    assert_eq!((written.events.len(), written.effects.transfers.len()), (1, 1));
                    made.insert(job.id().clone());
                }
                CreatedJob::Before(job) => {
                    made.insert(job.id().clone());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new, made.len()), (1, 1));
        assert_eq!(rig.available("tenant").await, FUNDS - ESCROW);
        let different = JobRequest {
            idempotency: Some(("order 7".to_owned(), [2; 32])),
            ..request("other")
        };
        let reused = store.create_job(different).await.unwrap();
        assert!(matches!(reused, CreatedJob::KeyReused), "{reused:?}");
    }

    async fn refusals_and_strangers_write_nothing(rig) {
        let store = rig.with_market().await;
        step(store, 0).await.unwrap();
        let before = rig.everything().await;
        let refuse: fn() -> Act = || Box::new(|job, _| {
            let settle = Action::Settle;
            let effects = job.apply(settle, &Context::new(NOW, [2; 32]))?;
            Ok(Change::new(effects, None))
        });
        let refused = store.with_job(&job_id("j"), None, refuse()).await.unwrap();
        let Acted::Refused(refusal) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code(), "job_status");
        let unknown = store.with_job(&job_id("nobody"), None, refuse()).await.unwrap();
        assert!(matches!(unknown, Acted::Unknown), "{unknown:?}");
        assert_eq!(store.job(&job_id("nobody")).await.unwrap(), None);
        assert_eq!(rig.everything().await, before);
        // Effects that cannot be: the same escrow again.
        let twice: Act = Box::new(|job, _| {
            let create = (request("j").create)(Amount::new(FUNDS).unwrap())?;
            Ok(Change::new(create.1.effects, job.due_at()))
        });
        let conflict = store.with_job(&job_id("j"), None, twice).await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { .. }) && !conflict.is_transient(), "{conflict:?}");
        assert_eq!(rig.everything().await, before);
    }

    async fn pages_of_jobs_have_each_once(rig) {
        let store = rig.with_market().await;
        let deposit = Transfer::deposit(&party("market"), &party("tenant"), money(100 * ESCROW), "more", NOW);
        store.book(deposit, by(NOW)).await.unwrap();
        // All of the same second.
        for n in 0..7 {
            store.create(format!("j{n}").leak()).await.unwrap();
        }
        let mut page = Page { after: None, limit: 3 };
        let mut seen = Vec::new();
        loop {
            let jobs = store.jobs(Some(&party("tenant")), page.clone()).await.unwrap();
            let Some(last) = jobs.last() else { break };
            page.after = Some((last.created_at, last.id.to_string()));
            seen.extend(jobs.iter().map(|job| job.id.to_string()));
        }
        assert_eq!(seen, ["j6", "j5", "j4", "j3", "j2", "j1", "j0"]);
        let none = store.jobs(Some(&party("p1")), Page { after: None, limit: 3 }).await.unwrap();
        assert_eq!(none, []);
        let first = store.jobs(None, Page { after: None, limit: 4 }).await.unwrap();
        let after = first.last().map(|last| (last.created_at, last.id.to_string()));
        let rest = store.jobs(None, Page { after, limit: 9 }).await.unwrap();
        let of_all = first.iter().chain(&rest).map(|job| job.id.to_string());
        assert!(of_all.eq(seen));
    }
}
