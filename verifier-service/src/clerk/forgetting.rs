//! What is forgotten of jobs that ended long ago: the bytes of openings and answers, drafts of receipts, offers that nobody took.
//!
//! A little is deleted at a time, by whichever verifier looks first. What stays is small, and enough to account for all
//! that was decided: the job with the digests of what was committed, opened and answered, every verdict, the history,
//! receipts with their bundles, and the books.

use evidence::UnixTime;

use super::Clerk;
use crate::store::clerk::ClerkStore;

/// Most batches in one go; the next go is seconds later.
const MOST_BATCHES: u32 = 1000;

impl Clerk {
    /// Forgets what jobs keep that ended so long ago, a few at a time, so that others write in between.
    pub(super) async fn forget_old(&self) {
        let (now, kept_s) = (self.parts().clock.now(), self.parts().opening_retention_s);
        let before = UnixTime::from_secs(now.secs().saturating_sub(kept_s.into()));
        let mut forgotten = 0_usize;
        for _ in 0..MOST_BATCHES {
            match self.store().forget_documents(before).await {
                Ok(0) => break,
                Ok(jobs) => forgotten = forgotten.saturating_add(jobs),
                Err(error) => {
                    tracing::warn!(cause = %error, "openings and answers of old jobs are not forgotten");
                    break;
                }
            }
        }
        if forgotten > 0 {
            tracing::info!(
                jobs = forgotten,
                "openings and answers of old jobs are forgotten"
            );
        }
    }
}
