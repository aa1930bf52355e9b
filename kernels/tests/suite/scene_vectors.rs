//! Known answers of `pathtrace` and `nbody` for `vectors/`.

use kernels::nbody::{self, BodySource};
use kernels::pathtrace;
use kernels::point::InMemory;
use kernels::{Blake3Digest, Inputs, Job, OperandSeed};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Picture {
    why: &'static str,
    params: pathtrace::Params,
    /// In the middle of the picture.
    pixel: Pixel,
    bytes: usize,
    blake3_image: Blake3Digest,
}

#[derive(Serialize)]
struct Pixel {
    x: u32,
    y: u32,
    rgb: Vec<u8>,
}

pub(crate) fn pictures(seed: OperandSeed) -> Vec<Picture> {
    let demo = pathtrace::Params::marbles(seed);
    let of = |[width, height]: [u32; 2], samples, depth, marbles| pathtrace::Params {
        width,
        height,
        samples,
        depth,
        marbles,
        ..demo
    };
    let mut near = of([40, 30], 9, 32, 20);
    near.camera = pathtrace::Camera {
        from: [0, 64, 3072],
        to: [512, 2048, 0],
        lens: 0,
        view: 4096,
    };
    let cases = [
        ("one pixel, one path, one surface", of([1, 1], 1, 1, 0)),
        (
            "one pixel wide: draws of pixels below",
            of([1, 50], 7, 4, 16),
        ),
        ("all marbles, samples beyond 2^8", of([3, 2], 300, 6, 253)),
        (
            "paths beyond the stages that move by steps",
            of([48, 27], 16, 32, 64),
        ),
        ("everything in focus, close to the floor, looking up", near),
        ("the picture to look at, small", of([160, 90], 16, 10, 64)),
    ];
    cases.map(|(why, params)| picture(why, params)).into()
}

fn picture(why: &'static str, params: pathtrace::Params) -> Picture {
    let job = job("pathtrace", &params);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let file = job.reference_bytes(&inputs).remove(0);
    let (x, y) = (params.width / 2, params.height / 2);
    let point = u64::from(y * params.width + x);
    let rgb = job.points().eval(point, &InMemory::new(&inputs, []));
    Picture {
        why,
        params,
        pixel: Pixel {
            x,
            y,
            rgb: rgb.unwrap(),
        },
        bytes: file.len(),
        blake3_image: Blake3Digest::of(&file),
    }
}

#[derive(Serialize)]
pub(crate) struct Course {
    why: &'static str,
    params: nbody::Params,
    /// Place and velocity, as bits.
    first_body_after_step_1: String,
    last_body_after_last_step: String,
    blake3_trajectory: Blake3Digest,
}

pub(crate) fn courses(seed: OperandSeed) -> Vec<Course> {
    let of = |n, steps, dt, softening| nbody::Params {
        n,
        steps,
        dt,
        softening,
        bodies: BodySource::Seed(seed),
    };
    let cases = [
        ("a core alone", of(1, 3, 656, 3277)),
        ("two cores", of(2, 100, 656, 3277)),
        ("no body around the second core", of(3, 5, 65_536, 1)),
        ("discs of unequal numbers", of(101, 20, 656, 3277)),
        ("one above a tile of 256", of(257, 3, 656, 1 << 20)),
        ("the discs meet", of(64, 400, 656, 3277)),
    ];
    cases.map(|(why, params)| course(why, params)).into()
}

fn course(why: &'static str, params: nbody::Params) -> Course {
    let outputs = job("nbody", &params)
        .reference_run(&Inputs::none())
        .unwrap();
    let trajectory = outputs[0].bytes();
    let body = |bytes: &[u8]| {
        let words = bytes.as_chunks().0.iter();
        let words = words.map(|word| format!("{:08x}", u32::from_le_bytes(*word)));
        words.collect::<Vec<_>>().join(" ")
    };
    Course {
        why,
        params,
        first_body_after_step_1: body(&trajectory[..24]),
        last_body_after_last_step: body(&trajectory[trajectory.len() - 24..]),
        blake3_trajectory: outputs[0].digest(),
    }
}

fn job(kernel: &str, params: &impl Serialize) -> Job {
    Job::parse(kernel, serde_json::to_value(params).unwrap()).unwrap()
}

/// A specification that leaves its arithmetic to another text names that text.
#[test]
fn specifications_name_the_scalar_maths_they_use() {
    let digest = Blake3Digest::of(kernels::scalar::SPECIFICATION.as_bytes()).to_string();
    for kernel in [kernels::Kernel::Nbody, kernels::Kernel::Pathtrace] {
        assert!(
            kernel.specification().contains(&digest),
            "{kernel}: {digest}"
        );
    }
}
