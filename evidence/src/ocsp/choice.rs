//! Which of several answers about a certificate counts.
//!
//! In scope: their order. Out of scope: where answers lie, and what the certificate then comes to
//! ([`RevocationFinding`](super::RevocationFinding)).

use std::sync::Arc;

use super::finding::believed;
use super::{Answer, Link, OcspResponse, Terms};
use crate::trust::{Examined, Expires};

/// What an answer is worth beside others about the same certificate, the least first. Of equal worth the newest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Nobody can believe it: it cannot be read, is forged, or is about another certificate.
    Unbelievable,
    /// It is authentic, and not for the time of appraisal, or older than the caller takes.
    OutOfDate,
    /// It is for the time of appraisal.
    Current,
    /// It says that the certificate was revoked for good by then: whatever newer ones say, nothing takes that back.
    Revocation,
}

impl Worth {
    /// What an answer is worth if it is authentic, by what it says: nothing vouches for that here.
    #[must_use]
    pub fn stated(response: &OcspResponse, terms: &Terms) -> Self {
        let too_old = |max_age_secs| response.age_bound(max_age_secs, terms.as_of);
        if response.status().is_revoked_by(terms.as_of) {
            Self::Revocation
        } else if response.reasons_at(terms.as_of).is_empty()
            && terms.max_age_secs.and_then(too_old).is_none()
        {
            Self::Current
        } else {
            Self::OutOfDate
        }
    }

    /// What an answer is worth that was examined for this link.
    #[must_use]
    pub fn of(link: &Link<'_>, response: &Examined<OcspResponse>, terms: &Terms) -> Self {
        let answer = Answer {
            response,
            nonce_sent: None,
        };
        believed(link, &answer).map_or(Self::Unbelievable, |it| Self::stated(it, terms))
    }
}

/// The answer that counts of several.
#[derive(Clone, Debug)]
pub struct Best<T> {
    /// What it is worth.
    pub worth: Worth,
    /// The answer as it was offered.
    pub offer: T,
    /// The answer, examined.
    pub response: Arc<Examined<OcspResponse>>,
}

/// The answer that counts of those offered, which come newest first. Examined are those alone that could be worth more than
/// the best so far, by what they say ([`Worth::stated`]).
pub fn best_of<T>(
    link: &Link<'_>,
    terms: &Terms,
    newest_first: impl IntoIterator<Item = T>,
    stated: impl Fn(&T) -> Worth,
    examine: impl Fn(&T) -> Arc<Examined<OcspResponse>>,
) -> Option<Best<T>> {
    let mut best: Option<Best<T>> = None;
    for offer in newest_first {
        let so_far = best.as_ref().map(|best| best.worth);
        if so_far.is_some_and(|so_far| stated(&offer) <= so_far) {
            continue;
        }
        let response = examine(&offer);
        let worth = Worth::of(link, &response, terms);
        if so_far.is_none_or(|so_far| worth > so_far) {
            best = Some(Best {
                worth,
                offer,
                response,
            });
        }
    }
    best
}
