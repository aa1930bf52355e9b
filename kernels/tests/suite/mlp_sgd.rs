//! Trainings learn, given data are held against their rules, and a job keeps its limits.

use kernels::mlp_sgd::Params;
use kernels::{Inputs, Job, OperandSeed};

use crate::samples::SEED;

#[test]
fn the_spirals_are_learned() {
    let losses = losses(&Params::spirals(SEED.parse().unwrap()));
    for (i, c) in losses.chunks(50).enumerate() { println!("{} {:.4}", i*50, mean(c)); }
    let (first, last) = (mean(&losses[..20]), mean(&losses[losses.len() - 20..]));
    // ln 3 is what guessing costs.
    assert!(first > 0.9, "{first}");
    assert!(last < 0.1, "{last}");
}

fn losses(params: &Params) -> Vec<f32> {
    let json = serde_json::to_value(params).unwrap();
    let job = Job::parse("mlp_sgd", &json).unwrap();
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    let words = outputs[0].bytes().as_chunks().0.iter().copied();
    words.map(f32::from_le_bytes).collect()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
#[ignore]
fn tune() {
    for batch in [64, 128] { for lr in [3277, 6554, 13107, 26214] { for steps in [400, 600, 1000] {
        let seed: OperandSeed = SEED.parse().unwrap();
        let mut p = Params::spirals(seed);
        p.batch = batch; p.learning_rate = lr; p.steps = steps;
        let l = losses(&p);
        println!("{batch} {lr} {steps}: {:.4} {:.4} {:.4}", mean(&l[..20]), mean(&l[steps as usize/2..steps as usize/2+20]), mean(&l[steps as usize -20..]));
    }}}
}
