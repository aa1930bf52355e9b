//! The answers at hand for one appraisal.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CertificateId, Link, OcspResponse};
use crate::reason::Reason;
use crate::trust::Examined;

/// What came of asking about one certificate.
#[derive(Clone, Debug)]
pub enum AtHand {
    /// An answer, examined for the link it was asked for.
    Response {
        /// What came back.
        response: Arc<Examined<OcspResponse>>,
        /// The nonce of the question. `None` if none was sent, or if the answer was not made for this appraisal.
        nonce_sent: Option<[u8; 32]>,
    },
    /// None, and why: as [`Code::OcspNotAvailable`](crate::Code::OcspNotAvailable) with what the network said.
    Missing(Reason),
}

/// Answers by the certificate they were asked for. Holding one says nothing about it: judging does.
#[derive(Clone, Debug, Default)]
pub struct Responses(HashMap<CertificateId, AtHand>);

impl Responses {
    /// None at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what came of asking about `id`, which is the id of a [`Link`].
    pub fn insert(&mut self, id: CertificateId, at_hand: AtHand) {
        self.0.insert(id, at_hand);
    }

    /// What came of asking about this link.
    #[must_use]
    pub fn of(&self, link: &Link<'_>) -> Option<&AtHand> {
        self.0.get(&link.id())
    }

    /// Whether anything is known for this link.
    #[must_use]
    pub fn has(&self, id: &CertificateId) -> bool {
        self.0.contains_key(id)
    }
}
