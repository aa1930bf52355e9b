//! Passes questions of other clients on to the responder, and its answers back.
//!
//! In scope: answers to questions without a nonce, kept by the id asked for while they are current; one request for
//! however many ask the same; a current answer without the nonce where nobody can be asked for one with it, as RFC 6960
//! 4.4.1 lets a responder do. Out of scope: HTTP, and what an answer is worth: the relay vouches for nothing, and
//! clients verify what they get. It asks the responder in the configuration and nobody else.

use std::sync::Arc;

use evidence::ocsp::{CertificateId, OcspRequest, OcspResponse};
use evidence::{Code, Reason, UnixTime};
use tokio::time::{Instant, timeout_at};

use super::cache::{Seen, Window};
use super::fetch::{Errand, Fetcher, PASSING_S};
use super::ocsp_directory::{Filed, FiledForQuestion};
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
    /// None ever: there is no responder to ask, and no answer about this certificate is filed.
    Unauthorized,
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayedAnswer {
    /// DER.
    pub(crate) der: Arc<[u8]>,
    /// From when and until when it says to be for; `None` for an error and for one to a question with a nonce: no cache
    /// keeps it.
    pub(crate) current: Option<(UnixTime, UnixTime)>,
}

impl Collateral {
    /// Answers a question. One without a nonce is answered from what is at hand, or passed on; one with a nonce is passed
    /// on with it, and where no responder answers, with what is at hand, which has none.
    pub(crate) async fn relay(&self, request: &OcspRequest, deadline: Instant) -> Relayed {
        let fetcher = &self.fetcher;
        let filed = fetcher.filed_for_relay(request.id()).await;
        if request.nonce().is_none()
            && let Some(answer) = newest_current(filed.as_asked.iter(), fetcher.clock.now())
        {
            return Relayed::Answer(answer);
        }
        if let Some(answer) = fetcher.asked_for_relay(request, deadline).await {
            return Relayed::Answer(answer);
        }
        if let Some(answer) = fetcher.stocked(request, &filed) {
            return Relayed::Answer(answer);
        }
        match (&fetcher.responder, &fetcher.ocsp_directory) {
            (None, None) => Relayed::NotConfigured,
            (None, Some(_)) if filed.is_empty() => Relayed::Unauthorized,
            _ => Relayed::TryLater,
        }
    }
}

impl Fetcher {
    async fn filed_for_relay(self: &Arc<Self>, id: &CertificateId) -> FiledForQuestion {
        if self.ocsp_directory.is_none() {
            return FiledForQuestion::default();
        }
        let (fetcher, id, now) = (Arc::clone(self), id.clone(), self.clock.now());
        let looking = tokio::task::spawn_blocking(move || {
            let directory = fetcher.ocsp_directory.as_ref()?;
            Some(directory.to_question(&id, &fetcher.issuers, now))
        });
        looking.await.ok().flatten().unwrap_or_default()
    }

    /// What the responder says, an error included; `None` where there is none or it is away.
    async fn asked_for_relay(
        self: &Arc<Self>,
        request: &OcspRequest,
        deadline: Instant,
    ) -> Option<RelayedAnswer> {
        self.responder.as_ref()?;
        if request.nonce().is_none() {
            return self.relay_for_all(request.id(), deadline).await;
        }
        let asked = timeout_at(deadline, self.relay_one(request)).await;
        asked.ok().flatten()
    }

    /// A current answer for when nobody can be asked: by the very id if there is one, since a client that compares ids takes
    /// one by another hash for none. To a question with a nonce no cache keeps it, for the responder may come back.
    fn stocked(&self, request: &OcspRequest, filed: &FiledForQuestion) -> Option<RelayedAnswer> {
        let now = self.clock.now();
        let kept = self.relayed.at_least(request.id(), now, None);
        let kept = kept.map(|kept| kept.value);
        let as_asked = filed.as_asked.iter().map(RelayedAnswer::from).chain(kept);
        let by_other_hash = || newest_current(filed.by_other_hash.iter(), now);
        let answer = newest_current(as_asked, now).or_else(by_other_hash)?;
        let current = answer.current.filter(|_| request.nonce().is_none());
        Some(RelayedAnswer { current, ..answer })
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
            known_at: now,
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

/// The newest of those that say to be for now.
fn newest_current(
    answers: impl Iterator<Item = impl Into<RelayedAnswer>>,
    now: UnixTime,
) -> Option<RelayedAnswer> {
    let answers = answers.map(Into::into);
    let current = answers.filter(|answer: &RelayedAnswer| {
        let window = answer.current;
        window.is_some_and(|(from, until)| (from..=until).contains(&now))
    });
    current.max_by_key(|answer| answer.current)
}

impl From<&Filed> for RelayedAnswer {
    fn from(filed: &Filed) -> Self {
        Self {
            der: Arc::clone(&filed.der),
            current: Some((filed.stated().this_update(), filed.stated().valid_until())),
        }
    }
}
