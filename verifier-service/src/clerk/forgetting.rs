//! What is forgotten of jobs that ended long ago: the bytes of openings and answers, and drafts of receipts.
//!
//! A little at a time, by whichever verifier looks first. What stays is small, and enough to account for all that was
//! decided: the job with the digests of what was committed, opened and answered, every verdict, the history, receipts
//! with their bundles, and the books.

use evidence::UnixTime;

use super::Clerk;
use crate::store::clerk::ClerkStore;

impl Clerk {
    /// Forgets what a few jobs keep that ended so long ago.
    pub(super) async fn forget_old(&self) {
        let (now, kept_s) = (self.parts().clock.now(), self.parts().opening_retention_s);
        let before = UnixTime::from_secs(now.secs().saturating_sub(kept_s.into()));
        match self.store().forget_documents(before).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "openings and answers of old jobs are forgotten"),
            Err(error) => {
                tracing::warn!(cause = %error, "openings and answers of old jobs are not forgotten");
            }
        }
    }
}
