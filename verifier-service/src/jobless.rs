//! A verifier without jobs: nothing happens to them, and agents have nothing to give back.

use crate::agents::Duties;
use crate::hub::{Events, Note};
use crate::id::Id;
use crate::store::Answer;

/// No job, ever.
pub(crate) struct NoJobs;

impl Events for NoJobs {
    fn last(&self) -> Answer<'_, i64> {
        Box::pin(async { Ok(0) })
    }

    fn after(&self, _number: i64, _limit: u32) -> Answer<'_, Vec<Note>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Duties for NoJobs {
    fn release_all(&self, _agent: Id) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
