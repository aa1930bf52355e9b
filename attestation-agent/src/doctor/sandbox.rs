//! What a sandbox may block: device nodes, folders, executable memory, limits of programs, the file of figures, the
//! enrolment.
//!
//! In scope: trying each as the agent will need it, in this process, whose sandbox is that of the process that started
//! it. Out of scope: devices themselves and the way to the verifier, which other parts of the doctor look at.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Finding, FindingId};
use crate::config::Settings;
use crate::device::SourceKind;
use crate::execute::{ExecutorKind, executable_memory};
use crate::files;
use crate::serve::CREDENTIAL;

/// Where the nodes of GPUs are.
const NODES: &str = "/dev";
/// Nodes that NVML and CUDA open, beside those of the GPUs (`nvidia0` and so on).
const SHARED_NODES: [&str; 2] = ["nvidiactl", "nvidia-uvm"];
const IN_THE_UNIT: &str = "Start attestation-agent-check.service, which has the sandbox of the service, and read its journal: \
     journalctl -u attestation-agent-check.";

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    vec![
        sandbox(&fs::read_to_string("/proc/self/status").unwrap_or_default()),
        folder(FindingId::CacheDir, "CACHE_DIRECTORY"),
        folder(FindingId::RuntimeDir, "RUNTIME_DIRECTORY"),
        device_nodes(settings.device.kind, Path::new(NODES)),
        memory(settings),
        limits(settings),
        metrics_file(settings.serve.metrics_file.as_deref()),
        enrolment(settings),
    ]
}

/// Whether the process is in the sandbox of a service, by what the kernel says of it.
fn sandbox(status: &str) -> Finding {
    let id = FindingId::Sandbox;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).unwrap_or_default()
    };
    match (value("NoNewPrivs:"), value("Seccomp:")) {
        ("1", "2") => Finding::ok(id, "no new privileges, system calls filtered"),
        _ => Finding::unknown(
            id,
            "this process is in no sandbox: what follows is not about the service",
        )
        .mend(IN_THE_UNIT),
    }
}

/// A folder that the service manager makes and names in this variable.
fn folder(id: FindingId, variable: &str) -> Finding {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        return Finding::not_applicable(id, format!("{variable} is not set"));
    };
    writable(id, &path)
}

fn writable(id: FindingId, folder: &Path) -> Finding {
    match files::can_write(folder) {
        Ok(()) => Finding::ok(id, folder.display().to_string()),
        Err(error) => Finding::problem(id, error.to_string()).code(error.code()),
    }
}

/// The folder that figures are written to, of which the unit knows nothing without a drop-in.
fn metrics_file(file: Option<&Path>) -> Finding {
    let id = FindingId::MetricsFile;
    match file.and_then(Path::parent) {
        None => Finding::not_applicable(id, "no figures are written (serve.metrics_file)"),
        Some(folder) => writable(id, folder),
    }
}

fn device_nodes(kind: SourceKind, folder: &Path) -> Finding {
    let id = FindingId::DeviceNodes;
    if kind != SourceKind::Nvml {
        return Finding::not_applicable(id, "the settings choose no NVIDIA device");
    }
    let gpus = match gpus(folder) {
        Ok(gpus) if gpus.is_empty() => {
            return Finding::problem(id, format!("{}/nvidia0: not there", folder.display()))
                .code("device_node_missing");
        }
        Ok(gpus) => gpus,
        Err(error) => return Finding::problem(id, format!("{}: {error}", folder.display())),
    };
    let shared = SHARED_NODES.map(|name| folder.join(name));
    let blocked: Vec<_> = gpus
        .iter()
        .chain(&shared)
        .filter_map(|node| Some((node, opens(node).err()?)))
        .collect();
    match blocked.first() {
        None => Finding::ok(
            id,
            format!("{} opened", gpus.len().saturating_add(shared.len())),
        ),
        Some((_, first)) => {
            let all = blocked
                .iter()
                .map(|(node, error)| format!("{}: {error}", node.display()));
            let finding = Finding::problem(id, all.collect::<Vec<_>>().join("; "));
            why_blocked(finding, first)
        }
    }
}

/// What a refusal to open a node is about: the policy of the unit, the node's mode, or the driver.
fn why_blocked(finding: Finding, error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::NotFound => finding.code("device_node_missing"),
        // A device that is not on the list of the unit is refused with EPERM, a mode with EACCES.
        _ if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) => finding
            .code("device_not_allowed")
            .mend("Add the node to the unit: DeviceAllow= in a drop-in (systemctl edit attestation-agent)."),
        io::ErrorKind::PermissionDenied => finding
            .code("device_node_mode")
            .mend("Give the node to a group (NVreg_DeviceFileGID, or udev) and the unit that group: SupplementaryGroups=."),
        _ => finding,
    }
}

fn opens(node: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(node)
}

/// Nodes of GPUs: `nvidia` and a number.
fn gpus(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("nvidia"));
        if number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Programs of people may compile in their process. The driver's compiler does too, and was seen to do without such memory
/// (an H200, driver 580): where it is blocked, that is told and is no problem.
fn memory(settings: &Settings) -> Finding {
    let id = FindingId::ExecutableMemory;
    let gpu = match settings.executor {
        ExecutorKind::Cuda => true,
        ExecutorKind::Auto => settings.device.kind == SourceKind::Nvml,
        ExecutorKind::Host | ExecutorKind::CpuReference => false,
    };
    if !gpu && !settings.serve.commands {
        return Finding::not_applicable(id, "jobs run on the CPU, without a compiler");
    }
    match executable_memory() {
        Ok(()) => Finding::ok(id, "allowed"),
        Err(error) if settings.serve.commands => {
            Finding::problem(id, format!("blocked: {error}")).code("memory_write_execute_denied")
        }
        Err(error) => Finding::ok(
            id,
            format!("blocked ({error}); NVIDIA's driver was seen to compile kernels without it"),
        ),
    }
}

/// The supervisor of a program lowers its limits; setting one to what it is tells whether that is allowed.
fn limits(settings: &Settings) -> Finding {
    let id = FindingId::CommandLimits;
    if !settings.serve.commands {
        return Finding::not_applicable(id, "no programs are run (serve.commands)");
    }
    match setrlimit(Resource::Core, getrlimit(Resource::Core)) {
        Ok(()) => Finding::ok(id, "allowed"),
        Err(error) => Finding::problem(id, format!("blocked: {error}")).code("limits_denied"),
    }
}

/// Whether the agent is enrolled, or could be.
fn enrolment(settings: &Settings) -> Finding {
    let id = FindingId::Enrolment;
    if settings.serve_dir().join("agent.json").exists() {
        return Finding::ok(id, "enrolled");
    }
    let set = settings.serve.token_file.clone();
    match set.or_else(|| daemon::credential::path(CREDENTIAL)) {
        None => Finding::problem(id, "not enrolled, and no token is set")
            .code("enrolment_token_missing"),
        Some(path) => match File::open(&path) {
            Ok(_) => Finding::ok(id, "a token is at hand, for the first start"),
            Err(error) => Finding::problem(id, format!("cannot read {}: {error}", path.display()))
                .code("file_unusable"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::FindingStatus;

    #[test]
    fn a_process_without_a_sandbox_says_so() {
        let table = [
            (
                "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t9\n",
                FindingStatus::Ok,
            ),
            ("NoNewPrivs:\t1\nSeccomp:\t0\n", FindingStatus::Unknown),
            ("NoNewPrivs:\t0\nSeccomp:\t2\n", FindingStatus::Unknown),
            ("", FindingStatus::Unknown),
        ];
        for (status, expected) in table {
            assert_eq!(sandbox(status).status, expected, "{status}");
        }
    }

    #[test]
    fn nodes_are_missing_or_open() {
        let folder = tempfile::tempdir().unwrap();
        let look = || device_nodes(SourceKind::Nvml, folder.path());
        assert_eq!(look().codes, ["device_node_missing"]);
        fs::write(folder.path().join("nvidia0"), "").unwrap();
        fs::write(folder.path().join("nvidia-modeset"), "").unwrap();
        let some = look();
        assert_eq!(some.codes, ["device_node_missing"]);
        assert!(some.found.contains("nvidiactl"), "{}", some.found);
        for name in SHARED_NODES {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(look().status, FindingStatus::Ok);
        let other = device_nodes(SourceKind::Simulated, folder.path());
        assert_eq!(other.status, FindingStatus::NotApplicable);
    }

    #[test]
    fn refusals_have_their_codes() {
        let table = [
            (libc_errno::EPERM, "device_not_allowed"),
            (libc_errno::EACCES, "device_node_mode"),
        ];
        for (number, code) in table {
            let error = io::Error::from_raw_os_error(number);
            let finding = why_blocked(Finding::problem(FindingId::DeviceNodes, ""), &error);
            assert_eq!(finding.codes, [code]);
        }
    }

    mod libc_errno {
        pub(super) const EPERM: i32 = 1;
        pub(super) const EACCES: i32 = 13;
    }

    #[test]
    fn what_is_not_used_is_not_asked_for() {
        let settings = Settings {
            executor: ExecutorKind::Host,
            ..Settings::default()
        };
        assert_eq!(memory(&settings).status, FindingStatus::NotApplicable);
        assert_eq!(limits(&settings).status, FindingStatus::NotApplicable);
        assert_eq!(memory(&Settings::default()).status, FindingStatus::Ok);
    }

    #[test]
    fn figures_need_a_folder_that_can_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let look = |file: &str| metrics_file(Some(&folder.path().join(file)));
        assert_eq!(look("agent.prom").status, FindingStatus::Ok);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(look("absent/agent.prom").codes, ["file_unusable"]);
        assert_eq!(metrics_file(None).status, FindingStatus::NotApplicable);
    }

    #[test]
    fn an_agent_without_a_token_cannot_enrol() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            state_dir: folder.path().to_owned(),
            ..Settings::default()
        };
        assert_eq!(enrolment(&settings).codes, ["enrolment_token_missing"]);
        settings.serve.token_file = Some(folder.path().join("token"));
        assert_eq!(enrolment(&settings).codes, ["file_unusable"]);
        fs::write(folder.path().join("token"), "x").unwrap();
        assert_eq!(enrolment(&settings).status, FindingStatus::Ok);
    }
}
