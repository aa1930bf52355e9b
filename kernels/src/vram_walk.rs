//! `vram_walk`: memory filled so that no line of it is quick to make anew, and random reads all over it.
//!
//! # What's in scope
//!
//! [`Params`] → [`VramWalk`]: lanes, depth, walkers, hops, seed; the right memory and the ends of the walks, single lines
//! and walks, the launches of a device.
//!
//! # What's out of scope
//!
//! Judging a time. What a time shows, and what not, is in the normative text, `spec/vram_walk.md`.

mod line;
mod params;
mod point;
mod program;

pub use params::{MAX_DEPTH, MAX_HOPS, MAX_LINES, MAX_OUTPUT, Params, VramWalk};
