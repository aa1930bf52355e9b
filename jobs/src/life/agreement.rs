//! Agreement: unanimity or dispute, never majority (methods 2.3).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::assignment::Assignment;
use crate::id::AssignmentId;
use crate::job::Job;
use crate::verdict::{Holder, SeenDevice};

/// What the standing replicas say together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// No replica is left.
    Nobody,
    /// The same results, each held by all.
    Unanimous,
    /// Not the same results; all replicas are in doubt.
    ResultsDiffer(Vec<AssignmentId>),
    /// The same results, but not all replicas computed the same keyed digests. From the digests alone nobody can tell who
    /// is wrong: one that did not hold the output when it committed and holds it now looks like one whose opponent does
    /// not hold it now.
    KeyedDigestsDiffer(Vec<AssignmentId>),
}

pub(super) fn of(job: &Job) -> Agreement {
    let standing: Vec<_> = job.standing().collect();
    let Some((first, rest)) = standing.split_first() else {
        return Agreement::Nobody;
    };
    if rest.iter().any(|other| other.results() != first.results()) {
        return Agreement::ResultsDiffer(ids(&standing));
    }
    let differing = pairs(&standing).filter(|(a, b)| !crossed(a, b));
    let doubted: BTreeSet<_> = differing
        .flat_map(|(a, b)| [a.id.clone(), b.id.clone()])
        .collect();
    match doubted.is_empty() {
        true => Agreement::Unanimous,
        false => Agreement::KeyedDigestsDiffer(doubted.into_iter().collect()),
    }
}

impl Job {
    /// Whether as many are left as must agree. A referee that recomputed where results parted is one of them: who was right
    /// before it agrees with it. What agreed in the first round is not asked for again in a later one, or a replica could
    /// take the others' reward by falling silent in it.
    pub(super) fn can_agree(&self) -> bool {
        let all = self.standing().count().saturating_add(self.refereed.into());
        let least = usize::try_from(self.terms.min_agreeing()).unwrap_or(usize::MAX);
        self.round() > 0 || all >= least
    }
}

/// Those that ran on a device another replica of the job ran on: two identities, one machine. Whoever was known to have it
/// before is none of them: a report of its device over another's statement says that somebody reached the device.
pub(super) fn sharing_devices(job: &Job) -> BTreeSet<AssignmentId> {
    let standing: Vec<_> = job.standing().collect();
    let newcomers = pairs(&standing).flat_map(|(a, b)| newcomers(a, b));
    newcomers.map(|one| one.id.clone()).collect()
}

/// Of two, those that show a device of the other's and were not known to have it. Where neither was, both; but one that
/// shows what was known as another's by then is the newcomer, whether or not the other was known already when it was offered
/// its own replica.
fn newcomers<'a>(a: &'a Assignment, b: &'a Assignment) -> impl Iterator<Item = &'a Assignment> {
    let both = devices(a).flat_map(move |of_a| devices(b).map(move |of_b| (of_a, of_b)));
    let shared = both.filter(|(of_a, of_b)| of_a.id == of_b.id);
    shared.flat_map(
        move |(of_a, of_b)| match right_of(of_a.holder).cmp(&right_of(of_b.holder)) {
            Ordering::Less => vec![a],
            Ordering::Greater => vec![b],
            Ordering::Equal => vec![a, b],
        },
    )
}

/// The better right to a device is of whoever was known by it, and the worst of whom it was known not to be.
const fn right_of(holder: Holder) -> u8 {
    match holder {
        Holder::Provider => 2,
        Holder::Nobody => 1,
        Holder::Another => 0,
    }
}

/// Those that ran on a device that was known as another's.
pub(super) fn on_devices_of_others(job: &Job) -> BTreeSet<AssignmentId> {
    let is_anothers = |device: &SeenDevice| device.holder == Holder::Another;
    let standing = job.standing().filter(|one| devices(one).any(is_anothers));
    standing.map(|one| one.id.clone()).collect()
}

/// Whether each computed the other's keyed digest.
fn crossed(a: &Assignment, b: &Assignment) -> bool {
    computed(a, b) && computed(b, a)
}

/// Whether `one`, with the key of `other`, got what `other` had committed to. What is missing was not computed.
fn computed(one: &Assignment, other: &Assignment) -> bool {
    let (Some(one), Some(theirs)) = (&one.upheld, &other.upheld) else {
        return false;
    };
    one.cross.get(&other.id) == Some(&theirs.keyed)
}

pub(super) fn devices(assignment: &Assignment) -> impl Iterator<Item = &SeenDevice> {
    assignment.upheld.iter().flat_map(|upheld| &upheld.devices)
}

fn ids(assignments: &[&Assignment]) -> Vec<AssignmentId> {
    assignments
        .iter()
        .map(|assignment| assignment.id.clone())
        .collect()
}

fn pairs<'a>(all: &'a [&'a Assignment]) -> impl Iterator<Item = (&'a Assignment, &'a Assignment)> {
    let after = |(n, a): (usize, &'a &'a Assignment)| {
        let later = all.iter().skip(n.saturating_add(1));
        later.map(move |b| (*a, *b))
    };
    all.iter().enumerate().flat_map(after)
}
