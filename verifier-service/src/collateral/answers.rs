//! Answers about revocation at hand: which of those filed and those fetched an appraisal uses.
//!
//! In scope: looking up, for an appraisal of today and for one of another day. Out of scope: fetching, the order of answers
//! by their worth (`evidence` has it), what a certificate then comes to.

use std::sync::Arc;

use evidence::ocsp::{Link, OcspResponse, Terms, Worth, best_of};
use evidence::{Code, Examined, Reason, UnixTime};

use super::at_hand::LinkKey;
use super::cache::Seen;
use super::ocsp_directory::{Filed, Index};
use super::{
    Absence, AbsenceKind, Collateral, Lookup, Need, OcspAtHand, OcspNeed, Origin, Renewal, outcome,
};
use crate::lock::lock;
use crate::metrics::CollateralKind;

/// What lay in the directory of answers when it was looked at. An appraisal looks once, however many certificates it is
/// about.
#[derive(Clone, Debug)]
pub struct FiledAnswers(Option<Arc<Index>>);

impl Collateral {
    /// One look at the directory of answers: what lies there now.
    #[must_use]
    pub fn filed_answers(&self) -> FiledAnswers {
        let directory = self.fetcher.ocsp_directory.as_ref();
        FiledAnswers(directory.and_then(|directory| directory.current(self.now())))
    }

    /// Looks for an answer about a certificate among those filed, then among those fetched. Touches no network; where
    /// an answer is due to be renewed, that begins in the background.
    #[must_use]
    pub fn look_up_ocsp(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
        now: UnixTime,
    ) -> Lookup<OcspAtHand> {
        let known = self.answer_known(filed, link, terms, now, Renewal::WhenDue);
        let outcome = outcome(&known, |found| found.origin);
        self.meters().looked_up(CollateralKind::Ocsp, outcome);
        known
    }

    fn answer_known(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
        now: UnixTime,
        renewal: Renewal,
    ) -> Lookup<OcspAtHand> {
        let has_responder = self.fetcher.responder.is_some();
        let filed = match self.best_filed(filed, link, terms) {
            // Nothing that a responder could say takes a revocation back. Where there is none, the appraisal says what is
            // wrong with an answer that is out of date, damaged or forged.
            Some((worth, filed)) if worth == Worth::Revocation || !has_responder => {
                return Lookup::Found(filed);
            }
            None if !has_responder => return Lookup::Absent(self.no_responder()),
            filed => filed,
        };
        let need = || Need::Ocsp(OcspNeed::of(link));
        let answers = &self.fetcher.answers;
        match answers.look_up(&LinkKey::of(link), now, terms.max_age_secs) {
            Seen::Usable {
                kept,
                stale,
                refresh,
            } => {
                if refresh && renewal == Renewal::WhenDue {
                    self.fetcher.refresh(need());
                }
                let kept = kept.value.at_hand(kept.window.fetched_at, stale);
                Lookup::Found(better(kept, filed, link, terms))
            }
            Seen::Failed(absence) => {
                filed.map_or(Lookup::Absent(absence), |(_, filed)| Lookup::Found(filed))
            }
            Seen::Unknown => match filed {
                Some((Worth::Current, filed)) => Lookup::Found(filed),
                _ => Lookup::Ask(need()),
            },
        }
    }

    /// Looks for an answer and has nobody asked, now or in the background: what was not fetched before, or did not come in
    /// time, is answered with what lasts, or with that.
    ///
    /// # Errors
    /// Why there is none.
    pub fn settle_ocsp(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
        now: UnixTime,
    ) -> Result<OcspAtHand, Absence> {
        match self.answer_known(filed, link, terms, now, Renewal::Never) {
            Lookup::Found(found) => Ok(found),
            Lookup::Absent(absence) => Err(absence),
            Lookup::Ask(need) => {
                let answers = &self.fetcher.answers;
                let kept = answers.at_least(&LinkKey::of(link), now, terms.max_age_secs);
                let stale = kept.map(|kept| kept.value.at_hand(kept.window.fetched_at, true));
                let filed = || Some(self.best_filed(filed, link, terms)?.1);
                stale.or_else(filed).ok_or_else(|| need.not_in_time())
            }
        }
    }

    /// The answer at hand for evidence of another day, whenever it came: the appraisal says whether it is of that day.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn ocsp_of_the_past(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
    ) -> Result<OcspAtHand, Absence> {
        let filed = self.best_filed(filed, link, terms);
        let kept = self.fetcher.answers.peek(&LinkKey::of(link));
        match kept {
            Some(kept) => {
                let kept = kept.value.at_hand(kept.window.fetched_at, false);
                Ok(better(kept, filed, link, terms))
            }
            None => filed.map(|(_, filed)| filed).ok_or_else(|| Absence {
                kind: AbsenceKind::Missing,
                reason: Reason::new(Code::OcspNotAvailable, "no response is kept"),
            }),
        }
    }

    /// The filed answer by which the certificate was revoked for good, if there is one. It is for the operator to take
    /// away: no answer does.
    pub(crate) fn filed_revocation(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
    ) -> Option<OcspAtHand> {
        let (worth, filed) = self.best_filed(filed, link, terms)?;
        (worth == Worth::Revocation).then_some(filed)
    }

    /// The fetched answer by which the certificate was revoked for good, if there is one.
    pub(crate) fn fetched_revocation(&self, link: &Link<'_>) -> Option<OcspAtHand> {
        let kept = self.fetcher.answers.lasting(&LinkKey::of(link))?;
        Some(kept.value.at_hand(kept.window.fetched_at, false))
    }

    /// The filed answer that counts, with its worth: also one that is out of date, damaged or forged, where there is no
    /// better one.
    fn best_filed(
        &self,
        filed: &FiledAnswers,
        link: &Link<'_>,
        terms: &Terms,
    ) -> Option<(Worth, OcspAtHand)> {
        let key = LinkKey::of(link);
        let best = best_of(
            link,
            terms,
            filed.0.as_ref()?.about(link),
            |filed| Worth::stated(filed.stated(), terms),
            |filed| self.examine_filed(filed, link, &key),
        )?;
        let at_hand = OcspAtHand {
            response: best.response,
            der: Arc::clone(&best.offer.der),
            origin: Origin::Directory,
            fetched_at: None,
        };
        Some((best.worth, at_hand))
    }

    fn examine_filed(
        &self,
        filed: &Filed,
        link: &Link<'_>,
        key: &LinkKey,
    ) -> Arc<Examined<OcspResponse>> {
        let key = (*filed.stated().sha256(), key.clone());
        if let Some(known) = lock(&self.filed_answers).get(&key) {
            return Arc::clone(known);
        }
        let examined = Arc::new(OcspResponse::examine(&filed.der, link));
        lock(&self.filed_answers).put(key, Arc::clone(&examined));
        examined
    }

    fn no_responder(&self) -> Absence {
        let reason = |message| Reason::new(Code::OcspNotAvailable, message);
        let (kind, reason) = match &self.fetcher.ocsp_directory {
            Some(_) => (AbsenceKind::Missing, reason("no response in the directory")),
            None => {
                let message = "no source of OCSP responses is configured";
                (AbsenceKind::NotConfigured, reason(message))
            }
        };
        Absence { kind, reason }
    }
}

/// Of an answer that was fetched and one that is filed the one of more worth, and of two of one worth the later.
fn better(
    kept: OcspAtHand,
    filed: Option<(Worth, OcspAtHand)>,
    link: &Link<'_>,
    terms: &Terms,
) -> OcspAtHand {
    let this_update = |at_hand: &OcspAtHand| at_hand.response.peek().map(OcspResponse::this_update);
    let of_kept = (Worth::of(link, &kept.response, terms), this_update(&kept));
    match filed {
        Some((worth, filed)) if (worth, this_update(&filed)) > of_kept => filed,
        _ => kept,
    }
}
