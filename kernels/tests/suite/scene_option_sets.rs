//! `cuda/pathtrace.cuh`, `cuda/png.cuh` and `cuda/nbody.cuh`, compiled for the host in six ways: the bytes of the
//! reference from each.

use kernels::nbody::{self, BodySource};
use kernels::pathtrace;
use kernels::{Inputs, Job, OperandSeed, OperandStream};
use serde::Serialize;

use crate::cpp;
use crate::samples::SEED;

#[test]
fn every_option_set_paints_the_picture_of_the_reference() {
    let params = pathtrace::Params {
        width: 29,
        height: 19,
        samples: 16,
        ..pathtrace::Params::marbles(seed())
    };
    let size = [params.width, params.height, params.samples, params.depth];
    let mut arguments = size.map(|word| word.to_string()).to_vec();
    arguments.push((3 + params.marbles).to_string());
    arguments.extend(words("scene"));
    arguments.extend(words("paths"));
    let camera = params.camera;
    let points = camera.from.iter().chain(&camera.to);
    arguments.extend(points.map(|length| length.to_string()));
    arguments.extend([camera.lens, camera.view].map(|length| length.to_string()));
    every_option_set_writes("pathtrace", &arguments, &reference("pathtrace", &params));
}

#[test]
fn every_option_set_moves_bodies_as_the_reference_does() {
    let params = nbody::Params {
        n: 61,
        steps: 40,
        ..nbody::Params::discs(seed())
    };
    assert!(matches!(params.bodies, BodySource::Seed(_)));
    let [dt, softening] = [params.dt, params.softening].map(|units| units as f32 / 65_536.0);
    let numbers = [
        params.n,
        params.steps,
        dt.to_bits(),
        (softening * softening).to_bits(),
    ];
    let mut arguments = numbers.map(|word| word.to_string()).to_vec();
    arguments.extend(words("bodies"));
    every_option_set_writes("nbody", &arguments, &reference("nbody", &params));
}

fn seed() -> OperandSeed {
    SEED.parse().unwrap()
}

fn words(label: &str) -> [String; 4] {
    let words = OperandStream::new(&seed(), label).words();
    words.map(|word| word.to_string())
}

fn reference(kernel: &str, params: &impl Serialize) -> Vec<u8> {
    let job = Job::parse(kernel, serde_json::to_value(params).unwrap()).unwrap();
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    outputs.into_iter().next().unwrap().into_bytes()
}

fn every_option_set_writes(kernel: &str, arguments: &[String], expected: &[u8]) {
    let Some(compiler) = cpp::compiler() else {
        return;
    };
    let driver = format!("tests/option_sets/{kernel}.cpp");
    for set in cpp::OPTION_SETS {
        if set.fuses && !cpp::has_hardware_fma() {
            eprintln!("ignored: {} (no FMA instruction here)", set.name);
            continue;
        }
        let name = format!("{kernel}-{}", set.name);
        let binary = cpp::compile(&compiler, &name, &[&driver], set.options);
        let written = cpp::run(&binary, arguments);
        let differ = written.iter().zip(expected).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{name}");
        assert_eq!(written.len(), expected.len(), "{name}");
    }
}
