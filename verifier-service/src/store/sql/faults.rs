//! Makes writes fail when a test asks for it, as if the process had ended there.
//!
//! A write is a statement that changes something, or a commit. After the one that fails every further one fails too,
//! until [`Faults::none`] or the next plan: a process that ended does nothing more.

use std::sync::{Arc, Mutex};

use crate::store::StoreError;

/// Shared by the copies of a database.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    /// Writes that go through before the one that fails; none fails without it.
    left: Option<u64>,
    /// Commits that go through before one whose answer is lost; none is without it.
    answers: Option<u64>,
    has_failed: bool,
}

impl Faults {
    /// The write after so many others fails, and all after it.
    pub(crate) fn fail_after(&self, writes: u64) {
        self.plan(Some(writes), None);
    }

    /// The commit after so many others counts, and whoever asked for it never learns; nothing works after it.
    pub(crate) fn lose_answer_after(&self, commits: u64) {
        self.plan(None, Some(commits));
    }

    /// Nothing fails.
    pub(crate) fn none(&self) {
        self.plan(None, None);
    }

    /// Whether something has failed since the plan was made.
    pub(crate) fn have_struck(&self) -> bool {
        self.0.lock().unwrap().has_failed
    }

    pub(super) fn before_write(&self) -> Result<(), StoreError> {
        let mut plan = self.0.lock().unwrap();
        let fails = plan.has_failed || plan.left == Some(0);
        plan.left = plan.left.map(|left| left.saturating_sub(1));
        plan.strike(fails)
    }

    pub(super) fn after_commit(&self) -> Result<(), StoreError> {
        let mut plan = self.0.lock().unwrap();
        let fails = plan.answers == Some(0);
        plan.answers = plan.answers.map(|left| left.saturating_sub(1));
        plan.strike(fails)
    }

    fn plan(&self, left: Option<u64>, answers: Option<u64>) {
        *self.0.lock().unwrap() = Plan {
            left,
            answers,
            ..Plan::default()
        };
    }
}

impl Plan {
    fn strike(&mut self, fails: bool) -> Result<(), StoreError> {
        self.has_failed |= fails;
        match fails {
            true => Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
            false => Ok(()),
        }
    }
}
