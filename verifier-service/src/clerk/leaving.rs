//! What agents leave behind when they are removed: what they have not committed to goes to others.
//!
//! An agent is removed first, and gets nothing new from then on; then what it holds is given back, one job after the other.
//! Where a process ends in between, or the store fails, the background task of any verifier finds what is left. What is
//! committed stays: whoever committed owes an opening.

use jobs::AgentId;

use super::act::Deed;
use super::caught::caught;
use super::{Clerk, ClerkError};
use crate::agents::Duties;
use crate::id::Id;
use crate::store::clerk::ClerkStore;
use crate::store::jobs::JobStore;
use crate::store::{Answer, StoreError};

/// Agents looked after in one go.
const MOST_AGENTS: u32 = 64;

impl Clerk {
    /// Gives back what removed agents still hold.
    pub(super) async fn release_left(&self) {
        if let Err(error) = self.try_release_left().await {
            tracing::warn!(cause = %error, "what removed agents left is not given to others");
        }
    }

    async fn try_release_left(&self) -> Result<(), StoreError> {
        for agent in self.store().removed_at_work(MOST_AGENTS).await? {
            self.release_of(&agent).await?;
        }
        Ok(())
    }

    async fn release_of(&self, agent: &AgentId) -> Result<(), StoreError> {
        for held in self.store().unfinished(agent).await? {
            match caught(self.act(&held.job, Deed::release(&held.id, agent))).await {
                // Committed to, or ended, a moment ago.
                Ok(_) | Err(ClerkError::Refused(_) | ClerkError::Unknown) => {}
                Err(ClerkError::Store(error)) => return Err(error),
                Err(error) => {
                    tracing::warn!(job = %held.job, cause = %error, "assignment is not released");
                }
            }
        }
        Ok(())
    }
}

impl Duties for Clerk {
    fn agent_has_news(&self) {
        self.agents_may_be_free();
    }

    fn release_all(&self, agent: Id) -> Answer<'_, ()> {
        Box::pin(async move {
            match AgentId::parse(&agent.to_string()) {
                Ok(agent) => self.release_of(&agent).await,
                Err(_) => Ok(()),
            }
        })
    }
}
