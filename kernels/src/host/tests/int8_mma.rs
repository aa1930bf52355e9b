//! The int8 products as a device computes them, on the host's twins of its instructions (`cuda/mma_i8.cuh`): tiles,
//! fragments, addresses, edges and barriers.

use serde_json::{Value, json};

use super::*;

const SEED: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

#[test]
fn products_by_matrix_instructions_are_those_of_the_reference() {
    let shapes = [
        ("smallest", [1, 1, 1]),
        ("odd, k below a slice", [37, 71, 53]),
        ("one below a tile and a slice", [127, 127, 63]),
        ("a tile, a slice", [128, 128, 64]),
        ("one above a tile and a slice", [129, 129, 65]),
        ("words of A, more columns than words", [5, 131, 68]),
        ("sixteen of A at once, an edge of k", [130, 132, 80]),
        ("several slices", [17, 8, 272]),
        ("more rows of tiles than a band", [1153, 129, 16]),
    ];
    for (why, [m, n, k]) in shapes {
        let product = json!({"m": m, "n": n, "k": k, "operands": {"seed": SEED}});
        agrees(why, "gemm_i8", &product);
        let mut requantised = product;
        requantised["multiplier"] = json!(24_000);
        requantised["shift"] = json!(24);
        agrees(why, "gemm_i8_requant", &requantised);
    }
}

#[test]
fn a_chain_by_matrix_instructions_is_that_of_the_reference() {
    for n in [1, 67, 128, 130, 132, 144] {
        let chain = json!({"n": n, "steps": 2, "weights": 2, "seed": SEED});
        agrees(&format!("n {n}"), "gemm_chain", &chain);
    }
}

fn agrees(why: &str, kernel: &str, params: &Value) {
    let job = Job::parse(kernel, params).unwrap();
    let program = job.program(Target::Portable).unwrap();
    let program = program.in_module(Module::portable("int8_mma"));
    let inputs = job.accept(&Inputs::none()).unwrap();
    let expected = job.reference(&inputs);
    for order in [0, 1] {
        let run = machine(1).with_seed(order).run(&program, &inputs).unwrap();
        assert!(run.outputs == expected, "{kernel}, {why}, order {order}");
    }
}
