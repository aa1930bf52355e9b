//! `pathtrace`: a picture of marbles at dusk, exact to the bit, as a PNG file.
//!
//! # What's in scope
//!
//! * [`Params`] → [`Pathtrace`]: the JSON of a job, then the same with its rules checked. [`Params::marbles`] is a
//!   picture worth looking at.
//! * The scene that a seed makes, the light along a path, a pixel alone: each pixel is a point.
//! * The file: its one output is a PNG, so that `b3sum picture.png` prints the output digest of a receipt.
//! * The launches of a device.
//!
//! # What's out of scope
//!
//! Scenes that somebody sends, and pictures smaller than their pixels: rows are stored, not compressed, so that every
//! byte has a place that follows from the size alone. The GPU kernel itself (`cuda/pathtrace.cu`).
//!
//! The normative text is `spec/pathtrace.md`. Draws depend on pixel, sample and bounce alone, and a pixel adds its
//! samples in their order: no schedule shows in the picture.

mod camera;
mod draw;
mod params;
mod path;
mod pixel;
mod png;
mod point;
mod program;
mod scene;
mod surface;
mod vector;

pub use params::{
    Camera, MAX_COORDINATE, MAX_DEPTH, MAX_LENS, MAX_MARBLES, MAX_PIXELS, MAX_SAMPLES, MAX_SIDE,
    MAX_VIEW, MIN_CAMERA_HEIGHT, Params, Pathtrace,
};
