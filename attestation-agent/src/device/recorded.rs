//! Evidence captured earlier, replayed as it is.
//!
//! In scope: reading one or several captures from a folder, strictly about names and sizes.
//!
//! | file | content | limit |
//! |---|---|---|
//! | `report.bin` | the report, without framing | 16 KiB |
//! | `chain.pem` | certificate chain, PEM, leaf first | 32 KiB |
//! | `nonce.hex` | optional: the nonce it was captured with, 64 hexadecimal digits | 66 bytes |
//!
//! Out of scope: freshness. A capture cannot follow a challenge: [`RecordedDevice::attest`] returns
//! the same bytes for every nonce, and a verifier refutes them with `nonce_mismatch` unless the
//! nonce it expects is the recorded one. That is what recorded evidence is for: re-appraising old
//! evidence, and exercising a verifier against genuine devices without owning one.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::files::read_bounded;
use evidence::cert::Certificate;
use evidence::device::Architecture;

use super::{Description, Device, DeviceError, DeviceEvidence, NONCE_LENGTH, SourceKind};

/// The largest report accepted, in bytes: twice the buffer NVML gives a driver.
const REPORT_LIMIT: u64 = 16 * 1024;
/// The largest chain accepted, in bytes: six times the buffer NVML gives a driver.
const CHAIN_LIMIT: u64 = 32 * 1024;
/// 64 digits and a line end, which may be CR LF.
const NONCE_FILE_LIMIT: u64 = 66;
/// Where the nonce lies in a report: behind four bytes of SPDM header.
const NONCE_IN_REPORT: std::ops::Range<usize> = 4..4 + NONCE_LENGTH;

/// One capture.
#[derive(Clone, Debug)]
pub struct RecordedDevice {
    index: u32,
    name: String,
    evidence: DeviceEvidence,
    nonce: [u8; NONCE_LENGTH],
}

/// Reads the captures of a folder: the folder itself if it holds a `report.bin`, else each
/// sub-folder that does, in order of name.
///
/// # Errors
/// [`DeviceError::NothingRecorded`] if there is none; what is wrong with the first bad one.
pub fn open(dir: &Path) -> Result<Vec<RecordedDevice>, DeviceError> {
    let folders = capture_folders(dir)?;
    (0u32..)
        .zip(&folders)
        .map(|(index, folder)| RecordedDevice::read(index, folder))
        .collect()
}

fn capture_folders(dir: &Path) -> Result<Vec<PathBuf>, DeviceError> {
    if dir.join("report.bin").is_file() {
        return Ok(vec![dir.to_path_buf()]);
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| DeviceError::io("list", dir, e))? {
        let path = entry.map_err(|e| DeviceError::io("list", dir, e))?.path();
        if path.join("report.bin").is_file() {
            folders.push(path);
        }
    }
    if folders.is_empty() {
        return Err(DeviceError::NothingRecorded {
            dir: dir.to_path_buf(),
        });
    }
    folders.sort();
    Ok(folders)
}

impl RecordedDevice {
    fn read(index: u32, folder: &Path) -> Result<Self, DeviceError> {
        let report = read_bounded(&folder.join("report.bin"), REPORT_LIMIT)?;
        let chain_path = folder.join("chain.pem");
        let chain_pem = read_bounded(&chain_path, CHAIN_LIMIT)?;
        let leaf = first_certificate(&chain_path, &chain_pem)?;
        let leaf = Certificate::from_der(&leaf).map_err(|_| DeviceError::ChainMalformed {
            path: chain_path,
            reason: "its first PEM block holds no X.509 certificate that can be read".to_owned(),
        })?;
        // A hint for routing: the verifier derives it again from a chain it has validated.
        let named = Architecture::of_common_name(leaf.common_name());
        let arch = named.ok_or_else(|| DeviceError::WrongArchitecture {
            device: index,
            found: "a leaf certificate of no known chip family".to_owned(),
        })?;
        let nonce = match read_nonce(&folder.join("nonce.hex"))? {
            Some(nonce) => nonce,
            None => nonce_of(&report)?,
        };
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let evidence = DeviceEvidence {
            arch,
            report,
            chain_pem,
        };
        Ok(Self {
            index,
            name,
            evidence,
            nonce,
        })
    }

    /// The nonce this evidence was captured with: from `nonce.hex`, else from the report.
    #[must_use]
    pub fn recorded_nonce(&self) -> &[u8; NONCE_LENGTH] {
        &self.nonce
    }
}

impl Device for RecordedDevice {
    fn describe(&self) -> Description {
        let id = digest(&SHA256, &self.evidence.report);
        Description {
            source: SourceKind::Recorded,
            index: self.index,
            arch: self.evidence.arch,
            name: format!("recorded {}", self.name),
            uuid: format!("REC-{}", hex::encode(id).get(..16).unwrap_or_default()),
            driver: None,
            vbios: None,
            modes: None,
        }
    }

    /// The recorded bytes, whatever the nonce: see the module's words on freshness.
    fn attest(&self, _nonce: &[u8; NONCE_LENGTH]) -> Result<DeviceEvidence, DeviceError> {
        Ok(self.evidence.clone())
    }
}

fn read_nonce(path: &Path) -> Result<Option<[u8; NONCE_LENGTH]>, DeviceError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = read_bounded(path, NONCE_FILE_LIMIT)?;
    let mut nonce = [0; NONCE_LENGTH];
    hex::decode_to_slice(text.trim_ascii_end(), &mut nonce).map_err(|_| {
        DeviceError::NonceMalformed {
            path: path.to_path_buf(),
        }
    })?;
    Ok(Some(nonce))
}

fn nonce_of(report: &[u8]) -> Result<[u8; NONCE_LENGTH], DeviceError> {
    report
        .get(NONCE_IN_REPORT)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(DeviceError::ReportTooShort {
            size: report.len(),
            least: NONCE_IN_REPORT.end,
        })
}

fn first_certificate(path: &Path, chain: &[u8]) -> Result<Vec<u8>, DeviceError> {
    let malformed = |reason: String| DeviceError::ChainMalformed {
        path: path.to_path_buf(),
        reason,
    };
    let blocks = pem::parse_many(chain).map_err(|e| malformed(e.to_string()))?;
    let first = blocks
        .into_iter()
        .next()
        .ok_or_else(|| malformed("no PEM block".to_owned()))?;
    match first.tag() {
        "CERTIFICATE" => Ok(first.into_contents()),
        other => Err(malformed(format!("first PEM block is {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDevice;
    use super::*;

    /// A capture of a simulated device in `dir`, over the nonce of all sevens.
    fn capture(dir: &Path) -> DeviceEvidence {
        let device = SimulatedDevice::open(&dir.join(".simulated")).unwrap();
        let evidence = device.attest(&[7; NONCE_LENGTH]).unwrap();
        fs::write(dir.join("report.bin"), &evidence.report).unwrap();
        fs::write(dir.join("chain.pem"), &evidence.chain_pem).unwrap();
        evidence
    }

    fn code_of(dir: &Path) -> &'static str {
        open(dir).expect_err("a bad capture was accepted").code()
    }

    #[test]
    fn a_capture_comes_back_byte_for_byte_whatever_the_nonce() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = capture(dir.path());
        let devices = open(dir.path()).unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].attest(&[0; NONCE_LENGTH]).unwrap(), evidence);
        assert_eq!(devices[0].recorded_nonce(), &[7; NONCE_LENGTH]);
        let said = devices[0].describe();
        assert_eq!(
            (said.source, said.arch),
            (SourceKind::Recorded, Architecture::Hopper)
        );
    }

    #[test]
    fn sub_folders_are_several_devices_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["gpu-1", "gpu-0"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            capture(&dir.path().join(name));
        }
        fs::create_dir(dir.path().join("notes")).unwrap();
        let names: Vec<_> = open(dir.path())
            .unwrap()
            .iter()
            .map(|d| (d.describe().index, d.describe().name))
            .collect();
        assert_eq!(
            names,
            [
                (0, "recorded gpu-0".to_owned()),
                (1, "recorded gpu-1".to_owned())
            ]
        );
    }

    #[test]
    fn a_nonce_file_is_read_strictly() {
        let dir = tempfile::tempdir().unwrap();
        capture(dir.path());
        let nonce = dir.path().join("nonce.hex");
        fs::write(&nonce, format!("{}\n", "0A".repeat(32))).unwrap();
        assert_eq!(
            open(dir.path()).unwrap()[0].recorded_nonce(),
            &[10; NONCE_LENGTH]
        );
        for bad in [
            "0a".repeat(31),
            "zz".repeat(32),
            format!(" {}", "0a".repeat(32)),
        ] {
            fs::write(&nonce, bad).unwrap();
            assert_eq!(code_of(dir.path()), "recorded_nonce_malformed");
        }
        fs::write(&nonce, "0a".repeat(34)).unwrap();
        assert_eq!(code_of(dir.path()), "device_file_too_large");
    }

    #[test]
    fn sizes_are_held() {
        let dir = tempfile::tempdir().unwrap();
        capture(dir.path());
        let (report, chain) = (dir.path().join("report.bin"), dir.path().join("chain.pem"));
        fs::write(&report, vec![0; 16 * 1024 + 1]).unwrap();
        assert_eq!(code_of(dir.path()), "device_file_too_large");
        fs::write(&report, vec![0; 16 * 1024]).unwrap();
        assert!(open(dir.path()).is_ok());
        fs::write(&report, [0; 35]).unwrap();
        assert_eq!(code_of(dir.path()), "device_report_too_short");
        fs::write(&report, []).unwrap();
        assert_eq!(code_of(dir.path()), "device_file_empty");
        capture(dir.path());
        fs::write(&chain, vec![b'\n'; 32 * 1024 + 1]).unwrap();
        assert_eq!(code_of(dir.path()), "device_file_too_large");
    }

    #[test]
    fn chains_that_are_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        capture(dir.path());
        let chain = dir.path().join("chain.pem");
        fs::write(&chain, "no certificates here").unwrap();
        assert_eq!(code_of(dir.path()), "device_chain_malformed");
        fs::write(
            &chain,
            pem::encode(&pem::Pem::new("X509 CRL", b"x".to_vec())),
        )
        .unwrap();
        assert_eq!(code_of(dir.path()), "device_chain_malformed");
        fs::write(
            &chain,
            pem::encode(&pem::Pem::new("CERTIFICATE", b"x".to_vec())),
        )
        .unwrap();
        assert_eq!(code_of(dir.path()), "device_chain_malformed");
        let device = SimulatedDevice::open(&dir.path().join(".simulated")).unwrap();
        let root = pem::Pem::new("CERTIFICATE", device.device_root_der());
        fs::write(&chain, pem::encode(&root)).unwrap();
        assert_eq!(code_of(dir.path()), "wrong_architecture");
        fs::remove_file(&chain).unwrap();
        assert_eq!(code_of(dir.path()), "device_io");
    }

    #[test]
    fn folders_without_captures_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(code_of(dir.path()), "nothing_recorded");
        assert_eq!(code_of(&dir.path().join("absent")), "device_io");
    }
}
