//! Would this host attest? It looks at everything that a run needs, before there is a job. It also looks at whether an
//! installation lets the agent work ([`examine_installation`]).
//!
//! # In scope
//!
//! * This host: state folder, key, outbox; driver, GPUs, their modes; a report and a chain of every device over a nonce
//!   drawn for the purpose, judged by the rules that need no trust anchor.
//! * What jobs need: the CUDA driver, and a GPU that can load the kernels' modules.
//! * The verifier: whether it can be reached, is ready, has the manifests that these devices ask for, and has the same
//!   time.
//!
//! # Out of scope
//!
//! * Whether a chain leads to NVIDIA, whether measurements match, whether a policy grants: only a verifier knows the
//!   roots, the manifests and the policy. A host without a finding can still be refused.
//! * Mending anything. The doctor changes nothing, but for a file that it writes and removes to see whether that can be
//!   done, and the identity of a simulated device, which is made at first use.
//!
//! Nothing waits for ever: a device has [`Limits::device`] for its answers, every step on the network
//! [`Limits::network_s`].

mod coverage;
mod cuda;
mod driver;
mod evidence;
mod finding;
mod handed;
mod host;
mod network;
mod sandbox;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ::evidence::UnixTime;

use crate::agent::blocking;
use crate::clock::Clock;
use crate::config::Settings;
use crate::device::{Selection, simulated};
use crate::error::AgentError;
use crate::execute::CudaSelection;
use crate::verifier::Verifier;

pub use finding::{Finding, FindingId, FindingStatus};

/// How long to wait for what may not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For all answers of the driver about this system, again for the reports of all devices, and again for CUDA.
    pub device: Duration,
    /// For each step on the network, seconds.
    pub network_s: u64,
}

impl Default for Limits {
    /// A GPU signs in about a second, and a slow verifier answers in less. Together at most 110 seconds.
    fn default() -> Self {
        Self {
            device: Duration::from_secs(30),
            network_s: 5,
        }
    }
}

/// Everything that was found, in the order of [`FindingId::ALL`], per device and manifest within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The findings; never none.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// The worst of all: [`FindingStatus::Ok`] means that nothing is in the way that can be seen from here.
    #[must_use]
    pub fn status(&self) -> FindingStatus {
        let statuses = self.findings.iter().map(|finding| finding.status);
        match statuses.max() {
            Some(FindingStatus::NotApplicable) => FindingStatus::Ok,
            Some(status) => status,
            None => FindingStatus::Unknown,
        }
    }

    /// How many findings have this status.
    #[must_use]
    pub fn count(&self, status: FindingStatus) -> usize {
        let with = self.findings.iter().filter(|f| f.status == status);
        with.count()
    }
}

/// Looks at this host and at the verifier of the settings.
///
/// # Errors
/// [`AgentError::Config`], [`AgentError::Verifier`] for settings that cannot be used; [`AgentError::Device`] for a
/// machine without randomness. Whatever else is wrong is a finding.
pub async fn examine(
    settings: &Settings,
    limits: Limits,
    clock: &dyn Clock,
) -> Result<Diagnosis, AgentError> {
    let selection = settings.selection()?;
    let verifier = verifier(settings, limits)?;
    let (state_dir, now) = (settings.state_dir.clone(), now(clock));
    let nonce = simulated::random()?;
    let (executor, jobs) = (
        settings.executor,
        CudaSelection::new(&settings.cuda, &selection),
    );
    let (mut findings, ids) = blocking(move || {
        let mut findings = host::examine(&state_dir);
        let (of_devices, ids) = devices(&selection, limits, &nonce, now);
        findings.extend(of_devices);
        findings.extend(cuda::examine(executor, &jobs, limits.device));
        (findings, ids)
    })
    .await;
    findings.extend(match &verifier {
        Some(verifier) => network::examine(verifier, limits, &ids, clock).await,
        None => network::without_verifier(),
    });
    // Stable: what concerns several devices stays in their order.
    findings.sort_by_key(|finding| finding.id);
    Ok(Diagnosis { findings })
}

/// Looks at what a sandbox may block, and at the way to the verifier.
///
/// # Errors
/// As [`examine`].
pub async fn examine_installation(
    settings: &Settings,
    limits: Limits,
    clock: &dyn Clock,
) -> Result<Diagnosis, AgentError> {
    let verifier = verifier(settings, limits)?;
    let of_process = settings.clone();
    let mut findings = blocking(move || {
        let mut findings = host::examine(&of_process.state_dir);
        findings.extend(sandbox::examine(&of_process));
        findings
    })
    .await;
    findings.extend(match &verifier {
        Some(verifier) => network::examine(verifier, limits, &[], clock).await,
        None => network::without_verifier(),
    });
    // What manifests devices ask for is the doctor's question.
    findings.retain(|finding| finding.id != FindingId::ReferenceManifest);
    findings.sort_by_key(|finding| finding.id);
    Ok(Diagnosis { findings })
}

/// The verifier of the settings, asked with less patience.
fn verifier(settings: &Settings, limits: Limits) -> Result<Option<Verifier>, AgentError> {
    let open = |url: &String| {
        let http = network::http_settings(&settings.http, limits);
        Verifier::new(url, &http, settings.retry.once())
    };
    Ok(settings.verifier.as_ref().map(open).transpose()?)
}

/// The devices, and the ids of the manifests they ask for.
fn devices(
    selection: &Selection,
    limits: Limits,
    nonce: &[u8; crate::device::NONCE_LENGTH],
    now: UnixTime,
) -> (Vec<Finding>, Vec<String>) {
    let (mut findings, handed) = match selection {
        Selection::Nvml { library } => driver::examine(library.as_deref(), limits.device, nonce),
        other => handed::by_other_devices(other, limits.device, nonce),
    };
    let recorded = matches!(selection, Selection::Recorded { .. });
    let mut ids = Vec::new();
    for device in &handed {
        let (of_evidence, of_device) = evidence::examine(device, nonce, recorded, now);
        findings.extend(of_evidence);
        for id in of_device {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    if handed.is_empty() {
        findings.extend(evidence::of_no_device());
    }
    (findings, ids)
}

fn now(clock: &dyn Clock) -> UnixTime {
    UnixTime::from_secs(i64::try_from(clock.unix_ms() / 1000).unwrap_or(i64::MAX))
}

/// Runs what may hang on a thread of its own, and leaves it behind after `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more if the limit has passed.
        let _ = sender.send(work());
    });
    receiver.recv_timeout(limit).ok()
}

/// What comes of a channel until all senders are gone or `limit` has passed, and whether it passed.
fn collect<T>(receiver: &mpsc::Receiver<T>, limit: Duration) -> (Vec<T>, bool) {
    let start = Instant::now();
    let mut received = Vec::new();
    loop {
        match receiver.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(value) => received.push(value),
            Err(mpsc::RecvTimeoutError::Disconnected) => return (received, false),
            Err(mpsc::RecvTimeoutError::Timeout) => return (received, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(statuses: &[FindingStatus]) -> Diagnosis {
        let finding = |status: &FindingStatus| Finding {
            status: *status,
            ..Finding::ok(FindingId::Clock, "")
        };
        Diagnosis {
            findings: statuses.iter().map(finding).collect(),
        }
    }

    #[test]
    fn the_worst_finding_decides_and_nothing_found_is_not_good() {
        use FindingStatus::{NotApplicable, Ok, Problem, Unknown};
        let table: [(&[FindingStatus], FindingStatus); 5] = [
            (&[], Unknown),
            (&[Ok, NotApplicable], Ok),
            (&[NotApplicable], Ok),
            (&[Ok, Unknown, NotApplicable], Unknown),
            (&[Unknown, Problem, Ok], Problem),
        ];
        for (statuses, expected) in table {
            assert_eq!(diagnosis(statuses).status(), expected, "{statuses:?}");
        }
    }

    #[test]
    fn what_hangs_is_left_behind() {
        let hang = || thread::sleep(Duration::from_secs(60));
        assert_eq!(within(Duration::from_millis(10), hang), None);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
    }
}
