//! The devices that hand over attestation evidence.
//!
//! In scope: opening a device and asking it for evidence over a 32-byte nonce, through one trait
//! with three implementations:
//!
//! * [`nvml`]: the NVIDIA GPUs of this machine, through the driver's management library;
//! * [`recorded`]: evidence captured earlier, replayed as it is;
//! * [`simulated`]: a software device that signs with a root of its own, for machines without a GPU.
//!
//! Out of scope: judging evidence (the verifier does), choosing the nonce (the binder does),
//! submitting anything.
//!
//! Nothing a device returns is authentic before a verifier has said so. A [`Description`] never
//! becomes authentic at all: it is what the driver said, for logs and for the person who runs the
//! host.

mod error;
mod files;
pub mod nvml;
pub mod recorded;
pub mod simulated;

use std::fmt;
use std::path::PathBuf;

use evidence::device::Architecture;
use serde::{Deserialize, Serialize};

pub use error::DeviceError;

/// Bytes of the nonce a device signs over (SPDM 1.1 measurement request).
pub const NONCE_LENGTH: usize = 32;

/// Something that can be asked for attestation evidence.
///
/// What comes back has no integrity protection of its own on this side of the border: its
/// trustworthiness is established by the verifier, from the certificates and signatures inside it.
pub trait Device: Send + Sync {
    /// What this device says of itself: unsigned, for people.
    fn describe(&self) -> Description;

    /// Asks for a report over `nonce`, with the certificate chain of the key that signed it.
    ///
    /// Blocks for as long as the device takes, which for a GPU may be seconds.
    ///
    /// # Errors
    /// The cause of the failure; [`DeviceError::remedy`] says what to do about it.
    fn attest(&self, nonce: &[u8; NONCE_LENGTH]) -> Result<DeviceEvidence, DeviceError>;
}

/// Opens every device of one kind.
///
/// All or nothing: a list that silently misses a device would be a false statement about the host.
///
/// # Errors
/// The cause for the first device that cannot be opened, or that there is none.
pub fn open(selection: &Selection) -> Result<Vec<Box<dyn Device>>, DeviceError> {
    match selection {
        Selection::Nvml { library } => Ok(boxed(nvml::open(library.as_deref())?)),
        Selection::Recorded { dir } => Ok(boxed(recorded::open(dir)?)),
        Selection::Simulated { dir } => Ok(boxed(vec![simulated::SimulatedDevice::open(dir)?])),
    }
}

fn boxed<D: Device + 'static>(devices: Vec<D>) -> Vec<Box<dyn Device>> {
    devices
        .into_iter()
        .map(|d| -> Box<dyn Device> { Box::new(d) })
        .collect()
}

/// Which devices to open. In a configuration file: `kind = "nvml"` and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Selection {
    /// The NVIDIA GPUs of this machine.
    Nvml {
        /// The management library, if the loader does not find it as `libnvidia-ml.so.1`.
        #[serde(default)]
        library: Option<PathBuf>,
    },
    /// Captured evidence in a folder, or in the sub-folders of it.
    Recorded {
        /// The folder.
        dir: PathBuf,
    },
    /// A software device whose identity lives in a folder, made there at first use.
    Simulated {
        /// The folder.
        dir: PathBuf,
    },
}

/// What a device hands over for one nonce. Unauthenticated bytes; the verifier judges them.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceEvidence {
    /// Chip family the evidence claims to be of: tells the verifier how to read the report.
    pub arch: Architecture,
    /// SPDM 1.1 measurement request and response, without any framing.
    pub report: Vec<u8>,
    /// Certificate chain of the signing key: PEM text, leaf first, root last.
    pub chain_pem: Vec<u8>,
}

impl fmt::Debug for DeviceEvidence {
    /// Sizes only: evidence identifies a device for life and does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceEvidence")
            .field("arch", &self.arch)
            .field("report_bytes", &self.report.len())
            .field("chain_bytes", &self.chain_pem.len())
            .finish()
    }
}

/// Where a device's evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A driver on this machine.
    Nvml,
    /// Files captured earlier.
    Recorded,
    /// Software that imitates a device.
    Simulated,
}

/// Unsigned statements about a device. The host can forge every one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// What stands behind the device.
    pub source: SourceKind,
    /// NVML index, or position among the devices opened together, from 0.
    pub index: u32,
    /// Chip family.
    pub arch: Architecture,
    /// Product name.
    pub name: String,
    /// Identifier within this source; not an identity, see the signed serial number for that.
    pub uuid: String,
    /// Driver version, where known.
    pub driver: Option<String>,
    /// VBIOS version, where known.
    pub vbios: Option<String>,
    /// Confidential-computing modes, where a driver told them.
    pub modes: Option<Modes>,
}

impl Description {
    /// What a careful operator wants to know before the verifier says it.
    #[must_use]
    pub fn warnings(&self) -> Vec<DeviceError> {
        let debug = self.modes.is_some_and(|modes| modes.developer_tools);
        debug
            .then_some(DeviceError::DeveloperMode)
            .into_iter()
            .collect()
    }
}

/// Confidential-computing modes as the driver states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Modes {
    /// Developer-tools mode: debugging and profiling allowed, measurements differ.
    pub developer_tools: bool,
    /// Production environment, as opposed to NVIDIA-internal simulation and test set-ups.
    pub production: bool,
    /// How several GPUs are joined; absent where the driver does not say.
    pub multi_gpu: Option<MultiGpuMode>,
}

/// `multiGpuMode` of NVML's confidential-computing settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MultiGpuMode {
    /// GPUs are used one by one.
    None,
    /// Protected PCIe: all GPUs and switches of the system belong to one guest.
    ProtectedPcie,
    /// Encrypted NVLink.
    NvlinkEncryption,
    /// A value this program does not know.
    Other(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_reads_as_configuration_text() {
        let read = |text| serde_json::from_str::<Selection>(text);
        assert_eq!(
            read(r#"{"kind":"nvml"}"#).unwrap(),
            Selection::Nvml { library: None }
        );
        assert_eq!(
            read(r#"{"kind":"simulated","dir":"/x"}"#).unwrap(),
            Selection::Simulated {
                dir: PathBuf::from("/x")
            }
        );
        assert!(read(r#"{"kind":"recorded"}"#).is_err());
        assert!(read(r#"{"kind":"nvml","libary":"/x"}"#).is_err());
    }

    #[test]
    fn architectures_are_spelled_one_way() {
        for arch in [
            Architecture::Hopper,
            Architecture::Blackwell,
            Architecture::Ls10,
        ] {
            let json = serde_json::to_string(&arch).unwrap();
            assert_eq!(json, format!("\"{arch}\""));
        }
    }

    #[test]
    fn evidence_does_not_print_itself() {
        let evidence = DeviceEvidence {
            arch: Architecture::Hopper,
            report: vec![7; 9],
            chain_pem: b"secret".to_vec(),
        };
        let text = format!("{evidence:?}");
        assert!(
            text.contains("report_bytes: 9") && !text.contains("secret"),
            "{text}"
        );
    }
}
