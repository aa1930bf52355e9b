//! The NVIDIA GPUs of this machine, through the driver's management library (NVML).
//!
//! In scope: the preconditions of attestation (driver, GPU, chip family, confidential computing on), the report and the
//! certificate chain. [`Driver`] makes the single calls. [`Monitor`] and [`Gauge`] read the counters around a run.
//!
//! Out of scope: judging the evidence, except for two checks that only catch a driver that answered another question:
//! sizes, and the nonce in its place.
//!
//! Everything NVML says is an unsigned statement of the host. A library that is not NVIDIA's can claim any mode and any
//! name; it cannot sign a report.

mod driver;
mod monitor;

use std::path::Path;
use std::sync::Arc;

use evidence::device::Architecture;

pub use driver::{Account, Driver, Environment, Gauge, GpuProcess, Reading, SystemState};
pub use monitor::Monitor;

use super::{Description, Device, DeviceError, DeviceEvidence, Modes, NONCE_LENGTH, SourceKind};

/// Bytes of an SPDM 1.1 measurement request, with which every report begins.
const REQUEST_LENGTH: usize = 37;
/// Where the nonce lies in a report: behind four bytes of SPDM header.
const NONCE_IN_REPORT: std::ops::Range<usize> = 4..4 + NONCE_LENGTH;

/// One GPU that attests.
pub struct NvmlDevice {
    driver: Arc<Driver>,
    description: Description,
}

/// Opens every GPU the driver sees, after checking that each of them can attest.
///
/// `library` replaces the name given to the dynamic loader.
///
/// # Errors
/// In order: [`DeviceError::LibraryNotFound`], [`DeviceError::DriverNotLoaded`] or another failure
/// to start, [`DeviceError::NoGpu`], [`DeviceError::WrongArchitecture`] for the first such GPU,
/// [`DeviceError::ConfidentialComputingOff`]. Developer-tools mode is no error: see
/// [`Description::warnings`].
pub fn open(library: Option<&Path>) -> Result<Vec<NvmlDevice>, DeviceError> {
    let driver = Arc::new(Driver::load(library)?);
    let count = driver.count()?;
    let architectures = (0..count)
        .map(|index| driver.architecture(index))
        .collect::<Result<Vec<_>, _>>()?;
    let modes = modes(&driver)?;
    (0..count)
        .zip(architectures)
        .map(|(index, arch)| {
            Ok(NvmlDevice {
                description: describe(&driver, index, arch, modes)?,
                driver: Arc::clone(&driver),
            })
        })
        .collect()
}

impl Device for NvmlDevice {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn attest(&self, nonce: &[u8; NONCE_LENGTH]) -> Result<DeviceEvidence, DeviceError> {
        let index = self.description.index;
        let report = self.driver.report(index, nonce)?;
        check_report(&report, nonce)?;
        Ok(DeviceEvidence {
            arch: self.description.arch,
            report,
            chain_pem: self.driver.certificate_chain(index)?,
        })
    }
}

fn describe(
    driver: &Driver,
    index: u32,
    arch: Architecture,
    modes: Modes,
) -> Result<Description, DeviceError> {
    Ok(Description {
        source: SourceKind::Nvml,
        index,
        arch,
        name: driver.name(index)?,
        uuid: driver.uuid(index)?,
        // Words for people: a driver that does not tell its version can still attest.
        driver: driver.version().ok(),
        vbios: driver.vbios(index).ok(),
        modes: Some(modes),
    })
}

/// The system's confidential-computing modes.
///
/// # Errors
/// [`DeviceError::ConfidentialComputingOff`], a failed call.
fn modes(driver: &Driver) -> Result<Modes, DeviceError> {
    let state = driver.system_state()?;
    if !state.confidential_computing {
        return Err(DeviceError::ConfidentialComputingOff);
    }
    Ok(Modes {
        developer_tools: state.developer_tools,
        production: state.environment == Environment::Production,
        multi_gpu: driver.multi_gpu_mode().ok(),
    })
}

/// The report begins with a request, and the request carries the nonce that was asked.
fn check_report(report: &[u8], nonce: &[u8; NONCE_LENGTH]) -> Result<(), DeviceError> {
    if report.len() < REQUEST_LENGTH {
        return Err(DeviceError::ReportTooShort {
            size: report.len(),
            least: REQUEST_LENGTH,
        });
    }
    match report.get(NONCE_IN_REPORT) {
        Some(got) if got == nonce => Ok(()),
        got => Err(DeviceError::NonceNotEchoed {
            asked: hex::encode(nonce),
            got: hex::encode(got.unwrap_or_default()),
        }),
    }
}

#[cfg(test)]
mod tests;
