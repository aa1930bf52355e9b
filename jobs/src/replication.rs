//! How many replicas: BOINC's adaptive rule (methods 2.3).
//!
//! An agent with fewer than [`TRUSTED_FROM`] good results in a row that count towards the job
//! ([`Records::towards`](crate::Records::towards)) never runs it alone. One with CV such results is replicated with
//! probability 1/CV. The draw is made from the verifier's randomness when the agent is chosen, and the agent
//! is never told: one that cheats now and then does not know when it is safe.

use crate::context::{Label, Randomness};
use crate::record::Record;
use crate::terms::Replicas;

/// Good results in a row from which on an agent may run a job alone (methods 2.3).
pub const TRUSTED_FROM: u32 = 10;

/// How many replicas a job needs whose first one is run by an agent with this record.
pub(crate) fn replicas(
    asked: Replicas,
    record: Record,
    randomness: &Randomness,
    index: u64,
) -> u32 {
    if !asked.adaptive || record.0 < TRUSTED_FROM {
        return asked.count;
    }
    match randomness.below(Label::Replicate, index, u64::from(record.0)) {
        0 => asked.count,
        _ => 1,
    }
}
