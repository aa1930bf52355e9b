//! What may be seen: nobody can tell from what they see whether a job has one replica or two, before all are committed.

mod kit;

use jobs::view::{AgentView, TenantView};
use jobs::{Action, Candidate, Event, Record, Terms};
use kit::*;
use serde_json::{Value, json};

fn adaptive(count: u32) -> Terms {
    let mut json = terms_json(count);
    json["replicas"]["adaptive"] = json!(true);
    Terms::parse(&json).unwrap()
}

/// A job whose first agent has this record, and a second one is at hand. All chance falls alike.
fn world(record: u32) -> World {
    let mut world = World::new(adaptive(2), AUDITED);
    let first = Candidate {
        record: Record(record),
        ..candidate(0)
    };
    world.must(Action::Dispatch {
        candidates: vec![first],
    });
    world.dispatch(2);
    world
}

/// One that runs alone, and one that does not.
fn alone_and_not() -> (World, World) {
    let (alone, pair) = (world(1_000_000_000), world(0));
    assert_eq!((alone.ids().len(), pair.ids().len()), (1, 2));
    (alone, pair)
}

fn tenant_sees(world: &World) -> Value {
    serde_json::to_value(TenantView::of(&world.job)).unwrap()
}

fn agent_sees(world: &World, n: usize) -> Value {
    let id = world.ids()[n].clone();
    let agent = world.agent_of(&id);
    serde_json::to_value(AgentView::of(&world.job, &id, &agent).unwrap()).unwrap()
}

fn tenant_reads(world: &World) -> Vec<Event> {
    let events = world.events.iter();
    events
        .filter(|event| event.kind.is_for_tenant())
        .cloned()
        .collect()
}

fn first_provider_reads(world: &World) -> Vec<Event> {
    let events = world.events.iter();
    events
        .filter(|event| event.is_for(&owner(0)))
        .cloned()
        .collect()
}

fn assert_alike(alone: &World, pair: &World) {
    assert_eq!(tenant_sees(alone), tenant_sees(pair));
    assert_eq!(agent_sees(alone, 0), agent_sees(pair, 0));
    assert_eq!(tenant_reads(alone), tenant_reads(pair));
    assert_eq!(first_provider_reads(alone), first_provider_reads(pair));
}

#[test]
fn a_lone_replica_looks_like_one_of_two_until_it_is_committed() {
    let (mut alone, mut pair) = alone_and_not();
    assert_alike(&alone, &pair);
    for world in [&mut alone, &mut pair] {
        let id = world.ids()[0].clone();
        world.must(world.accept(&id));
    }
    assert_alike(&alone, &pair);
    for world in [&mut alone, &mut pair] {
        let (assignment, by) = (world.ids()[0].clone(), agent(0));
        world.must(Action::Renew { assignment, by });
    }
    assert_alike(&alone, &pair);
}

#[test]
fn a_second_agent_does_not_learn_that_the_first_has_committed() {
    let (_, mut pair) = alone_and_not();
    pair.accept_all();
    let (agent_before, tenant_before) = (agent_sees(&pair, 1), tenant_sees(&pair));
    let id = pair.ids()[0].clone();
    pair.must(pair.commit(&id));
    assert_eq!(agent_sees(&pair, 1), agent_before);
    assert_eq!(tenant_sees(&pair), tenant_before);
}

#[test]
fn secrets_are_shown_to_whom_and_when_they_are_meant() {
    let (_, mut pair) = alone_and_not();
    let ids = pair.ids();
    let key = |n: usize| {
        pair.job
            .assignment(&ids[n])
            .unwrap()
            .replica_key()
            .reveal()
            .to_string()
    };
    let keys = [key(0), key(1)];
    let shows = |seen: &Value, secret: &str| seen.to_string().contains(secret);

    // An offer shows neither challenge nor key.
    assert_eq!(agent_sees(&pair, 0).get("lease"), None);
    pair.accept_all();
    // A lease shows the agent's own.
    assert!(shows(&agent_sees(&pair, 0), &keys[0]) && !shows(&agent_sees(&pair, 0), &keys[1]));
    assert!(shows(&agent_sees(&pair, 1), &keys[1]) && !shows(&agent_sees(&pair, 1), &keys[0]));
    pair.commit_all();
    // An opening is asked for with the other's key and the seed.
    let seed = pair.job.audit_seed().unwrap().reveal().to_string();
    for n in 0..2 {
        let seen = agent_sees(&pair, n);
        assert!(
            keys.iter()
                .chain([&seed])
                .all(|secret| shows(&seen, secret))
        );
        assert_eq!(seen["opening"]["points"], json!(AUDITED.points));
    }
    // The tenant sees who runs the job now, but no secret, ever.
    let seen = tenant_sees(&pair);
    assert_eq!(seen["assignments"].as_array().unwrap().len(), 2);
    assert!(
        !keys
            .iter()
            .chain([&seed])
            .any(|secret| shows(&seen, secret))
    );
    let told = format!("{:?} {:?}", pair.job, pair.events);
    assert!(
        !keys
            .iter()
            .chain([&seed])
            .any(|secret| told.contains(secret))
    );
}

#[test]
fn an_agent_sees_its_own_assignment_alone() {
    let (_, pair) = alone_and_not();
    let ids = pair.ids();
    assert!(AgentView::of(&pair.job, &ids[0], &pair.agent_of(&ids[1])).is_none());
    let nobody = jobs::AssignmentId::parse("none").unwrap();
    assert!(AgentView::of(&pair.job, &nobody, &agent(0)).is_none());
}

#[test]
fn an_agent_does_not_see_the_terms_of_replication() {
    let (_, pair) = alone_and_not();
    let seen = agent_sees(&pair, 0);
    let members: Vec<_> = seen
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "accept_by",
        "assignment",
        "job",
        "price",
        "spec",
        "stake",
        "status",
    ];
    assert_eq!(members, expected);
}

#[test]
fn an_agent_is_asked_for_what_is_due() {
    let (_, mut pair) = alone_and_not();
    let asks = |world: &World| {
        let id = world.ids()[0].clone();
        AgentView::of(&world.job, &id, &world.agent_of(&id))
            .unwrap()
            .asks()
    };
    assert!(asks(&pair));
    pair.accept_all();
    assert!(!asks(&pair));
    pair.commit_all();
    assert!(asks(&pair));
    pair.open_all();
    assert!(!asks(&pair));
}
