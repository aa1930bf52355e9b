//! Passing questions of other clients on to the responder, and answers back.
//!
//! In scope: answers to questions without a nonce, kept by the id asked for while they are current; one request for
//! however many ask the same. Out of scope: HTTP, and what an answer is worth: the relay vouches for nothing, and
//! clients verify what they get. It goes to the responder in the configuration and nowhere else.

use std::sync::Arc;

use evidence::ocsp::{CertificateId, OcspRequest, OcspResponse};
use evidence::{Code, Reason, UnixTime};
use tokio::time::{Instant, timeout_at};

use super::cache::{Seen, Window};
use super::fetch::{Errand, Fetcher, PASSING_S};
use super::ocsp_directory::Filed;
use super::{Absence, AbsenceKind, Collateral, later};

/// How long an answer is passed on without asking again, in seconds. It cannot be verified here, so a bad one must not
/// stay for as long as it says; beyond it and up to its next update it is passed on while the responder is away.
const FRESH_S: i64 = 3600;

/// What came of a question.
#[derive(Clone, Debug)]
pub(crate) enum Relayed {
    /// There is no responder and no directory.
    NotConfigured,
    /// This answer.
    Answer(RelayedAnswer),
    /// None now.
    TryLater,
    /// None ever: there is no responder to ask, and no answer to this id is filed. One filed under another hash of the
    /// same issuer is of no use, for a client takes it for an answer about another certificate.
    Unauthorized,
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayedAnswer {
    /// DER.
    pub(crate) der: Arc<[u8]>,
    /// From when and until when it says to be for; `None` for an error and for one with a nonce: no cache keeps it.
    pub(crate) current: Option<(UnixTime, UnixTime)>,
}

impl Collateral {
    /// Answers a question from what is at hand, or passes it on; one with a nonce is always passed on, with it.
    pub(crate) async fn relay(&self, request: &OcspRequest, deadline: Instant) -> Relayed {
        let fetcher = &self.fetcher;
        let asked_for_all = request.nonce().is_none();
        let filed = fetcher.filed_for_relay(request.id()).await;
        let is_filed = filed.is_some();
        if asked_for_all && let Some(filed) = filed.filter(|filed| fetcher.is_current(filed)) {
            return Relayed::Answer(filed.into());
        }
        let answer = match (&fetcher.responder, &fetcher.ocsp_directory) {
            (None, None) => return Relayed::NotConfigured,
            (None, Some(_)) if !is_filed => return Relayed::Unauthorized,
            (None, Some(_)) => None,
            (Some(_), _) if asked_for_all => fetcher.relay_for_all(request.id(), deadline).await,
            (Some(_), _) => {
                let asked = timeout_at(deadline, fetcher.relay_one(request)).await;
                asked.ok().flatten()
            }
        };
        answer.map_or(Relayed::TryLater, Relayed::Answer)
    }
}

impl Fetcher {
    async fn filed_for_relay(self: &Arc<Self>, id: &CertificateId) -> Option<Filed> {
        self.ocsp_directory.as_ref()?;
        let (fetcher, id, now) = (Arc::clone(self), id.clone(), self.clock.now());
        let looking = tokio::task::spawn_blocking(move || {
            let directory = fetcher.ocsp_directory.as_ref()?;
            directory.by_id(&id, now)
        });
        looking.await.ok().flatten()
    }

    fn is_current(&self, filed: &Filed) -> bool {
        (filed.this_update..=filed.valid_until).contains(&self.clock.now())
    }

    async fn relay_for_all(
        self: &Arc<Self>,
        id: &CertificateId,
        deadline: Instant,
    ) -> Option<RelayedAnswer> {
        let errand = || Errand::Relay(id.clone());
        match self.relayed.look_up(id, self.clock.now(), None) {
            Seen::Usable { kept, refresh, .. } => {
                if refresh {
                    drop(self.launch(errand()));
                }
                return Some(kept.value);
            }
            Seen::Failed(_) => return None,
            Seen::Unknown => {}
        }
        let wait = self.launch(errand())?;
        timeout_at(deadline, wait.end()).await.ok()?;
        match self.relayed.look_up(id, self.clock.now(), None) {
            Seen::Usable { kept, .. } => Some(kept.value),
            Seen::Failed(_) | Seen::Unknown => None,
        }
    }

    pub(super) async fn fetch_for_relay(&self, id: &CertificateId) {
        let answer = self.relay_one(&OcspRequest::new(id.clone(), None)).await;
        let now = self.clock.now();
        let Some(answer) = answer else {
            let reason = Reason::new(Code::OcspNotAvailable, "OCSP responder: no answer");
            let kind = AbsenceKind::Unreachable;
            let absence = Absence { kind, reason };
            self.relayed.fail(id.clone(), absence, now, PASSING_S);
            return;
        };
        let passing = (now, later(now, PASSING_S.into()));
        let (_, until) = answer.current.unwrap_or(passing);
        let window = Window {
            fetched_at: now,
            fresh_until: until.min(later(now, FRESH_S)),
            usable_until: until,
        };
        self.relayed.keep(id.clone(), answer, window);
    }

    /// Asks the responder in our own spelling of the question: what else the client wrote goes nowhere.
    async fn relay_one(&self, request: &OcspRequest) -> Option<RelayedAnswer> {
        let responder = self.responder.as_ref()?;
        let _place = self.relay_places.acquire().await;
        let answer = self.asked(responder, request).await.ok()?;
        read(answer.body, request, self.clock.now())
    }
}

/// Sees that it is an answer to this question, or the responder's word that it gives none.
fn read(der: Vec<u8>, request: &OcspRequest, now: UnixTime) -> Option<RelayedAnswer> {
    let current = match OcspResponse::parse(&der) {
        Ok(response) => {
            let response = response.peek();
            let window = (response.this_update(), response.valid_until());
            let lasts = window.1 >= now;
            if response.id() != request.id() || (request.nonce().is_none() && !lasts) {
                tracing::warn!("answer of the OCSP responder is none to the question relayed");
                return None;
            }
            let for_all = request.nonce().is_none() && response.nonce().is_none();
            for_all.then_some(window)
        }
        Err(reasons) => {
            let is_word = |reason: &Reason| reason.code == Code::OcspResponseUnsuccessful;
            if !reasons.iter().all(is_word) {
                let code = reasons.first().map(|reason| reason.code.as_str());
                tracing::warn!(code, "no OCSP response to relay");
                return None;
            }
            None
        }
    };
    Some(RelayedAnswer {
        der: der.into(),
        current,
    })
}

impl From<Filed> for RelayedAnswer {
    fn from(filed: Filed) -> Self {
        Self {
            der: filed.der,
            current: Some((filed.this_update, filed.valid_until)),
        }
    }
}
