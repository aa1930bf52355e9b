//! `vectors/KERNEL.json`: jobs with the digests of their outputs, for kernels whose samples say enough.

use kernels::mlp_sgd::Params;
use kernels::{Blake3Digest, Inputs, Job, Kernel, Output, OutputSpec};
use serde::Serialize;
use serde_json::{Value, json};

use crate::samples::{self, SEED};

#[derive(Serialize)]
struct File {
    _comment: String,
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    why: &'static str,
    params: Value,
    outputs: Vec<OutputCase>,
}

#[derive(Serialize)]
struct OutputCase {
    name: &'static str,
    len: u64,
    blake3: Blake3Digest,
    first: String,
}

/// The text of the file of a kernel.
pub(crate) fn text(kernel: Kernel) -> String {
    let cases = samples::cases(kernel).into_iter().chain(larger(kernel));
    let file = File {
        _comment: format!(
            "Jobs, spec/{kernel}.md. outputs: name, length in bytes, BLAKE3, and the first 16 bytes in \
             hexadecimal, or all if there are fewer."
        ),
        cases: cases
            .map(|(why, params)| case(kernel, why, params))
            .collect(),
    };
    serde_json::to_string_pretty(&file).unwrap() + "\n"
}

/// Jobs too large for tests of every point.
fn larger(kernel: Kernel) -> Vec<(&'static str, Value)> {
    match kernel {
        Kernel::MlpSgd => {
            let spirals = Params::spirals(SEED.parse().unwrap());
            let spirals = serde_json::to_value(spirals).unwrap();
            vec![("the demonstration: three spirals", spirals)]
        }
        Kernel::TransformerBlock => {
            let params = json!({"tokens": 130, "width": 256, "heads": 4, "hidden": 1024,
                "operands": {"seed": SEED}});
            vec![("several tiles of everything", params)]
        }
        _ => Vec::new(),
    }
}

fn case(kernel: Kernel, why: &'static str, params: Value) -> Case {
    let job = Job::parse(kernel.name(), &params).unwrap();
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    let specs = job.outputs().into_iter().zip(&outputs);
    Case {
        why,
        params,
        outputs: specs.map(output).collect(),
    }
}

fn output((spec, output): (OutputSpec, &Output)) -> OutputCase {
    let first = output.bytes().iter().take(16);
    OutputCase {
        name: spec.name,
        len: spec.len,
        blake3: output.digest(),
        first: first.map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// A specification that builds on the scalar maths names the text it builds on.
#[test]
fn specifications_name_the_scalar_maths_by_its_digest() {
    let digest = Blake3Digest::of(kernels::scalar::SPECIFICATION.as_bytes()).to_string();
    for kernel in [Kernel::MlpSgd, Kernel::TransformerBlock] {
        assert!(
            kernel.specification().contains(&digest),
            "{kernel}: {digest}"
        );
    }
}
