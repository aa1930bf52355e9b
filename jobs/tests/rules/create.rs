//! Creation, cancellation, the stored form.

use super::*;

#[test]
fn an_honest_job_is_paid_once() {
    let mut world = World::accepted(2, KERNEL);
    assert_eq!(world.job.status(), JobStatus::Accepted);
    assert_eq!(world.receipts, world.ids());
    assert_eq!(world.spent.len(), 2);
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Settled);
    assert_closed(&world);
    for id in world.ids() {
        assert_eq!(world.gain(&world.owner_of(&id)), PRICE);
    }
    assert_eq!(world.gain(&tenant()), -2 * PRICE);
    assert_eq!(world.of_kind(TransferKind::Pay), 2);
    assert_eq!(world.of_kind(TransferKind::Refund), 0);
    let towards = |records: &jobs::Records| records.towards(jobs::Size::of(OPERATIONS));
    assert!(
        world
            .records
            .values()
            .all(|records| towards(records) == Record(1))
    );
}

#[test]
fn a_job_nobody_can_pay_is_refused() {
    let mut new = new_job(terms(2), KERNEL);
    new.available = amount(2 * PRICE - 1);
    let refusal = Job::create(new, &Context::new(at(0), [0; 32])).unwrap_err();
    assert_eq!(refusal.code(), "funds_missing");
}

#[test]
fn the_digests_are_those_of_the_canonical_texts() {
    let world = World::new(terms(2), KERNEL);
    assert_eq!(world.job.digest(), spec().digest().unwrap());
    let text = evidence::work::canonical_json(&terms_json(2)).unwrap();
    assert_eq!(
        world.job.terms_sha256(),
        Hex(evidence::crypto::sha256(&text))
    );
}

#[test]
fn a_job_is_cancelled_until_somebody_commits() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.accept_all();
    let mut committed = world.clone();
    world.must(Action::Cancel);
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), 0);
    let ids = world.ids();
    assert_eq!(status_of(&world, &ids[0]), sent_away("job_cancelled"));
    assert!(world.records.is_empty());
    assert_eq!(world.refused(world.commit(&ids[0])), "assignment_status");

    committed.must(committed.commit(&ids[0]));
    assert_eq!(committed.refused(Action::Cancel), "cancel_late");
    committed.must(committed.commit(&ids[1]));
    assert_eq!(committed.refused(Action::Cancel), "job_status");
}

#[test]
fn a_job_reads_back_at_each_step() {
    let mut world = World::new(terms(2), AUDITED);
    let check = |world: &World| {
        let text = world.job.to_stored().unwrap();
        assert_eq!(Job::from_stored(&text).as_ref(), Ok(&world.job));
    };
    check(&world);
    world.dispatch(2);
    check(&world);
    world.commit_all();
    check(&world);
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    check(&world);
    world.must(Action::ChallengeAgain { by: tenant() });
    check(&world);
    let mut world = dispute::disputed(KERNEL);
    world.must(dispute::question(&world, 1));
    world.must(dispute::answer(&world, 1, 1, 0));
    check(&world);
}

#[test]
fn a_stored_form_of_another_version_is_not_guessed_at() {
    let text = World::new(terms(1), KERNEL).job.to_stored().unwrap();
    let other = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(Job::from_stored(&other).is_err());
    assert!(Job::from_stored("{}").is_err());
    let strange = text.replacen("\"id\"", "\"di\"", 1);
    assert!(Job::from_stored(&strange).is_err());
}
