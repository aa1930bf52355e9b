//! Records what changes nothing in the store: simulations, and refused attempts.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, By, New, Refusals};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::audit::AuditStore;

/// How often attempts that were counted are recorded.
const EVERY: Duration = Duration::from_secs(20);

/// See the [module documentation](self). Copies share everything.
#[derive(Clone)]
pub(crate) struct Recorder {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    refusals: Arc<Refusals>,
}

impl Recorder {
    /// Records in this store.
    pub(crate) fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            refusals: Arc::default(),
        }
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn AuditStore> {
        &self.store
    }

    /// Records something that was done.
    ///
    /// # Errors
    /// The store failed; then nobody may be told what came of it.
    pub(crate) async fn done(&self, new: New) -> Result<(), StoreError> {
        self.store.add_entry(new).await
    }

    /// Records that somebody was refused something, unless attempts like it are being counted. Nothing was changed, so a
    /// store that fails does not change the answer.
    pub(crate) async fn refused(
        &self,
        by: By,
        action: Action,
        object: Option<String>,
        code: &'static str,
    ) {
        let Some(details) = self.refusals.entry_about(&by, action, code) else {
            return;
        };
        let new = New::refused(by, action, object, code).with(details);
        self.write(vec![new]).await;
    }

    /// Records what was counted, again and again.
    pub(crate) async fn follow(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write(self.refusals.over(self.clock.now())).await;
        }
    }

    /// Records what is still counted: the process ends.
    pub(crate) async fn finish(&self) {
        self.write(self.refusals.all(self.clock.now())).await;
    }

    async fn write(&self, entries: Vec<New>) {
        for new in entries {
            let (action, code) = (new.action.as_str(), new.refused);
            if let Err(error) = self.store.add_entry(new).await {
                tracing::warn!(action, code, cause = %error, "a refusal is not in the audit log");
            }
        }
    }
}
