//! Which policy decides now.

use std::sync::{Arc, PoisonError, RwLock};

use evidence::UnixTime;
use evidence::policy::Policy;

use super::Loaded;
use crate::store::policies::VersionNumber;

/// The policy that decides, shared by everyone who asks it. Copies share it.
///
/// Whoever decides takes the policy once ([`current`](Self::current)) and decides by that one to the end, whatever is
/// activated meanwhile. The lock is held for the time of a pointer's copy.
#[derive(Clone, Debug)]
pub struct InForce {
    configured: Arc<Loaded>,
    standing: Arc<RwLock<Standing>>,
}

/// The policy that decides, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The policy.
    pub(crate) policy: Arc<Policy>,
    /// Its version in the store; `None` before it is known there.
    pub(crate) version: Option<VersionNumber>,
    /// What put it in force; `None` for the configuration.
    pub(crate) activation: Option<Activated>,
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Activated {
    /// Later ones have greater numbers.
    pub(crate) number: i64,
    /// When.
    pub(crate) at: UnixTime,
}

impl InForce {
    /// Begins with the configured policy.
    #[must_use]
    pub fn new(configured: Loaded) -> Self {
        let standing = Standing {
            policy: Arc::new(configured.policy.clone()),
            version: None,
            activation: None,
        };
        Self {
            configured: Arc::new(configured),
            standing: Arc::new(RwLock::new(standing)),
        }
    }

    /// The policy that decides now.
    #[must_use]
    pub fn current(&self) -> Arc<Policy> {
        self.standing().policy
    }

    /// The policy that the configuration names, whichever decides.
    #[must_use]
    pub fn configured(&self) -> &Loaded {
        &self.configured
    }

    /// The policy that decides now, and since when.
    pub(crate) fn standing(&self) -> Standing {
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        standing.clone()
    }

    /// Puts a policy in force, unless a later activation already did: commits and swaps of two requests may overtake
    /// each other, and what decides now must be what decides after a restart.
    pub(crate) fn replace(&self, new: Standing) {
        let number = |standing: &Standing| standing.activation.map_or(0, |a| a.number);
        let mut standing = self
            .standing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if number(&new) >= number(&standing) {
            *standing = new;
        }
    }
}
