//! What the demonstration runs: a job of a kernel, the names of its files, and what a person sees of its outputs.

use attestation_agent::NamedOutput;
use clap::ValueEnum;
use kernels::{OperandSeed, mlp_sgd, nbody, pathtrace};
use serde_json::{Value, json};

/// A piece of work to demonstrate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum DemoKernel {
    /// An exact int8 matrix product, the whole of it checked by Freivalds
    #[default]
    GemmI8,
    /// A picture by path tracing, as a PNG file; pixels of it are recomputed
    Pathtrace,
    /// Training of a small network that tells three spirals apart; segments of it are recomputed
    MlpSgd,
    /// One block of a quantised transformer; points of every tensor are recomputed
    TransformerBlock,
    /// Two discs of stars that pass through each other; bodies are recomputed
    Nbody,
}

/// The seed of every demonstration; its outputs can be compared between machines.
const SEED: [u8; 32] = *b"pogwpogwpogwpogwpogwpogwpogwpogw";

impl DemoKernel {
    /// The job a tenant would send, as JSON. `size` is that of the matrix product.
    pub(super) fn job(self, size: u32) -> Value {
        let seed = OperandSeed::from_bytes(SEED);
        let (kernel, check, params) = match self {
            Self::GemmI8 => {
                let params = json!({"m": size, "n": size, "k": size, "operands": {"seed": seed}});
                ("gemm_i8", "freivalds", params)
            }
            Self::Pathtrace => (
                "pathtrace",
                "audit",
                json!(pathtrace::Params::marbles(seed)),
            ),
            Self::MlpSgd => ("mlp_sgd", "audit", json!(mlp_sgd::Params::spirals(seed))),
            Self::TransformerBlock => {
                let params = json!({"tokens": 256, "width": 256, "heads": 4, "hidden": 1024,
                    "operands": {"seed": seed}});
                ("transformer_block", "audit", params)
            }
            Self::Nbody => ("nbody", "audit", json!(nbody::Params::discs(seed))),
        };
        json!({"profile": "pogw/1", "kernel": kernel, "checks": [check], "label": "demo", "params": params})
    }

    /// The file of an output. Its bytes are the output and nothing else, so that `b3sum` prints the digest in the receipt.
    pub(super) fn file(self, output: &str) -> String {
        match (self, output) {
            (Self::Pathtrace, "image") => "image.png".to_owned(),
            _ => format!("{output}.bin"),
        }
    }

    /// What a person sees of the outputs, a line each.
    pub(super) fn sights(self, outputs: &[NamedOutput]) -> Vec<String> {
        let loss = outputs.iter().find(|output| output.name == "loss");
        match (self, loss.and_then(|loss| loss.bytes.as_deref())) {
            (Self::MlpSgd, Some(loss)) => losses(loss),
            _ => Vec::new(),
        }
    }
}

/// A training's losses, as a curve of means and in numbers.
fn losses(bytes: &[u8]) -> Vec<String> {
    let losses: Vec<f64> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| f64::from(f32::from_le_bytes(*word)))
        .collect();
    let span = losses.len().div_ceil(COLUMNS).max(1);
    let means: Vec<f64> = losses.chunks(span).map(mean).collect();
    let (Some(first), Some(last)) = (means.first(), means.last()) else {
        return Vec::new();
    };
    let steps = losses.len();
    vec![
        format!("loss        {}", curve(&means)),
        format!("            {first:.3} in the beginning, {last:.3} after {steps} steps"),
    ]
}

/// Columns of the curve.
const COLUMNS: usize = 60;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Each value as a bar, the largest the highest.
fn curve(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bar = |value: &f64| {
        let height = (value / most * 7.0).round().clamp(0.0, 7.0) as usize;
        BARS.get(height).copied().unwrap_or(' ')
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_one_of_the_catalogue() {
        for kernel in DemoKernel::value_variants() {
            let job = kernel.job(64);
            let name = job["kernel"].as_str().unwrap();
            let parsed = kernels::Job::parse(name, &job["params"]);
            assert!(parsed.is_ok(), "{name}: {:?}", parsed.err());
            let text = job.to_string();
            assert!(attestation_agent::parse_job(text.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_falling_loss_is_drawn_falling() {
        let bytes: Vec<u8> = (0..120)
            .flat_map(|step| (1.0 - step as f32 / 120.0).to_le_bytes())
            .collect();
        let lines = losses(&bytes);
        assert!(lines[0].starts_with("loss        █"), "{}", lines[0]);
        assert!(lines[0].ends_with('▁'), "{}", lines[0]);
        assert!(lines[1].contains("after 120 steps"), "{}", lines[1]);
    }
}
