//! The driver, the GPUs it sees, and the modes they are in.
//!
//! In scope: every precondition of attestation separately, so that one run of the doctor says all that has to be
//! mended.
//!
//! Out of scope: whether it is true. All of this is the driver's word.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use evidence::device::Architecture;

use super::handed::{self, Handed};
use super::{Finding, FindingId, collect};
use crate::device::nvml::{Driver, Environment, SystemState};
use crate::device::{DeviceError, MultiGpuMode, NONCE_LENGTH};

/// `NVML_ERROR_NOT_SUPPORTED`.
const NOT_SUPPORTED: u32 = 3;

/// What is looked at here, in the order of the questions.
const QUESTIONS: [FindingId; 9] = [
    FindingId::NvmlLibrary,
    FindingId::DriverVersion,
    FindingId::Devices,
    FindingId::GpuArchitecture,
    FindingId::ConfidentialComputing,
    FindingId::Environment,
    FindingId::DeveloperMode,
    FindingId::ReadyState,
    FindingId::MultiGpuMode,
];

/// What the thread that asks the driver tells.
enum Said {
    Found(Finding),
    /// The end: whom to ask for evidence, and whom not, and why.
    Asked(Arc<Driver>, Vec<(u32, Gpu)>),
}

/// Whether a GPU is worth asking.
#[derive(Clone, Copy)]
enum Gpu {
    Attests(Architecture),
    Cannot(FindingId),
}

pub(super) fn examine(
    library: Option<&Path>,
    limit: Duration,
    nonce: &[u8; NONCE_LENGTH],
) -> (Vec<Finding>, Vec<Handed>) {
    let (sender, receiver) = mpsc::channel();
    let library = library.map(Path::to_path_buf);
    thread::spawn(move || survey(library.as_deref(), &sender));
    let (said, late) = collect(&receiver, limit);
    let (mut findings, mut asked) = (Vec::new(), None);
    for said in said {
        match said {
            Said::Found(finding) => findings.push(finding),
            Said::Asked(driver, gpus) => asked = Some((driver, gpus)),
        }
    }
    fill(&mut findings, late.then_some(limit));
    let Some((driver, gpus)) = asked else {
        return (findings, Vec::new());
    };
    let (mut worth, mut handed) = (Vec::new(), Vec::new());
    for (index, gpu) in gpus {
        match gpu {
            Gpu::Attests(arch) => worth.push((index, arch)),
            Gpu::Cannot(want) => handed.push(Handed::not_asked(index, want)),
        }
    }
    handed.extend(handed::by_driver(&driver, &worth, limit, nonce));
    handed.sort_by_key(|device| device.index);
    (findings, handed)
}

/// Says of every question that has no answer why not: the driver hangs at the first of them, or what is in the way was
/// told before.
fn fill(findings: &mut Vec<Finding>, late: Option<Duration>) {
    let answered = |findings: &[Finding], id| findings.iter().any(|finding| finding.id == id);
    let missing: Vec<_> = QUESTIONS
        .into_iter()
        .filter(|id| !answered(findings, *id))
        .collect();
    let mut missing = missing.into_iter();
    let mut in_the_way = FindingId::NvmlLibrary;
    if let Some(limit) = late
        && let Some(id) = missing.next()
    {
        findings.push(handed::silent(id, limit));
        in_the_way = id;
    }
    findings.extend(missing.map(|id| Finding::open(id, in_the_way)));
}

/// Asks everything there is to ask. Nobody listens any more if the driver took too long.
fn survey(library: Option<&Path>, tell: &mpsc::Sender<Said>) {
    let found = |finding| {
        let _ = tell.send(Said::Found(finding));
    };
    let driver = match Driver::load(library) {
        Ok(driver) => Arc::new(driver),
        Err(error) => return found(Finding::device_error(FindingId::NvmlLibrary, &error)),
    };
    found(Finding::ok(FindingId::NvmlLibrary, "loaded"));
    found(match driver.version() {
        Ok(version) => Finding::ok(FindingId::DriverVersion, version),
        Err(error) => untold(FindingId::DriverVersion, &error),
    });
    let count = driver.count();
    found(match &count {
        Ok(1) => Finding::ok(FindingId::Devices, "1 GPU"),
        Ok(count) => Finding::ok(FindingId::Devices, format!("{count} GPUs")),
        Err(error) => Finding::device_error(FindingId::Devices, error),
    });
    let count = count.unwrap_or(0);
    let architectures = architectures(&driver, count, &found);
    let on = confidential_computing(&driver, &found);
    found(match (on, count) {
        (false, _) => Finding::open(FindingId::MultiGpuMode, FindingId::ConfidentialComputing),
        (true, 0) => Finding::open(FindingId::MultiGpuMode, FindingId::Devices),
        (true, _) => multi_gpu_mode(driver.multi_gpu_mode(), count),
    });
    let gpus = (0..).zip(architectures).map(|(index, arch)| {
        let gpu = match arch {
            Some(arch) if on => Gpu::Attests(arch),
            Some(_) => Gpu::Cannot(FindingId::ConfidentialComputing),
            None => Gpu::Cannot(FindingId::GpuArchitecture),
        };
        (index, gpu)
    });
    let _ = tell.send(Said::Asked(Arc::clone(&driver), gpus.collect()));
}

/// The chip family of each GPU, where it attests.
fn architectures(
    driver: &Driver,
    count: u32,
    found: &impl Fn(Finding),
) -> Vec<Option<Architecture>> {
    if count == 0 {
        found(Finding::open(
            FindingId::GpuArchitecture,
            FindingId::Devices,
        ));
    }
    (0..count)
        .map(|index| {
            let id = FindingId::GpuArchitecture;
            let arch = driver.architecture(index);
            let finding = match &arch {
                Ok(arch) => Finding::ok(id, arch.to_string()),
                Err(error) => Finding::device_error(id, error),
            };
            found(finding.of_device(index));
            arch.ok()
        })
        .collect()
}

/// Whether confidential computing is on, and what there is to say where it is.
fn confidential_computing(driver: &Driver, found: &impl Fn(Finding)) -> bool {
    let id = FindingId::ConfidentialComputing;
    let state = match driver.system_state() {
        Ok(state) if state.confidential_computing => state,
        other => {
            let error = other.err().unwrap_or(DeviceError::ConfidentialComputingOff);
            found(Finding::device_error(id, &error));
            for of_state in [
                FindingId::Environment,
                FindingId::DeveloperMode,
                FindingId::ReadyState,
            ] {
                found(Finding::open(of_state, id));
            }
            return false;
        }
    };
    found(Finding::ok(id, "on"));
    found(environment(state));
    found(developer_mode(state));
    found(ready_state(driver.is_ready()));
    true
}

fn environment(state: SystemState) -> Finding {
    let id = FindingId::Environment;
    match state.environment {
        Environment::Production => Finding::ok(id, "production"),
        Environment::Simulation => Finding::problem(id, "simulation"),
        Environment::Unavailable => Finding::unknown(id, "the driver cannot tell"),
        Environment::Other(number) => Finding::unknown(id, format!("environment {number}")),
    }
}

fn developer_mode(state: SystemState) -> Finding {
    match state.developer_tools {
        false => Finding::ok(FindingId::DeveloperMode, "off"),
        true => Finding::device_error(FindingId::DeveloperMode, &DeviceError::DeveloperMode),
    }
}

fn ready_state(ready: Result<bool, DeviceError>) -> Finding {
    let id = FindingId::ReadyState;
    match ready {
        Ok(true) => Finding::ok(id, "GPUs accept work"),
        Ok(false) => Finding::problem(id, "GPUs attest, and accept no work"),
        Err(error) => untold(id, &error),
    }
}

/// One GPU attests in any mode; for several a mode that nobody knows is an open question.
fn multi_gpu_mode(mode: Result<MultiGpuMode, DeviceError>, count: u32) -> Finding {
    let id = FindingId::MultiGpuMode;
    match mode {
        Ok(MultiGpuMode::None) => Finding::ok(id, "none"),
        Ok(MultiGpuMode::ProtectedPcie) => {
            let found = "protected PCIe; this agent attests the GPUs and not the switches, which a policy may ask for";
            Finding::ok(id, found)
        }
        Ok(MultiGpuMode::NvlinkEncryption) => Finding::ok(id, "NVLink encryption"),
        Ok(MultiGpuMode::Other(number)) => Finding::unknown(id, format!("mode {number}")),
        Err(error) if is_untold(&error) && count == 1 => {
            Finding::ok(id, "one GPU; this driver does not tell a mode")
        }
        Err(error) => untold(id, &error),
    }
}

/// A question that this driver does not know is open; any other failure is in the way.
fn untold(id: FindingId, error: &DeviceError) -> Finding {
    match is_untold(error) {
        true => Finding::unknown(id, error.to_string()).code(error.code()),
        false => Finding::device_error(id, error),
    }
}

fn is_untold(error: &DeviceError) -> bool {
    matches!(
        error,
        DeviceError::SymbolMissing { .. }
            | DeviceError::Nvml {
                number: NOT_SUPPORTED,
                ..
            }
    )
}
