//! The reference manifests at hand: files somebody named, and a directory to look in.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::Examined;
use evidence::appraise::{DeviceReading, Reference, ReferenceIds, References};
use evidence::cert::TrustAnchors;
use evidence::device::is_rim_id;
use evidence::limits::MAX_RIM_BYTES;
use evidence::rim::{Rim, RimRole};
use verifier_service::collateral::Collateral;

use crate::failure::Failure;
use crate::{Output, files};

/// Manifests that may be used.
pub(super) struct Manifests {
    offered: Vec<OfferedRim>,
    directory: Collateral,
}

/// A manifest file somebody named.
struct OfferedRim {
    path: PathBuf,
    rim: Examined<Rim>,
    used: Cell<bool>,
}

/// The manifests found for one device. What was named goes before what is filed.
pub(super) struct Found<'a> {
    ids: ReferenceIds,
    offered: [Option<&'a OfferedRim>; 2],
    filed: [Option<Arc<Examined<Rim>>>; 2],
}

impl Manifests {
    /// Reads the files named and looks at the directory.
    pub(super) fn open(
        paths: &[PathBuf],
        directory: Option<PathBuf>,
        anchors: TrustAnchors,
    ) -> Result<Self, Failure> {
        if let Some(path) = &directory {
            std::fs::read_dir(path).map_err(|e| Failure::unreadable(path.display(), &e))?;
        }
        let offered = paths.iter().map(|path| {
            let xml = files::read(path, MAX_RIM_BYTES)?;
            Ok(OfferedRim {
                path: path.clone(),
                rim: Rim::examine(&xml, &anchors),
                used: Cell::new(false),
            })
        });
        Ok(Self {
            offered: offered.collect::<Result<_, Failure>>()?,
            directory: Collateral::new(anchors, directory),
        })
    }

    /// The manifests for the device that was read.
    pub(super) fn find(&self, reading: &DeviceReading<'_>) -> Result<Found<'_>, Failure> {
        let ids = reading.reference_ids();
        let roles = [
            (RimRole::Driver, reading.driver_version()),
            (RimRole::Vbios, reading.vbios_version()),
        ];
        let offered = choose(&self.offered, roles);
        offered
            .iter()
            .flatten()
            .for_each(|offer| offer.used.set(true));
        let filed = [
            self.filed(ids.driver.as_deref())?,
            self.filed(ids.vbios.as_deref())?,
        ];
        Ok(Found {
            ids,
            offered,
            filed,
        })
    }

    /// A document that took no part is told, so that nobody believes it was looked at.
    pub(super) fn tell_unused(&self, out: &mut Output<'_>) {
        for offer in self.offered.iter().filter(|offer| !offer.used.get()) {
            out.note(format_args!("not used: {}", offer.path.display()));
        }
    }

    fn filed(&self, id: Option<&str>) -> Result<Option<Arc<Examined<Rim>>>, Failure> {
        let Some(id) = id else { return Ok(None) };
        self.directory
            .rim(id)
            .map_err(|e| Failure::unreadable(id, &e))
    }
}

impl Found<'_> {
    pub(super) fn references(&self) -> References<'_> {
        let [driver, vbios] = &self.offered;
        let [filed_driver, filed_vbios] = &self.filed;
        References {
            driver: either(*driver, self.ids.driver.as_deref(), filed_driver.as_deref()),
            vbios: either(*vbios, self.ids.vbios.as_deref(), filed_vbios.as_deref()),
            ..References::default()
        }
    }
}

fn either<'a>(
    offered: Option<&'a OfferedRim>,
    id: Option<&'a str>,
    filed: Option<&'a Examined<Rim>>,
) -> Option<Reference<'a>> {
    let filed = filed.map(|rim| Reference {
        id,
        rim,
        obtained_at: None,
    });
    offered.map(OfferedRim::reference).or(filed)
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
    fn reference(&self) -> Reference<'_> {
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
        if name.starts_with("NV_GPU_DRIVER_") || name.starts_with("NV_GPU_CC_DRIVER_") {
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
