//! Manifests for clients of the mirror. Anybody may be one, so their questions must not cost appraisals anything.
//!
//! In scope: manifests that clients ask for and no appraisal does, fetched in places of their own and kept in a cache
//! of their own; the list of what there is. What is at hand for appraisals is handed out as it is. Out of scope: HTTP,
//! and which ids may be asked for.

use std::sync::Arc;

use evidence::{Code, Reason, UnixTime};
use tokio::time::Instant;

use super::at_hand::{Absence, AbsenceKind, Lookup, RimAtHand};
use super::cache::{Seen, Window};
use super::fetch::{Errand, Fetcher, PASSING_S, all_end, refused};
use super::rim_service::Undelivered;
use super::{Collateral, later};
use crate::metrics::Source;

/// How long a list of ids counts, in seconds: a manifest that is new is found an hour later.
const LIST_COUNTS_S: i64 = 3600;

impl Collateral {
    /// Looks for a manifest as an appraisal would, then among those fetched for clients. Touches no network.
    pub(crate) fn look_up_mirrored(&self, id: &str, now: UnixTime) -> Lookup<RimAtHand> {
        let need = match self.look_up_rim(id, now) {
            Lookup::Ask(need) => need,
            known => return known,
        };
        match self.fetcher.mirrored.look_up(id, now, None) {
            Seen::Usable {
                kept,
                stale,
                refresh,
            } => {
                if refresh {
                    self.fetcher.refresh_mirrored(id);
                }
                Lookup::Found(kept.value.at_hand(kept.window.fetched_at, stale))
            }
            Seen::Failed(absence) => Lookup::Absent(absence),
            Seen::Unknown => Lookup::Ask(need),
        }
    }

    /// Looks again after [`mirror`](Self::mirror).
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn settle_mirrored(&self, id: &str, now: UnixTime) -> Result<RimAtHand, Absence> {
        match self.look_up_mirrored(id, now) {
            Lookup::Found(found) => Ok(found),
            Lookup::Absent(absence) => Err(absence),
            Lookup::Ask(_) => self.settle_rim(id, now),
        }
    }

    /// Fetches manifests for clients, each once however many ask, and returns when all are at hand or known not to be, or
    /// at the deadline.
    pub(crate) async fn mirror(&self, ids: Vec<String>, deadline: Instant) {
        let fetcher = &self.fetcher;
        let errands = ids.into_iter().map(Errand::Mirror);
        let waits: Vec<_> = errands
            .filter_map(|errand| fetcher.launch(errand))
            .collect();
        all_end(waits, deadline).await;
    }

    /// The ids of all manifests that the RIM service has, of an hour ago at most; none where there is no service. Asked for
    /// once however many want them.
    ///
    /// # Errors
    /// Why they are not known now.
    pub(crate) async fn listed(&self, deadline: Instant) -> Result<Arc<[String]>, Absence> {
        let fetcher = &self.fetcher;
        if fetcher.rim_service.is_none() {
            return Ok(Arc::default());
        }
        if let Some(known) = fetcher.list_known() {
            return known;
        }
        all_end(fetcher.launch(Errand::List).into_iter().collect(), deadline).await;
        fetcher.list_known().unwrap_or_else(|| {
            let kind = AbsenceKind::Unreachable;
            let reason = Reason::new(Code::RimNotAvailable, "RIM service: no list of ids in time");
            Err(Absence { kind, reason })
        })
    }
}

impl Fetcher {
    fn refresh_mirrored(self: &Arc<Self>, id: &str) {
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(self.launch(Errand::Mirror(id.to_owned())));
        }
    }

    fn list_known(&self) -> Option<Result<Arc<[String]>, Absence>> {
        match self.list.look_up(&(), self.clock.now(), None) {
            Seen::Usable { kept, .. } => Some(Ok(kept.value)),
            Seen::Failed(absence) => Some(Err(absence)),
            Seen::Unknown => None,
        }
    }

    pub(super) async fn fetch_list(&self) {
        let Some(service) = &self.rim_service else {
            return;
        };
        let Ok(_place) = self.mirror_places.acquire().await else {
            return;
        };
        let begun = Instant::now();
        let came = service.ids().await;
        let answered = match &came {
            Err(Undelivered::Failed(failure)) => Err(failure),
            _ => Ok(&()),
        };
        let took = begun.elapsed();
        self.meters.fetched(Source::RimService, answered, took);
        let now = self.clock.now();
        let (absence, for_secs) = match came {
            Ok(ids) => {
                let until = later(now, LIST_COUNTS_S);
                let window = Window {
                    fetched_at: now,
                    known_at: now,
                    fresh_until: until,
                    usable_until: until,
                };
                return self.list.keep((), ids.into(), window);
            }
            Err(Undelivered::Failed(failure)) => self.rim_failure("ids", &failure),
            Err(Undelivered::Refused(reason)) => (refused(reason), PASSING_S),
        };
        tracing::warn!(reason = %absence.reason, "no list of ids from the RIM service");
        self.list.fail((), absence, now, for_secs);
    }

    pub(super) async fn fetch_for_mirror(self: &Arc<Self>, id: String) {
        let Some(service) = &self.rim_service else {
            return;
        };
        let Ok(_place) = self.mirror_places.acquire().await else {
            return;
        };
        let outcome = self.asked_for_rim(service, &id).await;
        let now = self.clock.now();
        match outcome {
            Ok(kept) => self.mirrored.keep(id, kept, self.rim_terms.window(now)),
            Err((absence, for_secs)) => {
                tracing::warn!(id, reason = %absence.reason, "no manifest for a client of the mirror");
                if absence.kind == AbsenceKind::Missing {
                    self.mirrored.withdraw(&id);
                }
                self.mirrored.fail(id, absence, now, for_secs);
            }
        }
    }
}
