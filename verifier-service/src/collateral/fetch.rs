//! Fetching: makes one request for what is needed, however many wait for it, and puts the outcome, good or bad, into a
//! cache.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use evidence::cert::TrustAnchors;
use evidence::ocsp::{CertificateId, NonceVerdict, OcspRequest, OcspResponse};
use evidence::rim::Rim;
use evidence::{Code, Examined, Expires, Reason, UnixTime};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span};

use super::at_hand::no_answer_in_time;
use super::cache::{Cache, FOREVER, Seen, Window};
use super::issuers::Issuers;
use super::ocsp_directory::OcspDirectory;
use super::relay::RelayedAnswer;
use super::responder::Responder;
use super::rim_service::{Delivered, RimService, Undelivered, is_the_service_s_word};
use super::shelf::Shelf;
use super::{
    Absence, AbsenceKind, FreshOcsp, LinkKey, Need, OcspAtHand, OcspNeed, Origin, RimAtHand, later,
};
use crate::clock::Clock;
use crate::config::RimServiceSettings;
use crate::flights::{Flights, Landing, Wait};
use crate::metrics::{CollateralKind, CollateralMeters, Source};
use crate::random;
use crate::upstream::{Answer, Failure};

/// Fetched manifests kept: about 50 KiB each, and never more than 2 MiB.
pub(super) const RIMS_KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Answers kept, for appraisals and as many for the relay: about 8 KiB each. A device has three of its own kind.
const ANSWERS_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Failures remembered of each kind, about 1 KiB each.
const FAILURES_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Fetched manifests kept for clients of the mirror, beside those.
const RIMS_MIRRORED: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
/// Requests to each service at one time; more wait for their turn.
const REQUESTS_AT_ONCE: usize = 16;
/// The same for those that clients of mirror and relay cause.
const STRANGERS_AT_ONCE: usize = 8;
/// Seconds until somebody asks again after what may pass by itself.
pub(super) const PASSING_S: u32 = 10;
/// Longest time that a service can make us wait, in seconds.
const MAX_RETRY_AFTER_S: u32 = 300;

/// Everything between the look-ups and the network.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) anchors: TrustAnchors,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rim_service: Option<RimService>,
    pub(super) rim_terms: RimTerms,
    pub(super) responder: Option<Responder>,
    /// Seconds that a refusal of the responder is remembered for.
    pub(super) ocsp_negative_s: u32,
    pub(super) ocsp_directory: Option<OcspDirectory>,
    pub(super) issuers: Arc<Issuers>,
    pub(super) shelf: Option<Shelf>,
    pub(super) rims: Cache<String, KeptRim>,
    pub(super) answers: Cache<LinkKey, KeptAnswer>,
    pub(super) relayed: Cache<CertificateId, RelayedAnswer>,
    /// Manifests fetched because a client of the mirror asked: what strangers ask for displaces nothing of ours.
    pub(super) mirrored: Cache<String, KeptRim>,
    /// The ids that the RIM service has.
    pub(super) list: Cache<(), Arc<[String]>>,
    flights: Flights<Errand>,
    /// What is in the air for clients of mirror and relay: however many they set off, an appraisal's has room.
    mirror_flights: Flights<Errand>,
    pub(super) relay_flights: Flights<Errand>,
    rim_places: Semaphore,
    ocsp_places: Semaphore,
    /// Requests for clients of mirror and relay: they take no place from an appraisal.
    pub(super) mirror_places: Semaphore,
    pub(super) relay_places: Semaphore,
    pub(super) meters: CollateralMeters,
}

/// How long a fetched manifest counts, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RimTerms {
    fresh_s: u32,
    max_stale_s: u32,
    negative_s: u32,
}

/// What is fetched by one flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    /// For an appraisal.
    Need(Need),
    /// The manifest of this id, for a client of the mirror.
    Mirror(String),
    /// The ids that the RIM service has, for a client who knows a part of one.
    List,
    /// For a client of the relay, who asked by this id.
    Relay(CertificateId),
}

/// A manifest from the service. It is authentic.
#[derive(Clone, Debug)]
pub(super) struct KeptRim {
    pub(super) rim: Arc<Examined<Rim>>,
    pub(super) document: Arc<[u8]>,
    pub(super) sha256: [u8; 32],
    pub(super) last_updated: Option<UnixTime>,
}

/// An answer from the responder. It is authentic.
#[derive(Clone, Debug)]
pub(super) struct KeptAnswer {
    response: Arc<Examined<OcspResponse>>,
    der: Arc<[u8]>,
}

impl RimTerms {
    pub(super) fn of(settings: &RimServiceSettings) -> Self {
        Self {
            fresh_s: settings.fresh_s,
            max_stale_s: settings.max_stale_s,
            negative_s: settings.negative_s,
        }
    }

    pub(super) fn window(self, fetched_at: UnixTime) -> Window {
        Window {
            fetched_at,
            known_at: fetched_at,
            fresh_until: later(fetched_at, self.fresh_s.into()),
            usable_until: later(fetched_at, self.max_stale_s.into()),
        }
    }
}

impl KeptRim {
    pub(super) fn at_hand(self, fetched_at: UnixTime, stale: bool) -> RimAtHand {
        RimAtHand {
            rim: self.rim,
            document: self.document,
            sha256: self.sha256,
            origin: Origin::fetched(stale),
            fetched_at: Some(fetched_at),
            last_updated: self.last_updated,
        }
    }
}

impl KeptAnswer {
    pub(super) fn at_hand(self, fetched_at: UnixTime, stale: bool) -> OcspAtHand {
        OcspAtHand {
            response: self.response,
            der: self.der,
            origin: Origin::fetched(stale),
            fetched_at: Some(fetched_at),
        }
    }
}

impl Fetcher {
    /// Without any service.
    pub(super) fn new(anchors: TrustAnchors, clock: Arc<dyn Clock>) -> Self {
        Self {
            anchors,
            clock,
            rim_service: None,
            rim_terms: RimTerms::of(&RimServiceSettings::default()),
            responder: None,
            ocsp_negative_s: PASSING_S,
            ocsp_directory: None,
            issuers: Arc::new(Issuers::new()),
            shelf: None,
            rims: Cache::new(RIMS_KEPT, FAILURES_KEPT),
            answers: Cache::new(ANSWERS_KEPT, FAILURES_KEPT),
            relayed: Cache::new(ANSWERS_KEPT, FAILURES_KEPT),
            mirrored: Cache::new(RIMS_MIRRORED, FAILURES_KEPT),
            list: Cache::new(NonZeroUsize::MIN, NonZeroUsize::MIN),
            flights: Flights::new(),
            mirror_flights: Flights::new(),
            relay_flights: Flights::new(),
            rim_places: Semaphore::new(REQUESTS_AT_ONCE),
            ocsp_places: Semaphore::new(REQUESTS_AT_ONCE),
            mirror_places: Semaphore::new(STRANGERS_AT_ONCE),
            relay_places: Semaphore::new(STRANGERS_AT_ONCE),
            meters: CollateralMeters::default(),
        }
    }

    /// Puts manifests that were fetched before the last restart where they were.
    pub(super) fn take_from_shelf(&self, now: UnixTime) {
        for shelved in self.shelf.iter().flat_map(Shelf::load) {
            let window = self.rim_terms.window(shelved.fetched_at);
            let rim = Rim::examine(&shelved.document, &self.anchors);
            // Anchors may have changed, files may have been changed, and an earlier version may have kept what this one would
            // not.
            if why_not_kept(&shelved.id, &rim).is_none() && now <= window.usable_until {
                let kept = KeptRim {
                    rim: Arc::new(rim),
                    document: shelved.document.into(),
                    sha256: shelved.sha256,
                    last_updated: shelved.last_updated,
                };
                self.rims.keep(shelved.id, kept, window);
            }
        }
    }

    /// Fetches in the background, unless that is under way; without a runtime there is no background.
    pub(super) fn refresh(self: &Arc<Self>, need: Need) {
        if Handle::try_current().is_ok() {
            // Nobody's request waits for it, so it is a trace of its own.
            let step = telemetry::span!(parent: None, "fetch", is_renewal = true);
            drop(self.launch_as(Errand::Need(need), step, || true));
        }
    }

    /// See [`Collateral::fetch`](super::Collateral::fetch).
    pub(super) async fn fetch(self: &Arc<Self>, needs: Vec<Need>, deadline: Instant) {
        let errands = needs.into_iter().map(Errand::Need);
        let waits: Vec<_> = errands.filter_map(|errand| self.launch(errand)).collect();
        all_end(waits, deadline).await;
    }

    /// See [`Collateral::fetch_missing`](super::Collateral::fetch_missing).
    pub(super) async fn fetch_missing(
        self: &Arc<Self>,
        needs: Vec<Need>,
        max_age_secs: Option<u64>,
        deadline: Instant,
    ) {
        let launch = |need: Need| {
            let missing = need.clone();
            self.launch_if(Errand::Need(need), || {
                self.is_missing(&missing, max_age_secs)
            })
        };
        let waits: Vec<_> = needs.into_iter().filter_map(launch).collect();
        all_end(waits, deadline).await;
    }

    /// Whether nothing is known: another flight may have landed since the look-up.
    fn is_missing(&self, need: &Need, max_age_secs: Option<u64>) -> bool {
        let now = self.clock.now();
        match need {
            Need::Rim(id) => matches!(self.rims.look_up(id, now, None), Seen::Unknown),
            Need::Ocsp(need) => {
                let seen = self.answers.look_up(&need.key, now, max_age_secs);
                matches!(seen, Seen::Unknown)
            }
        }
    }

    /// Joins or begins the flight for something; `None` if too many fly.
    pub(super) fn launch(self: &Arc<Self>, errand: Errand) -> Option<Wait> {
        self.launch_if(errand, || true)
    }

    /// The same, but a flight begins only where it is wanted. Asked once no other flight for the same thing can land.
    fn launch_if(self: &Arc<Self>, errand: Errand, wanted: impl FnOnce() -> bool) -> Option<Wait> {
        self.launch_as(errand, telemetry::span!("fetch"), wanted)
    }

    fn launch_as(
        self: &Arc<Self>,
        errand: Errand,
        step: Span,
        wanted: impl FnOnce() -> bool,
    ) -> Option<Wait> {
        let Some((wait, landing)) = self.flights_of(&errand).join(&errand) else {
            if let Errand::Need(_) = errand {
                tracing::warn!("not fetched: too much is being fetched for appraisals");
            }
            return None;
        };
        if let Some(landing) = landing
            && wanted()
        {
            tokio::spawn(Arc::clone(self).fly(errand, landing).instrument(step));
        }
        Some(wait)
    }

    pub(super) fn flights_of(&self, errand: &Errand) -> &Flights<Errand> {
        match errand {
            Errand::Need(_) => &self.flights,
            Errand::Mirror(_) | Errand::List => &self.mirror_flights,
            Errand::Relay(_) => &self.relay_flights,
        }
    }

    async fn fly(self: Arc<Self>, errand: Errand, landing: Landing<Errand>) {
        match errand {
            Errand::Need(Need::Rim(id)) => self.fetch_rim(id, landing).await,
            Errand::Need(Need::Ocsp(need)) => self.fetch_answer(&need).await,
            Errand::Mirror(id) => self.fetch_for_mirror(id).await,
            Errand::List => self.fetch_list().await,
            Errand::Relay(id) => self.fetch_for_relay(&id).await,
        }
    }

    async fn fetch_rim(self: Arc<Self>, id: String, landing: Landing<Errand>) {
        let Some(service) = &self.rim_service else {
            return;
        };
        let Ok(place) = self.rim_places.acquire().await else {
            return;
        };
        let outcome = self.asked_for_rim(service, &id).await;
        let now = self.clock.now();
        let kept = match outcome {
            Ok(kept) => {
                let window = self.rim_terms.window(now);
                self.rims.keep(id.clone(), kept.clone(), window);
                Some(kept)
            }
            Err((absence, for_secs)) => {
                tracing::warn!(id, reason = %absence.reason, "no manifest from the RIM service");
                let withdrawn = absence.kind == AbsenceKind::Missing;
                if withdrawn {
                    self.rims.withdraw(&id);
                }
                self.rims.fail(id.clone(), absence, now, for_secs);
                if !withdrawn {
                    return;
                }
                None
            }
        };
        // Nobody waits for the disk, neither for this manifest nor for a turn.
        drop((landing, place));
        let Some(shelf) = self.shelf.clone() else {
            return;
        };
        let filed = tokio::task::spawn_blocking(move || match kept {
            Some(kept) => shelf.put(&id, &kept, now),
            None => shelf.remove(&id),
        });
        drop(filed.await);
    }

    /// Asks the service for a manifest, and examines what comes; or why there is none, and for how many seconds.
    pub(super) async fn asked_for_rim(
        self: &Arc<Self>,
        service: &RimService,
        id: &str,
    ) -> Result<KeptRim, (Absence, u32)> {
        let begun = Instant::now();
        let came = service.manifest(id).await;
        let answered = match &came {
            Err(Undelivered::Failed(failure)) => Err(failure),
            _ => Ok(&()),
        };
        let took = begun.elapsed();
        self.meters.fetched(Source::RimService, answered, took);
        let examined = match came {
            Ok(delivered) => self.examined_rim(id, delivered).await,
            Err(Undelivered::Failed(failure)) => return Err(self.rim_failure(id, &failure)),
            Err(Undelivered::Refused(reason)) => Err((refused(reason), PASSING_S)),
        };
        if examined.is_err() {
            self.meters.refused(CollateralKind::Rim);
        }
        examined
    }

    /// Asks the responder, in a place of the caller's.
    pub(super) async fn asked(
        &self,
        responder: &Responder,
        request: &OcspRequest,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let came = responder.ask(request.to_der()).await;
        let (answered, took) = (came.as_ref(), begun.elapsed());
        self.meters.fetched(Source::OcspResponder, answered, took);
        came
    }

    /// Refused unless it is authentic and what its id names: what stands in a cache for a day must not be whatever came
    /// along.
    async fn examined_rim(
        self: &Arc<Self>,
        id: &str,
        delivered: Delivered,
    ) -> Result<KeptRim, (Absence, u32)> {
        let fetcher = Arc::clone(self);
        let document: Arc<[u8]> = delivered.document.into();
        let bytes = Arc::clone(&document);
        let examining = tokio::task::spawn_blocking(move || Rim::examine(&bytes, &fetcher.anchors));
        let unusable = |reason: String| {
            let message = format!("RIM service: manifest refused: {reason}");
            (
                refused(Reason::new(Code::RimNotAvailable, message)),
                PASSING_S,
            )
        };
        let rim = examining
            .await
            .map_err(|_| unusable("examination failed".to_owned()))?;
        if let Some(why) = why_not_kept(id, &rim) {
            return Err(unusable(why));
        }
        if let Examined::Authentic(rim) = &rim {
            self.issuers.note(rim.get().chain().certificates());
        }
        Ok(KeptRim {
            rim: Arc::new(rim),
            document,
            sha256: delivered.sha256,
            last_updated: delivered.last_updated,
        })
    }

    pub(super) fn rim_failure(&self, id: &str, failure: &Failure) -> (Absence, u32) {
        let (kind, what, for_secs) = match failure {
            Failure::Missing { said } if is_the_service_s_word(said) => {
                let what = "no manifest of this id".to_owned();
                (AbsenceKind::Missing, what, self.rim_terms.negative_s)
            }
            // What stands in front of a service that is away says so as well: a copy at hand outlives it.
            Failure::Missing { .. } => {
                let what = "not found, and not by the word of the service".to_owned();
                (AbsenceKind::Unreachable, what, PASSING_S)
            }
            failure => passing(failure, self.rim_terms.negative_s),
        };
        let reason = Reason::new(Code::RimNotAvailable, format!("RIM service: {what}"));
        let reason = reason.expected(id);
        (Absence { kind, reason }, for_secs)
    }

    async fn fetch_answer(self: &Arc<Self>, need: &OcspNeed) {
        let Some(responder) = &self.responder else {
            return;
        };
        let Ok(_place) = self.ocsp_places.acquire().await else {
            return;
        };
        let request = OcspRequest::new(need.id(), None);
        match self.asked(responder, &request).await {
            Ok(answer) => {
                let der: Arc<[u8]> = answer.body.into();
                if let Some(response) = examine(need, Arc::clone(&der)).await {
                    self.file(need, &response, der);
                }
            }
            Err(failure) => {
                let (absence, for_secs) = self.ocsp_failure(&failure);
                tracing::warn!(reason = %absence.reason, "no answer from the OCSP responder");
                let now = self.clock.now();
                self.answers.fail(need.key.clone(), absence, now, for_secs);
            }
        }
    }

    pub(super) fn ocsp_failure(&self, failure: &Failure) -> (Absence, u32) {
        let (kind, what, for_secs) = passing(failure, self.ocsp_negative_s);
        let reason = Reason::new(Code::OcspNotAvailable, format!("OCSP responder: {what}"));
        (Absence { kind, reason }, for_secs)
    }

    /// Keeps an answer that can be used, and remembers why not of one that cannot.
    fn file(&self, need: &OcspNeed, response: &Arc<Examined<OcspResponse>>, der: Arc<[u8]>) {
        let now = self.clock.now();
        let objection = match &**response {
            Examined::Authentic(authentic) => {
                let kept = KeptAnswer {
                    response: Arc::clone(response),
                    der,
                };
                self.keep(need, authentic.get(), kept, now)
            }
            refuted => refuted.reasons_at(now).into_iter().next(),
        };
        let Some(objection) = objection else { return };
        self.meters.refused(CollateralKind::Ocsp);
        // Values stay out of the log: the serial number of a certificate may be that of a device.
        tracing::warn!(code = %objection.code, "answer of the OCSP responder is of no use");
        let message = format!("OCSP response refused: {objection}");
        let absence = refused(Reason::new(Code::OcspNotAvailable, message));
        let for_secs = match is_final(&objection) {
            true => self.ocsp_negative_s,
            false => PASSING_S,
        };
        self.answers.fail(need.key.clone(), absence, now, for_secs);
    }

    /// Keeps an authentic answer that is current, or that says what no later one takes back. What is wrong with it
    /// otherwise is returned.
    fn keep(
        &self,
        need: &OcspNeed,
        answer: &OcspResponse,
        kept: KeptAnswer,
        now: UnixTime,
    ) -> Option<Reason> {
        let not_current = answer.reasons_at(now).into_iter().next();
        let lasting = answer.status().is_revoked_by(now);
        if not_current.is_some() && !lasting {
            return not_current;
        }
        let window = Window {
            fetched_at: now,
            known_at: answer.this_update(),
            fresh_until: answer.valid_until(),
            usable_until: match lasting {
                true => FOREVER,
                false => answer.valid_until(),
            },
        };
        let is_newer = |known: &Window| known.known_at > window.known_at;
        let key = need.key.clone();
        match self.answers.keep_unless(key, kept, window, is_newer) {
            Ok(()) => not_current,
            Err(newer) => {
                let reason = Reason::new(Code::OcspTooOld, "a newer answer was given before");
                let reason = reason.expected(newer.known_at);
                Some(reason.actual(answer.this_update()))
            }
        }
    }

    /// See [`Collateral::ask_now`](super::Collateral::ask_now).
    #[expect(
        clippy::mutable_key_type,
        reason = "equality and hash of a need are those of its key, which stays as it is"
    )]
    pub(super) async fn ask_now(
        self: &Arc<Self>,
        needs: Vec<OcspNeed>,
        deadline: Instant,
    ) -> Vec<(OcspNeed, Result<FreshOcsp, Reason>)> {
        let mut open: HashSet<_> = needs.into_iter().collect();
        // Whoever gives up waiting drops the set, and the questions with it: they are of use to nobody else.
        let mut asking = JoinSet::new();
        for need in open.iter().cloned() {
            let fetcher = Arc::clone(self);
            asking.spawn(async move {
                let asked = timeout_at(deadline, fetcher.ask(&need)).await;
                let answer = asked.unwrap_or_else(|_| Err(no_answer_in_time()));
                (need, answer)
            });
        }
        let mut answers = Vec::with_capacity(open.len());
        while let Some(joined) = asking.join_next().await {
            if let Ok((need, answer)) = joined {
                open.remove(&need);
                answers.push((need, answer));
            }
        }
        // None, unless a task ended in a panic.
        answers.extend(
            open.into_iter()
                .map(|need| (need, Err(no_answer_in_time()))),
        );
        answers
    }

    async fn ask(self: &Arc<Self>, need: &OcspNeed) -> Result<FreshOcsp, Reason> {
        let Some(responder) = &self.responder else {
            let message = "no OCSP responder is configured";
            return Err(Reason::new(Code::OcspNotAvailable, message));
        };
        let _place = self.ocsp_places.acquire().await;
        let nonce_sent = random::bytes();
        let request = OcspRequest::new(need.id(), Some(nonce_sent));
        let answer = self.asked(responder, &request).await;
        let answer = answer.map_err(|failure| self.ocsp_failure(&failure).0.reason)?;
        let der: Arc<[u8]> = answer.body.into();
        let examined = examine(need, Arc::clone(&der)).await;
        let response = examined.ok_or_else(no_answer_in_time)?;
        if self.is_for_all(&response, &nonce_sent) {
            self.file(need, &response, Arc::clone(&der));
        }
        Ok(FreshOcsp {
            response,
            der,
            nonce_sent,
            fetched_at: self.clock.now(),
        })
    }

    /// Whether an answer to a question with a nonce is kept for others: one that was made for the question, or says that the
    /// certificate was revoked for good. That is so whoever was told before, and whoever sends it once more.
    fn is_for_all(&self, response: &Examined<OcspResponse>, nonce_sent: &[u8; 32]) -> bool {
        let repeated =
            |answer: &OcspResponse| answer.nonce_verdict(nonce_sent) == NonceVerdict::Match;
        let lasts = match response {
            Examined::Authentic(answer) => answer.get().status().is_revoked_by(self.clock.now()),
            Examined::Refuted(_) | Examined::Unreadable(_) => false,
        };
        lasts || response.peek().is_some_and(repeated)
    }
}

/// Waits for flights, until the deadline at the latest.
pub(super) async fn all_end(waits: Vec<Wait>, deadline: Instant) {
    for wait in waits {
        // All fly already; waiting for one after the other ends with the last of them.
        if timeout_at(deadline, wait.end()).await.is_err() {
            return;
        }
    }
}

/// Verifying signatures is work for another thread than those that serve everybody. `None` if that fails.
async fn examine(need: &OcspNeed, der: Arc<[u8]>) -> Option<Arc<Examined<OcspResponse>>> {
    let link = need.link.clone();
    let examining =
        tokio::task::spawn_blocking(move || OcspResponse::examine(&der, &link.as_link()));
    examining.await.ok().map(Arc::new)
}

/// What a failure comes to: the kind of absence, the words for it, the seconds it is remembered for.
fn passing(failure: &Failure, negative_s: u32) -> (AbsenceKind, String, u32) {
    let unreachable = AbsenceKind::Unreachable;
    match failure {
        Failure::Missing { .. } => (
            unreachable,
            "nothing at this address".to_owned(),
            negative_s,
        ),
        Failure::Forbidden(status) => {
            let what = format!("access refused (status {status})");
            (unreachable, what, negative_s)
        }
        Failure::Unavailable { what, retry_after } => {
            let asked = retry_after.map_or(0, |wait| wait.as_secs());
            let asked = u32::try_from(asked).unwrap_or(u32::MAX);
            let for_secs = asked.clamp(PASSING_S, MAX_RETRY_AFTER_S);
            (unreachable, what.clone(), for_secs)
        }
        Failure::Unusable(what) => (AbsenceKind::Refused, what.clone(), PASSING_S),
    }
}

pub(super) fn refused(reason: Reason) -> Absence {
    Absence {
        kind: AbsenceKind::Refused,
        reason,
    }
}

/// Why a manifest is not kept under an id: it is not authentic, or the genuine manifest of something else, which would stand
/// in for the one asked for, and refute good evidence for a day.
fn why_not_kept(id: &str, rim: &Examined<Rim>) -> Option<String> {
    let first = match rim {
        Examined::Authentic(rim) => return rim.get().objection_to_id(id).map(|r| r.to_string()),
        Examined::Refuted(refuted) => refuted.reasons.first(),
        Examined::Unreadable(reasons) => reasons.first(),
    };
    Some(first.map_or_else(String::new, ToString::to_string))
}

/// Whether the responder will say the same in a moment: it does not know the certificate, or not us.
fn is_final(objection: &Reason) -> bool {
    let passing = matches!(
        objection.actual.as_deref(),
        Some("tryLater" | "internalError")
    );
    objection.code == Code::OcspResponseUnsuccessful && !passing
}
