//! Are the reference manifests authentic, and are they those of this device? (nvidia-evidence 6.4 to 6.6)

use serde::Serialize;

use super::DeviceReading;
use crate::check::{Check, CheckId, Status};
use crate::device::{self, Architecture, DeviceKind};
use crate::reason::{Code, Reason};
use crate::report::{OpaqueData, Report};
use crate::rim::Rim;
use crate::time::UnixTime;
use crate::trust::{Examined, Expires, Verified};
use crate::work::Hex;

/// Ids of the manifests a device asks for (nvidia-evidence 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceIds {
    /// Driver RIM; switches have none.
    pub driver: Option<String>,
    /// VBIOS RIM of a GPU, BIOS RIM of a switch.
    pub vbios: Option<String>,
}

/// The manifests that a report asks for.
pub(super) fn wanted(
    report: &Report,
    kind: DeviceKind,
    architecture: Option<Architecture>,
) -> ReferenceIds {
    let opaque = report.opaque();
    let driver = opaque.driver_version().zip(architecture);
    let driver = driver.and_then(|(version, architecture)| {
        device::driver_rim_id(architecture, opaque.chip_info(), version)
    });
    let vbios = match kind {
        DeviceKind::Gpu => gpu_vbios_rim_id(opaque),
        DeviceKind::Switch => opaque
            .switch_bios_version()
            .and_then(device::switch_bios_rim_id),
    };
    ReferenceIds { driver, vbios }
}

fn gpu_vbios_rim_id(opaque: &OpaqueData) -> Option<String> {
    let version = device::gpu_vbios_version(opaque.gpu_vbios_version()?);
    let (project, sku) = opaque.project().zip(opaque.project_sku())?;
    device::vbios_rim_id(project, sku, opaque.chip_sku()?, &version)
}

/// A manifest at hand.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The id it was filed under; `None` for a document somebody handed over without one. The document itself does
    /// not say which board it is for, so the id is what binds it to the device (row 92).
    pub id: Option<&'a str>,
    /// The document, examined.
    pub rim: &'a Examined<Rim>,
    /// When it was got from its source, where the caller knows: manifests are issued anew under their ids, and what
    /// came of that later is not known.
    pub obtained_at: Option<UnixTime>,
}

/// The manifests at hand for one device.
#[derive(Clone, Copy, Debug, Default)]
pub struct References<'a> {
    /// Driver RIM.
    pub driver: Option<Reference<'a>>,
    /// VBIOS or switch BIOS RIM.
    pub vbios: Option<Reference<'a>>,
    /// Why there is no driver RIM, where the caller knows more than that: what the network or the directory said.
    pub driver_absence: Option<&'a Reason>,
    /// The same for the VBIOS RIM.
    pub vbios_absence: Option<&'a Reason>,
}

/// A manifest that took part in an appraisal, and what was found true of it.
///
/// Each fact stands on its own and is `false` where it was not reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceUsed {
    /// The check it was judged by.
    pub role: CheckId,
    /// The id the device asks for.
    pub id: Option<String>,
    /// SHA-256 of the document; `null` if it could not be read.
    pub sha256: Option<Hex<32>>,
    /// When it was got from its source; `null` where nobody knows.
    pub obtained_at: Option<UnixTime>,
    /// The document is signed by a chain that leads to a pinned root.
    pub authentic: bool,
    /// Every certificate of that chain is valid at the time of appraisal.
    pub current: bool,
    /// The end of validity of that chain; `null` if the document could not be read.
    pub expires: Option<UnixTime>,
    /// It states the version that the report states.
    pub version_matches: bool,
    /// It passed every check of its role, so that its values may affirm or refute.
    pub trusted: bool,
}

/// One role's manifest, judged.
pub(super) struct JudgedReference<'a> {
    /// The document, whatever its trust.
    pub(super) rim: Option<&'a Rim>,
    pub(super) check: Check,
    /// The document once more, if it is authentic, valid at the time of appraisal, and fits the device.
    trusted: Option<Verified<&'a Rim>>,
    used: Option<ReferenceUsed>,
}

impl JudgedReference<'_> {
    /// Whether its values may refute or affirm a measurement.
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.is_some()
    }
}

/// Both roles, judged.
pub(super) struct JudgedReferences<'a> {
    pub(super) driver: JudgedReference<'a>,
    pub(super) vbios: JudgedReference<'a>,
}

impl JudgedReferences<'_> {
    /// Stated by the driver's manifest, if nothing is wrong with that but that its certificates ran out: who made the
    /// firmware does not change by that.
    pub(super) fn oemid(&self) -> Option<&str> {
        let driver = &self.driver;
        let mut reasons = driver.check.reasons.iter();
        let ran_out = driver.used.as_ref().is_some_and(|used| used.authentic)
            && reasons.all(|reason| reason.code == Code::CertificateExpired);
        let rim = driver.rim.filter(|_| driver.is_trusted() || ran_out)?;
        Some(rim.firmware_manufacturer_id())
    }

    pub(super) fn used(&self) -> Vec<ReferenceUsed> {
        let judged = [&self.driver, &self.vbios].into_iter();
        judged.filter_map(|judged| judged.used.clone()).collect()
    }

    /// The two checks. A switch has no driver of its own: that check is not requested.
    pub(super) fn into_checks(self, kind: DeviceKind) -> [Check; 2] {
        let driver = match kind {
            DeviceKind::Gpu => self.driver.check,
            DeviceKind::Switch => Check::not_requested(CheckId::DriverRim),
        };
        [driver, self.vbios.check]
    }
}

/// What the device says a manifest must be for.
struct Wanted<'a> {
    role: CheckId,
    id: Option<String>,
    version: Option<String>,
    product: Option<&'a str>,
    /// Whether the device is a software device; `None` if its chain leads to no root.
    simulated: Option<bool>,
}

impl<'a> References<'a> {
    /// Judges both manifests for the device.
    pub(super) fn judge(
        self,
        device: &DeviceReading<'_>,
        simulated: Option<bool>,
        as_of: UnixTime,
    ) -> JudgedReferences<'a> {
        let ids = device.reference_ids();
        let chip_info = device.report().and_then(|r| r.opaque().chip_info());
        let product = device
            .architecture
            .map(|a: Architecture| a.rim_product(chip_info));
        let driver = Wanted {
            role: CheckId::DriverRim,
            id: ids.driver,
            version: device.driver_version(),
            product,
            simulated,
        };
        let vbios = Wanted {
            role: CheckId::VbiosRim,
            id: ids.vbios,
            version: device.vbios_version(),
            product,
            simulated,
        };
        JudgedReferences {
            driver: driver.judge(self.driver, self.driver_absence, as_of),
            vbios: vbios.judge(self.vbios, self.vbios_absence, as_of),
        }
    }
}

impl Wanted<'_> {
    fn judge<'a>(
        self,
        at_hand: Option<Reference<'a>>,
        absence: Option<&Reason>,
        as_of: UnixTime,
    ) -> JudgedReference<'a> {
        let Some(reference) = at_hand else {
            return JudgedReference {
                rim: None,
                check: Check::unverifiable(self.role, self.missing(absence)),
                trusted: None,
                used: None,
            };
        };
        let rim = reference.rim.peek();
        let check = self.check(reference, as_of);
        let verified = reference.rim.verified_at(as_of);
        let trusted = verified.filter(|_| check.is_affirmed());
        let used = ReferenceUsed {
            role: self.role,
            id: self.id.clone(),
            sha256: rim.map(|rim| Hex(*rim.sha256())),
            obtained_at: reference.obtained_at,
            authentic: matches!(reference.rim, Examined::Authentic(_)),
            current: rim.is_some_and(|rim| rim.chain().reasons_at(as_of).is_empty()),
            expires: rim.and_then(|rim| rim.chain().expires()),
            version_matches: rim.is_some_and(|rim| self.is_of_version(rim)),
            trusted: trusted.is_some(),
        };
        JudgedReference {
            rim,
            check,
            trusted,
            used: Some(used),
        }
    }

    /// In the caller's words where there are any, and naming the id wanted in any case.
    fn missing(&self, absence: Option<&Reason>) -> Reason {
        let unknown = "unknown, as the report could not be read";
        let id = self.id.as_deref().unwrap_or(unknown);
        let untold = || Reason::new(Code::RimNotAvailable, "no manifest at hand");
        let reason = absence.cloned().unwrap_or_else(untold);
        reason.expected(id)
    }

    fn check(&self, reference: Reference<'_>, as_of: UnixTime) -> Check {
        let mut reasons = reference.rim.reasons_at(as_of);
        if let Some(rim) = reference.rim.peek() {
            reasons.extend(self.other_id(reference.id));
            reasons.extend(self.other_version(rim));
            reasons.extend(self.product.and_then(|product| rim.other_product(product)));
        }
        reasons.extend(self.other_kind_of_anchor(reference.rim));
        let check = Check::refuted_by(self.role, reasons);
        if !check.is_affirmed() {
            return check;
        }
        if self.version.is_none() || self.product.is_none() {
            let reason = Reason::new(Code::ReportUnreadable, "version and chip are unknown");
            return Check::with(self.role, Status::Unverifiable, vec![reason]);
        }
        Check::with(self.role, Status::Affirmed, self.unbound_id(reference.id))
    }

    /// Row 92: a VBIOS manifest does not say which board it is for. Handed over without an id, it is taken at the word of
    /// whoever did so, and the appraisal says that.
    fn unbound_id(&self, filed: Option<&str>) -> Vec<Reason> {
        let unbound = self.role == CheckId::VbiosRim && filed.is_none();
        let message = "manifest was handed over without its id";
        let reason = || Reason::new(Code::RimIdUnbound, message);
        let wanted = self.id.as_deref().unwrap_or_default();
        unbound
            .then(|| reason().expected(wanted))
            .into_iter()
            .collect()
    }

    /// Row 92: a document filed under an id is used for that id only.
    fn other_id(&self, filed: Option<&str>) -> Option<Reason> {
        let (wanted, filed) = self.id.as_deref().zip(filed)?;
        let reason = || Reason::new(Code::RimIdMismatch, "id the manifest is filed under");
        (wanted != filed).then(|| reason().expected(wanted).actual(filed))
    }

    /// Row 89: the version in the report, which is signed, not one stated beside it. VBIOS versions are hexadecimal,
    /// so their case says nothing (nvidia-evidence 6.5).
    fn other_version(&self, rim: &Rim) -> Option<Reason> {
        let version = self.version.as_deref()?;
        let reason = || Reason::new(Code::RimVersionMismatch, "version of the manifest");
        (!self.is_of_version(rim)).then(|| reason().expected(version).actual(rim.version()))
    }

    fn is_of_version(&self, rim: &Rim) -> bool {
        self.version
            .as_deref()
            .is_some_and(|version| match self.role {
                CheckId::VbiosRim => rim.version().eq_ignore_ascii_case(version),
                _ => rim.version() == version,
            })
    }

    /// Nobody who holds the key of a software root may say what genuine hardware should measure. Of a device whose chain
    /// leads to no root nothing can be said.
    fn other_kind_of_anchor(&self, rim: &Examined<Rim>) -> Option<Reason> {
        let Examined::Authentic(rim) = rim else {
            return None;
        };
        let simulated = self.simulated?;
        let word = |simulated| if simulated { "simulated" } else { "vendor" };
        let message = "kind of root the manifest leads to";
        let reason = || Reason::new(Code::RimAnchorMismatch, message);
        (rim.is_simulated() != simulated).then(|| {
            let reason = reason().expected(word(simulated));
            reason.actual(word(rim.is_simulated()))
        })
    }
}
