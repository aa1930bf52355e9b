//! Which assignment an action is about. An agent sees only its own: another's is refused as if there were none.

use crate::assignment::Assignment;
use crate::id::{AgentId, AssignmentId};
use crate::job::Job;
use crate::refusal::Refusal;

impl Job {
    pub(super) fn find(&self, id: &AssignmentId) -> Result<&Assignment, Refusal> {
        self.assignment(id).ok_or(Refusal::AssignmentUnknown)
    }

    pub(super) fn find_mut(&mut self, id: &AssignmentId) -> Result<&mut Assignment, Refusal> {
        let mut all = self.assignments.iter_mut();
        let found = all.find(|assignment| assignment.id == *id);
        found.ok_or(Refusal::AssignmentUnknown)
    }

    pub(super) fn of_agent(&self, id: &AssignmentId, by: &AgentId) -> Result<&Assignment, Refusal> {
        let found = self.find(id)?;
        match found.agent == *by {
            true => Ok(found),
            false => Err(Refusal::AssignmentUnknown),
        }
    }
}

impl Assignment {
    /// The refusal of an action that does not fit where the assignment is.
    pub(super) const fn unfit(&self) -> Refusal {
        Refusal::AssignmentStatus {
            actual: self.status(),
        }
    }
}
