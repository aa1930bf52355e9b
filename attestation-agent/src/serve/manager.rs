//! What an agent that serves tells the service manager.
//!
//! The agent says once that it is ready: when devices and executor were opened and the verifier has answered. If the
//! verifier does not answer, the agent says that it is ready [`PATIENCE`] later: by then the agent is enrolled and can
//! only go on asking, as it does when the verifier goes away later. The status line says which it is.
//!
//! Keep-alive messages are sent by the desk's own loop, which does all the work, so that they stop if it hangs.

use std::time::Duration;

use daemon::notify::{self, Pulse};
use tokio::time::Instant;

/// How long a verifier is waited for before an enrolled agent says that it is ready.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest pause between two looks at what there is to say.
const LOOK: Duration = Duration::from_secs(5);

/// The service manager, as the desk sees it.
pub(super) struct Manager {
    pulse: Pulse,
    verifier: String,
    since: Instant,
    next: Instant,
    ready: bool,
    /// Whether the verifier answered last time.
    reached: bool,
    said: String,
}

impl Manager {
    pub(super) fn new(pulse: Pulse, verifier: &str) -> Self {
        let now = Instant::now();
        Self {
            pulse,
            verifier: verifier.to_owned(),
            since: now,
            next: now,
            ready: false,
            reached: false,
            said: String::new(),
        }
    }

    /// When to call [`beat`](Self::beat).
    pub(super) const fn next_beat(&self) -> Instant {
        self.next
    }

    /// Says that the desk is alive, and how it is.
    pub(super) fn beat(&mut self, held: usize, uncommitted: u32) {
        self.next = Instant::now() + self.pulse.pause().min(LOOK);
        self.pulse.beat();
        if !self.ready && self.since.elapsed() >= PATIENCE {
            self.ready();
        }
        let way = match self.reached {
            true => "serving",
            false => "waiting for an answer of",
        };
        let text = format!(
            "{way} {}; assignments: {held}, worked on: {uncommitted}",
            self.verifier
        );
        self.say(text);
    }

    /// The verifier answered.
    pub(super) fn heard(&mut self) {
        self.reached = true;
        if !self.ready {
            self.ready();
        }
    }

    /// It did not.
    pub(super) fn unheard(&mut self) {
        self.reached = false;
    }

    pub(super) fn stopping(&mut self, uncommitted: u32) {
        notify::stopping();
        self.say(format!("stopping; assignments worked on: {uncommitted}"));
    }

    fn ready(&mut self) {
        self.ready = true;
        notify::ready();
    }

    fn say(&mut self, text: String) {
        if self.said != text {
            notify::status(&text);
            self.said = text;
        }
    }
}
