//! The samples: from the seed, or out of given bytes; any few of them without the others.
//!
//! In scope: the batch of a step, and the rules on given bytes. Out of scope: digests of given bytes
//! ([`Job::accept`](crate::Job::accept)).

use super::{DataSource, Dense, Layers, MlpSgd, Task, step};
use crate::job::{CheckedInputs, InputError};
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::philox;
use crate::point::{SliceMissing, Slices, Tensor};
use crate::scalar;

pub(super) const X: Tensor = Tensor::Input("x");
pub(super) const Y: Tensor = Tensor::Input("y");

/// Largest magnitude of a given number.
const MAX_MAGNITUDE: f32 = 1024.0;

/// The samples of one step.
pub(super) struct Batch {
    /// Inputs, a row a sample.
    pub(super) x: Vec<f32>,
    /// Targets.
    pub(super) targets: Targets,
}

/// What the network should say.
pub(super) enum Targets {
    /// The class of each sample.
    Classes(Vec<u32>),
    /// The outputs for each sample, a row a sample.
    Values(Vec<f32>),
}

/// Where the samples of a job come from, ready to be read.
pub(super) struct Source<'a> {
    job: &'a MlpSgd,
    from: From<'a>,
}

enum From<'a> {
    Slices(&'a dyn Slices),
    Spirals(OperandStream),
    Teacher(OperandStream, Teacher),
}

/// A network that nobody trained, whose outputs are worth learning.
struct Teacher {
    dense: Vec<Dense>,
    weights: Vec<f32>,
}

/// The sample at place `b` of the batch of `step`.
pub(super) fn sample_of(job: &MlpSgd, step: u32, b: u32) -> u64 {
    let params = job.params();
    (u64::from(step) * u64::from(params.batch) + u64::from(b)) % u64::from(params.samples)
}

impl<'a> Source<'a> {
    pub(super) fn new(job: &'a MlpSgd, slices: &'a dyn Slices) -> Self {
        let seed = &job.params().seed;
        let from = match (job.params().data, job.params().task) {
            (DataSource::Given { .. }, _) => From::Slices(slices),
            (DataSource::Seeded, Task::Classification) => {
                From::Spirals(OperandStream::new(seed, "x"))
            }
            (DataSource::Seeded, Task::Regression) => From::Teacher(
                OperandStream::new(seed, "x"),
                Teacher::new(job.layers(), seed),
            ),
        };
        Self { job, from }
    }

    /// The samples of a step.
    pub(super) fn batch(&self, step: u32) -> Result<Batch, SliceMissing> {
        let mut x = Vec::new();
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        for b in 0..self.job.params().batch {
            let sample = sample_of(self.job, step, b);
            match &self.from {
                From::Slices(slices) => {
                    x.extend(
                        read(*slices, X, sample, self.job.layers().inputs())?.map(f32::from_bits),
                    );
                    let y = read(*slices, Y, sample, self.job.target_words())?;
                    match self.job.params().task {
                        Task::Classification => classes.extend(y),
                        Task::Regression => values.extend(y.map(f32::from_bits)),
                    }
                }
                From::Spirals(stream) => {
                    let (point, class) = spiral(stream, sample, self.job.layers().outputs() as u32);
                    x.extend(point);
                    classes.push(class);
                }
                From::Teacher(stream, teacher) => {
                    let row = teacher_input(stream, sample, self.job.layers().inputs());
                    values.extend(teacher.outputs(&row));
                    x.extend(row);
                }
            }
        }
        let targets = match self.job.params().task {
            Task::Classification => Targets::Classes(classes),
            Task::Regression => Targets::Values(values),
        };
        Ok(Batch { x, targets })
    }
}

/// Words of one sample.
fn read(
    slices: &dyn Slices,
    tensor: Tensor,
    sample: u64,
    words: usize,
) -> Result<impl Iterator<Item = u32>, SliceMissing> {
    let mut bytes = vec![0; 4 * words];
    slices.read(tensor, sample * bytes.len() as u64, &mut bytes)?;
    Ok((0..words).map(move |i| u32::from_le_bytes(std::array::from_fn(|k| bytes[4 * i + k]))))
}

/// A point of a spiral, and which spiral.
fn spiral(stream: &OperandStream, sample: u64, classes: u32) -> ([f32; 2], u32) {
    let class = (sample % u64::from(classes)) as u32;
    let along = stream.word(2 * sample);
    let noise = stream.word(2 * sample + 1).cast_signed() >> 5;
    let apart = ((1_u64 << 32) / u64::from(classes)) as u32;
    let turn = class
        .wrapping_mul(apart)
        .wrapping_add(along)
        .wrapping_add(noise.cast_unsigned());
    let radius = 2.0 * philox::uniform(along);
    let scalar::SinCos { sin, cos } = scalar::sin_cos_turn(turn);
    ([radius * cos, radius * sin], class)
}

fn teacher_input(stream: &OperandStream, sample: u64, inputs: usize) -> Vec<f32> {
    let mut row = vec![0.0; inputs];
    stream.fill_symmetric(sample * inputs as u64, &mut row);
    row.iter().map(|x| 2.0 * x).collect()
}

impl Teacher {
    fn new(layers: &Layers, seed: &OperandSeed) -> Self {
        let layers = layers.teacher();
        Self {
            weights: initial_weights(&layers, seed, &["ta", "tb"]),
            dense: layers.dense(),
        }
    }

    fn outputs(&self, x: &[f32]) -> Vec<f32> {
        let mut activations = step::forward(&self.dense, &self.weights, x.to_vec(), 1);
        activations.pop().unwrap_or_default()
    }
}

/// The parameters of a network before the first step; `labels` are those of its layers' streams.
pub(super) fn initial_weights(layers: &Layers, seed: &OperandSeed, labels: &[&str]) -> Vec<f32> {
    let mut all = vec![0.0; layers.parameters()];
    for (dense, label) in layers.dense().into_iter().zip(labels) {
        let weights = &mut all[dense.first..][..dense.weights()];
        OperandStream::new(seed, label).fill_symmetric(0, weights);
        for weight in weights {
            *weight *= dense.gain();
        }
    }
    all
}

/// The rules on given bytes.
pub(super) fn examine(job: &MlpSgd, inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
    if job.params().data == DataSource::Seeded {
        return Ok(());
    }
    every_word(
        inputs,
        "x",
        "finite and at most 1024 in magnitude",
        is_small,
    )?;
    match job.params().task {
        Task::Regression => every_word(
            inputs,
            "y",
            "finite and at most 1024 in magnitude",
            is_small,
        ),
        Task::Classification => {
            let classes = job.layers().outputs() as u32;
            every_word(inputs, "y", "below the number of classes", |y| y < classes)
        }
    }
}

fn is_small(bits: u32) -> bool {
    f32::from_bits(bits).abs() <= MAX_MAGNITUDE
}

fn every_word(
    inputs: &CheckedInputs<'_>,
    name: &'static str,
    rule: &'static str,
    holds: impl Fn(u32) -> bool,
) -> Result<(), InputError> {
    let words = inputs.get(name).as_chunks().0.iter();
    let broken = words
        .copied()
        .map(u32::from_le_bytes)
        .position(|word| !holds(word));
    match broken {
        None => Ok(()),
        Some(at) => Err(InputError::Content {
            name,
            rule,
            offset: 4 * at as u64,
        }),
    }
}
