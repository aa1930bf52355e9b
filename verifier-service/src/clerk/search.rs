//! The search for agents: rounds over jobs that lack some, fair to their tenants, and apart from everything that has a
//! deadline.
//!
//! A **search** has a number and goes over every job that lacks agents once. A new one begins when there is a reason to
//! look at jobs again: an agent came, states something else or has less to do, or an owner got money or was admitted
//! again. A job that is new, or lost an agent, is looked at without one. While nothing happens no job is looked at,
//! however many wait.
//!
//! A **round** takes as many jobs as agents have places, [`FEWEST`] at least and [`MOST`] at most. It takes one job of
//! each tenant whose [turn](super::turns) it is, the one that was looked at longest ago, before it takes a second one
//! of any tenant. So with T tenants whose jobs wait, the first job of each is looked at within ⌈T / [`FEWEST`]⌉ rounds
//! after which somebody still has room, however many jobs the others have. Of the tenants of a round, the one that was
//! given a place longest ago is served first; a verifier knows only the places that it gave itself. Rounds in which
//! nothing is offered are [`PAUSE`] apart, and each takes twice as many jobs as the last, up to [`MOST_IN_VAIN`].
//!
//! Where this process makes an agent free, it begins a search itself. If another verifier made one free and was ended
//! before it looked, this is seen within [`LOOK_EVERY`], since room and funds are compared with those of the last look.
//! Jobs that it had taken to look at are seen [`HOLD`] after that, and everything else within [`SEARCH_EVERY`].

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evidence::UnixTime;
use jobs::{JobId, PartyId};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::caught::caught;
use super::dispatch::Room;
use super::turns::Turns;
use super::{Clerk, ClerkError};
use crate::agents::PRESENT_FOR_S;
use crate::store::StoreError;
use crate::store::clerk::{ClerkStore, WithRoom};
use crate::store::jobs::{JobStore, Lacking};

/// Jobs looked at in one round, at least where there are so many, and at most.
const FEWEST: u32 = 8;
const MOST: u32 = 32;
/// The same after rounds in vain: what nobody fits costs a reading each, and stands before what somebody fits.
const MOST_IN_VAIN: u32 = 256;
/// How long after a round in which nothing was offered the next one begins.
const PAUSE: Duration = Duration::from_millis(100);
/// How often agents are looked at without a reason, while jobs lack some.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the search of another verifier is the latest until one makes sure that no job was left in the midst of it.
const HOLD: Duration = Duration::from_secs(60);
/// How often a search begins without a reason.
const SEARCH_EVERY: Duration = Duration::from_secs(300);

/// The task; it ends with this.
pub(super) struct Searching {
    task: JoinSet<()>,
    stop: oneshot::Sender<()>,
}

impl Searching {
    pub(super) fn start(clerk: Clerk) -> Self {
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(clerk.search(stopped));
        Self { task, stop }
    }

    /// Whether it ended by itself, which it does not.
    pub(super) fn is_over(&mut self) -> bool {
        self.task.try_join_next().is_some()
    }

    /// Lets it finish the round it is in.
    pub(super) async fn end(mut self) {
        drop(self.stop);
        while self.task.join_next().await.is_some() {}
    }
}

/// What a verifier remembers from round to round.
pub(super) struct Search {
    /// The search that is on. One that was begun for a reason has an even number, one that makes sure an odd one: nobody
    /// makes sure of that.
    number: i64,
    /// When it began.
    begun: Option<Instant>,
    /// The latest search of any verifier, and since when it is.
    latest: Option<(i64, Instant)>,
    /// By owner and shape, the places that there were at the last look, and the funds.
    seen: HashMap<(PartyId, String), (u32, i64)>,
    turns: Turns,
    /// How many jobs the next round takes at least, after one in vain.
    widened: u32,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// There is nothing to be done until something happens.
    Over,
    /// Jobs were looked at in vain; there may be more.
    InVain,
    /// Somebody was offered something; there may be more.
    Offered,
}

impl Search {
    /// Before the first.
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            begun: None,
            latest: None,
            seen: HashMap::new(),
            turns: Turns::default(),
            widened: 0,
        }
    }

    /// Begins a new search if there is a reason to; `latest` is the number of the latest one of any verifier.
    fn heed(&mut self, with_room: &[WithRoom], is_told: bool, latest: i64) {
        let is_old = self
            .begun
            .is_none_or(|begun| begun.elapsed() >= SEARCH_EVERY);
        let has_more = with_room.iter().any(|agents| self.is_more(agents));
        let may_be_left = self.may_be_left(latest);
        if is_told || is_old || has_more {
            let before = self.number.max(latest);
            self.begin((before | 1).saturating_add(1));
        } else if may_be_left {
            self.begin(latest.saturating_add(1));
        }
        let seen = with_room.iter().map(|agents| {
            let which = (agents.owner.clone(), agents.shape.clone());
            (which, (agents.places, agents.funds))
        });
        self.seen = seen.collect();
    }

    fn begin(&mut self, number: i64) {
        self.number = number;
        self.begun = Some(Instant::now());
    }

    /// Whether there was no such room at the last look, or less, or the owner had less.
    fn is_more(&self, agents: &WithRoom) -> bool {
        let which = (agents.owner.clone(), agents.shape.clone());
        let seen = self.seen.get(&which);
        seen.is_none_or(|(places, funds)| agents.places > *places || agents.funds > *funds)
    }

    /// Whether the latest search is one of another verifier, which may have been ended with jobs in its hands.
    fn may_be_left(&mut self, latest: i64) -> bool {
        let known = self.latest.filter(|(number, _)| *number == latest);
        let (_, since) = *self
            .latest
            .insert(known.unwrap_or((latest, Instant::now())));
        latest > self.number && latest % 2 == 0 && since.elapsed() >= HOLD
    }

    /// How many jobs a round takes.
    fn width(&self, places: u32) -> u32 {
        places.clamp(FEWEST, MOST).max(self.widened)
    }

    /// A round took so many.
    fn was(&mut self, round: Round, width: u32) {
        self.widened = match round {
            Round::InVain => width.saturating_mul(2).min(MOST_IN_VAIN),
            Round::Offered | Round::Over => 0,
        };
    }
}

impl Clerk {
    /// Looks for agents until it is told to stop, then finishes the round it is in.
    async fn search(self, mut stop: oneshot::Receiver<()>) {
        let mut search = Search::new();
        loop {
            let wait = match self.round(&mut search).await {
                Ok(Round::Offered) => Duration::ZERO,
                Ok(Round::InVain) => PAUSE,
                Ok(Round::Over) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(cause = %error, "agents are not looked for");
                    // Some of the jobs that were taken may not have been looked at.
                    search.begun = None;
                    LOOK_EVERY
                }
            };
            let is_over = wait == LOOK_EVERY;
            tokio::select! {
                biased;
                _ = &mut stop => return,
                () = self.0.wanted.notified(), if is_over => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// A job lacks agents.
    pub(super) fn agents_are_wanted(&self) {
        self.0.wanted.notify_one();
    }

    /// Who was passed over before may do now.
    pub(crate) fn agents_may_be_free(&self) {
        self.0.is_anybody_free.store(true, Ordering::SeqCst);
        self.0.wanted.notify_one();
    }

    /// Whether it was told so since agents were looked at, or this was asked, last.
    #[cfg(test)]
    pub(crate) fn is_anybody_free(&self) -> bool {
        self.0.is_anybody_free.swap(false, Ordering::SeqCst)
    }

    /// One round. What it costs is bounded, whatever waits: two statements where nobody has room.
    pub(super) async fn round(&self, search: &mut Search) -> Result<Round, ClerkError> {
        // Nobody is offered anything before an outage of the store is over.
        if self.was_away() {
            return Ok(Round::Over);
        }
        let Some(latest) = self.store().latest_search().await? else {
            return Ok(Round::Over);
        };
        let is_told = self.0.is_anybody_free.swap(false, Ordering::SeqCst);
        let with_room = self.store().with_room(self.present_since()).await?;
        search.heed(&with_room, is_told, latest);
        let mut room = Room::of(with_room);
        if room.is_full() {
            return Ok(Round::Over);
        }
        let (number, width) = (search.number, search.width(room.places()));
        let tenants = self.store().tenants_lacking(number).await?;
        let most = usize::try_from(width).unwrap_or(usize::MAX);
        let tenants = search.turns.next(tenants, most);
        let taken = self.store().take_lacking(number, &tenants, width);
        let mut taken = taken.await?.into_iter();
        let mut round = Round::Over;
        while !room.is_full()
            && let Some(lacking) = taken.next()
        {
            let is_offered = self.try_to_offer(&lacking.job, &mut room).await?;
            round = round.max(match is_offered {
                true => Round::Offered,
                false => Round::InVain,
            });
            search.turns.was_looked_at(lacking.tenant, is_offered);
        }
        self.hand_back(number, taken).await?;
        search.was(round, width);
        Ok(round)
    }

    /// Nobody has room for these, and they come first once somebody has.
    async fn hand_back(
        &self,
        number: i64,
        left: impl Iterator<Item = Lacking>,
    ) -> Result<(), StoreError> {
        let left: Vec<JobId> = left.map(|lacking| lacking.job).collect();
        match left.is_empty() {
            true => Ok(()),
            false => self.store().hand_back(number, &left).await,
        }
    }

    /// Whether the job was offered to anybody. One that fails stands in nobody's way: it is looked at in the next search.
    ///
    /// # Errors
    /// The store is away, or was for so long that it is an outage, which is not over: others would fare no better.
    async fn try_to_offer(&self, id: &JobId, room: &mut Room) -> Result<bool, ClerkError> {
        match caught(self.offer_to_any(id, room)).await {
            Ok(offered) => Ok(offered),
            Err(ClerkError::Away) => Err(ClerkError::Away),
            Err(ClerkError::Store(error)) if error.is_transient() => Err(error.into()),
            Err(ClerkError::Unknown) => Ok(false),
            Err(error) => {
                self.meters().failed();
                tracing::error!(job = %id, cause = %error, "no agents are looked for");
                Ok(false)
            }
        }
    }

    async fn offer_to_any(&self, id: &JobId, room: &mut Room) -> Result<bool, ClerkError> {
        let job = self.store().job(id).await?;
        let job = job.ok_or(ClerkError::Unknown)?;
        match job.wants_agents(self.parts().clock.now()) {
            true => self.dispatch(job, room).await,
            false => self.put_off(id, None).await.map(|()| false),
        }
    }

    /// Whoever was heard of since then is there.
    pub(super) fn present_since(&self) -> UnixTime {
        let now = self.parts().clock.now();
        UnixTime::from_secs(now.secs().saturating_sub(PRESENT_FOR_S))
    }
}

#[cfg(test)]
mod tests;
