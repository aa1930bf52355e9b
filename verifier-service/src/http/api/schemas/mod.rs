//! Every named schema.

mod audit;
mod collateral;
mod evidence;
mod market;
mod parties;
mod policies;
mod problems;
mod wire;
mod words;
mod work;

use serde_json::Value;

/// A name and what it stands for.
type Named = (&'static str, Value);

/// All of them, by name.
pub(super) fn all() -> impl Iterator<Item = Named> {
    words::all()
        .into_iter()
        .chain(problems::all())
        .chain(evidence::all())
        .chain(work::all())
        .chain(wire::all())
        .chain(market::all())
        .chain(parties::all())
        .chain(audit::all())
        .chain(policies::all())
        .chain(collateral::all())
}
