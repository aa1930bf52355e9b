//! Records: how many results of an agent with a kernel were good in a row.

use std::fmt;

use evidence::work::{JobSpec, Task};
use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// Consecutive good results of one agent with one workload, since the last bad one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(pub u32);

/// What a record is kept for: a kernel by its name, or commands, all together, since nobody can tell one from another
/// by what they compute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Workload(String);

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
    /// Somebody beside the agent vouched for it.
    Good,
    /// It was wrong, withheld, or never came.
    Bad,
}

impl Record {
    /// The record after one more result.
    #[must_use]
    pub fn after(self, result: ResultKind) -> Self {
        match result {
            ResultKind::Good => Self(self.0.saturating_add(1)),
            ResultKind::Bad => Self(0),
        }
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
