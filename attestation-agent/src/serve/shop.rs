//! What all assignments of an agent share: the agent, the line to the verifier, and the places in which work is done.

use std::sync::Arc;

use daemon::notify::Pulse;
use tokio::sync::Semaphore;

use super::case::Heard;
use super::line::Line;
use crate::agent::Agent;
use crate::progress::Progress;

/// What all assignments share.
pub(super) struct Shop {
    pub(super) agent: Arc<Agent>,
    pub(super) line: Arc<Line>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) heard: Heard,
    /// Whoever runs something or has the devices sign holds a place.
    pub(super) bench: Arc<Semaphore>,
    /// The watchdog, which hears of calls of drivers that do not return.
    pub(super) pulse: Pulse,
}

impl Shop {
    pub(super) fn new(
        agent: Arc<Agent>,
        line: Arc<Line>,
        progress: Arc<dyn Progress>,
        heard: Heard,
    ) -> Arc<Self> {
        let settings = &agent.settings().serve;
        let places = match settings.share_devices {
            true => settings.capacity,
            false => 1,
        };
        let places = usize::try_from(places).unwrap_or(1);
        Arc::new(Self {
            bench: Arc::new(Semaphore::new(places)),
            pulse: Pulse::from_environment(),
            agent,
            line,
            progress,
            heard,
        })
    }
}
