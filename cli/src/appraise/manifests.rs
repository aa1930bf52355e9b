//! The reference manifests that somebody named, and which of them is for which role of a device.

use std::cell::Cell;
use std::path::PathBuf;

use evidence::Examined;
use evidence::appraise::{DeviceReading, Reference};
use evidence::cert::TrustAnchors;
use evidence::device::{is_driver_rim_id, is_rim_id};
use evidence::limits::MAX_RIM_BYTES;
use evidence::rim::{Rim, RimRole};

use crate::failure::Failure;
use crate::{Output, files};

/// Manifests that go before any other.
pub(super) struct Manifests(Vec<OfferedRim>);

/// A manifest file somebody named.
pub(super) struct OfferedRim {
    path: PathBuf,
    rim: Examined<Rim>,
    used: Cell<bool>,
}

impl Manifests {
    /// Reads the files named.
    pub(super) fn read(paths: &[PathBuf], anchors: &TrustAnchors) -> Result<Self, Failure> {
        let offered = paths.iter().map(|path| {
            let xml = files::read(path, MAX_RIM_BYTES)?;
            Ok(OfferedRim {
                path: path.clone(),
                rim: Rim::examine(&xml, anchors),
                used: Cell::new(false),
            })
        });
        offered.collect::<Result<_, Failure>>().map(Self)
    }

    /// The manifests of driver and VBIOS for the device that was read, as far as they were named.
    pub(super) fn choose(&self, reading: &DeviceReading<'_>) -> [Option<&OfferedRim>; 2] {
        let roles = [
            (RimRole::Driver, reading.driver_version()),
            (RimRole::Vbios, reading.vbios_version()),
        ];
        let chosen = choose(&self.0, roles);
        chosen
            .iter()
            .flatten()
            .for_each(|offer| offer.used.set(true));
        chosen
    }

    /// A document that took no part is told, so that nobody believes it was looked at.
    pub(super) fn tell_unused(&self, out: &mut Output<'_>) {
        for offer in self.0.iter().filter(|offer| !offer.used.get()) {
            out.note(format_args!("not used: {}", offer.path.display()));
        }
    }
}

/// Finds a document for each role: the one for the right version, else any of that role, else one that says of
/// neither role that it is for it, which then fails that role's check with its reasons.
fn choose(
    offered: &[OfferedRim],
    roles: [(RimRole, Option<String>); 2],
) -> [Option<&OfferedRim>; 2] {
    roles.map(|(role, version)| {
        let of_role = || offered.iter().filter(|offer| offer.role() == Some(role));
        let right = of_role().find(|offer| offer.is_for(version.as_deref()));
        let unknown = || offered.iter().find(|offer| offer.role().is_none());
        right.or_else(|| of_role().next()).or_else(unknown)
    })
}

impl OfferedRim {
    /// The document under the id its file is named after, if that is one. A file of another name binds it to no board,
    /// and the appraisal says so.
    pub(super) fn reference(&self) -> Reference<'_> {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str());
        Reference {
            id: stem.filter(|stem| is_rim_id(stem)),
            rim: &self.rim,
            obtained_at: None,
        }
    }

    /// By the document's own version, or by the file's name if the document cannot be read.
    fn role(&self) -> Option<RimRole> {
        if let Some(rim) = self.rim.peek() {
            return Some(rim.role());
        }
        let name = self.path.file_name()?.to_string_lossy();
        if is_driver_rim_id(&name) {
            Some(RimRole::Driver)
        } else if name.starts_with("NV_GPU_VBIOS_") || name.starts_with("NV_SWITCH_BIOS_") {
            Some(RimRole::Vbios)
        } else {
            None
        }
    }

    fn is_for(&self, version: Option<&str>) -> bool {
        let documented = self.rim.peek().map(Rim::version);
        documented
            .zip(version)
            .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    }
}
