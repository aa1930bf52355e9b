//! What was looked at, what was found, and what to do about it.
//!
//! In scope: the stable words, and for each of them what is expected and what mends it.
//! Out of scope: looking.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::device::DeviceError;
use crate::problem::Printable;

macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $expected:literal, $remedy:literal;)+) => {
        /// What was looked at: one stable word each. Words are never renamed and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingId {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FindingId {
            /// All of them, in the order in which they are looked at.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable snake_case word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What would be right.
            #[must_use]
            pub const fn expected(self) -> &'static str {
                match self { $(Self::$variant => $expected,)+ }
            }

            /// What usually mends it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

findings! {
    /// The folder of the agent's state.
    StateDir = "state_dir",
        "a folder that this account can write to and others cannot",
        "Give the folder to the agent's account with mode 0700, or name another one (--state-dir).";
    /// The agent's key.
    AgentKey = "agent_key",
        "an Ed25519 key that others cannot read, or room to make one",
        "Restore the key from a backup, or remove the file: a new key is made at the next start.";
    /// Bundles that earlier runs could not hand in.
    Outbox = "outbox",
        "no bundle waits",
        "Hand them in with `attestation-agent submit`; it says of each what keeps it.";
    /// The sandbox of the process.
    Sandbox = "sandbox",
        "the sandbox of the service",
        "Start attestation-agent-check.service, and read its journal.";
    /// The folder for what can be made again.
    CacheDir = "cache_dir",
        "a folder that this account can write to",
        "Have the unit make it: CacheDirectory=attestation-agent.";
    /// The folder for what ends with the service.
    RuntimeDir = "runtime_dir",
        "a folder that this account can write to",
        "Have the unit make it: RuntimeDirectory=attestation-agent.";
    /// The nodes of NVIDIA's devices.
    DeviceNodes = "device_nodes",
        "nvidiactl, nvidia-uvm and a node for each GPU, which this process may read and write",
        "Have the driver make its nodes before the service starts (nvidia-persistenced, or nvidia-modprobe -u -c 0).";
    /// Memory that is written, then executed.
    ExecutableMemory = "executable_memory",
        "allowed where programs are run, which may compile in their process",
        "Install the drop-in commands.conf of the package's examples.";
    /// Limits of people's programs.
    CommandLimits = "command_limits",
        "limits of programs can be set, where programs are run",
        "Install the drop-in commands.conf of the package's examples.";
    /// The folder of the file of figures.
    MetricsFile = "metrics_file",
        "a folder that this account can write to, where figures are written",
        "Install metrics.conf and metrics.tmpfiles of the package's examples, or take serve.metrics_file out of the settings.";
    /// Whether the agent is enrolled.
    Enrolment = "enrolment",
        "enrolled, or a token at hand",
        "Put a token of the provider (pogw agent enrol-token) into /etc/attestation-agent/enrolment-token, mode 0600.";
    /// The driver's management library.
    NvmlLibrary = "nvml_library",
        "NVIDIA's management library, and a kernel driver that answers it",
        "Install the NVIDIA driver with its management library and load the kernel modules.";
    /// The version of the driver.
    DriverVersion = "driver_version",
        "a version",
        "Look at what nvidia-smi says; a driver that does not know its version is not whole.";
    /// Devices to attest with.
    Devices = "devices",
        "at least one device",
        "Check with nvidia-smi -L that the GPU is visible here, or choose another device (--device).";
    /// The chip family of a GPU.
    GpuArchitecture = "gpu_architecture",
        "Hopper or Blackwell",
        "Take GPUs that do not attest away from this guest, or run the agent elsewhere.";
    /// Whether GPUs sign reports at all.
    ConfidentialComputing = "confidential_computing",
        "on",
        "Switch confidential computing on from the host and start the guest again.";
    /// Whether this is the environment customers have.
    Environment = "environment",
        "production",
        "Start the guest as a confidential virtual machine on a production host.";
    /// Developer-tools mode.
    DeveloperMode = "developer_mode",
        "off",
        "Set the GPU's confidential-computing mode to `on` instead of `devtools` from the host.";
    /// Whether the GPUs accept work.
    ReadyState = "ready_state",
        "GPUs accept work",
        "After attesting the GPUs to yourself, set them ready: nvidia-smi conf-compute -srs 1.";
    /// How several GPUs are joined.
    MultiGpuMode = "multi_gpu_mode",
        "none, protected PCIe or NVLink encryption",
        "Install a driver that tells the mode, and compare it with what the host has configured.";
    /// The library of the CUDA driver.
    CudaLibrary = "cuda_library",
        "the CUDA driver library, and a driver that starts",
        "Install NVIDIA's driver with libcuda.so.1, or have jobs run on the CPU (--executor host).";
    /// The version of the CUDA driver, against the PTX of the modules.
    CudaVersion = "cuda_version",
        "a driver that knows the PTX of the kernels' modules",
        "Update NVIDIA's driver to R525 or later.";
    /// The GPU that jobs run on.
    CudaDevices = "cuda_devices",
        "a GPU for jobs, and one that attests where GPUs attest",
        "Compare cuda.gpu and CUDA_VISIBLE_DEVICES with nvidia-smi -L.";
    /// Whether a GPU can load the modules.
    ComputeCapability = "compute_capability",
        "8.0 or later",
        "Have jobs run on a GPU of the Ampere generation or later (cuda.gpu), or on the CPU (--executor host).";
    /// A report over a fresh nonce.
    Report = "report",
        "a report over a fresh nonce",
        "Look for Xid messages in dmesg and at nvidia-smi conf-compute -f, then restart the guest.";
    /// The certificate chain of the device.
    CertificateChain = "certificate_chain",
        "five certificates, each signed by the next",
        "Restart the guest; make sure that the NVML library is NVIDIA's own.";
    /// The form of the report.
    ReportForm = "report_form",
        "a well-formed SPDM 1.1 report",
        "Restart the guest; make sure that the NVML library is NVIDIA's own.";
    /// The nonce in the report.
    ReportNonce = "report_nonce",
        "the nonce that was asked",
        "Make sure that the NVML library is NVIDIA's own and nothing stands between it and the agent.";
    /// The signature of the report.
    ReportSignature = "report_signature",
        "signed by the first certificate of the chain",
        "Restart the guest; if it stays, the GPU or its firmware is at fault.";
    /// The firmware id.
    FirmwareId = "firmware_id",
        "the same in the report and in the certificate",
        "Reset the GPU: after an update of its firmware, report and certificate must be of one boot.";
    /// Whether all parts are of one chip.
    DeviceIdentity = "device_identity",
        "driver and certificates name one chip family",
        "Make sure that the NVML library is NVIDIA's own and is of this GPU's driver.";
    /// The address of the verifier.
    VerifierAddress = "verifier_address",
        "the address of a verifier",
        "Give its address (--verifier URL, or the setting `verifier`).";
    /// The name of the verifier's host.
    VerifierName = "verifier_name",
        "a name that can be resolved",
        "Check the spelling of the address, and this host's name servers (/etc/resolv.conf).";
    /// The connection to the verifier.
    VerifierConnect = "verifier_connect",
        "a connection",
        "Check that the verifier is up, and firewalls and routes on the way; a proxy is taken from HTTPS_PROXY.";
    /// TLS with the verifier.
    VerifierTls = "verifier_tls",
        "TLS with a certificate of a trusted root",
        "Install the system's CA certificates, or name the verifier's own root in http.ca_file.";
    /// HTTP with the verifier.
    VerifierHttp = "verifier_http",
        "an answer",
        "Check that the address is that of a PoGW verifier, and what a proxy on the way does.";
    /// Whether the verifier can issue receipts now.
    VerifierReady = "verifier_ready",
        "the verifier is ready",
        "Ask the operator of the verifier; its own log says what it lacks.";
    /// This host's clock against the verifier's.
    Clock = "clock",
        "at most 60 s from the verifier's clock",
        "Synchronise this host's clock (timedatectl set-ntp true), or have the verifier's mended.";
    /// A reference manifest that the verifier needs for this driver or VBIOS.
    ReferenceManifest = "reference_manifest",
        "the verifier has it, and it is valid",
        "Have the verifier given this manifest, or install a driver or VBIOS release that has a valid one.";
}

impl FindingId {
    /// Those that only [`examine_installation`](super::examine_installation) looks at.
    pub const OF_INSTALLATION: &'static [Self] = &[
        Self::Sandbox,
        Self::CacheDir,
        Self::RuntimeDir,
        Self::DeviceNodes,
        Self::ExecutableMemory,
        Self::CommandLimits,
        Self::MetricsFile,
        Self::Enrolment,
    ];
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How it looks, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// As it should be.
    Ok,
    /// Not a question for a device of this kind.
    NotApplicable,
    /// Could not be determined, which is not as it should be.
    Unknown,
    /// In the way of attesting.
    Problem,
}

impl FindingStatus {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotApplicable => "not_applicable",
            Self::Unknown => "unknown",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub id: FindingId,
    /// Position of the device it concerns, from 0. Never its identity, which is for life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<u32>,
    /// Id of the reference manifest it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// How it looks.
    pub status: FindingStatus,
    /// Stable words for the causes, where somebody else has them: of a device error, of the evidence, of the verifier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// What was found.
    pub found: String,
    /// What would be right.
    pub expected: &'static str,
    /// What to do; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

impl Finding {
    fn new(id: FindingId, status: FindingStatus, found: impl Into<String>) -> Self {
        let bad = matches!(status, FindingStatus::Problem | FindingStatus::Unknown);
        Self {
            id,
            device: None,
            manifest: None,
            status,
            codes: Vec::new(),
            found: found.into(),
            expected: id.expected(),
            remedy: bad.then_some(id.remedy()),
        }
    }

    pub(super) fn ok(id: FindingId, found: impl Into<String>) -> Self {
        Self::new(id, FindingStatus::Ok, found)
    }

    pub(super) fn problem(id: FindingId, found: impl Into<String>) -> Self {
        Self::new(id, FindingStatus::Problem, found)
    }

    pub(super) fn unknown(id: FindingId, found: impl Into<String>) -> Self {
        Self::new(id, FindingStatus::Unknown, found)
    }

    pub(super) fn not_applicable(id: FindingId, why: impl Into<String>) -> Self {
        Self::new(id, FindingStatus::NotApplicable, why)
    }

    /// Not looked at, for want of something that was looked at before and is told on its own. There is nothing to do
    /// about it but to mend that.
    pub(super) fn open(id: FindingId, want: FindingId) -> Self {
        Self {
            remedy: None,
            ..Self::unknown(id, format!("not looked at: see {want}"))
        }
    }

    /// A device, or the driver, that says why not.
    pub(super) fn device_error(id: FindingId, error: &DeviceError) -> Self {
        Self::problem(id, error.to_string())
            .code(error.code())
            .mend(error.remedy())
    }

    pub(super) fn code(mut self, code: impl Into<String>) -> Self {
        self.codes.push(code.into());
        self
    }

    pub(super) fn mend(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    pub(super) fn of_device(mut self, device: u32) -> Self {
        self.device = Some(device);
        self
    }

    pub(super) fn of_manifest(mut self, id: &str) -> Self {
        self.manifest = Some(id.to_owned());
        self
    }
}

impl fmt::Display for Finding {
    /// One line where there is nothing to do, else what is expected and what to do on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            FindingStatus::NotApplicable => "-",
            status => status.as_str(),
        };
        write!(f, "{status:<8} {}", self.id)?;
        if let Some(device) = self.device {
            write!(f, " (device {device})")?;
        }
        if let Some(manifest) = &self.manifest {
            write!(f, " {}", Printable(manifest))?;
        }
        write!(f, ": {}", Printable(&self.found))?;
        if !self.codes.is_empty() {
            write!(f, " [{}]", Printable(&self.codes.join(", ")))?;
        }
        let Some(remedy) = self.remedy else {
            return Ok(());
        };
        write!(
            f,
            "\n         expected: {}\n         remedy: {remedy}",
            self.expected
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_unique_snake_case_and_every_remedy_is_a_sentence() {
        let words: BTreeSet<_> = FindingId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(words.len(), FindingId::ALL.len());
        for id in FindingId::ALL {
            let snake = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(id.as_str().chars().all(snake), "{id}");
            assert!(id.remedy().ends_with('.'), "{id}");
            assert!(!id.expected().is_empty(), "{id}");
        }
    }

    #[test]
    fn every_word_has_its_row_in_the_readme() {
        let readme = include_str!("../../README.md");
        for id in FindingId::ALL {
            assert!(readme.contains(&format!("| `{id}` |")), "{id}");
        }
    }

    #[test]
    fn text_of_a_stranger_does_not_steer_a_terminal() {
        let finding = Finding::problem(FindingId::VerifierReady, "a\u{1b}[2Jb").code("\u{7}");
        let text = finding.to_string();
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}'),
            "{text}"
        );
        assert!(text.contains("\n         remedy: "), "{text}");
    }

    #[test]
    fn what_is_right_needs_no_remedy() {
        assert_eq!(Finding::ok(FindingId::Outbox, "empty").remedy, None);
        assert_eq!(
            Finding::ok(FindingId::Clock, "1 s ahead").to_string(),
            "ok       clock: 1 s ahead"
        );
    }
}
