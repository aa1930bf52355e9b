//! The policies of a running service: every version there is, and which one decides.
//!
//! What decides at start, in this order:
//!
//! 1. with `appraisal.policy_pinned`, the configured policy;
//! 2. the version that was activated last, if ever one was;
//! 3. the configured policy.
//!
//! What other verifiers on the same database activate later soon decides here too (`follow.rs`).
//!
//! The configured and the built-in texts are kept as versions of their names too, so that every receipt can be traced
//! to the text that granted it, and any of them can be activated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evidence::UnixTime;
use evidence::policy::{Denial, Policy};
use thiserror::Error;
use tracing::Instrument;

use super::in_force::{Activated, Standing};
use super::{BUILT_IN, InForce, LoadError, PolicyName, compile};
use crate::audit::By;
use crate::clock::Clock;
use crate::problem::{Problem, ProblemCode};
use crate::store::StoreError;
use crate::store::policies::{
    AddedPolicy, NewPolicy, PolicyStore, PolicyVersion, StoredActivation, StoredPolicy, Unless,
    VersionNumber,
};
use crate::workers::Workers;

/// Who changes policies, for the log: there is one operator.
const OPERATOR: &str = "operator token";

/// Why the policies of a service cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BookError {
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The version activated last cannot be used by this verifier.
    #[error(
        "version {version} of policy {id}, activated last, cannot be used: {source}; set appraisal.policy_pinned to start with the configured policy"
    )]
    Active {
        /// Its name.
        id: String,
        /// Its number.
        version: VersionNumber,
        /// Why not.
        source: LoadError,
    },
    /// The process ends.
    #[error("interrupted by the end of the process")]
    Interrupted,
    /// There are too many versions of a policy to keep another.
    #[error("policy {id} has too many versions to keep this one: give the file another name")]
    TooMany {
        /// Its name.
        id: String,
    },
}

/// See the [module documentation](self). Copies share everything.
#[derive(Clone)]
pub(crate) struct Book {
    pub(super) store: Arc<dyn PolicyStore>,
    pub(super) in_force: InForce,
    pub(super) pinned: bool,
    clock: Arc<dyn Clock>,
    /// Set while the version activated last cannot be used here.
    pub(super) is_behind: Arc<AtomicBool>,
}

/// A text that was uploaded.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// The version it is.
    pub(crate) version: PolicyVersion,
    /// What it compiles to.
    pub(crate) policy: Policy,
    /// Whether this upload made the version.
    pub(crate) fresh: bool,
}

/// A version that decides from now on.
#[derive(Debug)]
pub(crate) struct Activation {
    /// The version.
    pub(crate) version: PolicyVersion,
    /// What it compiles to.
    pub(crate) policy: Arc<Policy>,
    /// Since when.
    pub(crate) at: UnixTime,
}

impl Book {
    /// Keeps the texts this verifier came with and was configured with, and puts in force what decides.
    ///
    /// # Errors
    /// See [`BookError`]. A version that was activated and cannot be used is never replaced by another policy unasked.
    pub(crate) async fn open(
        store: Arc<dyn PolicyStore>,
        in_force: InForce,
        pinned: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BookError> {
        let book = Self {
            store,
            in_force,
            pinned,
            clock,
            is_behind: Arc::default(),
        };
        for (id, text) in BUILT_IN {
            book.keep(id, text).await?;
        }
        let configured = book.in_force.configured().clone();
        let id = &configured.policy.identity().id;
        let version = book.keep(id, &configured.text).await?;
        book.in_force.replace(Standing {
            policy: Arc::new(configured.policy),
            version: Some(version.version),
            activation: None,
        });
        if let Some(last) = book.store.active_policy().await? {
            book.resume(last, &version)?;
        }
        Ok(book)
    }

    /// What decides now.
    pub(crate) fn standing(&self) -> Standing {
        self.in_force.standing()
    }

    /// Whether the configuration alone says what decides.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Whether another verifier put a version in force that cannot be used here, so that an earlier one decides.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Where the versions are.
    pub(crate) fn store(&self) -> &Arc<dyn PolicyStore> {
        &self.store
    }

    /// Keeps a text as the next version of its name. It decides nothing until it is activated.
    ///
    /// # Errors
    /// 403 if the policy is pinned, 422 with the compiler's words, a failure of the store.
    pub(crate) async fn upload(
        &self,
        name: PolicyName,
        text: String,
        by: By,
        workers: &Workers,
    ) -> Result<Uploaded, Problem> {
        self.may_change()?;
        let loaded = compiled(name.to_string(), text, workers).await?;
        let new = NewPolicy {
            id: name.to_string(),
            text: loaded.text,
            by,
            unless: Unless::Newest,
        };
        let book = self.clone();
        let (version, fresh) = to_its_end(async move { book.add(new).await }).await?;
        Ok(Uploaded {
            version,
            policy: loaded.policy,
            fresh,
        })
    }

    /// Puts a version in force: the next decision is its, those in progress end as they began.
    ///
    /// # Errors
    /// 403 if the policy is pinned, 404 if there is no such version, a failure of the store.
    pub(crate) async fn activate(
        &self,
        name: PolicyName,
        version: VersionNumber,
        by: By,
        workers: &Workers,
    ) -> Result<Activation, Problem> {
        self.may_change()?;
        let found = self.store.policy(name.as_str(), version).await?;
        let StoredPolicy { text, .. } = found.ok_or_else(not_found)?;
        // It compiled when it was uploaded; an earlier version of this program may have done that.
        let loaded = compiled(name.to_string(), text, workers).await?;
        let policy = Arc::new(loaded.policy);
        let book = self.clone();
        to_its_end(async move { book.put_in_force(&name, version, policy, by).await }).await
    }

    /// A version, compiled, whether it decides or not.
    ///
    /// # Errors
    /// 404 if there is no such version, 422 if it does not compile any more, a failure of the store.
    pub(crate) async fn policy(
        &self,
        name: PolicyName,
        version: VersionNumber,
        workers: &Workers,
    ) -> Result<(PolicyVersion, Policy), Problem> {
        let found = self.store.policy(name.as_str(), version).await?;
        let StoredPolicy { version, text } = found.ok_or_else(not_found)?;
        let loaded = compiled(name.to_string(), text, workers).await?;
        Ok((version, loaded.policy))
    }

    fn may_change(&self) -> Result<(), Problem> {
        match self.pinned {
            true => Err(Problem::new(ProblemCode::PolicyPinned)),
            false => Ok(()),
        }
    }

    async fn add(&self, new: NewPolicy) -> Result<(PolicyVersion, bool), Problem> {
        match self.store.add_policy(new).await? {
            AddedPolicy::Before(version) => Ok((version, false)),
            AddedPolicy::TooMany => Err(Problem::new(ProblemCode::TooManyPolicies)),
            AddedPolicy::New(new) => {
                let PolicyVersion {
                    id,
                    version,
                    sha256,
                    ..
                } = &new;
                tracing::info!(by = OPERATOR, id, version, %sha256, "policy version added");
                Ok((new, true))
            }
        }
    }

    async fn put_in_force(
        &self,
        name: &PolicyName,
        version: VersionNumber,
        policy: Arc<Policy>,
        by: By,
    ) -> Result<Activation, Problem> {
        let before = self.standing().policy;
        let stored = self.store.activate_policy(name.as_str(), version, by);
        let stored = stored.await?.ok_or_else(not_found)?;
        self.in_force.replace(standing(&stored, &policy));
        self.is_behind.store(false, Ordering::Relaxed);
        let (sha256, replaced) = (stored.policy.version.sha256, before.identity());
        tracing::info!(
            by = OPERATOR, id = %name, version, %sha256,
            replaced_id = replaced.id, replaced_sha256 = %replaced.sha256,
            "policy activated"
        );
        Ok(Activation {
            version: stored.policy.version,
            policy,
            at: stored.at,
        })
    }

    /// What was activated before this start.
    fn resume(&self, last: StoredActivation, configured: &PolicyVersion) -> Result<(), BookError> {
        let PolicyVersion {
            id,
            version,
            sha256,
            ..
        } = last.policy.version.clone();
        if self.pinned {
            tracing::warn!(
                id, version, %sha256, configured_id = configured.id, configured_sha256 = %configured.sha256,
                "the configured policy decides, as it is pinned, not the one activated last"
            );
            return Ok(());
        }
        let loaded = compile(&id, last.policy.text.clone());
        let loaded = loaded.map_err(|source| BookError::Active {
            id: id.clone(),
            version,
            source,
        })?;
        self.in_force
            .replace(standing(&last, &Arc::new(loaded.policy)));
        if (&id, sha256) == (&configured.id, configured.sha256) {
            return Ok(());
        }
        tracing::warn!(
            id, version, %sha256, activated_at = %last.at,
            configured_id = configured.id, configured_sha256 = %configured.sha256,
            "the policy activated last decides, not the configured one"
        );
        Ok(())
    }

    /// A text that came with this program or its configuration.
    async fn keep(&self, id: &str, text: &str) -> Result<PolicyVersion, BookError> {
        let new = NewPolicy {
            id: id.to_owned(),
            text: text.to_owned(),
            by: By::service(self.clock.now()),
            unless: Unless::Any,
        };
        match self.store.add_policy(new).await? {
            AddedPolicy::New(version) | AddedPolicy::Before(version) => Ok(version),
            AddedPolicy::TooMany => Err(BookError::TooMany { id: id.to_owned() }),
        }
    }
}

/// The answer to a policy that cannot be used: the compiler's words, for who wrote it.
pub(crate) fn unusable(error: &dyn std::error::Error) -> Problem {
    Problem::refuted(evidence::Code::PolicyInvalid).detail(error.to_string())
}

pub(crate) fn not_found() -> Problem {
    Problem::new(ProblemCode::PolicyNotFound)
}

/// What one policy says to one document.
pub(crate) async fn asked(
    policy: Policy,
    document: serde_json::Value,
    workers: &Workers,
) -> Result<Vec<Denial>, Problem> {
    let denials = workers.run(move || policy.denials(&document)).await;
    denials.map_err(|error| unusable(&error))
}

pub(super) fn standing(stored: &StoredActivation, policy: &Arc<Policy>) -> Standing {
    Standing {
        policy: Arc::clone(policy),
        version: Some(stored.policy.version.version),
        activation: Some(Activated {
            number: stored.number,
            at: stored.at,
        }),
    }
}

async fn compiled(id: String, text: String, workers: &Workers) -> Result<super::Loaded, Problem> {
    let loaded = workers.run(move || compile(&id, text)).await;
    loaded.map_err(|error| unusable(&error))
}

/// Goes on to its end, also when the client has given up waiting: what is stored and what decides stay the same.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let changed = tokio::spawn(change.instrument(tracing::Span::current())).await;
    changed.map_err(|error| Problem::caused(ProblemCode::Internal, error))?
}
