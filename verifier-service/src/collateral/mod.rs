//! Reference manifests and revocation answers: where they come from, how long they are kept, what an outage of their
//! sources means.
//!
//! In scope: a directory of manifests, a RIM service over HTTP (nvidia-evidence 6.1), a directory of OCSP answers, an
//! OCSP responder over HTTP (5.1), bounded caches between them and the appraisals, device chains kept by digest.
//! Out of scope: what a manifest or an answer is worth (`evidence` says so), CRLs.
//!
//! An appraisal asks in two steps. On its thread it looks up what it needs ([`Collateral::look_up_rim`],
//! [`Collateral::look_up_ocsp`]), without the network. What it is told to [`Ask`](Lookup::Ask) for is fetched on an
//! async thread ([`Collateral::fetch`]); then it looks again ([`Collateral::settle_rim`], [`Collateral::settle_ocsp`]).
//! What is cached is examined, not judged: every appraisal judges validity in time.
//!
//! `DECISIONS.md` of this crate says why it is so.

mod answers;
mod at_hand;
mod cache;
mod coverage;
mod directory;
mod fetch;
mod issuers;
mod mirror;
mod ocsp_directory;
mod relay;
mod responder;
mod rim_service;
mod shelf;
mod used;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::device::is_safe_rim_id;
use evidence::ocsp::OcspResponse;
use evidence::rim::Rim;
use evidence::{Code, Examined, Reason, UnixTime, crypto};
use lru::LruCache;
use tokio::time::Instant;

pub use crate::upstream::UpstreamError;
pub use answers::FiledAnswers;
pub use at_hand::{
    Absence, AbsenceKind, FreshOcsp, Lookup, Need, OcspAtHand, OcspNeed, Origin, RimAtHand,
};
pub use coverage::{Manifest, ManifestStatus};
pub(crate) use relay::Relayed;
pub use used::{Piece, PieceKind, Used};

use crate::clock::Clock;
use crate::config::AppraisalSettings;
use crate::lock::lock;
use crate::metrics::{CollateralKind, CollateralMeters, LookupOutcome};
use at_hand::LinkKey;
pub(crate) use cache::KeptNow;
use cache::Seen;
use directory::RimDirectory;
use fetch::Fetcher;
use ocsp_directory::OcspDirectory;
use responder::Responder;
use rim_service::RimService;
use shelf::Shelf;

/// Device chains kept: about 16 KiB each with the keys the library has read, so that the cache stays near 64 MiB.
const CHAINS_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Examinations of filed OCSP answers kept, about 4 KiB each.
const FILED_ANSWERS_KEPT: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// Name of the folder below the state directory that fetched manifests are kept in.
const SHELF: &str = "collateral";

/// What came of examining filed OCSP answers, by their digest and what the examination depends on beside it.
type ExaminedAnswers = LruCache<([u8; 32], LinkKey), Arc<Examined<OcspResponse>>>;

/// Collateral of one verifier.
#[derive(Debug)]
pub struct Collateral {
    chains: Mutex<LruCache<[u8; 32], Arc<Examined<CertificateChain>>>>,
    /// The keys of chains that came again, by the digest of their text: reading PEM takes several times as long. One chain
    /// in many texts displaces others here, which then are read once more.
    chain_keys: Mutex<LruCache<[u8; 32], [u8; 32]>>,
    directory: Option<RimDirectory>,
    filed_answers: Mutex<ExaminedAnswers>,
    fetcher: Arc<Fetcher>,
}

/// Whether a copy at hand that is due is renewed in the background.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    WhenDue,
    Never,
}

impl Collateral {
    /// Collateral from every source in the settings. With a state directory, manifests fetched earlier are at hand.
    ///
    /// # Errors
    /// A file that the settings name cannot be used.
    pub fn open(
        settings: &AppraisalSettings,
        anchors: TrustAnchors,
        clock: Arc<dyn Clock>,
        state_dir: Option<&Path>,
    ) -> Result<Self, UpstreamError> {
        let now = clock.now();
        let mut fetcher = Fetcher::new(anchors, clock);
        fetcher.rim_service = RimService::open(&settings.rim_service)?;
        fetcher.rim_terms = fetch::RimTerms::of(&settings.rim_service);
        fetcher.responder = Responder::open(&settings.ocsp)?;
        fetcher.ocsp_negative_s = settings.ocsp.negative_s;
        fetcher.ocsp_directory = settings.ocsp.dir.clone().map(OcspDirectory::new);
        if fetcher.rim_service.is_some() {
            fetcher.shelf = state_dir.map(|state| Shelf::new(state.join(SHELF)));
        }
        fetcher.take_from_shelf(now);
        Ok(Self::over(fetcher, settings.rim_dir.clone()))
    }

    /// The time by the clock that fetched things are kept by.
    fn now(&self) -> UnixTime {
        self.fetcher.clock.now()
    }

    fn over(fetcher: Fetcher, directory: Option<PathBuf>) -> Self {
        let issuers = Arc::clone(&fetcher.issuers);
        Self {
            chains: Mutex::new(LruCache::new(CHAINS_KEPT)),
            chain_keys: Mutex::new(LruCache::new(CHAINS_KEPT)),
            directory: directory.map(|path| RimDirectory::new(path, issuers)),
            filed_answers: Mutex::new(LruCache::new(FILED_ANSWERS_KEPT)),
            fetcher: Arc::new(fetcher),
        }
    }

    /// The roots everything is examined under.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.fetcher.anchors
    }

    /// Examines a device chain, or remembers it. Only authentic ones are kept, each once whatever text stands around its
    /// certificates, so that junk displaces nothing.
    #[must_use]
    pub fn chain(&self, pem: &[u8]) -> Arc<Examined<CertificateChain>> {
        let text = crypto::sha256(pem);
        let remembered = lock(&self.chain_keys).get(&text).copied();
        let key = remembered.or_else(|| CertificateChain::digest_of(pem));
        let kept = key.and_then(|key| lock(&self.chains).get(&key).map(Arc::clone));
        let outcome = match &kept {
            Some(_) => LookupOutcome::Fresh,
            None => LookupOutcome::Missed,
        };
        self.meters().looked_up(CollateralKind::Chain, outcome);
        if let Some((known, key)) = kept.zip(key) {
            if remembered.is_none() {
                lock(&self.chain_keys).put(text, key);
            }
            return known;
        }
        let anchors = self.anchors();
        let examined = CertificateChain::examine(pem, ChainProfile::Device, anchors);
        let examined = Arc::new(examined);
        if let (Examined::Authentic(chain), Some(key)) = (&*examined, key) {
            self.fetcher.issuers.note(chain.get().certificates());
            lock(&self.chains).put(key, Arc::clone(&examined));
        }
        examined
    }

    /// The manifest filed under `id` in the directory; `None` if there is none. A manifest that cannot be read or is
    /// not authentic is returned with its reasons.
    ///
    /// # Errors
    /// The directory cannot be read: an outage, not a finding about the evidence.
    pub fn rim(&self, id: &str) -> io::Result<Option<Arc<Examined<Rim>>>> {
        let filed = self.filed_rim(id)?;
        Ok(filed.map(|filed| filed.rim))
    }

    /// Looks for a manifest in the directory, then among those fetched. Touches no network; where a copy is due to be
    /// renewed, that begins in the background.
    #[must_use]
    pub fn look_up_rim(&self, id: &str, now: UnixTime) -> Lookup<RimAtHand> {
        let known = self.rim_known(id, now, Renewal::WhenDue);
        let outcome = outcome(&known, |found| found.origin);
        self.meters().looked_up(CollateralKind::Rim, outcome);
        known
    }

    fn rim_known(&self, id: &str, now: UnixTime, renewal: Renewal) -> Lookup<RimAtHand> {
        if !is_safe_rim_id(id) {
            let reason = Reason::new(Code::RimNotAvailable, "id is none that could be asked for");
            return Lookup::absent(AbsenceKind::Missing, reason);
        }
        let unreadable = match self.filed_rim(id) {
            Ok(Some(filed)) => return Lookup::Found(filed),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(id, %error, "cannot read reference manifest");
                let message = "directory of manifests cannot be read";
                Some(Reason::new(Code::RimNotAvailable, message).expected(id))
            }
        };
        if self.fetcher.rim_service.is_some() {
            return self.fetched_rim(id, now, renewal);
        }
        match unreadable {
            Some(reason) => Lookup::absent(AbsenceKind::Unreachable, reason),
            None if self.directory.is_some() => {
                let reason = Reason::new(Code::RimNotAvailable, "no manifest in the directory");
                Lookup::absent(AbsenceKind::Missing, reason.expected(id))
            }
            None => {
                let message = "no source of manifests is configured";
                let reason = Reason::new(Code::RimNotAvailable, message);
                Lookup::absent(AbsenceKind::NotConfigured, reason.expected(id))
            }
        }
    }

    /// Looks for a manifest and has nobody asked, now or in the background: what was not fetched before, or did not come in
    /// time, is answered with the copy at hand, as stale, or with that.
    ///
    /// # Errors
    /// Why there is none.
    pub fn settle_rim(&self, id: &str, now: UnixTime) -> Result<RimAtHand, Absence> {
        match self.rim_known(id, now, Renewal::Never) {
            Lookup::Found(found) => Ok(found),
            Lookup::Absent(absence) => Err(absence),
            Lookup::Ask(need) => {
                let kept = self.fetcher.rims.at_least(id, now, None);
                let stale = kept.map(|kept| kept.value.at_hand(kept.window.fetched_at, true));
                stale.ok_or_else(|| need.not_in_time())
            }
        }
    }

    /// The manifest at hand for evidence of another day: one that may be used now or could be used then, whenever it came. A
    /// manifest says nothing about a day: its certificates are judged as of that one.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn rim_of_the_past(&self, id: &str, as_of: UnixTime) -> Result<RimAtHand, Absence> {
        let now = self.settle_rim(id, self.now());
        now.or_else(|absence| self.settle_rim(id, as_of).map_err(|_| absence))
    }

    fn filed_rim(&self, id: &str) -> io::Result<Option<RimAtHand>> {
        let directory = self.directory.as_ref().filter(|_| is_safe_rim_id(id));
        let filed = directory.map(|directory| directory.rim(id, self.anchors()));
        filed.transpose().map(Option::flatten)
    }

    fn fetched_rim(&self, id: &str, now: UnixTime, renewal: Renewal) -> Lookup<RimAtHand> {
        match self.fetcher.rims.look_up(id, now, None) {
            Seen::Usable {
                kept,
                stale,
                refresh,
            } => {
                if refresh && renewal == Renewal::WhenDue {
                    self.fetcher.refresh(Need::Rim(id.to_owned()));
                }
                Lookup::Found(kept.value.at_hand(kept.window.fetched_at, stale))
            }
            Seen::Failed(absence) => Lookup::Absent(absence),
            Seen::Unknown => Lookup::Ask(Need::Rim(id.to_owned())),
        }
    }

    /// Fetches everything asked for, at the same time, and returns when all of it is at hand or known not to be, or at
    /// the deadline. It never fails: look again ([`settle_rim`](Self::settle_rim), [`settle_ocsp`](Self::settle_ocsp)),
    /// and what is not at hand then has its reason.
    ///
    /// However many ask, one request goes out for each thing, and it goes on when nobody waits any more.
    pub async fn fetch(&self, needs: Vec<Need>, deadline: Instant) {
        self.fetcher.fetch(needs, deadline).await;
    }

    /// The same, but nothing that came to be known since it was looked for is asked for again. Answers must not be older
    /// than `max_age_secs`.
    pub async fn fetch_missing(
        &self,
        needs: Vec<Need>,
        max_age_secs: Option<u64>,
        deadline: Instant,
    ) {
        let fetcher = &self.fetcher;
        fetcher.fetch_missing(needs, max_age_secs, deadline).await;
    }

    /// Asks the responder now, with a nonce of its own for each question: for appraisals that want answers made for
    /// them alone. No cache and no directory answers; a good answer is kept for others.
    ///
    /// An answer given here is examined and repeats the nonce or not: the appraisal says so. The deadline ends every
    /// question still open.
    pub async fn ask_now(
        &self,
        needs: Vec<OcspNeed>,
        deadline: Instant,
    ) -> Vec<(OcspNeed, Result<FreshOcsp, Reason>)> {
        self.fetcher.ask_now(needs, deadline).await
    }

    /// What was fetched for appraisals and is kept.
    pub(crate) fn kept(&self, now: UnixTime) -> [(CollateralKind, KeptNow); 2] {
        [
            (CollateralKind::Rim, self.fetcher.rims.kept(now)),
            (CollateralKind::Ocsp, self.fetcher.answers.kept(now)),
        ]
    }

    /// How looking up and fetching goes.
    pub(crate) fn meters(&self) -> &CollateralMeters {
        &self.fetcher.meters
    }

    /// Ids of every manifest at hand: those filed and those fetched, in order.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn rim_ids(&self, now: UnixTime) -> io::Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        if let Some(directory) = &self.directory {
            ids.extend(directory.ids()?);
        }
        ids.extend(self.fetcher.rims.usable_keys(now));
        ids.extend(self.fetcher.mirrored.usable_keys(now));
        Ok(ids)
    }

    /// Whether answers about revocation can come from anywhere.
    #[must_use]
    pub fn has_source_of_answers(&self) -> bool {
        self.fetcher.responder.is_some() || self.fetcher.ocsp_directory.is_some()
    }

    /// Whether manifests can come from anywhere.
    #[must_use]
    pub fn has_source_of_manifests(&self) -> bool {
        self.directory.is_some() || self.fetcher.rim_service.is_some()
    }

    /// How long a request of ours may take at most, for callers that wait for one.
    #[must_use]
    pub fn longest_request(&self) -> Duration {
        let rim = self.fetcher.rim_service.as_ref().map(RimService::timeout);
        let ocsp = self.fetcher.responder.as_ref().map(Responder::timeout);
        rim.max(ocsp).unwrap_or_default()
    }
}

fn outcome<T>(known: &Lookup<T>, origin: impl FnOnce(&T) -> Origin) -> LookupOutcome {
    match known {
        Lookup::Found(found) => match origin(found) {
            Origin::Directory => LookupOutcome::Directory,
            Origin::Service => LookupOutcome::Fresh,
            Origin::StaleCopy => LookupOutcome::Stale,
        },
        Lookup::Absent(_) => LookupOutcome::Absent,
        Lookup::Ask(_) => LookupOutcome::Missed,
    }
}

fn later(time: UnixTime, secs: i64) -> UnixTime {
    UnixTime::from_secs(time.secs().saturating_add(secs))
}
