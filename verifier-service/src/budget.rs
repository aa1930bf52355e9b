//! A bounded amount of memory, shared out among what holds it: bodies that come in, answers that go out.
//!
//! A part is for what is small alone, so that large things cannot keep small ones out.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
}

/// What one thing has of the memory; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    common: Option<OwnedSemaphorePermit>,
    reserve: Option<OwnedSemaphorePermit>,
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
        let taken = take(&self.common, &mut share.common, missing)
            || (is_small && take(&self.reserve, &mut share.reserve, missing));
        match taken {
            true => Ok(()),
            false => Err(Exhausted),
        }
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
