//! Records: how many results of an agent with a kernel were good in a row, and how much work they were.
//!
//! A result counts towards jobs of less than four times its work, and no others. So trust for a large job costs large
//! work, whoever orders it: a tenant can make up the price of a job, and pay it to its own provider, but not what the
//! job takes to compute.

use std::collections::BTreeMap;
use std::fmt;

use evidence::work::{JobSpec, Task};
use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// Consecutive good results of one agent with one workload, since the last bad one, that count towards a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(pub u32);

/// What a record is kept for: a kernel by its name, or commands, all together, since nobody can tell one from another
/// by what they compute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Workload(String);

/// How much work a job is: the logarithm to base 4 of its operations, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u32);

/// What becomes of a record. It is stated as a change, since other jobs of the agent change it at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    /// Whose record.
    pub agent: AgentId,
    /// For what.
    pub workload: Workload,
    /// What happened.
    pub result: ResultKind,
}

/// How a result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKind {
    /// Somebody beside the agent vouched for a result of so much work.
    Good(Size),
    /// It was wrong, withheld, or never came: all good results with the workload are forgotten, of whatever size.
    Bad,
}

/// What is remembered of one agent with one workload: its good results since the last bad one, by size.
///
/// The rule by which a store keeps records, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(BTreeMap<Size, u32>);

impl Records {
    /// One more result.
    pub fn note(&mut self, result: ResultKind) {
        match result {
            ResultKind::Good(size) => {
                let good = self.0.entry(size).or_default();
                *good = good.saturating_add(1);
            }
            ResultKind::Bad => self.0.clear(),
        }
    }

    /// The results that count towards a job of this size: those of the same size and above.
    #[must_use]
    pub fn towards(&self, size: Size) -> Record {
        let good = self.0.range(size..).map(|(_, good)| *good);
        Record(good.fold(0, u32::saturating_add))
    }
}

impl Size {
    /// The size of so many operations.
    #[must_use]
    pub fn of(operations: u64) -> Self {
        Self(operations.max(1).ilog2() >> 1)
    }

    /// The number, 0 to 31.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Workload {
    /// The workload of a job.
    #[must_use]
    pub fn of(spec: &JobSpec) -> Self {
        match &spec.task {
            Task::Kernel(kernel) => Self(format!("kernel/{}", kernel.name)),
            Task::Command(_) => Self("command".to_owned()),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_steps_of_four() {
        let table = [
            (0, 0),
            (1, 0),
            (3, 0),
            (4, 1),
            (15, 1),
            (16, 2),
            (u64::MAX, 31),
        ];
        for (operations, size) in table {
            assert_eq!(Size::of(operations).number(), size, "{operations}");
        }
    }

    proptest! {
        /// Whatever was done before: what counts towards a job was at least a quarter of its work, and what was at
        /// least its work counts, as far back as the last bad result.
        #[test]
        fn small_results_do_not_count_towards_large_jobs(
            results in prop::collection::vec(prop::option::weighted(0.95, (0..64_u32, any::<u64>())), 0..60),
            (shift, job) in (0..64_u32, any::<u64>())
        ) {
            let (mut records, mut since) = (Records::default(), Vec::new());
            for result in results.iter().map(|one| one.map(|(shift, any)| any >> shift)) {
                match result {
                    Some(work) => {
                        records.note(ResultKind::Good(Size::of(work)));
                        since.push(work);
                    }
                    None => {
                        records.note(ResultKind::Bad);
                        since.clear();
                    }
                }
            }
            let job = job >> shift;
            let least = since.iter().filter(|work| **work >= job).count();
            let most = since.iter().filter(|work| u128::from(job) < 4 * u128::from(**work).max(1)).count();
            let counted = usize::try_from(records.towards(Size::of(job)).0).unwrap();
            prop_assert!((least..=most).contains(&counted), "{least} {counted} {most}");
        }
    }
}
