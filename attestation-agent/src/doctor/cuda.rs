//! What jobs need of CUDA: the driver's library, its version, GPUs, and modules that they can load.
//!
//! In scope: hosts whose jobs run on a GPU, by the settings or because their GPUs attest. On other hosts CUDA is looked
//! at if the settings leave the choice to the agent, and a missing CUDA is no fault: jobs run on the CPU then.
//!
//! Out of scope: running anything. Unified memory and persistence mode are not looked at: nothing here needs them.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Finding, FindingId, collect, handed};
use crate::execute::{CudaDevice, CudaSelection, ExecuteError, ExecutorKind, Surveyed, survey};

/// What is looked at here, in the order of the questions.
const QUESTIONS: [FindingId; 4] = [
    FindingId::CudaLibrary,
    FindingId::CudaVersion,
    FindingId::CudaDevices,
    FindingId::ComputeCapability,
];

/// Looks at what jobs need, if they are to run on a GPU.
pub(super) fn examine(
    executor: ExecutorKind,
    selection: &CudaSelection,
    limit: Duration,
) -> Vec<Finding> {
    let wanted = match executor {
        ExecutorKind::Cuda => true,
        ExecutorKind::Auto => selection.attested,
        ExecutorKind::Host | ExecutorKind::CpuReference => {
            return none_for("jobs run on the CPU, by the settings");
        }
    };
    let (tell, told) = mpsc::channel();
    let selection = selection.clone();
    thread::spawn(move || {
        // Nobody listens any more if the driver took too long.
        survey(&selection, &mut |answer| drop(tell.send(answer)));
    });
    let (answers, late) = collect(&told, limit);
    if !wanted && matches!(answers.first(), Some(Surveyed::Library(Err(_)))) {
        return none_for("there is no CUDA here: jobs run on the CPU");
    }
    let mut findings: Vec<_> = answers.iter().flat_map(of_answer).collect();
    fill(&mut findings, late.then_some(limit));
    findings
}

fn none_for(why: &str) -> Vec<Finding> {
    let findings = QUESTIONS.map(|id| Finding::not_applicable(id, why));
    findings.into()
}

fn of_answer(answer: &Surveyed) -> Vec<Finding> {
    match answer {
        Surveyed::Library(found) => vec![library(found)],
        Surveyed::Version(found, least) => vec![version(found, *least)],
        Surveyed::Devices(Ok(devices)) => capabilities(devices),
        Surveyed::Devices(Err(error)) => vec![refused(FindingId::CudaDevices, error)],
        Surveyed::Chosen(found) => vec![chosen(found)],
    }
}

fn library(found: &Result<(), ExecuteError>) -> Finding {
    let id = FindingId::CudaLibrary;
    match found {
        Ok(()) => Finding::ok(id, "loaded, and the driver starts"),
        Err(error) => refused(id, error),
    }
}

fn version(found: &Result<i32, ExecuteError>, least: i32) -> Finding {
    let id = FindingId::CudaVersion;
    let text = |version: i32| format!("{}.{}", version / 1000, version % 1000 / 10);
    match found {
        Ok(version) if *version >= least => {
            let (actual, least) = (text(*version), text(least));
            Finding::ok(id, format!("CUDA {actual}; the modules need {least}"))
        }
        Ok(version) => {
            let (actual, least) = (text(*version), text(least));
            let found = format!("CUDA {actual}, and the modules need {least}");
            Finding::problem(id, found).code("cuda_driver_too_old")
        }
        Err(error) => refused(id, error),
    }
}

fn capabilities(devices: &[(CudaDevice, usize)]) -> Vec<Finding> {
    let id = FindingId::ComputeCapability;
    if devices.is_empty() {
        return vec![Finding::open(id, FindingId::CudaDevices)];
    }
    let findings = (0..).zip(devices).map(|(index, (device, modules))| {
        let (major, minor) = device.capability;
        let found = format!("{major}.{minor}");
        let finding = match modules {
            0 => Finding::problem(id, found).code("compute_capability_unsupported"),
            1 => Finding::ok(id, format!("{found}: the portable modules")),
            _ => Finding::ok(
                id,
                format!("{found}: the portable modules, and those for it alone"),
            ),
        };
        finding.of_device(index)
    });
    findings.collect()
}

/// Which one by its number: its identity is for life.
fn chosen(found: &Result<usize, ExecuteError>) -> Finding {
    let id = FindingId::CudaDevices;
    match found {
        Ok(index) => Finding::ok(id, format!("jobs run on CUDA device {index}")),
        // The GPU that was found is named in the error.
        Err(ExecuteError::CapabilityUnsupported { .. }) => {
            Finding::open(id, FindingId::ComputeCapability)
        }
        Err(error) => refused(id, error),
    }
}

fn refused(id: FindingId, error: &ExecuteError) -> Finding {
    Finding::problem(id, error.to_string())
        .code(error.code())
        .mend(error.remedy())
}

/// Says of every question without an answer why there is none, as for the management library.
fn fill(findings: &mut Vec<Finding>, late: Option<Duration>) {
    let missing = QUESTIONS.into_iter();
    let missing: Vec<_> = missing
        .filter(|id| findings.iter().all(|finding| finding.id != *id))
        .collect();
    let mut missing = missing.into_iter();
    let failed = findings.iter().find(|finding| finding.remedy.is_some());
    let mut in_the_way = failed.map_or(FindingId::CudaLibrary, |finding| finding.id);
    if let Some(limit) = late
        && let Some(id) = missing.next()
    {
        findings.push(handed::silent(id, limit));
        in_the_way = id;
    }
    findings.extend(missing.map(|id| Finding::open(id, in_the_way)));
}
