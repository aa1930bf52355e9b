//! Whether the manifests that a device would ask for are at hand and valid, for those who want to know before they
//! deploy.
//!
//! In scope: the state of one manifest by its id. Out of scope: which ids a device has (`evidence::device`), HTTP.

use evidence::device::is_driver_rim_id;
use evidence::rim::RimRole;
use evidence::work::Hex;
use evidence::{Code, Examined, Expires, Reason, UnixTime};
use serde::Serialize;

use super::{Absence, AbsenceKind, Origin, RimAtHand};

/// What a manifest is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ManifestStatus {
    /// Authentic and valid.
    Available,
    /// Authentic, and one of its certificates has expired.
    Expired,
    /// Authentic, and one of its certificates is not valid yet.
    NotYetValid,
    /// It cannot be used.
    Refused,
    /// There is none.
    Missing,
    /// Nobody could be asked.
    Unreachable,
}

/// A manifest that a device would ask for.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    role: &'static str,
    /// `null` where a VBIOS was asked for without its board, and none is at hand.
    id: Option<String>,
    status: ManifestStatus,
    /// The first moment at which one of its certificates expires.
    valid_until: Option<UnixTime>,
    reasons: Vec<Reason>,
    /// Where it came from.
    source: Option<&'static str>,
    sha256: Option<Hex<32>>,
    /// Whether it is for software devices.
    simulated: Option<bool>,
}

impl Manifest {
    /// What a look-up under this id came to.
    #[must_use]
    pub fn of(id: &str, found: Result<&RimAtHand, &Absence>, as_of: UnixTime) -> Self {
        let role = role_of(id);
        match found {
            Ok(found) => Self::at_hand(id, role, found, as_of),
            Err(absence) => {
                let status = match absence.kind {
                    AbsenceKind::NotConfigured | AbsenceKind::Missing => ManifestStatus::Missing,
                    AbsenceKind::Refused => ManifestStatus::Refused,
                    AbsenceKind::Unreachable => ManifestStatus::Unreachable,
                };
                Self {
                    id: Some(id.to_owned()),
                    reasons: vec![absence.reason.clone()],
                    ..Self::empty(role, status)
                }
            }
        }
    }

    /// A VBIOS of which no manifest is known for any board: there is none, or, for the reason given, nobody could be asked.
    #[must_use]
    pub fn of_unknown_board(version: &str, unasked: Option<Reason>) -> Self {
        let message =
            "no manifest for any board with this VBIOS, neither at hand nor listed by a service";
        let reason = || Reason::new(Code::RimNotAvailable, message).expected(version);
        let (reason, status) = match unasked {
            Some(reason) => (reason, ManifestStatus::Unreachable),
            None => (reason(), ManifestStatus::Missing),
        };
        Self {
            reasons: vec![reason],
            ..Self::empty(RimRole::Vbios, status)
        }
    }

    /// Whether a device could be appraised against it now.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.status == ManifestStatus::Available
    }

    /// What it is worth.
    #[must_use]
    pub fn status(&self) -> ManifestStatus {
        self.status
    }

    fn at_hand(id: &str, role: RimRole, found: &RimAtHand, as_of: UnixTime) -> Self {
        let mut reasons = found.rim.reasons_at(as_of);
        let rim = found.rim.peek();
        // Under an id that is not its own it would be refused for every device that asks for it.
        reasons.extend(rim.and_then(|rim| rim.objection_to_id(id)));
        let of_time = match &*found.rim {
            Examined::Authentic(authentic) => authentic.get().reasons_at(as_of),
            _ => Vec::new(),
        };
        let status = match (&*found.rim, reasons.as_slice()) {
            (Examined::Authentic(_), []) => ManifestStatus::Available,
            (Examined::Authentic(_), reasons) if reasons == of_time => by_time(reasons),
            _ => ManifestStatus::Refused,
        };
        let certificates = rim.map(|rim| rim.chain().certificates());
        let ends = certificates.unwrap_or_default().iter();
        Self {
            id: Some(id.to_owned()),
            valid_until: ends.map(|c| c.validity().not_after).min(),
            reasons,
            source: Some(Origin::as_str(found.origin)),
            sha256: Some(Hex(found.sha256)),
            simulated: match &*found.rim {
                Examined::Authentic(authentic) => Some(authentic.is_simulated()),
                _ => None,
            },
            ..Self::empty(role, status)
        }
    }

    fn empty(role: RimRole, status: ManifestStatus) -> Self {
        Self {
            role: match role {
                RimRole::Driver => "driver_rim",
                RimRole::Vbios => "vbios_rim",
            },
            id: None,
            status,
            valid_until: None,
            reasons: Vec::new(),
            source: None,
            sha256: None,
            simulated: None,
        }
    }
}

/// The role by the prefix of the id (nvidia-evidence 3.3).
fn role_of(id: &str) -> RimRole {
    match is_driver_rim_id(id) {
        true => RimRole::Driver,
        false => RimRole::Vbios,
    }
}

/// Of a chain with both faults the end counts: that does not pass by itself.
fn by_time(reasons: &[Reason]) -> ManifestStatus {
    let has = |code| reasons.iter().any(|reason| reason.code == code);
    match (
        has(Code::CertificateExpired),
        has(Code::CertificateNotYetValid),
    ) {
        (true, _) => ManifestStatus::Expired,
        (false, true) => ManifestStatus::NotYetValid,
        (false, false) => ManifestStatus::Refused,
    }
}
