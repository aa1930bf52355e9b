//! One step: forward, backward, update. Sums run in the specification's order; loops over units that do not depend on
//! each other are the inner ones, so that a compiler may do several at a time.

use super::data::{Batch, Targets};
use super::state::State;
use super::{Dense, MlpSgd, loss};
use crate::scalar;

/// Largest magnitude of a parameter.
const MAX_PARAMETER: f32 = 1024.0;

/// Trains on one batch and returns its loss.
pub(super) fn step(job: &MlpSgd, state: &mut State, batch: Batch) -> f32 {
    let rows = job.params().batch as usize;
    let dense = job.layers().dense();
    let mut activations = forward(&dense, &state.parameters, batch.x, rows);
    let mut delta = activations.pop().unwrap_or_default();
    let loss = output_loss(&mut delta, &batch.targets, rows);
    // From the last layer down: the rows of the layer's input and the derivative by its sums.
    for dense in dense.iter().rev() {
        let input = activations.pop().unwrap_or_default();
        let below = (dense.first > 0).then(|| backward(*dense, &state.parameters, &delta, &input));
        update(job, *dense, state, &input, &delta);
        delta = below.unwrap_or_default();
    }
    loss
}

/// The rows of every layer: the inputs first, the network's outputs last.
pub(super) fn forward(
    dense: &[Dense],
    parameters: &[f32],
    x: Vec<f32>,
    rows: usize,
) -> Vec<Vec<f32>> {
    let mut activations = vec![x];
    for (at, layer) in dense.iter().enumerate() {
        let input = &activations[at];
        let mut output = vec![0.0; rows * layer.outputs];
        for (row, sums) in output.chunks_exact_mut(layer.outputs).enumerate() {
            let input = &input[row * layer.inputs..][..layer.inputs];
            dense_row(*layer, parameters, input, sums);
            if at + 1 < dense.len() {
                sums.iter_mut().for_each(|z| *z = scalar::tanh(*z));
            }
        }
        activations.push(output);
    }
    activations
}

fn dense_row(layer: Dense, parameters: &[f32], input: &[f32], sums: &mut [f32]) {
    let mut rows = parameters[layer.first..].chunks_exact(layer.outputs);
    for (h, weights) in input.iter().zip(&mut rows) {
        multiply_add(*h, weights, sums);
    }
    let bias = rows.next().unwrap_or_default();
    for (z, bias) in sums.iter_mut().zip(bias) {
        *z += bias;
    }
}

/// `sums` += `factor`·`values`, each rounded once.
fn multiply_add(factor: f32, values: &[f32], sums: &mut [f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = factor.mul_add(*value, *sum);
    }
}

/// The mean loss of the rows; turns `outputs` into the derivative by them.
fn output_loss(outputs: &mut [f32], targets: &Targets, rows: usize) -> f32 {
    let share = 1.0 / rows as f32;
    let width = outputs.len() / rows;
    let mut sum = 0.0_f32;
    for (row, outputs) in outputs.chunks_exact_mut(width).enumerate() {
        sum += match targets {
            Targets::Classes(classes) => loss::classification(outputs, classes[row] as usize),
            Targets::Values(values) => loss::regression(outputs, &values[row * width..][..width]),
        };
        outputs.iter_mut().for_each(|d| *d *= share);
    }
    scalar::canon(sum * share)
}

/// The derivative by the sums of the layer below, whose rows are `input`.
fn backward(layer: Dense, parameters: &[f32], delta: &[f32], input: &[f32]) -> Vec<f32> {
    let weights = &parameters[layer.first..][..layer.weights()];
    let deltas = delta.chunks_exact(layer.outputs);
    let of_row = |(delta, input): (&[f32], &[f32])| {
        let of_unit = |(weights, h): (&[f32], &f32)| {
            let terms = delta.iter().zip(weights);
            let sum = terms.fold(0.0_f32, |sum, (delta, weight)| delta.mul_add(*weight, sum));
            sum * (-h).mul_add(*h, 1.0)
        };
        let units = weights.chunks_exact(layer.outputs).zip(input);
        units.map(of_unit).collect::<Vec<f32>>()
    };
    let rows = deltas.zip(input.chunks_exact(layer.inputs));
    rows.flat_map(of_row).collect()
}

/// Moves the layer's parameters.
fn update(job: &MlpSgd, layer: Dense, state: &mut State, input: &[f32], delta: &[f32]) {
    let gradient = gradient(layer, input, delta);
    let (rate, momentum) = (
        units(job.params().learning_rate),
        units(job.params().momentum),
    );
    let weights = &mut state.parameters[layer.first..];
    let velocities = &mut state.velocities[layer.first..];
    for ((weight, velocity), gradient) in weights.iter_mut().zip(velocities).zip(gradient) {
        *velocity = scalar::canon(momentum.mul_add(*velocity, gradient));
        let moved = (-rate).mul_add(*velocity, *weight);
        *weight = scalar::canon(scalar::clamp(moved, -MAX_PARAMETER, MAX_PARAMETER));
    }
}

/// The derivative by the layer's parameters, in their order.
fn gradient(layer: Dense, input: &[f32], delta: &[f32]) -> Vec<f32> {
    let mut gradient = vec![0.0; layer.len()];
    let rows = input.chunks_exact(layer.inputs);
    for (input, delta) in rows.zip(delta.chunks_exact(layer.outputs)) {
        let with_bias = input.iter().chain(&[1.0]);
        for (h, sums) in with_bias.zip(gradient.chunks_exact_mut(layer.outputs)) {
            multiply_add(*h, delta, sums);
        }
    }
    gradient
}

/// A number given in units of 2^-16; exact.
pub(super) fn units(count: u32) -> f32 {
    count as f32 / 65536.0
}
