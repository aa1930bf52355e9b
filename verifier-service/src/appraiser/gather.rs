//! What each device asks for, from what is at hand.

use std::sync::Arc;

use evidence::appraise::{
    Collateral as AtHand, DeviceReading, Reference, ReferenceIds, References, Revocation,
};
use evidence::ocsp::Responses;
use evidence::rim::Rim;
use evidence::{Examined, Reason, UnixTime};

use super::inquiry::{Inquiry, Wants};
use crate::collateral::Collateral;

/// The collateral of one device.
#[derive(Debug)]
pub(super) struct Gathered {
    ids: ReferenceIds,
    driver: Manifest,
    vbios: Manifest,
    responses: Option<Responses>,
}

/// A manifest, or why there is none.
#[derive(Debug)]
enum Manifest {
    /// Nothing in the report asks for one.
    Unasked,
    /// It is at hand.
    Found {
        rim: Arc<Examined<Rim>>,
        obtained_at: Option<UnixTime>,
    },
    /// It is not.
    Absent(Reason),
}

impl Gathered {
    /// Looks up manifests, then answers about every certificate in question; or says what has to be asked for.
    pub(super) fn of(
        reading: &DeviceReading<'_>,
        collateral: &Collateral,
        inquiry: &Inquiry,
        as_of: UnixTime,
    ) -> Result<Self, Wants> {
        let ids = reading.reference_ids();
        let look_up = |id: &Option<String>| manifest(id.as_deref(), collateral, inquiry, as_of);
        let mut wants = Wants::default();
        let driver = look_up(&ids.driver).map_err(|w| wants.extend(w));
        let vbios = look_up(&ids.vbios).map_err(|w| wants.extend(w));
        let mut gathered = Self {
            ids,
            driver: driver.unwrap_or(Manifest::Unasked),
            vbios: vbios.unwrap_or(Manifest::Unasked),
            responses: None,
        };
        // Also where a manifest is still to come: what can be asked for now need not wait for it.
        let responses = inquiry
            .asks()
            .then(|| gathered.answers(reading, collateral, inquiry, as_of));
        match responses.transpose() {
            Ok(responses) => gathered.responses = responses,
            Err(more) => wants.extend(more),
        }
        match wants.is_empty() {
            true => Ok(gathered),
            false => Err(wants),
        }
    }

    fn answers(
        &self,
        reading: &DeviceReading<'_>,
        collateral: &Collateral,
        inquiry: &Inquiry,
        as_of: UnixTime,
    ) -> Result<Responses, Wants> {
        let (mut responses, mut wants) = (Responses::new(), Wants::default());
        for link in reading.revocation_links(&self.references()) {
            match inquiry.answer(collateral, &link, as_of) {
                Ok(answer) => responses.insert(link.id(), answer),
                Err(more) => wants.extend(more),
            }
        }
        match wants.is_empty() {
            true => Ok(responses),
            false => Err(wants),
        }
    }

    fn references(&self) -> References<'_> {
        References {
            driver: self.driver.reference(self.ids.driver.as_deref()),
            vbios: self.vbios.reference(self.ids.vbios.as_deref()),
            driver_absence: self.driver.absence(),
            vbios_absence: self.vbios.absence(),
        }
    }

    /// What the device is judged by.
    pub(super) fn at_hand(&self, inquiry: &Inquiry) -> AtHand<'_> {
        let revocation = match &self.responses {
            None => Revocation::NotRequested,
            Some(responses) => Revocation::Asked {
                responses,
                max_age_secs: inquiry.max_age_secs(),
                hold: inquiry.hold(),
            },
        };
        AtHand {
            references: self.references(),
            revocation,
        }
    }
}

impl Manifest {
    fn reference<'a>(&'a self, id: Option<&'a str>) -> Option<Reference<'a>> {
        match self {
            Self::Found { rim, obtained_at } => Some(Reference {
                id,
                rim,
                obtained_at: *obtained_at,
            }),
            Self::Unasked | Self::Absent(_) => None,
        }
    }

    fn absence(&self) -> Option<&Reason> {
        match self {
            Self::Absent(reason) => Some(reason),
            Self::Unasked | Self::Found { .. } => None,
        }
    }
}

fn manifest(
    id: Option<&str>,
    collateral: &Collateral,
    inquiry: &Inquiry,
    as_of: UnixTime,
) -> Result<Manifest, Wants> {
    let Some(id) = id else {
        return Ok(Manifest::Unasked);
    };
    Ok(match inquiry.manifest(collateral, id, as_of)? {
        Ok(found) => Manifest::Found {
            rim: found.rim,
            obtained_at: found.fetched_at,
        },
        Err(absence) => Manifest::Absent(absence.reason),
    })
}
