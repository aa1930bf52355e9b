//! A bounded amount of memory, shared among what holds it: bodies that come in, answers that go out.
//!
//! A part is only for small things, so that large ones cannot keep them out. Where the owner of each thing is known,
//! **an owner that has one thing takes no more of the rest than it leaves free**: one alone has half, a second has half
//! of what is left then, and whoever comes next finds some. An owner's only thing may be as large as there is memory:
//! where the memory is for two of the largest, nobody could have one otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::id::Id;
use crate::lock::lock;
use crate::problem::{Problem, ProblemCode};

/// Unit of the budget. A finer one would let many tiny things starve nobody; a coarser one would.
const SHARE_BYTES: usize = 1024;
/// The largest thing that may use the reserve: a challenge, a bundle that hands over no outputs, most answers.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;
/// The part of the budget that is the reserve. Of 512 MiB it is room for 1024 of the largest small things.
const RESERVE_PART: usize = 8;
/// Seconds after which others have gone.
const RETRY_S: u32 = 1;

/// The memory. Copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    common: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    most: usize,
    portions: Portions,
}

/// What each owner has of the memory for all, in shares.
type Portions = Arc<Mutex<HashMap<Id, usize>>>;

/// What one thing has of the memory; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    common: Option<OwnedSemaphorePermit>,
    reserve: Option<OwnedSemaphorePermit>,
    portion: Option<Portion>,
}

/// What it has of the memory for all counts as its owner's.
#[derive(Debug)]
struct Portion {
    of: Portions,
    owner: Id,
    shares: usize,
}

/// Others hold the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no memory is left for it")]
pub(crate) struct Exhausted;

impl From<Exhausted> for Problem {
    fn from(_: Exhausted) -> Self {
        Self::new(ProblemCode::Overloaded).retry_after_s(RETRY_S)
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let reserve = (bytes / RESERVE_PART).max(SMALL_BYTES).min(bytes / 2);
        let shares = |bytes: usize| (bytes / SHARE_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        let most = shares(bytes - reserve);
        Self {
            common: Arc::new(Semaphore::new(most)),
            reserve: Arc::new(Semaphore::new(shares(reserve))),
            most,
            portions: Portions::default(),
        }
    }

    /// A share without anything in it, for a thing of this owner.
    pub(crate) fn share_of(&self, owner: Id) -> Share {
        let portion = Portion {
            of: Arc::clone(&self.portions),
            owner,
            shares: 0,
        };
        Share {
            portion: Some(portion),
            ..Share::default()
        }
    }

    /// Makes `share` large enough for `bytes` that are here. Who finds no memory gives up at once: if all waited,
    /// each holding a part, nobody would get through.
    pub(crate) fn extend(
        &self,
        share: &mut Share,
        bytes: usize,
        is_small: bool,
    ) -> Result<(), Exhausted> {
        let missing = bytes.div_ceil(SHARE_BYTES).saturating_sub(share.count());
        let taken = self.take_common(share, missing)
            || (is_small && take(&self.reserve, &mut share.reserve, missing));
        match taken {
            true => Ok(()),
            false => Err(Exhausted),
        }
    }

    fn take_common(&self, share: &mut Share, missing: usize) -> bool {
        let Some(portion) = &mut share.portion else {
            return take(&self.common, &mut share.common, missing);
        };
        let mut of_owners = lock(&portion.of);
        let has = of_owners.get(&portion.owner).copied().unwrap_or_default();
        let left = self.common.available_permits().saturating_sub(missing);
        let has_then = has.saturating_add(missing);
        let is_only_one = has == portion.shares;
        if (has_then > left && !is_only_one) || !take(&self.common, &mut share.common, missing) {
            return false;
        }
        of_owners.insert(portion.owner, has_then);
        portion.shares = portion.shares.saturating_add(missing);
        true
    }

    /// A share for `bytes` that are here as a whole. What is larger than the memory for all needs all of it.
    pub(crate) fn whole(&self, bytes: usize) -> Result<Share, Exhausted> {
        let mut share = Share::default();
        let counted = bytes.min(self.most.saturating_mul(SHARE_BYTES));
        self.extend(&mut share, counted, bytes <= SMALL_BYTES)?;
        Ok(share)
    }

    /// Bytes of the memory for all that are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        (self.most - self.common.available_permits()) * SHARE_BYTES
    }
}

impl Share {
    fn count(&self) -> usize {
        let held = [&self.common, &self.reserve].into_iter().flatten();
        held.map(OwnedSemaphorePermit::num_permits).sum()
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        let mut of_owners = lock(&self.of);
        if let Some(has) = of_owners.get_mut(&self.owner) {
            *has = has.saturating_sub(self.shares);
            if *has == 0 {
                of_owners.remove(&self.owner);
            }
        }
    }
}

/// Moves this many shares from the pool to what is held of it, or none.
fn take(pool: &Arc<Semaphore>, held: &mut Option<OwnedSemaphorePermit>, shares: usize) -> bool {
    let Some(more) = u32::try_from(shares)
        .ok()
        .and_then(|shares| Arc::clone(pool).try_acquire_many_owned(shares).ok())
    else {
        return false;
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_is_left() {
        // 896 KiB for all, and 128 for what is small.
        let budget = Budget::new(1024 * 1024);
        let [one, other] = [Id::random(), Id::random()];
        let take = |owner, kib: usize| {
            let mut share = budget.share_of(owner);
            let taken = budget.extend(&mut share, kib * 1024, false);
            taken.map(|()| share)
        };
        let first = take(one, 300).unwrap();
        assert_eq!(take(one, 149).err(), Some(Exhausted));
        let second = take(one, 148).unwrap();
        let third = take(other, 224).unwrap();
        for owner in [one, other] {
            assert_eq!(take(owner, 1).err(), Some(Exhausted));
        }
        // What is given back is nobody's. A thing grows by the same rule, and one that is alone to all that is left.
        drop((first, third));
        let mut grown = budget.share_of(other);
        for kib in [300, 748] {
            budget.extend(&mut grown, kib * 1024, false).unwrap();
        }
        assert_eq!(budget.extend(&mut grown, 749 * 1024, false), Err(Exhausted));
        drop((second, grown));
        assert!(lock(&budget.portions).is_empty());
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn what_is_whole_fits_or_takes_all() {
        let budget = Budget::new(512 * 1024);
        let large = budget.whole(usize::MAX).unwrap();
        assert_eq!(budget.whole(SMALL_BYTES + 1).err(), Some(Exhausted));
        let small = budget.whole(SMALL_BYTES).unwrap();
        assert_eq!(budget.whole(1).err(), Some(Exhausted));
        drop((large, small));
        budget.whole(SMALL_BYTES + 1).unwrap();
    }
}
