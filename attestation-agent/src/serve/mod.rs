//! Serving: assignments of a verifier, taken one after another for as long as the agent lives.
//!
//! ```text
//! enrol ─▶ heartbeats ─▶ long poll ─▶ offer: accept ─▶ run ─▶ state ─▶ attest ─▶ commit
//!                                  ─▶ open:     open the commitment, whole or by slices
//!                                  ─▶ question: answer a referee
//!                        heartbeat's answer: what is over is forgotten
//! ```
//!
//! In scope: these steps (the forms are [`evidence::work::wire`]'s), what is on disk before each request
//! ([`case`]), and how each of them goes on after the agent was killed in the middle of it. The agent needs no inbound
//! port.
//!
//! Out of scope: deciding anything about a result; who is paid what; isolation of people's programs.
//!
//! # What a crash repeats
//!
//! | Killed | Afterwards |
//! |---|---|
//! | before the offer is on disk | the poll says it again |
//! | before the statement is on disk | the work is run again |
//! | after that | the same statement is attested and committed to: nothing is run again |
//! | after the bundle | the same commitment is sent, to the byte |
//! | after an opening or an answer is on disk | the same bytes are sent |
//!
//! # How it ends
//!
//! An assignment ends when the verifier says so: by a heartbeat's answer, or by refusing a request (404, 409, 410).
//! Then the reason is logged and the folder removed. No clock of this host ends one that is committed to: the verifier
//! decides what is late. An agent that is no longer enrolled (401) removes everything and ends.

mod case;
mod desk;
mod end;
mod enrol;
mod error;
mod figures;
mod inputs;
mod line;
mod manager;
mod opening;
mod presence;
mod produce;
mod settings;
mod shop;
mod witness;
mod worker;

use std::sync::Arc;

use daemon::notify;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::error::AgentError;
use crate::progress::Progress;

pub(crate) use enrol::CREDENTIAL;
pub use error::ServeError;
pub use settings::ServeSettings;

use desk::Desk;
use figures::Figures;
use line::Line;
use shop::Shop;

/// When serving is to end: `false` until then. The sender's end counts as `true`.
pub type Until = watch::Receiver<bool>;

impl Agent {
    /// Serves assignments until it is told to stop.
    ///
    /// Told to stop, it takes no more, gives back what it has not begun, has [`ServeSettings::stop_within_s`] for what runs
    /// to be committed to, and gives back the rest. What is committed stays on disk, to be opened by the next start. Before
    /// it serves there is nothing to wind up: told to stop while devices are opened or the verifier is asked to enrol it,
    /// it ends at once.
    ///
    /// # Errors
    /// [`AgentError::Serve`] with [`ServeError::Removed`] where the verifier has no such agent any more; before that
    /// whatever keeps an agent from starting: devices, settings, state, enrolment.
    pub async fn serve(
        self,
        progress: Arc<dyn Progress>,
        mut until: Until,
    ) -> Result<(), AgentError> {
        let (desk, figures) = tokio::select! {
            biased;
            _ = until.wait_for(|stop| *stop) => {
                notify::stopping();
                tracing::info!("told to stop before it served");
                return Ok(());
            }
            ready = ready(Arc::new(self), progress) => ready?,
        };
        // Ends with this function, however that ends.
        let mut writing = JoinSet::new();
        if let Some(path) = desk.settings().metrics_file.clone() {
            writing.spawn(figures.keep_written(path));
        }
        desk.run(until).await
    }
}

/// Everything up to the first poll: devices, executor, enrolment, what an earlier process left.
async fn ready(
    agent: Arc<Agent>,
    progress: Arc<dyn Progress>,
) -> Result<(Desk, Arc<Figures>), AgentError> {
    notify::status("looking at the devices");
    let devices = agent.devices(progress.as_ref()).await?.describe();
    let executors = agent.executor().await?.names();
    let figures = Figures::new().map_err(|error| ServeError::Figures(error.to_string()))?;
    let line = Line::new(&agent, Arc::clone(&figures))?;
    let home = case::Home::open(&agent.settings().serve_dir())?;
    notify::status(&format!("asking {} to know this agent", line.url()));
    enrol::enrol(&agent, &line, &home).await?;
    let shop = Shop::new(agent, line, progress, home.heard());
    let presence = presence::Presence::new(&shop, &devices, executors);
    Ok((Desk::new(shop, home, presence)?, figures))
}
