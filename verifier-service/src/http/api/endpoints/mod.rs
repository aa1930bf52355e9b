//! The table, a file for each part of the interface.

mod agents;
mod assignments;
mod audit;
mod books;
mod collateral;
mod jobs;
mod nvidia;
mod parties;
mod policies;
mod receipts;
mod service;
mod webhooks;

use super::endpoint::Endpoint;

/// Every endpoint.
pub(super) fn all() -> Vec<Endpoint> {
    let parts = [
        receipts::all(),
        jobs::all(),
        assignments::all(),
        agents::all(),
        books::all(),
        webhooks::all(),
        policies::all(),
        parties::all(),
        audit::all(),
        service::all(),
        collateral::all(),
        nvidia::all(),
    ];
    parts.into_iter().flatten().collect()
}
