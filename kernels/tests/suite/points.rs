//! Every point of every kernel is what the reference says, alone and through an audit.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use kernels::audit::{self, AuditError, Verdict};
use kernels::point::{InMemory, Place, SliceMissing, Slices, Span, Tensor};
use kernels::{CheckedInputs, Inputs, Job, Randomness};
use serde_json::json;

use crate::samples;

#[test]
fn points_cover_the_outputs_once_and_equal_the_reference() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = bytes(&job, &inputs);
        let mut seen: Vec<Vec<u8>> = outputs.iter().map(|bytes| vec![0; bytes.len()]).collect();
        let slices = in_memory(&job, &inputs, &outputs);
        for point in 0..job.points().points() {
            let place = job.points().place(point);
            let range = place.offset as usize..place.offset as usize + place.len;
            let right = &outputs[place.output][range.clone()];
            let alone = job.points().eval(point, &slices).unwrap();
            assert_eq!(alone, right, "{name}, point {point}");
            for times in &mut seen[place.output][range] {
                *times += 1;
            }
        }
        let outputs_of = (0..job.points().points()).map(|point| job.points().place(point).output);
        assert!(
            outputs_of.is_sorted(),
            "{name}: points out of the order of outputs"
        );
        for (spec, seen) in job.outputs().iter().zip(seen) {
            assert!(
                seen.iter().all(|times| *times == 1),
                "{name}, output {}",
                spec.name
            );
        }
    }
}

/// Bounds of what an opening can take go by this: whoever is drawn another point needs no more.
#[test]
fn no_point_of_an_output_surpasses_its_last_ones() {
    let mut grew = 0;
    for (name, job) in samples::small() {
        let kernel = job.points();
        let committed = |span: &Span| match span.tensor {
            Tensor::Input(_) => 0,
            Tensor::Output(_) | Tensor::State(_) => span.len * span.count,
        };
        let needs = |point| kernel.needs(point).iter().map(committed).sum::<u64>();
        let runs = |point| {
            kernel
                .needs(point)
                .iter()
                .map(|span| span.count)
                .sum::<u64>()
        };
        let len = |point| kernel.place(point).len as u64;
        let measures: [&dyn Fn(u64) -> u64; 3] = [&needs, &runs, &len];
        let mut first = 0;
        for (output, of) in audit::by_output(&job).into_iter().enumerate() {
            let all = first..first + of.count;
            assert_eq!(of.neediest.end, all.end, "{name}, output {output}");
            for (measure, most) in measures.iter().enumerate() {
                let of_all = all.clone().map(most).max();
                let of_last = of.neediest.clone().map(most).max();
                assert_eq!(
                    of_last, of_all,
                    "{name}, output {output}, measure {measure}"
                );
            }
            grew += usize::from(all.clone().map(needs).min() < all.clone().map(needs).max());
            first = all.end;
        }
        assert_eq!(first, kernel.points(), "{name}");
    }
    assert!(grew > 0, "some points need more than others");
}

#[test]
fn a_point_reads_no_more_than_it_says() {
    for (name, job) in samples::small() {
        let none = Inputs::none();
        let inputs = job.accept(&none).unwrap();
        let outputs = bytes(&job, &inputs);
        let slices = in_memory(&job, &inputs, &outputs);
        for point in 0..job.points().points() {
            let needs = job.points().needs(point);
            let watched = samples::Watched::new(&slices, &needs);
            assert!(
                job.points().eval(point, &watched).is_ok(),
                "{name}, point {point}"
            );
        }
    }
}

#[test]
fn claimed_outputs_of_any_bytes_have_points() {
    for (name, job) in samples::small() {
        let none = Inputs::none();
        let inputs = job.accept(&none).unwrap();
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            let claimed: Vec<Vec<u8>> = job
                .outputs()
                .iter()
                .map(|spec| vec![byte; spec.len as usize])
                .collect();
            let slices = in_memory(&job, &inputs, &claimed);
            for point in 0..job.points().points() {
                let place = job.points().place(point);
                let right = job.points().eval(point, &slices).unwrap();
                assert_eq!(right.len(), place.len, "{name}, point {point}");
            }
        }
    }
}

#[test]
fn points_of_sent_inputs_read_what_they_announce_and_equal_the_reference() {
    for given in samples::given() {
        let named = given.inputs();
        let inputs = given.job.accept(&named).unwrap();
        let outputs = bytes(&given.job, &inputs);
        let slices = in_memory(&given.job, &inputs, &outputs);
        for point in 0..given.job.points().points() {
            let needs = given.job.points().needs(point);
            let place = given.job.points().place(point);
            let right = &outputs[place.output][place.offset as usize..][..place.len];
            let watched = samples::Watched::new(&slices, &needs);
            let alone = given.job.points().eval(point, &watched).unwrap();
            assert_eq!(alone, right, "{}, point {point}", given.name);
        }
    }
}

#[test]
fn points_of_an_output_cost_the_same() {
    for (name, job) in samples::small() {
        let kernel = job.points();
        let costs = (0..kernel.points()).map(|point| (kernel.place(point).output, point));
        let mut of_output = BTreeMap::new();
        for (output, point) in costs {
            let cost = kernel.point_cost(point);
            let first = *of_output.entry(output).or_insert(cost);
            assert_eq!(cost, first, "{name}, point {point}");
        }
    }
}

/// The longest row of points that follow from one another, counted from what each point says it reads.
#[test]
fn chains_are_as_long_as_a_kernel_says() {
    for (name, job) in samples::small() {
        let kernel = job.points();
        let outputs: Vec<&str> = job.outputs().iter().map(|spec| spec.name).collect();
        let mut places: Vec<(Place, u64)> = (0..kernel.points())
            .map(|point| (kernel.place(point), point))
            .collect();
        places.sort_by_key(|(place, _)| (place.output, place.offset));
        let mut depths: BTreeMap<u64, u64> = BTreeMap::new();
        for point in 0..kernel.points() {
            depth(point, &job, &outputs, &places, &mut depths);
        }
        let longest = depths.into_values().max().unwrap();
        assert_eq!(kernel.chain_steps(), longest, "{name}");
        let most = |output| {
            let of_output = places.iter().filter(|(place, _)| place.output == output);
            of_output.count() as u64
        };
        let chain = audit::chain(&job);
        assert_eq!(chain.is_some(), longest > 1, "{name}");
        if let Some(chain) = chain {
            let points = (0..outputs.len()).map(most).max().unwrap();
            assert_eq!((chain.steps, chain.points), (longest, points), "{name}");
        }
    }
}

fn depth(
    point: u64,
    job: &Job,
    outputs: &[&str],
    places: &[(Place, u64)],
    depths: &mut BTreeMap<u64, u64>,
) -> u64 {
    if let Some(depth) = depths.get(&point) {
        return *depth;
    }
    let mut before = 0;
    for span in job.points().needs(point) {
        let Tensor::Output(name) = span.tensor else {
            continue;
        };
        let output = outputs.iter().position(|output| *output == name).unwrap();
        for other in read_by(&span, output, places) {
            before = before.max(depth(other, job, outputs, places, depths));
        }
    }
    depths.insert(point, before + 1);
    before + 1
}

/// The points of an output that a span has bytes of. `places` are in the order of outputs and bytes.
fn read_by(span: &Span, output: usize, places: &[(Place, u64)]) -> Vec<u64> {
    let mut read = Vec::new();
    for run in 0..span.count {
        let start = span.offset + run * span.stride;
        let is_before = |(place, _): &(Place, u64)| {
            (place.output, place.offset + place.len as u64) <= (output, start)
        };
        let from = &places[places.partition_point(is_before)..];
        let within = from
            .iter()
            .take_while(|(place, _)| place.output == output && place.offset < start + span.len);
        read.extend(within.map(|(_, point)| *point));
    }
    read
}

/// Reads of checkpoints, one for each segment that is recomputed but the first.
struct CountingReads<'a> {
    inner: InMemory<'a>,
    states: AtomicU64,
}

impl Slices for CountingReads<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        self.states.fetch_add(
            u64::from(tensor == Tensor::Output("checkpoints")),
            Ordering::Relaxed,
        );
        self.inner.read(tensor, offset, into)
    }
}

#[test]
fn a_segment_is_recomputed_once_for_all_its_points_and_the_cost_stays_a_bound() {
    let training = json!({"layers": [2, 5, 3], "task": "classification", "samples": 60, "batch": 7, "steps": 12,
        "checkpoint_every": 2, "learning_rate": 6554, "momentum": 100, "seed": samples::SEED, "data": "seeded"});
    let job = Job::parse("mlp_sgd", &training).unwrap();
    let none = Inputs::none();
    let inputs = job.accept(&none).unwrap();
    let outputs = bytes(&job, &inputs);
    let kernel = job.points();
    let of_segment = kernel.point_cost(0).operations;
    for count in [1, 2, 5, 6, 7, 300] {
        for seed in 0..20 {
            let drawn = audit::draw(&Randomness::drawn_after_commitment([seed; 32]), &job, count);
            let mut units: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for point in drawn {
                units.entry(kernel.unit(point)).or_default().insert(point);
            }
            let slices = CountingReads {
                inner: in_memory(&job, &inputs, &outputs),
                states: AtomicU64::new(0),
            };
            for points in units.values() {
                let points: Vec<u64> = points.iter().copied().collect();
                let together = kernel.eval_unit(&points, &slices.inner).unwrap();
                let alone = points
                    .iter()
                    .map(|point| kernel.eval(*point, &slices.inner).unwrap());
                assert_eq!(together, alone.collect::<Vec<_>>());
                kernel.eval_unit(&points, &slices).unwrap();
            }
            let first = u64::from(units.contains_key(&0));
            assert_eq!(
                slices.states.load(Ordering::Relaxed) + first,
                units.len() as u64
            );
            let spent = units.len() as u64 * of_segment;
            assert!(
                spent <= audit::cost(&job, count),
                "{count} points, seed {seed}"
            );
        }
    }
    // 300 points of both outputs are the six segments once, not twice.
    assert_eq!(audit::cost(&job, 300), 6 * of_segment);
    assert_eq!(audit::cost(&job, 2), 4 * of_segment);
}

#[test]
fn units_are_whole_and_say_what_single_points_say() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = bytes(&job, &inputs);
        let slices = in_memory(&job, &inputs, &outputs);
        let kernel = job.points();
        let mut units: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for point in 0..kernel.points() {
            units.entry(kernel.unit(point)).or_default().push(point);
        }
        let mut cost = 0;
        for points in units.values() {
            let alone = points
                .iter()
                .map(|point| kernel.eval(*point, &slices).unwrap());
            let together = kernel.eval_unit(points, &slices).unwrap();
            assert_eq!(together, alone.collect::<Vec<_>>(), "{name}");
            let of_points = points
                .iter()
                .map(|point| kernel.point_cost(*point).operations);
            cost += of_points.max().unwrap();
        }
        let most = u32::try_from(kernel.points()).unwrap();
        assert!(cost <= audit::cost(&job, most), "{name}");
        assert_eq!(
            kernel.eval_unit(&[], &slices).unwrap(),
            Vec::<Vec<u8>>::new()
        );
    }
}

#[test]
fn an_audit_of_all_points_finds_any_flipped_bit() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = bytes(&job, &inputs);
        let all: Vec<u64> = (0..job.points().points()).collect();
        let audit = |outputs: &[Vec<u8>]| {
            let outputs: Vec<&[u8]> = outputs.iter().map(Vec::as_slice).collect();
            audit::check(&job, &inputs, &outputs, &all, threads(2)).unwrap()
        };
        assert_eq!(audit(&outputs), Verdict::Accepted, "{name}");
        for output in 0..outputs.len() {
            let len = outputs[output].len();
            for at in [0, len / 2, len - 1] {
                let mut wrong = outputs.clone();
                wrong[output][at] ^= 0x10;
                let verdict = audit(&wrong);
                assert!(matches!(verdict, Verdict::Refused(_)), "{name}, byte {at}");
            }
        }
    }
}

#[test]
fn an_audit_tells_the_first_wrong_point_and_both_values() {
    let job = product(1, 4);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let mut output = bytes(&job, &inputs).remove(0);
    let right = output[4..8].to_vec();
    output[4] ^= 1;
    output[8] ^= 1;
    for count in [1, 2, 3] {
        let verdict = audit::check(&job, &inputs, &[&output], &[0, 1, 2, 3], threads(count));
        let Ok(Verdict::Refused(mismatch)) = verdict else {
            panic!("accepted a wrong output");
        };
        assert_eq!(
            (mismatch.point, mismatch.output, mismatch.offset),
            (1, "c", 4)
        );
        assert_eq!(
            (mismatch.expected, mismatch.actual),
            (right.clone(), output[4..8].to_vec())
        );
    }
}

#[test]
fn outputs_of_another_form_are_no_outputs() {
    let job = product(1, 4);
    let inputs = job.accept(&Inputs::none()).unwrap();
    for outputs in [&[][..], &[&[0; 15][..]], &[&[0; 17][..]]] {
        let error = audit::check(&job, &inputs, outputs, &[0], threads(1)).unwrap_err();
        assert!(matches!(error, AuditError::Length { expected: 16, .. }));
    }
}

#[test]
fn a_cheated_fraction_is_missed_as_often_as_the_bound_says() {
    const POINTS: u32 = 1000;
    const TRIALS: u32 = 2000;
    let job = product(1, POINTS);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let right = bytes(&job, &inputs).remove(0);
    // The fractions of the table (methods 2.3), by their wrong points of 1000, and fewer draws than it has, so that some of
    // the trials miss. The seeds are fixed.
    for (wrong, draws) in [(500, 3), (100, 10), (50, 20), (10, 50), (1, 200)] {
        let mut output = right.clone();
        let apart = 4 * (POINTS / wrong) as usize;
        for element in 0..wrong as usize {
            output[apart * element] ^= 1;
        }
        let missed = (0..TRIALS).filter(|trial| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&trial.to_le_bytes());
            seed[4..8].copy_from_slice(&wrong.to_le_bytes());
            let randomness = Randomness::drawn_after_commitment(seed);
            let points = audit::draw(&randomness, &job, draws);
            let verdict = audit::check(&job, &inputs, &[&output], &points, threads(1));
            verdict == Ok(Verdict::Accepted)
        });
        let rate = missed.count() as f64 / f64::from(TRIALS);
        let bound = (1.0 - f64::from(wrong) / f64::from(POINTS)).powi(draws as i32);
        let error = (bound * (1.0 - bound) / f64::from(TRIALS)).sqrt();
        let told = format!(
            "{wrong} of {POINTS} wrong, {draws} drawn: {rate}, expected {bound} +- {error}"
        );
        assert!((rate - bound).abs() <= 3.0 * error, "{told}");
    }
}

fn product(m: u32, n: u32) -> Job {
    let params = json!({"m": m, "n": n, "k": 3, "operands": {"seed": samples::SEED}});
    Job::parse("gemm_i8", &params).unwrap()
}

fn bytes(job: &Job, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
    let outputs = job.reference(inputs);
    outputs
        .into_iter()
        .map(|output| output.into_bytes())
        .collect()
}

fn in_memory<'a>(job: &Job, inputs: &'a CheckedInputs<'_>, outputs: &'a [Vec<u8>]) -> InMemory<'a> {
    let specs = job.outputs();
    let named = specs
        .iter()
        .map(|spec| spec.name)
        .zip(outputs.iter().map(Vec::as_slice));
    InMemory::new(inputs, named)
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}
