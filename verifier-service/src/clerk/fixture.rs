//! A clerk for tests, over a store and a judge that the test gives it.

use std::sync::Arc;
use std::time::Duration;

use super::{Clerk, Parts};
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::fixture::MadeToOrder;
use crate::hub::Hub;
use crate::judge::{Judge, Proceedings};
use crate::policies::{self, Book, InForce};
use crate::store::tests::Rig;

/// It does nothing until it is told to, and is there for an hour, however slow the machine is, unless it comes back.
pub(super) async fn clerk(rig: &Rig, clock: Arc<ManualClock>, judge: MadeToOrder) -> Clerk {
    let wall = Arc::new(ManualClock::new(clock.now()));
    clerk_by(rig, clock, wall, judge).await
}

/// The same by this clock of the machine.
pub(super) async fn clerk_by(
    rig: &Rig,
    clock: Arc<ManualClock>,
    wall: Arc<ManualClock>,
    judge: MadeToOrder,
) -> Clerk {
    let config = Config::default();
    let clock: Arc<dyn Clock> = clock;
    let in_force = InForce::new(policies::configured(&config.appraisal).unwrap());
    let store = Arc::new(rig.store.clone());
    let book = Book::open(Arc::clone(&store) as _, in_force, false, Arc::clone(&clock));
    let clerk = Clerk::new(Parts {
        store: rig.store.clone(),
        proceedings: Proceedings::new(Arc::new(judge) as Arc<dyn Judge>, &config),
        book: book.await.unwrap(),
        hub: Hub::start(store as _),
        clock,
        wall,
        audience: Vec::new(),
        body_limit: config.body_limit_bytes,
        most_open_jobs: 1000,
        opening_retention_s: config.opening_retention_s,
    });
    clerk.0.presence.is_noted_for(Duration::from_secs(3600));
    clerk
}
