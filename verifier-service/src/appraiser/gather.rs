//! Looks up what each device asks for among what is at hand.

use std::sync::Arc;

use evidence::appraise::{
    Collateral as AtHand, DeviceReading, Reference, ReferenceIds, References, Revocation,
};
use evidence::ocsp::{AtHand as Answer, Responses};
use evidence::{Reason, UnixTime};

use super::inquiry::{Answered, Inquiry, Wants};
use crate::collateral::{Collateral, Piece, PieceKind, RimAtHand, Used};

/// The collateral of one device.
#[derive(Debug)]
pub(super) struct Gathered {
    ids: ReferenceIds,
    driver: Manifest,
    vbios: Manifest,
    responses: Option<Responses>,
    /// The answers among them, as they came.
    answers: Vec<Kept>,
}

/// An answer's SHA-256 and its bytes.
type Kept = ([u8; 32], Arc<[u8]>);

/// A manifest, or why there is none.
#[derive(Debug)]
enum Manifest {
    /// Nothing in the report asks for one.
    Unasked,
    /// It is at hand.
    Found(RimAtHand),
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
            answers: Vec::new(),
        };
        // Also where a manifest is still to come: what can be asked for now need not wait for it.
        let responses = inquiry
            .asks()
            .then(|| gathered.answers(reading, collateral, inquiry, as_of));
        match responses.transpose() {
            Ok(Some((responses, answers))) => {
                gathered.responses = Some(responses);
                gathered.answers = answers;
            }
            Ok(None) => {}
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
    ) -> Result<(Responses, Vec<Kept>), Wants> {
        let (mut responses, mut kept) = (Responses::new(), Vec::new());
        let mut wants = Wants::default();
        for link in reading.revocation_links(&self.references()) {
            match inquiry.answered(collateral, &link, as_of) {
                Ok(answered) => {
                    kept.extend(kept_of(&answered));
                    responses.insert(link.id(), answered.at_hand);
                }
                Err(more) => wants.extend(more),
            }
        }
        match wants.is_empty() {
            true => Ok((responses, kept)),
            false => Err(wants),
        }
    }

    /// Adds what the device was judged by.
    pub(super) fn add_to(&self, used: &mut Used) {
        for manifest in [&self.driver, &self.vbios] {
            if let Manifest::Found(found) = manifest {
                used.insert(found.sha256, piece(PieceKind::Rim, &found.document));
            }
        }
        for (sha256, der) in &self.answers {
            used.insert(*sha256, piece(PieceKind::Ocsp, der));
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
            Self::Found(found) => Some(Reference {
                id,
                rim: &found.rim,
                obtained_at: found.fetched_at,
            }),
            Self::Unasked | Self::Absent(_) => None,
        }
    }

    fn absence(&self) -> Option<&Reason> {
        match self {
            Self::Absent(reason) => Some(reason),
            Self::Unasked | Self::Found(_) => None,
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
        Ok(found) => Manifest::Found(found),
        Err(absence) => Manifest::Absent(absence.reason),
    })
}

/// An answer that could be read.
fn kept_of(answered: &Answered) -> Option<Kept> {
    let Answer::Response { response, .. } = &answered.at_hand else {
        return None;
    };
    let sha256 = *response.peek()?.sha256();
    Some((sha256, Arc::clone(answered.der.as_ref()?)))
}

fn piece(kind: PieceKind, bytes: &Arc<[u8]>) -> Piece {
    Piece {
        kind,
        bytes: Arc::clone(bytes),
    }
}
