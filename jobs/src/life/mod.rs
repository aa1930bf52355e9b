//! The life of a job: one file for each action.

use crate::action::{Action, NewJob};
use crate::context::Context;
use crate::effects::Effects;
use crate::job::Job;
use crate::refusal::Refusal;

impl Job {
    /// Creates a job; its price goes into escrow.
    ///
    /// # Errors
    /// The tenant cannot pay, or the job has no canonical form.
    pub fn create(_new: NewJob, _context: &Context) -> Result<(Self, Effects), Refusal> {
        Err(Refusal::AssignmentUnknown)
    }

    /// Applies an action.
    ///
    /// # Errors
    /// The action is refused; the job is as it was.
    pub fn apply(&mut self, _action: Action, _context: &Context) -> Result<Effects, Refusal> {
        Err(Refusal::AssignmentUnknown)
    }
}
