//! How far a block is from itself in f64, that given operands are read as seeded ones are, and what is refused.

use std::ops::Range;

use kernels::transformer_block::{Params, Scales, Shape, TransformerBlock};
use kernels::{Blake3Digest, Inputs, Job, OperandSeed, OperandStream};
use serde_json::{Value, json};

use crate::samples::{self, SEED};

/// The shape that `spec/transformer_block.md` states figures for.
const TOKENS: usize = 192;
const WIDTH: usize = 128;
const HEADS: usize = 4;
const HIDDEN: usize = 512;
const HEAD: usize = WIDTH / HEADS;

#[test]
fn the_block_is_as_close_to_f64_as_the_specification_states() {
    let job = seeded(TOKENS, WIDTH, HEADS, HIDDEN);
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    let exact = Exact::of();
    let context: Vec<f64> = int16(outputs[3].bytes())
        .iter()
        .map(|c| c / 512.0)
        .collect();
    let y = f32s(outputs[6].bytes());
    let change = |y: &[f64]| -> Vec<f64> { y.iter().zip(&exact.x).map(|(y, x)| y - x).collect() };
    let figures = [
        ("context", relative_error(&context, &exact.context)),
        ("y - x", relative_error(&change(&y), &change(&exact.y))),
        ("y", relative_error(&y, &exact.y)),
    ];
    println!("{figures:?}");
    for ((what, error), bound) in figures.into_iter().zip([0.0195, 0.0191, 0.0145]) {
        assert!(error < bound, "{what}: {error}");
    }
}

#[test]
fn limbs_of_weights_and_of_the_context_are_worth_their_cost() {
    // The last tokens of the longest sequence: most of their weights are small.
    let (tokens, head) = (4096, 64);
    let outputs = seeded(tokens, head, 1, 1)
        .reference_run(&Inputs::none())
        .unwrap();
    let [q, k, v] = [0, 1, 2].map(|at| int8(outputs[at].bytes()));
    let last = tokens - 16..tokens;
    let exact = attention([&q, &k, &v], head, head, last.clone(), 1024.0, |share| {
        share
    });
    let error = |largest: f64| {
        let rounded = |share: f64| (share * largest).round();
        let context = attention([&q, &k, &v], head, head, last.clone(), 1024.0, rounded);
        relative_error(&context, &exact)
    };
    let context: Vec<f64> = int16(outputs[3].bytes()).iter().map(|c| c / 16.0).collect();
    let of_kernel = relative_error(&context[head * last.start..], &exact);
    let in_int8: Vec<f64> = exact.iter().map(|c| c.round()).collect();
    let in_int8 = relative_error(&in_int8, &exact);
    let (eight, fourteen) = (error(255.0), error(16_383.0));
    println!(
        "weights of 8 bits {eight}, of 14 {fourteen}; the kernel {of_kernel}, with an int8 context {in_int8}"
    );
    assert!(eight > 0.0095 && fourteen < 0.0002);
    assert!(in_int8 > 0.14 && of_kernel < 0.0095);
}

/// Root mean square of the difference, over that of the exact values.
fn relative_error(values: &[f64], exact: &[f64]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let difference = square(&mut values.iter().zip(exact).map(|(v, e)| v - e));
    (difference / square(&mut exact.iter().copied())).sqrt()
}

/// The block in f64, no activation rounded.
struct Exact {
    x: Vec<f64>,
    context: Vec<f64>,
    y: Vec<f64>,
}

impl Exact {
    fn of() -> Self {
        let seed: OperandSeed = SEED.parse().unwrap();
        let shape = Shape::new(TOKENS as u32, WIDTH as u32, HEADS as u32, HIDDEN as u32).unwrap();
        let scales = Scales::seeded(shape);
        let real = |scale: u32| f64::from(scale) / 2_f64.powi(32);
        let weight = |label: &str, len: usize, scale: f64| -> Vec<f64> {
            let mut values = vec![0; len];
            OperandStream::new(&seed, label).fill(0, &mut values);
            values.into_iter().map(|w| f64::from(w) * scale).collect()
        };
        let mut x = vec![0.0; TOKENS * WIDTH];
        OperandStream::new(&seed, "x").fill_symmetric(0, &mut x);
        let x: Vec<f64> = x.into_iter().map(f64::from).collect();
        let square = WIDTH * WIDTH;
        let normed = norm(&x);
        let mut q = product(&normed, &weight("wq", square, real(scales.q)), WIDTH);
        let mut k = product(&normed, &weight("wk", square, real(scales.k)), WIDTH);
        let v = product(&normed, &weight("wv", square, real(scales.v)), WIDTH);
        rotate(&mut q);
        rotate(&mut k);
        let context = attention([&q, &k, &v], WIDTH, HEAD, 0..TOKENS, 1.0, |share| share);
        let out = weight("wo", square, 512.0 * real(scales.out));
        let mid = add(&x, &product(&context, &out, WIDTH));
        let up = weight("wu", WIDTH * HIDDEN, 32.0 * real(scales.up));
        let mut hidden = product(&norm(&mid), &up, HIDDEN);
        hidden.iter_mut().for_each(|u| *u /= 1.0 + (-*u).exp());
        let down = weight("wd", WIDTH * HIDDEN, 32.0 * real(scales.down));
        let y = add(&mid, &product(&hidden, &down, WIDTH));
        Self { x, context, y }
    }
}

fn norm(rows: &[f64]) -> Vec<f64> {
    let of_row = |row: &[f64]| -> Vec<f64> {
        let mean = row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64;
        let root = (mean + 2_f64.powi(-20)).sqrt();
        row.iter().map(|v| v / root).collect()
    };
    rows.chunks_exact(WIDTH).flat_map(of_row).collect()
}

fn product(rows: &[f64], matrix: &[f64], columns: usize) -> Vec<f64> {
    let depth = matrix.len() / columns;
    let of_row = |row: &[f64]| -> Vec<f64> {
        let sum = |column: usize| {
            let weights = matrix[column..].iter().step_by(columns);
            row.iter().zip(weights).map(|(a, b)| a * b).sum()
        };
        (0..columns).map(sum).collect()
    };
    rows.chunks_exact(depth).flat_map(of_row).collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn rotate(rows: &mut [f64]) {
    for (token, row) in rows.chunks_exact_mut(WIDTH).enumerate() {
        for (pair, at) in row.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let power = -2.0 * (pair % (HEAD / 2)) as f64 / HEAD as f64;
            let (sin, cos) = (token as f64 * 10_000_f64.powf(power)).sin_cos();
            *at = [at[0] * cos - at[1] * sin, at[0] * sin + at[1] * cos];
        }
    }
}

/// Causal attention of some tokens; `unit` is what a product of units of q and k is divided by, `weigh` what becomes of
/// e^(a - max).
fn attention(
    [q, k, v]: [&[f64]; 3],
    width: usize,
    head: usize,
    tokens: Range<usize>,
    unit: f64,
    weigh: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut context = Vec::new();
    let places = tokens.flat_map(|token| (0..width).step_by(head).map(move |c| (token, c)));
    for (token, column) in places {
        let row = |of: &[f64], token: usize| of[token * width + column..][..head].to_vec();
        let q = row(q, token);
        let logit = |key: usize| -> f64 {
            let products = q.iter().zip(row(k, key)).map(|(a, b)| a * b);
            products.sum::<f64>() / (unit * (head as f64).sqrt())
        };
        let logits: Vec<f64> = (0..=token).map(logit).collect();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|a| weigh((a - largest).exp())).collect();
        let total: f64 = weights.iter().sum();
        let mut sums = vec![0.0; head];
        for (key, weight) in weights.iter().enumerate() {
            for (sum, v) in sums.iter_mut().zip(row(v, key)) {
                *sum += weight * v / total;
            }
        }
        context.extend(sums);
    }
    context
}

/// A given job with the operands and scales of the seeded one, and its inputs by name.
fn given(shape: [u32; 4]) -> (Value, Vec<(&'static str, Vec<u8>)>) {
    let seed: OperandSeed = SEED.parse().unwrap();
    let [tokens, width, heads, hidden] = shape;
    let sizes = Shape::new(tokens, width, heads, hidden).unwrap();
    let mut x = vec![0.0_f32; sizes.stream_len()];
    OperandStream::new(&seed, "x").fill_symmetric(0, &mut x);
    let (square, oblong) = (width * width, width * hidden);
    let weights = [
        ("wq", square),
        ("wk", square),
        ("wv", square),
        ("wo", square),
        ("wu", oblong),
        ("wd", oblong),
    ];
    let mut inputs: Vec<(&'static str, Vec<u8>)> =
        vec![("x", x.iter().flat_map(|x| x.to_le_bytes()).collect())];
    for (name, len) in weights {
        let mut values = vec![0; len as usize];
        OperandStream::new(&seed, name).fill(0, &mut values);
        inputs.push((name, values.into_iter().map(i8::cast_unsigned).collect()));
    }
    let mut operands = json!({"scales": Scales::seeded(sizes)});
    for (name, bytes) in &inputs {
        operands[name] = json!(Blake3Digest::of(bytes));
    }
    let params = json!({"tokens": tokens, "width": width, "heads": heads, "hidden": hidden,
        "operands": {"given": operands}});
    (params, inputs)
}

fn named<'a>(inputs: &'a [(&'static str, Vec<u8>)]) -> Inputs<'a> {
    let none = Inputs::none();
    inputs
        .iter()
        .fold(none, |all, (name, bytes)| all.with(name, bytes))
}

#[test]
fn given_operands_equal_to_seeded_ones_give_equal_outputs_and_points() {
    let (params, inputs) = given([7, 34, 1, 19]);
    let job = Job::parse("transformer_block", &params).unwrap();
    let outputs = job.reference_run(&named(&inputs)).unwrap();
    assert_eq!(
        outputs,
        seeded(7, 34, 1, 19).reference_run(&Inputs::none()).unwrap()
    );
    samples::check_points(&job, &named(&inputs));
}

#[test]
fn an_input_that_is_not_a_small_number_is_refused() {
    let (params, inputs) = given([2, 4, 1, 3]);
    for (x, allowed) in [
        (1024.0_f32, true),
        (-1024.0, true),
        (1024.1, false),
        (f32::NAN, false),
        (f32::INFINITY, false),
    ] {
        let (mut params, mut inputs) = (params.clone(), inputs.clone());
        inputs[0].1[8..12].copy_from_slice(&x.to_le_bytes());
        params["operands"]["given"]["x"] = json!(Blake3Digest::of(&inputs[0].1));
        let job = Job::parse("transformer_block", &params).unwrap();
        let code = job.accept(&named(&inputs)).err().map(|error| error.code());
        assert_eq!(code, (!allowed).then_some("input_content_invalid"), "{x}");
    }
}

#[test]
fn the_largest_operands_and_scales_give_finite_outputs() {
    let (mut params, mut inputs) = given([3, 64, 2, 200]);
    for (at, byte) in inputs[0].1.chunks_exact_mut(4).enumerate() {
        let sign = if at % 3 == 0 { -1.0 } else { 1.0 };
        byte.copy_from_slice(&(sign * 1024.0_f32).to_le_bytes());
    }
    for (at, weight) in inputs[1..]
        .iter_mut()
        .flat_map(|(_, bytes)| bytes)
        .enumerate()
    {
        *weight = if at % 7 == 0 { 0x7f } else { 0x80 };
    }
    let operands = &mut params["operands"]["given"];
    for (name, bytes) in &inputs {
        operands[name] = json!(Blake3Digest::of(bytes));
    }
    for scale in operands["scales"].as_object_mut().unwrap().values_mut() {
        *scale = json!(0x7fff_ffff);
    }
    let job = Job::parse("transformer_block", &params).unwrap();
    let outputs = job.reference_run(&named(&inputs)).unwrap();
    samples::assert_canonical(outputs[4].bytes());
    samples::assert_canonical(outputs[6].bytes());
    samples::check_points(&job, &named(&inputs));
}

#[test]
fn parameters_outside_their_limits_are_refused() {
    let (params, _) = given([2, 4, 1, 3]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut params = params.clone();
        change(&mut params);
        Job::parse("transformer_block", &params).map_err(|error| error.code())
    };
    assert!(with(&|_| ()).is_ok());
    for scale in [0, 0x8000_0000_u32] {
        let refused = with(&|params| params["operands"]["given"]["scales"]["out"] = json!(scale));
        assert_eq!(refused.unwrap_err(), "param_out_of_bounds");
    }
    let refused = with(&|params| params["heads"] = json!(3));
    assert_eq!(refused.unwrap_err(), "param_out_of_bounds");
    for member in ["q", "extra"] {
        let refused = with(&|params| params["operands"]["given"]["scales"][member] = json!("1"));
        assert_eq!(refused.unwrap_err(), "params_malformed");
    }
}

#[test]
fn the_json_of_a_job_is_the_one_it_came_from() {
    let (params, _) = given([2, 4, 1, 3]);
    let parsed: Params = serde_json::from_value(params.clone()).unwrap();
    let job = TransformerBlock::try_from(parsed).unwrap();
    assert_eq!(serde_json::to_value(job.params()).unwrap(), params);
}

fn seeded(tokens: usize, width: usize, heads: usize, hidden: usize) -> Job {
    let params = json!({"tokens": tokens, "width": width, "heads": heads, "hidden": hidden,
        "operands": {"seed": SEED}});
    Job::parse("transformer_block", &params).unwrap()
}

fn int8(bytes: &[u8]) -> Vec<f64> {
    bytes
        .iter()
        .map(|byte| f64::from(byte.cast_signed()))
        .collect()
}

fn int16(bytes: &[u8]) -> Vec<f64> {
    let words = bytes.as_chunks().0.iter().copied();
    words
        .map(|word| f64::from(i16::from_le_bytes(word)))
        .collect()
}

fn f32s(bytes: &[u8]) -> Vec<f64> {
    let words = bytes.as_chunks().0.iter().copied();
    words
        .map(|word| f64::from(f32::from_le_bytes(word)))
        .collect()
}
