//! The audit log: either a change and its entry or neither, one chain whoever writes, and nothing that can be altered
//! unnoticed.

use evidence::work::Hex;

use super::life::{id, money, party, request};
use super::*;
use crate::audit::{Action, Actor, Asked, Finding, New, Walk, Walked, details};
use crate::parties::{Kind, Scopes};
use crate::store::audit::{AuditStore, Wanted};
use crate::store::books::BookStore;
use crate::store::jobs::{Act, JobStore};
use crate::store::parties::{AddedKey, ApiKey, Party, PartyStore};
use crate::store::policies::{AddedPolicy, NewPolicy, PolicyStore, Unless};

fn tenant() -> Party {
    Party {
        id: id("acme"),
        kind: Kind::Tenant,
        name: "Acme".into(),
        oidc_name: None,
        created_at: NOW,
        barred_at: None,
    }
}

fn key() -> ApiKey {
    ApiKey {
        id: id("key"),
        party: id("acme"),
        prefix: "abcdefgh".into(),
        sha256: [1; 32],
        scopes: "jobs:read".parse::<Scopes>().unwrap(),
        label: None,
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn policy(text: &str) -> NewPolicy {
    NewPolicy {
        id: "site".into(),
        text: text.into(),
        by: by(NOW),
        unless: Unless::Newest,
    }
}

fn simulated() -> New {
    New::done(by(NOW), Action::PolicySimulate, "site/1").with(details! { "of": "input" })
}

async fn walked(store: &SqlStore) -> Walked {
    let mut walk = Walk::new(None);
    loop {
        let entries = store.audit_after(walk.at(), 7).await.unwrap();
        if entries.is_empty() {
            return walk.end();
        }
        entries.iter().for_each(|entry| walk.see(entry));
    }
}

async fn actions(store: &SqlStore) -> Vec<String> {
    let entries = store.audit_after(0, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

impl Rig {
    /// Executes SQL as whoever owns the database could, past what keeps entries.
    async fn tamper(&self, sql: &'static str) {
        let keepers: &[&'static str] = match self.place {
            Place::Sqlite(_) => &[
                "DROP TRIGGER IF EXISTS audit_is_kept",
                "DROP TRIGGER IF EXISTS audit_is_not_changed",
            ],
            Place::Postgres(_) => &["DROP TRIGGER IF EXISTS audit_is_kept ON audit"],
        };
        for keeper in keepers {
            self.run(keeper).await.unwrap();
        }
        self.run(sql).await.unwrap();
    }
}

on_both! {
    async fn every_change_has_one_entry_and_what_changes_nothing_has_none(rig) {
        let store = &rig.store;
        store.add_party(tenant(), by(NOW)).await.unwrap();
        assert_eq!(store.add_api_key(key(), 9, by(NOW)).await.unwrap(), AddedKey::Stored);
        assert_eq!(store.add_api_key(key(), 1, by(NOW)).await.unwrap(), AddedKey::TooMany);
        for _ in 0..2 {
            assert!(store.revoke_api_key(id("acme"), id("key"), by(NOW)).await.unwrap());
        }
        assert!(!store.revoke_api_key(id("acme"), id("none"), by(NOW)).await.unwrap());
        for _ in 0..2 {
            store.add_policy(policy("one")).await.unwrap();
            store.activate_policy("site", 1, by(NOW)).await.unwrap().unwrap();
            assert_eq!(store.activate_policy("site", 2, by(NOW)).await.unwrap(), None);
        }
        store.add_entry(simulated()).await.unwrap();
        let expected = [
            "party.create", "api_key.create", "api_key.revoke", "policy.upload", "policy.activate", "policy.simulate",
        ];
        assert_eq!(actions(store).await, expected);
        let walked = walked(store).await;
        assert_eq!((walked.findings, walked.head.number()), (Vec::new(), 6));
        assert_eq!(walked.head, store.audit_head().await.unwrap().into());
    }

    async fn what_replaced_what_is_said(rig) {
        let store = &rig.store;
        for (text, version) in [("one", 1), ("two", 2)] {
            store.add_policy(policy(text)).await.unwrap();
            store.activate_policy("site", version, by(NOW)).await.unwrap().unwrap();
        }
        let last = store.audit(Wanted { limit: 1, ..Wanted::default() }).await.unwrap();
        let shown = last[0].to_json().unwrap();
        assert_eq!(shown["object"], serde_json::json!({ "kind": "policy", "id": "site/2" }));
        assert_eq!(shown["details"]["replaced"], "site/1");
        let sha256 = Hex(evidence::crypto::sha256(b"one")).to_string();
        assert_eq!(shown["details"]["replaced_sha256"], sha256);
    }

    async fn a_change_that_fails_leaves_neither_itself_nor_an_entry(rig) {
        let store = &rig.store;
        store.add_policy(policy("one")).await.unwrap();
        let faults = store.database().faults();
        let mut writes = 0;
        loop {
            faults.fail_after(writes);
            let activated = store.activate_policy("site", 1, by(NOW)).await;
            if !faults.have_struck() {
                activated.unwrap().unwrap();
                break;
            }
            activated.unwrap_err();
            assert_eq!(store.last_activation().await.unwrap(), 0, "write {writes}");
            assert_eq!(actions(store).await, ["policy.upload"], "write {writes}");
            writes += 1;
        }
        // Activation, entry, commit.
        assert_eq!(writes, 3);
        assert_eq!(actions(store).await, ["policy.upload", "policy.activate"]);
        // A commit whose answer is lost counts, with its entry; asking again adds none.
        faults.lose_answer_after(0);
        store.add_party(tenant(), by(NOW)).await.unwrap_err();
        faults.none();
        assert_eq!(store.party(id("acme")).await.unwrap(), Some(tenant()));
        assert_eq!(actions(store).await.last().unwrap(), "party.create");
        assert_eq!(walked(store).await.findings, []);
    }

    async fn an_entry_that_cannot_be_written_takes_its_change_with_it(rig) {
        let store = &rig.store;
        store.add_policy(policy("one")).await.unwrap();
        rig.run("DELETE FROM locks WHERE topic = 'audit'").await.unwrap();
        store.activate_policy("site", 1, by(NOW)).await.unwrap_err();
        assert_eq!(store.last_activation().await.unwrap(), 0);
        assert_eq!(actions(store).await, ["policy.upload"]);
    }

    async fn money_by_hand_and_jobs_are_recorded_once(rig) {
        let store = rig.with_market().await;
        let before = actions(store).await.len();
        let cancel = || -> Act {
            Box::new(move |job, _| {
                let effects = job.apply(::jobs::Action::Cancel, &::jobs::Context::new(NOW, [2; 32]))?;
                let mut change = crate::store::jobs::Change::new(effects, job.due_at());
                change.audit = Some(New::done(by(NOW), Action::JobCancel, job.id()).of(job.tenant()));
                Ok(change)
            })
        };
        let mut request = request("x");
        let create = request.create;
        request.create = Box::new(move |available| {
            let (job, mut change) = create(available)?;
            change.audit = Some(New::done(by(NOW), Action::JobCreate, job.id()).of(job.tenant()));
            Ok((job, change))
        });
        let created = store.create_job(request).await.unwrap();
        let crate::store::jobs::CreatedJob::New(created, _) = created else { panic!("a new job") };
        for _ in 0..2 {
            store.with_job(created.id(), None, cancel()).await.unwrap();
        }
        let market = party("market");
        let withdrawal = || {
            ::jobs::books::Transfer::withdrawal(&market, &party("p1"), money(5), "one", NOW)
        };
        for _ in 0..2 {
            store.book(withdrawal(), by(NOW)).await.unwrap();
        }
        let new = actions(store).await.split_off(before);
        assert_eq!(new, ["job.create", "job.cancel", "transfer.withdraw"]);
        let last = store.audit(Wanted { limit: 1, ..Wanted::default() }).await.unwrap();
        let shown = last[0].to_json().unwrap();
        assert_eq!(shown["party"], party("p1").to_string());
        assert_eq!(shown["details"], serde_json::json!({ "amount": 5, "currency": "EUR" }));
    }

    async fn two_services_that_write_at_once_keep_one_chain(rig) {
        let other = rig.reopen().await;
        let writers = (0..24).map(|n: u8| {
            let store = [&rig.store, &other][usize::from(n % 2)].clone();
            tokio::spawn(async move {
                let party = Party { id: Id::random(), ..tenant() };
                for m in 0..4 {
                    match m % 2 {
                        0 => store.add_entry(simulated()).await.unwrap(),
                        _ => {
                            let party = Party { id: Id::random(), ..party.clone() };
                            store.add_party(party, by(NOW)).await.unwrap();
                        }
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let walked = walked(&rig.store).await;
        assert_eq!(walked.findings, []);
        assert_eq!(walked.head.number(), 96);
        assert_eq!(rig.count("SELECT count(*) AS n FROM parties").await, 48);
    }

    async fn entries_cannot_be_deleted_or_changed(rig) {
        rig.store.add_entry(simulated()).await.unwrap();
        for sql in ["DELETE FROM audit", "UPDATE audit SET action = 'other'"] {
            let refused = rig.run(sql).await.unwrap_err();
            assert!(refused.to_string().contains("never"), "{refused}");
        }
    }

    async fn what_is_altered_past_that_is_found(rig) {
        let store = &rig.store;
        let by = By::new(Actor::oidc("https://issuer", "somebody", Id::random()), NOW);
        let by = by.in_request(Asked { request: Some("r".into()), trace: Some("t".into()) });
        for code in ["job_status", "scope_missing", "job_not_found"] {
            let new = New::refused(by.clone(), Action::JobCancel, Some("x".into()), code);
            store.add_entry(new.of("p").with(details! { "n": 1 })).await.unwrap();
        }
        let altered = [Finding::Altered { number: 2 }];
        for (there, back) in [
            ("at = at + 1", "at = at - 1"),
            ("actor = 'nobody'", "actor = 'oidc'"),
            ("actor_id = NULL", "actor_id = 'somebody'"),
            ("actor_issuer = 'x'", "actor_issuer = 'https://issuer'"),
            ("action = 'job.dispute'", "action = 'job.cancel'"),
            ("object = 'policy'", "object = 'job'"),
            ("object_id = 'y'", "object_id = 'x'"),
            ("party = 'q'", "party = 'p'"),
            ("request = NULL", "request = 'r'"),
            ("trace = ''", "trace = 't'"),
            ("refused = NULL", "refused = 'scope_missing'"),
            ("details = '{\"n\":2}'", "details = '{\"n\":1}'"),
            ("details = '{\"n\": 1}'", "details = '{\"n\":1}'"),
            ("details = 'no json'", "details = '{\"n\":1}'"),
        ] {
            for (sql, expected) in [(there, &altered[..]), (back, &[])] {
                let sql: &'static str = format!("UPDATE audit SET {sql} WHERE number = 2").leak();
                rig.tamper(sql).await;
                assert_eq!(walked(store).await.findings, expected, "{sql}");
            }
        }
        rig.tamper("DELETE FROM audit WHERE number = 2").await;
        let removed = [Finding::Gap { expected: 2, got: 3 }, Finding::Unlinked { number: 3 }];
        assert_eq!(walked(store).await.findings, removed);
        rig.tamper("UPDATE audit SET number = 2 WHERE number = 3").await;
        let moved = [Finding::Unlinked { number: 2 }, Finding::Altered { number: 2 }];
        assert_eq!(walked(store).await.findings, moved);
    }

    async fn entries_are_found_by_what_they_are_about(rig) {
        let store = &rig.store;
        store.add_party(tenant(), by(NOW)).await.unwrap();
        store.add_api_key(key(), 9, By::new(Actor::Operator, LATE)).await.unwrap();
        let actor = Actor::ApiKey { key: id("key"), party: id("acme") };
        let by_key = By::new(actor, LATE);
        store.add_entry(New::refused(by_key, Action::JobCancel, None, "scope_missing")).await.unwrap();
        let AddedPolicy::New(_) = store.add_policy(policy("one")).await.unwrap() else { panic!() };
        let numbers = async |wanted: Wanted| {
            let wanted = Wanted { limit: 9, ..wanted };
            let found = store.audit(wanted).await.unwrap();
            found.iter().map(|entry| entry.number).collect::<Vec<_>>()
        };
        let all = Wanted::default;
        assert_eq!(numbers(all()).await, [4, 3, 2, 1]);
        assert_eq!(numbers(Wanted { before: Some(3), ..all() }).await, [2, 1]);
        assert_eq!(numbers(Wanted { action: Some(Action::ApiKeyCreate), ..all() }).await, [2]);
        assert_eq!(numbers(Wanted { object: Some(id("acme").to_string()), ..all() }).await, [1]);
        assert_eq!(numbers(Wanted { object: Some("site/1".into()), ..all() }).await, [4]);
        assert_eq!(numbers(Wanted { actor: Some(id("key").to_string()), ..all() }).await, [3]);
        assert_eq!(numbers(Wanted { actor: Some("service".into()), ..all() }).await, [4, 1]);
        assert_eq!(numbers(Wanted { since: Some(LATE), ..all() }).await, [3, 2]);
        let of_party = Wanted { party: Some(id("acme")), ..all() };
        assert_eq!(numbers(of_party.clone()).await, [3, 2, 1]);
        let object = Some("site/1".to_owned());
        assert_eq!(numbers(Wanted { object, ..of_party }).await, [0; 0]);
    }
}
