//! What one appraisal is made with and asks for, and the passes in which it is made.
//!
//! A pass is computation alone. Where something has to be asked for, the pass ends and says what it is
//! ([`Pass::Wants`]). The caller has it obtained on an async thread and makes another pass: the report of a device
//! names its manifests, and the manifests name the certificates that signed them. Where a costly check of the result
//! comes next, a pass ends with [`Pass::ResultNext`], and the pass that checks it is made where there is a place for
//! it. That pass uses the collateral that the pass before it settled with: what is withdrawn while it waits for its
//! place does not change the verdict.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use evidence::UnixTime;
use evidence::ocsp::{
    Answer, AtHand, CertificateId, Hold, Link, RevocationFinding, RevocationStatus, Terms,
};
use evidence::policy::{Policy, RevocationMode};
use tokio::time::Instant;

use super::gather::Gathered;
use crate::collateral::{
    Absence, Collateral, FiledAnswers, FreshOcsp, Lookup, Need, OcspAtHand, OcspNeed, RimAtHand,
    Used,
};

/// Passes an appraisal can take, the check of a result aside: manifests and answers about devices, answers about
/// manifests, the judgement.
pub const MAX_PASSES: u32 = 3;

/// What came of one pass.
#[derive(Debug)]
pub enum Pass<T> {
    /// It is made.
    Done(T),
    /// It wants something first.
    Wants(Wants),
    /// Everything but the result is judged, by this, and checking that takes long. The next pass of an inquiry that was let
    /// do it ([`Inquiry::let_check_result`]) does.
    ResultNext(Settled),
}

/// The collateral that a pass judged the devices of a bundle by.
#[derive(Clone, Debug, Default)]
pub struct Settled(Arc<[Gathered]>);

impl Settled {
    pub(super) fn new(gathered: Vec<Gathered>) -> Self {
        Self(gathered.into())
    }

    /// Device by device, in the order of the bundle.
    pub(super) fn devices(&self) -> &[Gathered] {
        &self.0
    }

    /// Everything in it, each once.
    pub(super) fn used(&self) -> Used {
        let mut used = Used::default();
        for of_device in self.devices() {
            of_device.add_to(&mut used);
        }
        used
    }
}

impl<T> Pass<T> {
    /// Goes on with what was made, where it was.
    pub(super) fn map<U>(self, then: impl FnOnce(T) -> U) -> Pass<U> {
        match self {
            Self::Done(value) => Pass::Done(then(value)),
            Self::Wants(wants) => Pass::Wants(wants),
            Self::ResultNext(settled) => Pass::ResultNext(settled),
        }
    }

    /// Goes on with what was made, where it was.
    ///
    /// # Errors
    /// Those of going on.
    pub fn try_map<U, E>(self, then: impl FnOnce(T) -> Result<U, E>) -> Result<Pass<U>, E> {
        match self {
            Self::Done(value) => then(value).map(Pass::Done),
            Self::Wants(wants) => Ok(Pass::Wants(wants)),
            Self::ResultNext(settled) => Ok(Pass::ResultNext(settled)),
        }
    }
}

/// What has to be asked for.
#[derive(Debug, Default)]
pub struct Wants {
    /// From the caches' sources.
    kept: Vec<Need>,
    /// Of the responder, for this appraisal alone.
    now: Vec<OcspNeed>,
}

impl Wants {
    /// Whether nothing has to be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.now.is_empty()
    }

    /// Adds what others want.
    pub fn extend(&mut self, others: Self) {
        self.kept.extend(others.kept);
        self.now.extend(others.now);
    }
}

/// What came of asking about a certificate, and its bytes where something did.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) at_hand: AtHand,
    pub(super) der: Option<Arc<[u8]>>,
}

impl From<Absence> for Answered {
    fn from(absence: Absence) -> Self {
        Self {
            at_hand: AtHand::Missing(absence.reason),
            der: None,
        }
    }
}

/// An answer that was not made for this appraisal.
impl From<OcspAtHand> for Answered {
    fn from(found: OcspAtHand) -> Self {
        Self {
            at_hand: AtHand::Response {
                response: found.response,
                nonce_sent: None,
            },
            der: Some(found.der),
        }
    }
}

/// An answer that was.
impl From<FreshOcsp> for Answered {
    fn from(fresh: FreshOcsp) -> Self {
        Self {
            at_hand: AtHand::Response {
                response: fresh.response,
                nonce_sent: Some(fresh.nonce_sent),
            },
            der: Some(fresh.der),
        }
    }
}

/// One appraisal under way. The policy stays the one it began with, whatever is activated meanwhile.
#[derive(Clone, Debug)]
pub struct Inquiry {
    policy: Arc<Policy>,
    /// Whether the sender asks for tolerance towards manifests whose signer is on hold. The policy allows it or not.
    hold_asked: bool,
    /// Answers made for this appraisal.
    fresh: HashMap<CertificateId, Answered>,
    /// What lay in the directory of answers at the first question.
    filed: OnceLock<FiledAnswers>,
    /// Whether what is not at hand now is taken for unavailable.
    closed: bool,
    /// Whether evidence of another day is judged.
    of_the_past: bool,
    /// What the pass that checks the result goes by; `None` while results are not checked at length.
    settled: Option<Settled>,
}

impl Inquiry {
    /// Begins an appraisal under a policy.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            hold_asked: true,
            fresh: HashMap::new(),
            filed: OnceLock::new(),
            closed: false,
            of_the_past: false,
            settled: None,
        }
    }

    /// The same over evidence of another day, as of that day. Nobody is asked for anything then: what a responder says today
    /// is of today, and a nonce would change nothing about that. Answers at hand count, under `required` too, as far as they
    /// are of that day; manifests at hand count, whenever they came.
    #[must_use]
    pub fn of_the_past(mut self) -> Self {
        self.of_the_past = true;
        self
    }

    /// The same with the sender's word on certificates on hold: without it, they refute even where the policy would
    /// tolerate them.
    #[must_use]
    pub fn with_hold(mut self, asked: bool) -> Self {
        self.hold_asked = asked;
        self
    }

    /// Takes what is not at hand now for unavailable.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Lets its next pass check the result at length, by the collateral that the one before settled with.
    pub fn let_check_result(&mut self, settled: Settled) {
        self.settled = Some(settled);
    }

    /// Whether its passes check results at length.
    #[must_use]
    pub fn checks_result(&self) -> bool {
        self.settled.is_some()
    }

    /// The collateral that an earlier pass settled with.
    pub(super) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    /// The policy that decides.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What becomes of a certificate on hold.
    #[must_use]
    pub fn hold(&self) -> Hold {
        match self.policy.revocation().allow_hold && self.hold_asked {
            true => Hold::ToleratedForRims,
            false => Hold::Refuted,
        }
    }

    /// The policy's bound on the age of answers; `None` where each is made for the appraisal.
    #[must_use]
    pub fn max_age_secs(&self) -> Option<u64> {
        match self.policy.revocation().mode {
            RevocationMode::Cached { max_age_s } => Some(max_age_s),
            RevocationMode::Required | RevocationMode::Off => None,
        }
    }

    /// Whether anybody is asked about revocation.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.policy.revocation().mode != RevocationMode::Off
    }

    /// What is at hand about a certificate, for callers who gather collateral themselves. Touches no network.
    ///
    /// # Errors
    /// What has to be asked for first.
    pub fn answer(
        &self,
        collateral: &Collateral,
        link: &Link<'_>,
        as_of: UnixTime,
    ) -> Result<AtHand, Wants> {
        let answered = self.answered(collateral, link, as_of)?;
        Ok(answered.at_hand)
    }

    /// The same with the bytes.
    pub(super) fn answered(
        &self,
        collateral: &Collateral,
        link: &Link<'_>,
        as_of: UnixTime,
    ) -> Result<Answered, Wants> {
        let terms = Terms {
            as_of,
            max_age_secs: self.max_age_secs(),
            hold: self.hold(),
        };
        let filed = self.filed.get_or_init(|| collateral.filed_answers());
        let settled = if self.of_the_past {
            collateral.ocsp_of_the_past(filed, link, &terms)
        } else if self.policy.revocation().mode == RevocationMode::Required {
            match collateral.filed_revocation(filed, link, &terms) {
                Some(revocation) => Ok(revocation),
                None => return self.fresh_answer(collateral, link, &terms),
            }
        } else if self.closed {
            collateral.settle_ocsp(filed, link, &terms, as_of)
        } else {
            known(collateral.look_up_ocsp(filed, link, &terms, as_of))?
        };
        Ok(settled.map_or_else(Answered::from, Answered::from))
    }

    /// The manifest of this id, or why there is none. Touches no network.
    ///
    /// # Errors
    /// What has to be asked for first.
    pub fn manifest(
        &self,
        collateral: &Collateral,
        id: &str,
        as_of: UnixTime,
    ) -> Result<Result<RimAtHand, Absence>, Wants> {
        if self.of_the_past {
            return Ok(collateral.rim_of_the_past(id, as_of));
        }
        match self.closed {
            true => Ok(collateral.settle_rim(id, as_of)),
            false => known(collateral.look_up_rim(id, as_of)),
        }
    }

    /// The answer made for this appraisal. Nothing takes a revocation back, so that one known from before counts in the place
    /// of an answer that did not come or tells nothing.
    fn fresh_answer(
        &self,
        collateral: &Collateral,
        link: &Link<'_>,
        terms: &Terms,
    ) -> Result<Answered, Wants> {
        let made_now = match self.fresh.get(&link.id()) {
            Some(answered) => answered.clone(),
            None if self.closed => Need::Ocsp(OcspNeed::of(link)).not_in_time().into(),
            None => {
                return Err(Wants {
                    kept: Vec::new(),
                    now: vec![OcspNeed::of(link)],
                });
            }
        };
        if tells(link, &made_now.at_hand, terms) {
            return Ok(made_now);
        }
        let known = collateral.fetched_revocation(link);
        Ok(known.map_or(made_now, Answered::from))
    }

    /// Obtains what a pass wanted, as far as it can be had by the deadline. What cannot is unavailable with a reason.
    pub async fn obtain(&mut self, collateral: &Collateral, wants: Wants, deadline: Instant) {
        let (answers, ()) = tokio::join!(
            collateral.ask_now(wants.now, deadline),
            collateral.fetch_missing(wants.kept, self.max_age_secs(), deadline),
        );
        for (need, answer) in answers {
            let answered = answer.map_or_else(
                |reason| Answered {
                    at_hand: AtHand::Missing(reason),
                    der: None,
                },
                Answered::from,
            );
            self.fresh.insert(need.id(), answered);
        }
    }
}

/// Whether anything comes to be known of the certificate by this.
fn tells(link: &Link<'_>, at_hand: &AtHand, terms: &Terms) -> bool {
    let AtHand::Response {
        response,
        nonce_sent,
    } = at_hand
    else {
        return false;
    };
    let answer = Answer {
        response,
        nonce_sent: nonce_sent.as_ref(),
    };
    let finding = RevocationFinding::of(link, Some(answer), terms);
    finding.status() != RevocationStatus::NotChecked
}

/// What a look-up knows, or what has to be asked for.
fn known<T>(looked_up: Lookup<T>) -> Result<Result<T, Absence>, Wants> {
    match looked_up {
        Lookup::Found(found) => Ok(Ok(found)),
        Lookup::Absent(absence) => Ok(Err(absence)),
        Lookup::Ask(need) => Err(Wants {
            kept: vec![need],
            now: Vec::new(),
        }),
    }
}
