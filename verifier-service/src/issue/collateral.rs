//! The manifests that the appraisal compared with and the answers that it used, each listed once, however many devices
//! it was for.

use std::collections::{BTreeMap, BTreeSet};

use evidence::appraise::{ChainRevocation, DeviceAppraisal};
use evidence::ocsp::{RevocationFinding, RevocationStatus};
use evidence::{CheckId, UnixTime};
use receipt::{CertificateRevocation, CertificateStatus, InvalidValue, Sha256Digest, Text};

use super::{IssueError, device, seconds};

/// Position of the certificate that each device has for itself (nvidia-evidence 4.1).
const OWN_CERTIFICATE: usize = 1;

/// The manifests. One that was not fetched but lay in a directory is as old as the appraisal.
pub(super) fn manifests(
    devices: &[DeviceAppraisal],
    as_of: UnixTime,
) -> Result<Vec<receipt::Collateral>, IssueError> {
    let used = devices.iter().flat_map(|device| device.references());
    let by_digest: BTreeMap<_, _> = used
        .filter_map(|used| Some((used.sha256?.0, (used.id.as_deref(), used.obtained_at))))
        .collect();
    let entries = by_digest.into_iter().map(|(sha256, (id, obtained_at))| {
        Ok(receipt::Collateral {
            id: Text::new(id.unwrap_or("unnamed"))?,
            sha256: Sha256Digest::from_bytes(sha256),
            as_of: time(obtained_at.unwrap_or(as_of))?,
        })
    });
    entries.collect()
}

/// The certificates asked about. Those without an answer are told apart by their place alone.
pub(super) fn revocation(
    devices: &[DeviceAppraisal],
) -> Result<Vec<CertificateRevocation>, IssueError> {
    let mut answers = BTreeSet::new();
    let mut entries = Vec::new();
    for (position, device) in devices.iter().enumerate() {
        for chain in device.revocation() {
            let name = chain_name(device, position, chain)?;
            let new = chain.certificates.iter().filter(|finding| {
                finding
                    .response_sha256()
                    .is_none_or(|sha256| answers.insert(sha256.0))
            });
            let is_of_device = chain.chain == CheckId::Chain;
            let of_chain: Result<Vec<_>, IssueError> = new
                .map(|finding| entry(name.clone(), is_of_device, finding))
                .collect();
            entries.extend(of_chain?);
        }
    }
    Ok(entries)
}

/// The device's submodule, or the id of the manifest the chain signed.
fn chain_name(
    device: &DeviceAppraisal,
    position: usize,
    chain: &ChainRevocation,
) -> Result<Text, InvalidValue> {
    if chain.chain == CheckId::Chain {
        return device::submod(device, position);
    }
    let mut used = device.references().iter();
    let manifest = used.find(|used| used.role == chain.chain);
    let id = manifest.and_then(|used| used.id.as_deref());
    Text::new(id.unwrap_or("unnamed"))
}

fn entry(
    chain: Text,
    is_of_device: bool,
    finding: &RevocationFinding,
) -> Result<CertificateRevocation, IssueError> {
    let reason = finding.revocation_reason().map(|reason| reason.as_str());
    // An answer about the device's own certificate is one of a kind: its digest and its seconds would join receipts that
    // name the device differently.
    let shared = (!(is_of_device && finding.position() == OWN_CERTIFICATE)).then_some(finding);
    Ok(CertificateRevocation {
        chain,
        // A chain has five certificates at most.
        position: u8::try_from(finding.position()).unwrap_or(u8::MAX),
        subject: Text::new(finding.subject())?,
        status: status(finding.status()),
        reason: reason.map(Text::new).transpose()?,
        sha256: shared
            .and_then(RevocationFinding::response_sha256)
            .map(|sha256| Sha256Digest::from_bytes(sha256.0)),
        this_update: shared
            .and_then(RevocationFinding::this_update)
            .map(time)
            .transpose()?,
        next_update: shared
            .and_then(RevocationFinding::next_update)
            .map(time)
            .transpose()?,
    })
}

const fn status(status: RevocationStatus) -> CertificateStatus {
    match status {
        RevocationStatus::Good => CertificateStatus::Good,
        RevocationStatus::OnHold => CertificateStatus::OnHold,
        RevocationStatus::Revoked => CertificateStatus::Revoked,
        RevocationStatus::Unknown => CertificateStatus::Unknown,
        RevocationStatus::NotChecked => CertificateStatus::NotChecked,
    }
}

fn time(time: UnixTime) -> Result<receipt::UnixTime, IssueError> {
    Ok(receipt::UnixTime::from_secs(seconds(time)?))
}
