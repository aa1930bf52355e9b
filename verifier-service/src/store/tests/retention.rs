//! What is kept of jobs that ended, and for how long.

use ::jobs::{Action, Effects, JobStatus};

use super::life::{END, STEPS, accept, assignment, job_id, step};
use super::*;
use crate::store::clerk::ClerkStore;
use crate::store::jobs::{Act, Change, Document, JobStore};

/// Stores documents of a job that goes on as it was.
async fn keep(store: &SqlStore, job: &str, documents: Vec<Document>) {
    let act: Act = Box::new(move |job, _| {
        Ok(Change {
            documents: documents.clone(),
            ..Change::new(Effects::default(), job.due_at())
        })
    });
    store.with_job(&job_id(job), None, act).await.unwrap();
}

fn later(than: UnixTime) -> UnixTime {
    UnixTime::from_secs(than.secs() + 1)
}

on_both! {
    async fn openings_are_forgotten_a_while_after_their_job_ended_and_all_else_stays(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS {
            step(store, number).await.unwrap();
            // Whatever the time: it goes on, or has ended just now.
            assert_eq!(store.forget_documents(END).await.unwrap(), 0, "step {number}");
        }
        let id = job_id("j");
        let job = store.job(&id).await.unwrap().unwrap();
        assert_eq!((job.status(), job.ended_at()), (JobStatus::Settled, Some(END)));
        let opened: Vec<_> = job.assignments().iter().map(|one| one.openings()[0].sha256).collect();
        for sha256 in &opened {
            assert!(store.document(&id, *sha256).await.unwrap().is_some());
        }
        let before = rig.everything().await;
        let receipts = store.job_receipts(&id).await.unwrap();
        let events = store.events(&id, 0, 100).await.unwrap();
        assert_eq!(store.forget_documents(later(END)).await.unwrap(), 1);
        assert_eq!(store.forget_documents(later(END)).await.unwrap(), 0);
        for sha256 in &opened {
            assert_eq!(store.document(&id, *sha256).await.unwrap(), None);
        }
        assert_eq!(rig.count("SELECT count(*) AS n FROM drafts").await, 0);
        assert_eq!(store.job(&id).await.unwrap().unwrap(), job);
        assert_eq!(store.job_receipts(&id).await.unwrap(), receipts);
        assert!(store.receipt(receipts[0].id).await.unwrap().is_some());
        assert_eq!(store.events(&id, 0, 100).await.unwrap(), events);
        rig.books_balance().await;
        let changed: Vec<_> = before.iter().zip(rig.everything().await).filter(|(a, b)| *a != b).collect();
        assert_eq!(changed.len(), 1, "documents alone: {changed:?}");
    }

    async fn many_documents_are_forgotten_a_few_at_a_time(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS - 1 {
            step(store, number).await.unwrap();
        }
        let many = (0..150_u8).map(|n| Document::new(vec![n])).collect();
        keep(store, "j", many).await;
        step(store, STEPS - 1).await.unwrap();
        let left = "SELECT count(*) AS n FROM documents";
        let mut seen = vec![rig.count(left).await];
        while store.forget_documents(later(END)).await.unwrap() == 0 {
            seen.push(rig.count(left).await);
        }
        assert_eq!(seen, [152, 88, 24]);
        assert_eq!(rig.count(left).await, 0);
    }

    async fn offers_that_nobody_took_are_forgotten_with_their_job_and_what_was_taken_stays(rig) {
        let store = rig.with_market().await;
        for number in 0..2 {
            step(store, number).await.unwrap();
        }
        accept(store, 1).await.unwrap();
        let id = job_id("j");
        let (taken, ..) = assignment(store, 1).await.unwrap();
        // Of the provider that is told of what happens.
        let (untaken, by, _) = assignment(store, 0).await.unwrap();
        let declined = move |_| Action::Release { assignment: untaken.clone(), by: by.clone() };
        store.act(&id, NOW, declined).await.unwrap();
        // As often as a job can be offered in a month, and told of each time.
        for n in 0..300 {
            let copies = format!(
                "INSERT INTO assignments (id, job, agent, status, offered_at, is_open)
                   SELECT 'x{n}', job, agent, status, offered_at, is_open FROM assignments WHERE status = 'released'
                   ORDER BY id LIMIT 1"
            );
            rig.run(copies.leak()).await.unwrap();
            let events = format!(
                "INSERT INTO events (job, at, kind, body)
                   SELECT job, at, kind, '{{\"assignment\":\"x{n}\"}}' FROM events WHERE kind = 'assignment_released'
                   ORDER BY number LIMIT 1"
            );
            rig.run(events.leak()).await.unwrap();
        }
        store.act(&id, END, |_| Action::Cancel).await.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM assignments").await, 302);
        let deliveries = rig.count("SELECT count(*) AS n FROM deliveries").await;
        let mut goes = 1;
        while store.forget_documents(later(END)).await.unwrap() == 0 {
            goes += 1;
        }
        assert_eq!(goes, 3, "some hundred events at a time");
        assert_eq!(store.forget_documents(later(END)).await.unwrap(), 0);
        let left = rig.fetch("SELECT id FROM assignments").await;
        let left: Vec<_> = left.iter().map(|row| row.text("id").unwrap()).collect();
        assert_eq!(left, [taken.to_string()]);
        let events = store.events(&id, 0, 100).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds,
            ["job_created", "assignment_offered", "assignment_leased", "assignment_refused", "job_cancelled"]
        );
        assert!(rig.count("SELECT count(*) AS n FROM deliveries").await < deliveries);
        rig.books_balance().await;
    }

    async fn the_same_bytes_may_be_an_answer_in_two_jobs(rig) {
        let store = rig.with_market().await;
        let answer = Document::new(b"{\"number\":1}".to_vec());
        for job in ["j", "other"] {
            store.create(job).await.unwrap();
            keep(store, job, vec![answer.clone()]).await;
        }
        for job in ["j", "other"] {
            let found = store.document(&job_id(job), answer.sha256).await.unwrap();
            assert_eq!(found.as_ref(), Some(&answer.bytes), "{job}");
        }
    }
}
