//! Openings: made from outputs, verified against their digests, audited as whole outputs are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;
use std::path::Path;

use kernels::audit::{self, Verdict};
use kernels::committed::{AtHand, Committed};
use kernels::point::{InMemory, SliceMissing, Tensor};
use kernels::slices::{self, Opened, SliceError, Stretch, opening_len, stretches};
use kernels::{Blake3Digest, CheckedInputs, Inputs, Job, Randomness};
use proptest::prelude::*;
use serde_json::json;

use crate::replica::in_memory;
use crate::samples;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn painted(len: u64) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

//------------ What kernels say of their points --------------------------------

#[test]
fn every_byte_has_its_point() {
    for (name, job) in samples::small() {
        let kernel = job.points();
        for (output, spec) in job.outputs().iter().enumerate() {
            for offset in 0..spec.len {
                let point = kernel.point_at(output, offset);
                let place = kernel.place(point.unwrap_or_else(|| panic!("{name}: {offset}")));
                let within = (place.offset..place.offset + place.len as u64).contains(&offset);
                assert!(
                    place.output == output && within,
                    "{name}: {offset}, {place:?}"
                );
            }
            assert_eq!(kernel.point_at(output, spec.len), None, "{name}");
        }
        assert_eq!(kernel.point_at(job.outputs().len(), 0), None, "{name}");
    }
}

/// Why a dispute ends.
#[test]
fn points_read_bytes_before_their_own_and_outputs_that_do_not_read_theirs() {
    for (name, job) in samples::small() {
        let kernel = job.points();
        let names: Vec<_> = job.outputs().iter().map(|spec| spec.name).collect();
        let mut reads: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for point in 0..kernel.points() {
            let place = kernel.place(point);
            for span in kernel.needs(point) {
                let Tensor::Output(read) = span.tensor else {
                    continue;
                };
                let read = names.iter().position(|name| *name == read).unwrap();
                let end = span.offset + span.stride * (span.count - 1) + span.len;
                if read == place.output {
                    assert!(end <= place.offset, "{name}: {span:?} for {place:?}");
                } else {
                    reads.entry(place.output).or_default().insert(read);
                }
            }
        }
        for (start, name_of) in names.iter().enumerate() {
            let mut met = BTreeSet::new();
            let mut next = vec![start];
            while let Some(output) = next.pop() {
                let read = reads.get(&output).into_iter().flatten();
                next.extend(read.filter(|output| met.insert(**output)));
            }
            assert!(!met.contains(&start), "{name}: {name_of}");
        }
    }
}

#[test]
fn what_a_point_reads_of_these_bytes_suffices() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = job.reference_bytes(&inputs);
        let whole = in_memory(&job, &inputs, &outputs);
        for point in 0..job.points().points() {
            let reads = job.points().reads(point, &whole).unwrap();
            let watched = samples::Watched::new(&whole, &reads);
            assert!(
                job.points().eval(point, &watched).is_ok(),
                "{name}, {point}"
            );
        }
    }
}

#[test]
fn a_job_can_recompute_its_steps_exactly_where_it_marks_any() {
    for (name, job) in samples::small() {
        assert_eq!(job.steps().is_some(), job.marks() > 0, "{name}");
    }
}

//------------ Slices ----------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Written here, read by the authors' decoder; and the same bytes as their own extractor makes.
    #[test]
    fn a_slice_is_that_of_bao(len in 1_u64..300_000, start: u64, want in 1_u64..5000) {
        let bytes = painted(len);
        let start = start % len;
        let stretch = Stretch { start, len: want.min(len - start) };
        let committed = Committed::of(bytes.clone()).unwrap();
        let slice = committed.slice(stretch).unwrap();
        prop_assert_eq!(slice.len() as u64, stretch.slice_len(len).unwrap());
        let (outboard, root) = bao::encode::outboard(&bytes);
        let digest = committed.digest();
        prop_assert_eq!(root.as_bytes(), digest.as_bytes());
        let mut theirs = Vec::new();
        let (content, outboard) = (Cursor::new(&bytes), Cursor::new(outboard));
        bao::encode::SliceExtractor::new_outboard(content, outboard, start, stretch.len)
            .read_to_end(&mut theirs)
            .unwrap();
        prop_assert!(slice == theirs);
        let opened = slices::open(committed.digest(), len, stretch, &slice).unwrap();
        prop_assert!(opened == bytes[start as usize..][..stretch.len as usize]);
    }
}

#[test]
fn a_slice_with_any_byte_changed_opens_nothing() {
    for len in [1, 700, 5 * 1024 + 3, 70 * 1024] {
        let committed = Committed::of(painted(len)).unwrap();
        let stretch = Stretch {
            start: len / 2,
            len: 1,
        };
        let right = committed.slice(stretch).unwrap();
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 0x40;
            let error = slices::open(committed.digest(), len, stretch, &wrong).unwrap_err();
            assert_eq!(error.code(), "slice_not_committed", "{len}, byte {at}");
        }
        for wrong in [&right[1..], &[right.clone(), vec![0]].concat(), &[]] {
            let error = slices::open(committed.digest(), len, stretch, wrong).unwrap_err();
            assert_eq!(error.code(), "slice_length_mismatch", "{len}");
        }
        let other = Blake3Digest::of(b"other");
        let error = slices::open(other, len, stretch, &right).unwrap_err();
        assert_eq!(error.code(), "slice_not_committed");
    }
}

#[test]
fn slices_of_elsewhere_are_refused() {
    let job = product(1, 1000);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let committed = Committed::of(painted(4000)).unwrap();
    let c = Tensor::Output("c");
    let mut opened = Opened::new(&inputs);
    let mut add = |tensor, start, len, slice: &[u8]| {
        opened.commit(c, committed.digest(), 4000);
        let first = Stretch {
            start: 1024,
            len: 1024,
        };
        opened
            .add(c, first, &committed.slice(first).unwrap())
            .unwrap();
        let added = opened.add(tensor, Stretch { start, len }, slice);
        added.as_ref().err().map_or("", SliceError::code)
    };
    let slice = |start, len| committed.slice(Stretch { start, len }).unwrap();
    assert_eq!(add(c, 2048, 1024, &slice(2048, 1024)), "");
    assert_eq!(add(c, 3072, 928, &slice(3072, 928)), "");
    assert_eq!(add(c, 2048, 1024, &slice(0, 1024)), "slice_not_committed");
    assert_eq!(add(c, 1024, 1024, &slice(1024, 1024)), "slice_overlapping");
    assert_eq!(add(c, 2047, 5, &slice(2047, 5)), "slice_overlapping");
    assert_eq!(add(c, 0, 1025, &slice(0, 1025)), "slice_overlapping");
    assert_eq!(
        add(Tensor::Output("d"), 0, 4, &slice(0, 4)),
        "slice_tensor_unknown"
    );
    for (start, len) in [(3999, 2), (4000, 1), (0, 0), (u64::MAX, 2), (2, u64::MAX)] {
        let code = add(c, start, len, &slice(0, 4));
        assert!(
            ["slice_outside_output", "slice_overlapping"].contains(&code),
            "{start} {len}"
        );
        assert!(committed.slice(Stretch { start, len }).is_err());
    }
}

#[test]
fn an_output_in_a_file_is_opened_from_there() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opened.bin");
    let bytes = painted(3 << 20);
    std::fs::write(&path, &bytes).unwrap();
    let committed = Committed::new(File::open(&path).unwrap(), bytes.len() as u64).unwrap();
    let stretch = Stretch {
        start: 1_234_567,
        len: 4,
    };
    let in_memory = Committed::of(bytes).unwrap();
    assert_eq!(committed.digest(), in_memory.digest());
    assert_eq!(
        committed.slice(stretch).unwrap(),
        in_memory.slice(stretch).unwrap()
    );
    std::fs::remove_file(path).unwrap();
}

//------------ Audits ----------------------------------------------------------

/// What a prover hands over for these points of these outputs.
fn opening<'a>(
    job: &Job,
    inputs: &'a CheckedInputs<'a>,
    outputs: &[Vec<u8>],
    points: &[u64],
) -> Opened<'a> {
    let committed: Vec<_> = outputs
        .iter()
        .cloned()
        .map(|bytes| Committed::of(bytes).unwrap())
        .collect();
    let at_hand = AtHand::new(job, inputs, &committed);
    let needed = stretches(job, points, &at_hand).unwrap();
    let digests = committed.iter().map(Committed::digest);
    let mut opened = Opened::of_outputs(job, inputs, digests);
    let mut bytes = 0;
    for (tensor, stretch) in &needed {
        let slice = at_hand.slice(*tensor, *stretch).unwrap();
        bytes += slice.len() as u64;
        opened.add(*tensor, *stretch, &slice).unwrap();
    }
    assert_eq!(bytes, opening_len(job, &needed));
    let unknown = slices::output_named(job, "unknown");
    let elsewhere = at_hand.slice(Tensor::Output("unknown"), Stretch { start: 0, len: 1 });
    assert!(unknown.is_none() && elsewhere.is_err());
    let named = job
        .outputs()
        .into_iter()
        .map(|spec| (slices::output_named(job, spec.name), spec));
    assert!(
        named
            .into_iter()
            .all(|(tensor, spec)| tensor == Some(Tensor::Output(spec.name)))
    );
    opened
}

fn same_verdicts(
    name: &str,
    job: &Job,
    inputs: &CheckedInputs<'_>,
    outputs: &[Vec<u8>],
    seed: u8,
) -> Verdict {
    let randomness = Randomness::drawn_after_commitment([seed; 32]);
    let points = audit::draw(&randomness, job, 30);
    let bytes: Vec<&[u8]> = outputs.iter().map(Vec::as_slice).collect();
    let whole = audit::check(job, inputs, &bytes, &points, THREADS).unwrap();
    let opened = opening(job, inputs, outputs, &points);
    let sliced = slices::check(job, &opened, &points, THREADS).unwrap();
    assert_eq!(whole, sliced, "{name}");
    sliced
}

#[test]
fn audits_over_slices_and_over_whole_outputs_say_the_same() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = job.reference_bytes(&inputs);
        assert_eq!(
            same_verdicts(&name, &job, &inputs, &outputs, 1),
            Verdict::Accepted,
            "{name}"
        );
        for seed in 2..6 {
            let mut wrong = outputs.clone();
            for (output, bytes) in wrong.iter_mut().enumerate() {
                let every = 1 + 13 * usize::from(seed) + output;
                bytes
                    .iter_mut()
                    .step_by(every)
                    .for_each(|byte| *byte ^= seed);
            }
            same_verdicts(&name, &job, &inputs, &wrong, seed);
        }
    }
}

#[test]
fn audits_of_sent_inputs_need_slices_of_outputs_alone() {
    for given in samples::given() {
        let named = given.inputs();
        let inputs = given.job.accept(&named).unwrap();
        let outputs = given.job.reference_bytes(&inputs);
        let verdict = same_verdicts(&given.name, &given.job, &inputs, &outputs, 7);
        assert_eq!(verdict, Verdict::Accepted);
    }
}

#[test]
fn what_was_not_opened_is_missing() {
    let job = product(4, 1000);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let outputs = job.reference_bytes(&inputs);
    let opened = opening(&job, &inputs, &outputs, &[0]);
    assert_eq!(
        slices::check(&job, &opened, &[0, 255], THREADS),
        Ok(Verdict::Accepted)
    );
    let missing = slices::check(&job, &opened, &[0, 256], THREADS).unwrap_err();
    let expected = SliceMissing {
        tensor: Tensor::Output("c"),
        offset: 1024,
        len: 4,
    };
    assert_eq!((missing, missing.code()), (expected, "slice_missing"));
    // A point of a root reads all chunks.
    let job = Job::parse(
        "blake3",
        json!({"len": 3 << 20, "input": {"seed": samples::SEED}}),
    )
    .unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let outputs = job.reference_bytes(&inputs);
    let digests = outputs.iter().map(|bytes| Blake3Digest::of(bytes));
    let mut opened = Opened::of_outputs(&job, &inputs, digests);
    let root = Stretch { start: 0, len: 32 };
    let slice = Committed::of(outputs[1].clone())
        .unwrap()
        .slice(root)
        .unwrap();
    opened.add(Tensor::Output("root"), root, &slice).unwrap();
    let point = job.points().points() - 1;
    assert!(slices::check(&job, &opened, &[point], THREADS).is_err());
}

#[test]
fn an_opening_of_three_hundred_points_of_a_large_product_is_small() {
    let job = Job::parse(
        "gemm_i8",
        json!({"m": 8192, "n": 8192, "k": 8192, "operands": {"seed": samples::SEED}}),
    );
    let job = job.unwrap();
    let randomness = Randomness::drawn_after_commitment([9; 32]);
    let points = audit::draw(&randomness, &job, 300);
    let needed = stretches(&job, &points, &InMemory::default()).unwrap();
    let bytes = opening_len(&job, &needed);
    println!(
        "300 points of 8192² int32: {} slices, {bytes} bytes",
        needed.len()
    );
    // Two points of neighbouring chunks share a slice.
    assert!((290..=300).contains(&needed.len()));
    assert!(bytes <= 300 * (8 + 18 * 64 + 1024), "{bytes}");
}

#[test]
fn the_audit_misses_as_often_as_its_table_says() {
    const POINTS: u32 = 1000;
    const TRIALS: u32 = 3000;
    let job = product(1, POINTS);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let right = job.reference_bytes(&inputs).remove(0);
    let table = [
        (500, 1),
        (500, 4),
        (100, 5),
        (100, 20),
        (50, 10),
        (50, 40),
        (10, 50),
        (10, 150),
    ];
    for (wrong, k) in table {
        let mut claimed = right.clone();
        let stride = (POINTS / wrong) as usize;
        for element in 0..wrong as usize {
            claimed[4 * stride * element] ^= 1;
        }
        let misses = |trial: &u32| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&trial.to_le_bytes());
            seed[4..8].copy_from_slice(&(1000 * wrong + k).to_le_bytes());
            let points = audit::draw(&Randomness::drawn_after_commitment(seed), &job, k);
            let verdict = audit::check(&job, &inputs, &[&claimed], &points, NonZeroUsize::MIN);
            verdict == Ok(Verdict::Accepted)
        };
        let missed = (0..TRIALS).filter(misses).count() as f64;
        let p = (1.0 - f64::from(wrong) / f64::from(POINTS)).powi(k as i32);
        let (mean, deviation) = (
            f64::from(TRIALS) * p,
            (f64::from(TRIALS) * p * (1.0 - p)).sqrt(),
        );
        println!(
            "f = {:4.1} %, k = {k}: missed {missed} of {TRIALS}, expected {mean:.0} ± {deviation:.0}",
            f64::from(wrong) / 10.0
        );
        assert!(
            (missed - mean).abs() <= 3.0 * deviation,
            "{wrong}, {k}: {missed}, {mean}"
        );
    }
}

fn product(m: u32, n: u32) -> Job {
    let params = json!({"m": m, "n": n, "k": 1, "operands": {"seed": samples::SEED}});
    Job::parse("gemm_i8", &params).unwrap()
}
