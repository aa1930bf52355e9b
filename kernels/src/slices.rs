//! Verified slices: a few bytes of an output that is known by its digest alone.
//!
//! # What's in scope
//!
//! * [`Stretch`]: which bytes, and how long the Bao slice is that opens them.
//! * [`open`]: a Bao slice → its bytes, if the digest vouches for them. `b3sum` of the output prints that digest.
//! * [`Opened`]: the bytes opened so far, by tensor, as [`Slices`](crate::point::Slices) that points are computed from.
//! * [`output_named`]: the tensor that a slice from outside says it is of.
//! * [`stretches`]: what has to be opened for an audit of given points.
//! * [`check`]: the audit over what was opened, with the verdict of an audit over whole outputs.
//!
//! # What's out of scope
//!
//! Making slices ([`committed`](crate::committed)), drawing points ([`audit`](crate::audit)), the form in which slices
//! travel.
//!
//! # What it shows
//!
//! A slice is refused unless it ends in the digest: whoever opens bytes other than those committed to has found a
//! collision of BLAKE3. Bytes that were never opened are missing, never zero.

mod audit;
mod open;
mod opened;
mod plan;
mod stretch;

pub use audit::check;
pub use open::{SliceError, open};
pub use opened::{Opened, output_named};
pub use plan::{opening_len, stretches};
pub use stretch::Stretch;

pub(crate) use plan::Chunks;
