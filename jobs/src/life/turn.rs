//! One turn: what an action may know, and the effects it leaves.

use evidence::UnixTime;

use crate::assignment::Assignment;
use crate::code::Code;
use crate::context::{Context, Randomness};
use crate::effects::Effects;
use crate::event::{Event, EventKind};
use crate::patience::{Miss, MissKind};
use crate::record::{RecordChange, ResultKind, Workload};

/// What an action may know, and the effects it leaves.
pub(super) struct Turn<'c> {
    context: &'c Context,
    pub(super) effects: Effects,
}

impl<'c> Turn<'c> {
    pub(super) fn new(context: &'c Context) -> Self {
        let effects = Effects::default();
        Self { context, effects }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.context.now
    }

    pub(super) fn randomness(&self) -> &'c Randomness {
        &self.context.randomness
    }

    /// An event of the job as a whole.
    pub(super) fn job_event(&mut self, kind: EventKind, code: Option<Code>) {
        let at = self.now();
        self.effects.events.push(Event {
            at,
            kind,
            assignment: None,
            provider: None,
            code,
        });
    }

    /// An event of one assignment, with the reason where it was refused.
    pub(super) fn event(&mut self, kind: EventKind, of: &Assignment) {
        let at = self.now();
        self.effects.events.push(Event {
            at,
            kind,
            assignment: Some(of.id.clone()),
            provider: Some(of.owner.clone()),
            code: of.code().cloned(),
        });
    }

    pub(super) fn record(&mut self, of: &Assignment, workload: &Workload, result: ResultKind) {
        self.effects.records.push(RecordChange {
            agent: of.agent.clone(),
            workload: workload.clone(),
            result,
        });
    }

    /// The agent of an assignment left others waiting.
    pub(super) fn miss(&mut self, of: &Assignment, kind: MissKind) {
        self.effects.missed.push(Miss {
            owner: of.owner.clone(),
            kind,
        });
    }
}
