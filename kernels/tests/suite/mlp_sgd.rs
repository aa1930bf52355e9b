//! Trainings learn, given data are read as seeded ones are, and what breaks a rule is refused.

use kernels::mlp_sgd::{MlpSgd, Params};
use kernels::scalar::{SinCos, sin_cos_turn};
use kernels::{Blake3Digest, Inputs, Job, OperandSeed, OperandStream, philox};
use serde_json::{Value, json};

use crate::samples::{self, SEED};

fn seed() -> OperandSeed {
    SEED.parse().unwrap()
}

#[test]
fn three_spirals_are_told_apart() {
    let losses = losses(&serde_json::to_value(Params::spirals(seed())).unwrap());
    let curve: Vec<String> = losses
        .chunks(20)
        .map(|part| format!("{:.3}", mean(part)))
        .collect();
    println!("mean loss of each segment: {}", curve.join(" "));
    // ln 3 = 1.0986 is what guessing costs.
    let (first, last) = (mean(&losses[..20]), mean(&losses[380..]));
    assert!(first > 0.9, "{first}");
    assert!(last < 0.05, "{last}");
}

#[test]
fn a_teacher_is_imitated() {
    let losses = losses(
        &json!({"layers": [4, 24, 2], "task": "regression", "samples": 512,
        "batch": 32, "steps": 300, "checkpoint_every": 300, "learning_rate": 3277,
        "momentum": 58_982, "seed": SEED, "data": "seeded"}),
    );
    let (first, last) = (mean(&losses[..10]), mean(&losses[290..]));
    assert!(last < first / 20.0, "{first} {last}");
}

fn losses(params: &Value) -> Vec<f32> {
    let job = Job::parse("mlp_sgd", params).unwrap();
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    let words = outputs[0].bytes().as_chunks().0.iter().copied();
    words.map(f32::from_le_bytes).collect()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// A small training on three spirals; 3 segments.
fn small() -> Value {
    json!({"layers": [2, 5, 3], "task": "classification", "samples": 10, "batch": 4, "steps": 6,
        "checkpoint_every": 2, "learning_rate": 6554, "momentum": 58_982, "seed": SEED,
        "data": "seeded"})
}

/// `small()` with one member replaced.
fn with(member: &str, value: Value) -> Value {
    let mut params = small();
    params[member] = value;
    params
}

/// `params` with data that are sent.
fn given(mut params: Value, x: &[u8], y: &[u8]) -> Job {
    params["data"] = json!({"given": {"x": Blake3Digest::of(x), "y": Blake3Digest::of(y)}});
    Job::parse("mlp_sgd", &params).unwrap()
}

/// The spirals of the specification, by its text.
fn spirals(samples: u64, classes: u32) -> [Vec<u8>; 2] {
    let stream = OperandStream::new(&seed(), "x");
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for sample in 0..samples {
        let [along, noise] = [2 * sample, 2 * sample + 1].map(|word| stream.word(word));
        let class = (sample % u64::from(classes)) as u32;
        let apart = (1_u64 << 32) / u64::from(classes);
        let noise = i64::from(noise.cast_signed()).div_euclid(32);
        let turn = (u64::from(class) * apart + u64::from(along)).wrapping_add_signed(noise) as u32;
        let SinCos { sin, cos } = sin_cos_turn(turn);
        let radius = 2.0 * philox::uniform(along);
        x.extend([radius * cos, radius * sin].map(f32::to_le_bytes));
        y.extend(class.to_le_bytes());
    }
    [x.concat(), y]
}

#[test]
fn given_spirals_are_trained_on_as_seeded_ones() {
    // Batches of 4 out of 10: some go past the last sample.
    let [x, y] = spirals(10, 3);
    let (job, inputs) = (
        given(small(), &x, &y),
        Inputs::none().with("x", &x).with("y", &y),
    );
    let seeded = Job::parse("mlp_sgd", small()).unwrap();
    let outputs = job.reference_run(&inputs).unwrap();
    assert_eq!(outputs, seeded.reference_run(&Inputs::none()).unwrap());
    samples::check_points(&job, &inputs);
}

#[test]
fn points_of_given_regressions_read_what_they_say() {
    let numbers = |count: usize| -> Vec<u8> {
        let values = (0..count).map(|i| (i % 17) as f32 - 8.0);
        values.flat_map(f32::to_le_bytes).collect()
    };
    let (x, y) = (numbers(20), numbers(30));
    for batch in [1, 3, 10, 25] {
        let mut params = with("task", json!("regression"));
        params["batch"] = json!(batch);
        let job = given(params, &x, &y);
        samples::check_points(&job, &Inputs::none().with("x", &x).with("y", &y));
    }
}

#[test]
fn data_outside_their_range_are_refused() {
    let [x, y] = spirals(10, 3);
    let code = |params: Value, x: &[u8], y: &[u8]| {
        let job = given(params, x, y);
        let accepted = job.accept(&Inputs::none().with("x", x).with("y", y));
        accepted.err().map(|error| error.code())
    };
    let patched = |bytes: &[u8], word: [u8; 4]| {
        let mut bytes = bytes.to_vec();
        bytes[8..12].copy_from_slice(&word);
        bytes
    };
    let invalid = Some("input_content_invalid");
    for (x_0, expected) in [
        (1024.0, None),
        (-1024.0, None),
        (1024.001, invalid),
        (f32::NAN, invalid),
        (f32::NEG_INFINITY, invalid),
    ] {
        assert_eq!(
            code(small(), &patched(&x, x_0.to_le_bytes()), &y),
            expected,
            "{x_0}"
        );
        let targets = patched(&[0; 120], x_0.to_le_bytes());
        let regression = with("task", json!("regression"));
        assert_eq!(code(regression, &x, &targets), expected, "{x_0}");
    }
    for (class, expected) in [(2_u32, None), (3, invalid), (u32::MAX, invalid)] {
        assert_eq!(
            code(small(), &x, &patched(&y, class.to_le_bytes())),
            expected,
            "{class}"
        );
    }
}

#[test]
fn the_wildest_training_stays_finite() {
    for task in ["classification", "regression"] {
        let mut params = with("task", json!(task));
        for (member, value) in [
            ("learning_rate", 1 << 20),
            ("momentum", 65_535),
            ("steps", 200),
        ] {
            params[member] = json!(value);
        }
        let x: Vec<u8> = (0..20)
            .flat_map(|i| [1024.0_f32, -1024.0][i % 2].to_le_bytes())
            .collect();
        let y = match task {
            "regression" => [1024.0_f32.to_le_bytes(); 30].concat(),
            _ => spirals(10, 3)[1].clone(),
        };
        let job = given(params, &x, &y);
        let outputs = job
            .reference_run(&Inputs::none().with("x", &x).with("y", &y))
            .unwrap();
        outputs
            .iter()
            .for_each(|output| samples::assert_canonical(output.bytes()));
    }
}

#[test]
fn parameters_outside_their_limits_are_refused() {
    let cases = [
        ("layers", json!([2, 3])),
        ("layers", json!([2, 3, 3, 3, 3])),
        ("layers", json!([2, 0, 3])),
        ("layers", json!([2, 1025, 3])),
        ("layers", json!([2, 5, 1])),
        ("layers", json!([3, 5, 3])),
        ("samples", json!(0)),
        ("samples", json!((1 << 20) + 1)),
        ("batch", json!(0)),
        ("batch", json!(1025)),
        ("steps", json!(0)),
        ("steps", json!(5)),
        ("steps", json!((1 << 14) + 2)),
        ("checkpoint_every", json!(0)),
        ("checkpoint_every", json!(4)),
        ("checkpoint_every", json!(7)),
        ("learning_rate", json!(0)),
        ("learning_rate", json!((1 << 20) + 1)),
        ("momentum", json!(1 << 16)),
    ];
    assert!(Job::parse("mlp_sgd", small()).is_ok());
    for (member, value) in cases {
        let error = Job::parse("mlp_sgd", with(member, value.clone())).unwrap_err();
        assert_eq!(error.code(), "param_out_of_bounds", "{member} {value}");
    }
    let malformed = [
        ("layers", json!("2")),
        ("task", json!("both")),
        ("data", json!({})),
        ("x", json!(1)),
    ];
    for (member, value) in malformed {
        let error = Job::parse("mlp_sgd", with(member, value.clone())).unwrap_err();
        assert_eq!(error.code(), "params_malformed", "{member} {value}");
    }
}

#[test]
fn sizes_that_follow_from_several_parameters_are_limited() {
    let params = |layers: [u32; 4], samples: u32, batch: u32, steps: u32, every: u32| {
        let mut params = small();
        for (member, value) in [
            ("layers", json!(layers)),
            ("task", json!("regression")),
            ("samples", json!(samples)),
            ("batch", json!(batch)),
            ("steps", json!(steps)),
            ("checkpoint_every", json!(every)),
        ] {
            params[member] = value;
        }
        Job::parse("mlp_sgd", &params).map_err(|error| error.to_string())
    };
    assert!(params([32, 8, 8, 32], 1 << 20, 1, 1, 1).is_ok());
    let refused = [
        (
            "elements of the data",
            params([32, 8, 8, 33], 1 << 20, 1, 1, 1),
        ),
        ("operations of a segment", params([1024; 4], 1, 1024, 2, 2)),
        ("bytes of the outputs", params([1024; 4], 1, 1, 11, 1)),
    ];
    for (what, refused) in refused {
        assert!(refused.unwrap_err().starts_with(what), "{what}");
    }
}

#[test]
fn the_json_of_a_job_is_the_one_it_came_from() {
    let parsed: Params = serde_json::from_value(small()).unwrap();
    let job = MlpSgd::try_from(parsed).unwrap();
    assert_eq!(serde_json::to_value(job.params()).unwrap(), small());
}

#[test]
fn a_point_costs_one_segment_of_the_whole() {
    let job = Job::parse("mlp_sgd", small()).unwrap();
    assert_eq!(job.points().points(), 6);
    assert_eq!(
        3 * job.points().point_cost(0).operations,
        job.cost().operations
    );
    // Two matrices of 3x5 and 6x3 parameters; 15 of the second are met on the way back.
    assert_eq!(job.cost().operations, 6 * 4 * 2 * (2 * 33 + 15));
}

#[cfg(feature = "host")]
#[test]
fn the_trace_has_the_state_after_each_step() {
    use kernels::host::Machine;
    use kernels::program::Target;

    let job = Job::parse("mlp_sgd", small()).unwrap();
    let every_step = Job::parse("mlp_sgd", with("checkpoint_every", json!(1))).unwrap();
    let states = every_step
        .reference_run(&Inputs::none())
        .unwrap()
        .remove(1)
        .into_bytes();
    let digests = states.chunks_exact(states.len() / 6).map(Blake3Digest::of);
    let machine = Machine::new(std::num::NonZeroUsize::MIN);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let run = machine
        .run(&job.program(Target::Portable).unwrap(), &inputs)
        .unwrap();
    assert_eq!(run.marks, digests.collect::<Vec<_>>());
}
