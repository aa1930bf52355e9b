//! A scene that is being played.
//!
//! In scope: bringing the evidence of the GPUs into memory, counting calls, deciding which of them fail.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use attestation_agent::device::Device;
use attestation_agent::device::simulated::SimulatedDevice;

use crate::scene::{Evidence, Fault, Gpu, NonceIs, Scene};

/// Bytes of a nonce.
pub(crate) const NONCE_LENGTH: usize = 32;
/// Where the nonce lies in a report: behind four bytes of SPDM header.
const NONCE_IN_REPORT: std::ops::Range<usize> = 4..4 + NONCE_LENGTH;
/// Bytes of a blank report, as many as a genuine one may have.
const BLANK_REPORT: usize = 4130;
/// Names of the functions that a fault can concern.
const CALLS: [&str; 30] = [
    "nvmlInit_v2",
    "nvmlInitWithFlags",
    "nvmlSystemGetDriverVersion",
    "nvmlSystemGetNVMLVersion",
    "nvmlSystemGetCudaDriverVersion_v2",
    "nvmlSystemGetConfComputeCapabilities",
    "nvmlSystemGetConfComputeState",
    "nvmlSystemGetConfComputeSettings",
    "nvmlSystemGetConfComputeGpusReadyState",
    "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetIndex",
    "nvmlDeviceGetName",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetSerial",
    "nvmlDeviceGetVbiosVersion",
    "nvmlDeviceGetArchitecture",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetConfComputeGpuCertificate",
    "nvmlDeviceGetConfComputeGpuAttestationReport",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetTotalEccErrors",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetAccountingMode",
    "nvmlDeviceGetAccountingStats",
];

/// See the [module documentation](self).
pub(crate) struct Play {
    pub(crate) scene: Scene,
    sources: Vec<Source>,
    /// How often each fault has been met.
    met: Vec<AtomicU32>,
    /// How often the number of GPUs was asked for.
    counted: AtomicU32,
    /// How often the energy of a GPU was asked for.
    energy_looks: AtomicU32,
}

enum Source {
    Blank,
    Device(Box<SimulatedDevice>, Vec<u8>, NonceIs),
    Bytes {
        report: Vec<u8>,
        chain: Vec<u8>,
        nonce: NonceIs,
    },
}

impl Play {
    /// Reads a scene and everything it names.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let scene: Scene =
            serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let known = |fault: &&Fault| !CALLS.contains(&fault.call.as_str());
        if let Some(fault) = scene.faults.iter().find(known) {
            return Err(format!("no fault can concern {}", fault.call));
        }
        let sources = scene.gpus.iter().map(|gpu| Source::open(&gpu.evidence));
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            met: scene.faults.iter().map(|_| AtomicU32::new(0)).collect(),
            counted: AtomicU32::new(0),
            energy_looks: AtomicU32::new(0),
            scene,
        })
    }

    /// The energy of a GPU at the next look.
    pub(crate) fn energy_mj(&self, gpu: &Gpu) -> Option<u64> {
        let looks = self.energy_looks.fetch_add(1, Ordering::Relaxed);
        let added = gpu.energy_step_mj.saturating_mul(u64::from(looks));
        Some(gpu.energy_mj?.saturating_add(added))
    }

    /// Takes the time the scene says, and fails if it says so.
    pub(crate) fn meet(&self, call: &str, gpu: Option<u32>) -> Result<(), u32> {
        let numbered = self.scene.faults.iter().zip(&self.met);
        for (fault, met) in numbered {
            if fault.call != call || fault.gpu.is_some_and(|only| Some(only) != gpu) {
                continue;
            }
            let before = met.fetch_add(1, Ordering::Relaxed);
            let spent = |times: u32| before >= fault.after.saturating_add(times);
            if before < fault.after || fault.times.is_some_and(spent) {
                continue;
            }
            thread::sleep(Duration::from_millis(fault.delay_ms));
            if fault.code != 0 {
                return Err(fault.code);
            }
        }
        Ok(())
    }

    /// The number of GPUs as announced this time.
    pub(crate) fn count(&self) -> u32 {
        let asked = self.counted.fetch_add(1, Ordering::Relaxed);
        let announced = &self.scene.announced;
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        let said = announced.get(asked).or(announced.last()).copied();
        said.unwrap_or_else(|| u32::try_from(self.scene.gpus.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn gpu(&self, index: u32) -> Option<&Gpu> {
        self.scene.gpus.get(usize::try_from(index).ok()?)
    }

    /// The report of a GPU over a nonce; `None` if there is no such GPU or its device refuses.
    pub(crate) fn report(&self, index: u32, nonce: &[u8; NONCE_LENGTH]) -> Option<Vec<u8>> {
        self.source(index)?.report(nonce)
    }

    /// The certificate chain of a GPU.
    pub(crate) fn chain(&self, index: u32) -> Option<&[u8]> {
        Some(match self.source(index)? {
            Source::Blank => b"chain",
            Source::Device(_, chain, _) | Source::Bytes { chain, .. } => chain,
        })
    }

    fn source(&self, index: u32) -> Option<&Source> {
        self.sources.get(usize::try_from(index).ok()?)
    }
}

impl Source {
    fn open(evidence: &Evidence) -> Result<Self, String> {
        let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        Ok(match evidence {
            Evidence::Blank => Self::Blank,
            Evidence::Simulated { dir, nonce } => {
                let device = SimulatedDevice::open(dir).map_err(|e| e.to_string())?;
                let chain = device.attest(&[0; NONCE_LENGTH]).map(|e| e.chain_pem);
                let chain = chain.map_err(|e| e.to_string())?;
                Self::Device(Box::new(device), chain, *nonce)
            }
            Evidence::Recorded {
                report,
                chain,
                nonce,
            } => Self::Bytes {
                report: read(report)?,
                chain: read(chain)?,
                nonce: *nonce,
            },
        })
    }

    fn report(&self, asked: &[u8; NONCE_LENGTH]) -> Option<Vec<u8>> {
        let mut other = *asked;
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        let (mut report, nonce) = match self {
            Self::Blank => (vec![0; BLANK_REPORT], NonceIs::Patched),
            Self::Device(device, _, nonce) => {
                let signed = match nonce {
                    NonceIs::Signed => asked,
                    NonceIs::Other | NonceIs::Patched => &other,
                };
                (device.attest(signed).ok()?.report, *nonce)
            }
            Self::Bytes { report, nonce, .. } => (report.clone(), *nonce),
        };
        if nonce == NonceIs::Patched {
            report.get_mut(NONCE_IN_REPORT)?.copy_from_slice(asked);
        }
        Some(report)
    }
}
