//! What there is to see: a driver, its modes, its GPUs, and what goes wrong.
//!
//! In scope: plain data with defaults that describe a healthy host. Everything NVML answers by a number is that number
//! here, so that a scene can also hold numbers nobody has defined.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Name of the scene's file beside the library.
pub const SCENE_FILE: &str = "scene.json";

/// A host as its driver shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// Version of the driver.
    pub driver_version: String,
    /// Version of the management library.
    pub nvml_version: String,
    /// Version of the CUDA driver, 1000 · major + 10 · minor.
    pub cuda_version: i32,
    /// `NVML_CC_SYSTEM_ENVIRONMENT_*`: 0 unavailable, 1 simulation, 2 production.
    pub environment: u32,
    /// `NVML_CC_SYSTEM_FEATURE_*`: 0 off, 1 on.
    pub cc_feature: u32,
    /// `NVML_CC_SYSTEM_DEVTOOLS_MODE_*`: 0 off, 1 on.
    pub dev_tools: u32,
    /// `NVML_CC_SYSTEM_MULTIGPU_*`: 0 none, 1 protected PCIe, 2 NVLink encryption.
    pub multi_gpu: u32,
    /// `NVML_CC_SYSTEM_CPU_CAPS_*` of the machine.
    pub cpu_capabilities: u32,
    /// `NVML_CC_SYSTEM_GPUS_CC_*`: 0 not capable, 1 capable.
    pub gpu_capabilities: u32,
    /// `NVML_CC_ACCEPTING_CLIENT_REQUESTS_*`: 0 no, 1 yes.
    pub ready: u32,
    /// How many GPUs are announced, call by call; the last number stays. Empty: as many as there are.
    pub announced: Vec<u32>,
    /// The GPUs.
    pub gpus: Vec<Gpu>,
    /// What fails, and what takes its time.
    pub faults: Vec<Fault>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// Product name.
    pub name: String,
    /// UUID. Empty: `GPU-fake-` and the index.
    pub uuid: String,
    /// Serial number of the board.
    pub serial: String,
    /// Version of the VBIOS.
    pub vbios: String,
    /// `NVML_DEVICE_ARCH_*`: 9 Hopper, 10 Blackwell.
    pub architecture: u32,
    /// Bus number on PCI domain 0.
    pub pci_bus: u32,
    /// Whose evidence it hands out.
    pub evidence: Evidence,
    /// Bytes of the report as announced, if not as many as there are.
    pub report_size: Option<u32>,
    /// Bytes of the attestation chain as announced, if not as many as there are.
    pub chain_size: Option<u32>,
    /// Energy since the driver was loaded, millijoules; each look adds `energy_step_mj`. Without it the call is not
    /// supported.
    pub energy_mj: Option<u64>,
    /// What each look at the energy adds.
    pub energy_step_mj: u64,
    /// Clocks of the multiprocessors and of the memory, MHz.
    pub clocks_mhz: (u32, u32),
    /// `nvmlClocksThrottleReason*` bits.
    pub throttle_reasons: u64,
    /// Temperature of the chip, degrees Celsius.
    pub temperature_c: u32,
    /// Memory in use, bytes.
    pub memory_used: u64,
    /// Uncorrectable errors since the driver was loaded. Without it the call is not supported.
    pub ecc_errors: Option<u64>,
    /// File with the ids of the processes with a compute context, one a line, read at each look; none without it.
    pub processes: Option<PathBuf>,
    /// Memory of each of them, bytes.
    pub process_memory: u64,
    /// Whether accounting is on: then every process asked about had this time (ms) and memory (bytes).
    pub accounting: Option<(u64, u64)>,
    /// Bytes of the report of the external root of trust (CEC) as announced; none is ever there.
    pub cec_report_size: u32,
}

/// Whose evidence a GPU hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// Zero bytes around the nonce, and the word `chain`: enough for what looks at sizes.
    #[default]
    Blank,
    /// The agent's software device of this folder signs the nonce that is asked.
    Simulated {
        /// Folder of the identity, made there at first use.
        dir: PathBuf,
        /// What stands in the place of the nonce.
        #[serde(default)]
        nonce: NonceIs,
    },
    /// Bytes of files, whatever nonce is asked.
    Recorded {
        /// File of the report.
        report: PathBuf,
        /// File of the chain, PEM.
        chain: PathBuf,
        /// What stands in the place of the nonce.
        #[serde(default)]
        nonce: NonceIs,
    },
}

/// What stands in a report where the nonce belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonceIs {
    /// What the evidence is for: the nonce asked of a device that signs, the old one of a recording.
    #[default]
    Signed,
    /// Another nonce than the one asked, with a right signature.
    Other,
    /// The nonce asked, written over another one after it was signed.
    Patched,
}

/// Something that goes wrong in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// C name of the function.
    pub call: String,
    /// Index of the only GPU concerned; all of them without it.
    pub gpu: Option<u32>,
    /// The `nvmlReturn_t` to answer with; 0 answers as if nothing were wrong.
    pub code: u32,
    /// How long the call takes before that, milliseconds.
    pub delay_ms: u64,
    /// So many calls go well first.
    pub after: u32,
    /// So many calls are concerned; without it all that follow.
    pub times: Option<u32>,
}

impl Default for Scene {
    /// A production host with confidential computing on, ready, without a GPU.
    fn default() -> Self {
        Self {
            driver_version: "550.90.07".to_owned(),
            nvml_version: "12.550.90.07".to_owned(),
            cuda_version: 12_040,
            environment: 2,
            cc_feature: 1,
            dev_tools: 0,
            multi_gpu: 0,
            cpu_capabilities: 2,
            gpu_capabilities: 1,
            ready: 1,
            announced: Vec::new(),
            gpus: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Default for Gpu {
    /// A Hopper with blank evidence.
    fn default() -> Self {
        Self {
            name: "fake GPU of the tests".to_owned(),
            uuid: String::new(),
            serial: "1650000000000".to_owned(),
            vbios: "96.00.9F.00.01".to_owned(),
            architecture: 9,
            pci_bus: 1,
            evidence: Evidence::Blank,
            report_size: None,
            chain_size: None,
            cec_report_size: 0,
            energy_mj: None,
            energy_step_mj: 0,
            clocks_mhz: (0, 0),
            throttle_reasons: 0,
            temperature_c: 0,
            memory_used: 0,
            ecc_errors: None,
            processes: None,
            process_memory: 0,
            accounting: None,
        }
    }
}

impl Fault {
    /// A call that answers with `code` every time.
    #[must_use]
    pub fn always(call: &str, code: u32) -> Self {
        Self {
            call: call.to_owned(),
            code,
            ..Self::default()
        }
    }

    /// A call that takes its time and then goes well.
    #[must_use]
    pub fn slow(call: &str, delay_ms: u64) -> Self {
        Self {
            call: call.to_owned(),
            delay_ms,
            ..Self::default()
        }
    }

    /// The same for one GPU alone.
    #[must_use]
    pub fn of_gpu(self, gpu: u32) -> Self {
        Self {
            gpu: Some(gpu),
            ..self
        }
    }
}
