//! Whose a device is: two identities on one, and one that was another's before.

use super::*;

/// A job of three whose replicas show these devices, each on the device of the replica with this number.
fn shown(holders: [(usize, Holder); 3]) -> World {
    let mut world = World::new(terms(3), KERNEL);
    world.dispatch(3);
    world.commit_all();
    world.open_all();
    let ids = world.ids();
    world.judge_all(|world, n, id| {
        let (place, holder) = holders[n];
        let mut shown = world.honest(id);
        shown.devices = vec![SeenDevice {
            holder,
            ..device_of(&ids[place])
        }];
        Verdict::Upheld(shown)
    });
    world
}

/// What each of the three has gained in the end, and how each ended.
fn ends(world: &mut World) -> Vec<(i64, Option<String>)> {
    if !world.job.status().is_final() {
        world.tick_when_due();
    }
    assert_closed(world);
    let ids = world.ids();
    let end = |id| {
        let gain = world.gain(&world.owner_of(id));
        (gain, status_of(world, id).1)
    };
    ids.iter().map(end).collect()
}

fn paid() -> (i64, Option<String>) {
    (PRICE, None)
}

fn lost(stake: i64, code: &str) -> (i64, Option<String>) {
    (-stake, Some(code.to_owned()))
}

#[test]
fn two_identities_on_one_device_that_was_nobodys_are_both_slashed() {
    let nobodys = Holder::Nobody;
    let mut world = shown([(0, nobodys), (0, nobodys), (2, nobodys)]);
    let shared = || lost(STAKE, "device_shared");
    assert_eq!(ends(&mut world), [shared(), shared(), paid()]);
    // And neither is known by it from now on.
    let device = device_of(&world.ids()[0]).id;
    let of = |n: usize| (world.owner_of(&world.ids()[n]), device);
    assert_eq!(world.disowned, [of(0), of(1)]);
}

#[test]
fn whoever_was_known_by_a_device_before_is_paid_and_the_newcomer_slashed() {
    use Holder::{Another, Nobody, Provider};
    let shared = || lost(STAKE, "device_shared");
    for (holders, expected) in [
        ([Provider, Another, Nobody], [paid(), shared(), paid()]),
        ([Another, Provider, Nobody], [shared(), paid(), paid()]),
        // The newcomer's was judged before the register knew of it.
        ([Provider, Nobody, Nobody], [paid(), shared(), paid()]),
        // It became known as the other's between the offers of the two.
        ([Nobody, Another, Nobody], [paid(), shared(), paid()]),
    ] {
        let [one, other, third] = holders;
        let mut world = shown([(0, one), (0, other), (2, third)]);
        assert_eq!(ends(&mut world), expected, "{holders:?}");
        let all = world.records.values();
        let ended = all.filter(|records| records.towards(jobs::Size::of(1)) == Record(0));
        assert_eq!(ended.count(), 1, "only a record of the newcomer ends");
    }
    let mut world = shown([(0, Another), (0, Provider), (0, Another)]);
    assert_eq!(ends(&mut world), [shared(), paid(), shared()]);
    assert!(world.disowned.is_empty(), "the holder stays the holder");
}

#[test]
fn a_device_of_another_is_not_paid_for_and_costs_nothing() {
    use Holder::{Another, Nobody};
    let mut world = shown([(0, Another), (1, Nobody), (2, Nobody)]);
    let end = ends(&mut world);
    assert_eq!(end, [lost(0, "device_of_another"), paid(), paid()]);
    let first = world.agent_of(&world.ids()[0]);
    let of_first = |(agent, _): &&(jobs::AgentId, jobs::Workload)| *agent == first;
    assert_eq!(world.records.keys().find(of_first), None);
    // Two of one stranger's device are two identities on one device all the same.
    let mut world = shown([(0, Another), (0, Another), (2, Nobody)]);
    let shared = || lost(STAKE, "device_shared");
    assert_eq!(ends(&mut world), [shared(), shared(), paid()]);
}

#[test]
fn software_calls_itself_what_it_likes_and_is_known_by_nothing() {
    let mut json = terms_json(2);
    json["devices"] = json!({"simulated": true});
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.dispatch(2);
    world.commit_all();
    world.open_all();
    let shared = SeenDevice {
        simulated: true,
        ..device_of(&world.ids()[0])
    };
    world.judge_all(|world, _, id| {
        let mut shown = world.honest(id);
        shown.devices = vec![shared];
        Verdict::Upheld(shown)
    });
    for id in world.ids() {
        assert_eq!(status_of(&world, &id), slashed("device_shared"));
    }
    assert!(world.disowned.is_empty());
}
