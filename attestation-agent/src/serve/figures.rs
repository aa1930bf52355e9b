//! Figures of serving, for Prometheus: a file that node_exporter's textfile collector reads.
//!
//! It is a file and not a listener, since the agent has no inbound port, and its host runs other people's programs. In
//! scope: counting, and the file. What each figure means is in `docs/observability.md`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::end::End;
use crate::agent::blocking;
use crate::files::{PUBLIC, Staged};
use crate::http;

/// How often the file is written: as often as Prometheus usually scrapes.
const EVERY: Duration = Duration::from_secs(15);
/// Bounds of the times, in seconds: evidence takes parts of a second, work up to hours.
const BOUNDS_S: [f64; 14] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
];
/// Outcomes of assignments, each there from the beginning.
const OUTCOMES: [&str; 6] = [
    "taken",
    "committed",
    "over",
    "given_back",
    "removed",
    "forgotten",
];

/// What takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Run,
    Evidence,
    Opening,
    Answer,
}

/// What an agent counts.
#[derive(Debug)]
pub(super) struct Figures {
    registry: Registry,
    assignments: IntCounterVec,
    held: IntGauge,
    phases: HistogramVec,
    repeated: IntCounter,
    heartbeat: IntGauge,
    ahead: IntGauge,
}

impl Figures {
    /// Nothing happened yet.
    pub(super) fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let figures = Self {
            assignments: IntCounterVec::new(
                Opts::new(
                    "pogw_agent_assignments_total",
                    "Assignments, by what became of them.",
                ),
                &["outcome"],
            )?,
            held: IntGauge::new(
                "pogw_agent_assignments_held",
                "Assignments that something may still be asked of.",
            )?,
            phases: HistogramVec::new(
                HistogramOpts::new("pogw_agent_phase_duration_seconds", "Time of a phase.")
                    .buckets(BOUNDS_S.into()),
                &["phase"],
            )?,
            repeated: IntCounter::new(
                "pogw_agent_requests_repeated_total",
                "Requests that are sent again.",
            )?,
            heartbeat: IntGauge::new(
                "pogw_agent_heartbeat_timestamp_seconds",
                "When the verifier last answered a heartbeat.",
            )?,
            ahead: IntGauge::new(
                "pogw_agent_clock_ahead_seconds",
                "By how much the clock of the verifier is ahead of this one.",
            )?,
            registry,
        };
        for outcome in OUTCOMES {
            figures.assignments.with_label_values(&[outcome]);
        }
        let build = IntGaugeVec::new(
            Opts::new("pogw_agent_build_info", "1, with the version."),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let registry = &figures.registry;
        registry.register(Box::new(build))?;
        registry.register(Box::new(figures.assignments.clone()))?;
        registry.register(Box::new(figures.held.clone()))?;
        registry.register(Box::new(figures.phases.clone()))?;
        registry.register(Box::new(figures.repeated.clone()))?;
        registry.register(Box::new(figures.heartbeat.clone()))?;
        registry.register(Box::new(figures.ahead.clone()))?;
        Ok(Arc::new(figures))
    }

    /// An assignment is worked on, or goes on after a start.
    pub(super) fn begins(&self) {
        self.held.inc();
    }

    /// It was taken.
    pub(super) fn taken(&self) {
        self.count("taken");
    }

    /// The verifier has its commitment.
    pub(super) fn committed(&self) {
        self.count("committed");
    }

    /// It ended here.
    pub(super) fn ends(&self, end: &End) {
        self.held.dec();
        match end {
            End::Over(_) | End::Refused { .. } => self.count("over"),
            End::GivenBack(_) => self.count("given_back"),
            End::Removed(_) => self.count("removed"),
            End::Forgotten => self.count("forgotten"),
            End::Paused => {}
        }
    }

    /// A request is sent again.
    pub(super) fn repeats(&self) {
        self.repeated.inc();
    }

    /// The verifier answered a heartbeat.
    pub(super) fn is_heard(&self) {
        self.heartbeat.set(http::now().secs());
    }

    /// The verifier's clock is ahead by so many seconds.
    pub(super) fn is_behind(&self, seconds: i64) {
        self.ahead.set(seconds);
    }

    /// Something took so long, whatever came of it.
    pub(super) fn took(&self, phase: Phase, begun: Instant) {
        let times = self.phases.with_label_values(&[phase.as_str()]);
        times.observe(begun.elapsed().as_secs_f64());
    }

    fn count(&self, outcome: &str) {
        self.assignments.with_label_values(&[outcome]).inc();
    }

    fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Writes the file for as long as it is polled. A file that cannot be written is tried again, and logged once.
    pub(super) async fn keep_written(self: Arc<Self>, path: PathBuf) {
        let mut was_good = true;
        loop {
            let (figures, to) = (Arc::clone(&self), path.clone());
            let written = blocking(move || figures.write(&to)).await;
            match written {
                Ok(()) => was_good = true,
                Err(error) if was_good => {
                    tracing::warn!(path = %path.display(), "figures are not written: {error}");
                    was_good = false;
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn write(&self, path: &Path) -> Result<(), String> {
        let text = self.text().map_err(|error| error.to_string())?;
        let staged = Staged::new(path, &text, PUBLIC).map_err(|error| error.to_string())?;
        // The mask of the unit leaves nothing to others, and node_exporter is another.
        let readable = Permissions::from_mode(PUBLIC);
        let opened = staged.file().set_permissions(readable);
        opened.map_err(|error| error.to_string())?;
        let published = staged.publish(path);
        published.map(drop).map_err(|error| error.to_string())
    }
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Evidence => "evidence",
            Self::Opening => "opening",
            Self::Answer => "answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use evidence::work::wire::Word;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/observability.md");

    fn text(figures: &Figures) -> String {
        String::from_utf8(figures.text().unwrap()).unwrap()
    }

    #[test]
    fn what_happens_is_counted_and_the_page_names_it() {
        let figures = Figures::new().unwrap();
        figures.begins();
        figures.begins();
        figures.taken();
        figures.ends(&End::GivenBack(Word::lossy("shutting_down")));
        figures.ends(&End::Paused);
        figures.repeats();
        figures.is_heard();
        figures.took(Phase::Run, Instant::now());
        let text = text(&figures);
        for line in [
            "pogw_agent_assignments_total{outcome=\"taken\"} 1",
            "pogw_agent_assignments_total{outcome=\"given_back\"} 1",
            "pogw_agent_assignments_total{outcome=\"forgotten\"} 0",
            "pogw_agent_assignments_held 0",
            "pogw_agent_requests_repeated_total 1",
            "pogw_agent_phase_duration_seconds_count{phase=\"run\"} 1",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}: {text}");
        }
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut shown: Vec<_> = types.collect();
        let rows = PAGE
            .lines()
            .filter(|line| line.starts_with("| `pogw_agent_"));
        let mut of_page: Vec<_> = rows
            .map(|row| {
                let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
                format!("{} {}", cells.nth(1).unwrap(), cells.next().unwrap())
            })
            .collect();
        shown.sort_unstable();
        of_page.sort_unstable();
        assert_eq!(of_page, shown);
    }

    #[tokio::test]
    async fn the_file_is_whole_and_readable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.prom");
        let figures = Figures::new().unwrap();
        let writing = Arc::clone(&figures).keep_written(path.clone());
        let soon = Duration::from_millis(500);
        tokio::time::timeout(soon, writing).await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text(&figures));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing else is left there");
    }
}
