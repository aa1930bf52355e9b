//! The float products' CUDA sources, run on the CPU, beyond the samples that `host` runs of every kernel: operands all
//! over the domain, and the longest sums.

use std::num::NonZeroUsize;

use kernels::gemm_bf16::Bf16;
use kernels::host::Machine;
use kernels::philox::philox4x32_10;
use kernels::program::Target;
use kernels::{Blake3Digest, CheckedInputs, Inputs, Job};
use serde_json::json;

use crate::{host, samples};

#[test]
fn products_of_any_bf16_of_the_domain_are_those_of_the_reference() {
    // Exponents all over the domain, so that most terms of a step are lost, and zeros of both signs.
    let value = |word: u32| {
        let exponent = 91 + (word >> 16) % 91;
        let bits = (word as u16 & 0x807f) | (exponent as u16) << 7;
        let bits = if word >> 28 == 0 { bits & 0x8000 } else { bits };
        assert!(Bf16::from_bits(bits).is_some());
        bits.to_le_bytes().to_vec()
    };
    check_given("gemm_bf16", [33, 35, 131], value);
}

#[test]
fn products_of_f32_down_to_subnormals_are_those_of_the_reference() {
    let value = |word: u32| {
        let exponent = (word >> 12) % 182;
        ((word & 0x800f_ffff) | exponent << 23)
            .to_le_bytes()
            .to_vec()
    };
    check_given("gemm_f32", [66, 65, 131], value);
}

#[test]
fn a_long_sum_is_the_reference_s() {
    for kernel in ["gemm_bf16", "gemm_f32"] {
        let params = json!({"m": 1, "n": 2, "k": 131_071, "operands": {"seed": samples::SEED}});
        let job = Job::parse(kernel, &params).unwrap();
        let inputs = job.accept(&Inputs::none()).unwrap();
        let outputs = run(Machine::new(NonZeroUsize::MIN), &job, &inputs);
        assert_eq!(outputs, job.reference_bytes(&inputs), "{kernel}");
    }
}

/// A job of given operands whose elements are made of random words.
fn check_given(kernel: &str, [m, n, k]: [u32; 3], value: impl Fn(u32) -> Vec<u8>) {
    let matrix = |elements: u32, key| {
        let words = (0..elements).map(|index| philox4x32_10([index, 0, 0, 0], [key, 0])[0]);
        words.flat_map(&value).collect::<Vec<u8>>()
    };
    let (a, b) = (matrix(m * k, 1), matrix(k * n, 2));
    let digests = json!({"a": Blake3Digest::of(&a), "b": Blake3Digest::of(&b)});
    let params = json!({"m": m, "n": n, "k": k, "operands": {"given": digests}});
    let job = Job::parse(kernel, &params).unwrap();
    let inputs = job.accept(&Inputs::none().with("a", &a).with("b", &b));
    host::agrees(kernel, &job, &inputs.unwrap(), &host::SEEDS);
}

fn run(machine: Machine, job: &Job, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
    let program = job.program(Target::Portable).unwrap();
    let outputs = machine.run(&program, inputs).unwrap().outputs;
    outputs
        .into_iter()
        .map(|output| output.into_bytes())
        .collect()
}
