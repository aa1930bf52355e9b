//! Jobs from JSON: what is accepted, what is refused and with which code.

use kernels::gemm_i8::{GemmI8, OperandSource, Operands, Params, Shape, encode, reference};
use kernels::point::InMemory;
use kernels::{
    Blake3Digest, InputError, Inputs, Job, JobError, Kernel, OperandSeed, Output, OutputSpec,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::samples;

const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn parse(params: &Value) -> Result<Job, JobError> {
    Job::parse("gemm_i8", params)
}

/// The one output of a job with these inputs.
fn run(job: &Job, inputs: &Inputs<'_>) -> Output {
    let outputs = job.reference_run(inputs).unwrap();
    let [output] = <[Output; 1]>::try_from(outputs).unwrap();
    output
}

fn seeded() -> Value {
    json!({"m": 3, "n": 5, "k": 7, "operands": {"seed": SEED}})
}

/// A 2×3 A and a 3×2 B, and the job that names them.
fn given() -> (Vec<u8>, Vec<u8>, Job) {
    let (a, b) = (vec![1, 2, 3, 0xff, 0x80, 0x7f], vec![5, 6, 7, 8, 9, 10]);
    let digests = json!({"a": Blake3Digest::of(&a), "b": Blake3Digest::of(&b)});
    let job = parse(&json!({"m": 2, "n": 2, "k": 3, "operands": {"given": digests}})).unwrap();
    (a, b, job)
}

#[test]
fn a_seeded_job_needs_no_inputs_and_has_its_cost() {
    let job = parse(&seeded()).unwrap();
    assert_eq!(job.kernel(), Kernel::GemmI8);
    assert_eq!(job.inputs(), []);
    let len = 4 * 3 * 5;
    assert_eq!(job.outputs(), [OutputSpec { name: "c", len }]);
    let cost = job.cost();
    assert_eq!(cost.operations, 2 * 3 * 5 * 7);
    assert_eq!((cost.bytes_read, cost.bytes_written), (3 * 7 + 7 * 5, 60));
}

#[test]
fn a_run_is_the_reference_of_the_seeded_operands() {
    let shape = Shape::new(3, 5, 7).unwrap();
    let operands = Operands::from_seed(shape, &SEED.parse::<OperandSeed>().unwrap());
    let output = run(&parse(&seeded()).unwrap(), &Inputs::none());
    assert_eq!(output.bytes(), encode(&reference(&operands)));
    assert_eq!(output.digest(), Blake3Digest::of(output.bytes()));
}

#[test]
fn given_bytes_are_multiplied_as_signed() {
    let (a, b, job) = given();
    let output = run(&job, &Inputs::none().with("a", &a).with("b", &b));
    // Second row of A is (-1, -128, 127).
    let expected = [
        5 + 14 + 27,
        6 + 16 + 30,
        -5 - 128 * 7 + 127 * 9,
        -6 - 128 * 8 + 127 * 10,
    ];
    assert_eq!(output.bytes(), encode(&expected));
}

#[test]
fn given_and_seeded_operands_of_equal_bytes_give_equal_outputs() {
    let seeded = parse(&seeded()).unwrap();
    let none = seeded.accept(&Inputs::none()).unwrap();
    let operands = seeded.product().unwrap().operands_from(&none);
    let bytes = |values: &[i8]| {
        values
            .iter()
            .map(|v| v.cast_unsigned())
            .collect::<Vec<u8>>()
    };
    let (a, b) = (bytes(operands.a()), bytes(operands.b()));
    let source = OperandSource::Given {
        a: operands.a_digest(),
        b: operands.b_digest(),
    };
    let given = Job::new(GemmI8::new(operands.shape(), source));
    let inputs = Inputs::none().with("a", &a).with("b", &b);
    assert_eq!(run(&given, &inputs), run(&seeded, &Inputs::none()));
}

#[test]
fn inputs_of_a_given_job_are_listed_with_length_and_digest() {
    let (a, b, job) = given();
    let listed: Vec<_> = job
        .inputs()
        .iter()
        .map(|i| (i.name, i.len, i.digest))
        .collect();
    assert_eq!(
        listed,
        [
            ("a", 6, Blake3Digest::of(&a)),
            ("b", 6, Blake3Digest::of(&b))
        ]
    );
}

#[test]
fn each_wrong_input_has_its_error() {
    let (a, b, job) = given();
    let load = |inputs: Inputs<'_>| job.accept(&inputs).map(|_| ()).unwrap_err();
    assert_eq!(
        load(Inputs::none().with("a", &a)),
        InputError::Missing { name: "b" }
    );
    assert_eq!(
        load(Inputs::none().with("a", &a).with("b", &b).with("c", &b)),
        InputError::Unexpected { name: "c".into() }
    );
    for (len, wrong) in [(0, &b[..0]), (5, &b[..5])] {
        assert_eq!(
            load(Inputs::none().with("a", &a).with("b", wrong)),
            InputError::Length {
                name: "b",
                expected: 6,
                actual: len
            }
        );
    }
    // Both have the right length; only the digest can tell.
    assert_eq!(
        load(Inputs::none().with("a", &b).with("b", &a)),
        InputError::Digest {
            name: "a",
            expected: Blake3Digest::of(&a),
            actual: Blake3Digest::of(&b)
        }
    );
}

#[test]
fn values_that_a_kernel_does_not_multiply_are_refused_with_their_place() {
    let cases: [(&str, &[u8], &[u8], u64); 4] = [
        ("gemm_bf16", &[0x80, 0x3f], &[0x80, 0x7f], 2),
        ("gemm_bf16", &[0x80, 0x3f], &[0x01, 0x00], 2),
        ("gemm_f32", &[0, 0, 0x80, 0x3f], &[0, 0, 0xc0, 0x7f], 4),
        ("gemm_f32", &[0, 0, 0x80, 0x3f], &[0, 0, 0, 0x5b], 4),
    ];
    for (kernel, good, bad, offset) in cases {
        let (a, b) = (good.repeat(2), [good, bad].concat());
        let digests = json!({"a": Blake3Digest::of(&a), "b": Blake3Digest::of(&b)});
        let params = json!({"m": 2, "n": 2, "k": 1, "operands": {"given": digests}});
        let job = Job::parse(kernel, &params).unwrap();
        let error = job.accept(&Inputs::none().with("a", &a).with("b", &b));
        let InputError::Content {
            name, offset: at, ..
        } = error.unwrap_err()
        else {
            panic!("{kernel} refused something else");
        };
        assert_eq!((name, at), ("b", offset), "{kernel}");
    }
}

#[test]
fn points_of_given_operands_are_those_of_the_reference() {
    for (kernel, len) in [("gemm_i8", 1), ("gemm_bf16", 2), ("gemm_f32", 4)] {
        let one = [
            [0x40, 0x3f, 0xc0].map(|byte| vec![byte; len]).concat(),
            vec![0x3f; len],
        ]
        .concat();
        let (a, b) = (one.clone(), one);
        let digests = json!({"a": Blake3Digest::of(&a), "b": Blake3Digest::of(&b)});
        let params = json!({"m": 2, "n": 2, "k": 2, "operands": {"given": digests}});
        let job = Job::parse(kernel, &params).unwrap();
        let inputs = job.accept(&Inputs::none().with("a", &a).with("b", &b));
        let inputs = inputs.unwrap();
        let output = job.reference(&inputs).remove(0).into_bytes();
        let slices = InMemory::new(&inputs, []);
        for point in 0..4 {
            let needs = job.points().needs(point);
            let watched = samples::Watched::new(&slices, &needs);
            let alone = job.points().eval(point, &watched).unwrap();
            assert_eq!(alone, output[4 * point as usize..][..4], "{kernel}");
        }
        assert!(job.points().eval(4, &slices).is_err());
        assert!(job.points().eval(u64::MAX, &slices).is_err());
    }
}

#[test]
fn a_seeded_job_refuses_operands_somebody_sends() {
    let job = parse(&seeded()).unwrap();
    let error = job.accept(&Inputs::none().with("a", &[0; 21])).unwrap_err();
    assert_eq!(error, InputError::Unexpected { name: "a".into() });
}

#[test]
fn operands_of_the_wrong_length_are_refused() {
    let shape = Shape::new(2, 2, 3).unwrap();
    let error = Operands::new(shape, vec![0; 6], vec![0; 7]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input b has the wrong length: expected 6 bytes, got 7"
    );
}

#[test]
fn an_unknown_kernel_is_refused_by_name() {
    let error = Job::parse("gemm_i9", seeded()).unwrap_err();
    let names: Vec<&str> = Kernel::ALL.iter().map(|kernel| kernel.name()).collect();
    let expected = format!(
        "kernel is unknown: expected one of {}, got \"gemm_i9\"",
        names.join(", ")
    );
    assert_eq!(error.to_string(), expected);
}

/// `seeded()` with one member replaced, or removed if `value` is null.
fn with(member: &str, value: Value) -> Value {
    let mut params = seeded();
    let object = params.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(member);
    } else {
        object.insert(member.to_owned(), value);
    }
    params
}

#[test]
fn params_of_another_form_are_malformed() {
    let upper = SEED.to_uppercase();
    let short = &SEED[..62];
    let cases = [
        ("missing member", with("k", Value::Null)),
        ("additional member", with("alpha", json!(1))),
        ("float", with("m", json!(3.0))),
        ("negative", with("m", json!(-3))),
        ("number as text", with("m", json!("3"))),
        ("beyond 32 bits", with("m", json!(1_u64 << 32))),
        ("no source", with("operands", json!({}))),
        ("unknown source", with("operands", json!({"zeros": {}}))),
        ("upper case seed", with("operands", json!({"seed": upper}))),
        ("short seed", with("operands", json!({"seed": short}))),
        (
            "one digest",
            with("operands", json!({"given": {"a": SEED}})),
        ),
        (
            "three digests",
            with(
                "operands",
                json!({"given": {"a": SEED, "b": SEED, "c": SEED}}),
            ),
        ),
        (
            "two sources",
            with(
                "operands",
                json!({"seed": SEED, "given": {"a": SEED, "b": SEED}}),
            ),
        ),
        ("not an object", json!(null)),
    ];
    for (what, params) in cases {
        assert_eq!(
            parse(&params).unwrap_err().code(),
            "params_malformed",
            "{what}"
        );
    }
}

#[test]
fn shapes_outside_the_limits_are_refused_with_their_own_codes() {
    let cases = [
        ("n", 0, "shape_zero_dimension"),
        ("k", 131_072, "shape_dimension_too_large"),
        ("m", u32::MAX, "shape_dimension_too_large"),
    ];
    for (member, value, expected) in cases {
        let error = parse(&with(member, json!(value))).unwrap_err();
        assert_eq!(error.code(), expected);
    }
    let large = json!({"m": 65536, "n": 65536, "k": 1, "operands": {"seed": SEED}});
    assert_eq!(parse(&large).unwrap_err().code(), "shape_matrix_too_large");
}

proptest! {
    #[test]
    fn params_survive_json(m: u32, n: u32, k: u32, first: [u8; 32], second: [u8; 32], is_seed: bool) {
        let operands = if is_seed {
            OperandSource::Seed(OperandSeed::from_bytes(first))
        } else {
            let [a, b] = [first, second].map(Blake3Digest::from_bytes);
            OperandSource::Given { a, b }
        };
        let params = Params { m, n, k, operands };
        let json = serde_json::to_string(&params).unwrap();
        prop_assert_eq!(serde_json::from_str::<Params>(&json).unwrap(), params);
        if let Ok(job) = GemmI8::try_from(params) {
            prop_assert_eq!(job.params(), params);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(&text));
        let _ = text.parse::<Kernel>();
    }
}
