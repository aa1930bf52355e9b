//! The picture is one: decoders read it, it shows what it should, and a job keeps its limits.

use std::process::Command;

use kernels::pathtrace::{Params, Pathtrace};
use kernels::point::InMemory;
use kernels::{Inputs, Job};
use serde_json::{Value, json};

use crate::samples::SEED;

fn small() -> Params {
    let mut params = Params::marbles(SEED.parse().unwrap());
    (params.width, params.height, params.samples) = (33, 17, 4);
    params
}

fn job(params: &Params) -> Job {
    Job::parse("pathtrace", serde_json::to_value(params).unwrap()).unwrap()
}

fn file(job: &Job) -> Vec<u8> {
    job.reference_run(&Inputs::none())
        .unwrap()
        .remove(0)
        .into_bytes()
}

/// Red, green, blue of every pixel, by the points.
fn pixels(job: &Job, params: &Params) -> Vec<u8> {
    let pixels = u64::from(params.width * params.height);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let none = InMemory::new(&inputs, []);
    let pixel = |point| job.points().eval(point, &none).unwrap();
    (0..pixels).flat_map(pixel).collect()
}

/// A decoder of what any PNG of this kind may contain, that shares nothing with the kernel: chunks, checksums and
/// compressed data are read by Python's `zlib`.
const DECODER: &str = r#"
import struct, sys, zlib
file = sys.stdin.buffer.read()
assert file[:8] == b"\x89PNG\r\n\x1a\n", "signature"
at, chunks = 8, []
while at < len(file):
    length, name = struct.unpack_from(">I4s", file, at)
    content = file[at + 8:at + 8 + length]
    crc, = struct.unpack_from(">I", file, at + 8 + length)
    assert crc == zlib.crc32(name + content), (name, at)
    chunks.append((name, content))
    at += 12 + length
assert at == len(file), "length"
names = [name for name, _ in chunks]
assert names[0] == b"IHDR" and names[-1] == b"IEND" and set(names[1:-1]) == {b"IDAT"}, names
width, height, *form = struct.unpack(">IIBBBBB", chunks[0][1])
assert form == [8, 2, 0, 0, 0], form
inflate = zlib.decompressobj()
data = inflate.decompress(b"".join(content for _, content in chunks[1:-1]))
assert inflate.eof and not inflate.unused_data
line = 1 + 3 * width
assert len(data) == height * line
for y in range(height):
    assert data[y * line] == 0, "filter"
    sys.stdout.buffer.write(data[y * line + 1:(y + 1) * line])
"#;

#[test]
fn a_decoder_finds_the_pixels() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("ignored: no python3");
        return;
    }
    for (width, height) in [(33, 17), (1, 1), (1, 40), (70, 1)] {
        let params = Params {
            width,
            height,
            ..small()
        };
        let job = job(&params);
        assert_eq!(decode(&file(&job)), pixels(&job, &params));
    }
}

fn decode(file: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let mut python = Command::new("python3")
        .args(["-c", DECODER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(file).unwrap();
    let output = python.wait_with_output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    output.stdout
}

/// Not black, not white, not one colour: light falls on something.
#[test]
fn the_picture_shows_something() {
    let params = small();
    let pixels = pixels(&job(&params), &params);
    let mean = |channel: usize| {
        let values = pixels.iter().skip(channel).step_by(3);
        values.map(|value| f64::from(*value)).sum::<f64>() / (pixels.len() / 3) as f64
    };
    for channel in 0..3 {
        let mean = mean(channel);
        assert!((40.0..220.0).contains(&mean), "{mean}");
    }
    assert!(mean(0) > mean(2), "dusk is warm");
    let distinct: std::collections::BTreeSet<&[u8]> = pixels.chunks(3).collect();
    assert!(distinct.len() > 200, "{}", distinct.len());
}

#[test]
fn more_samples_change_little_and_another_seed_much() {
    let mean_difference = |a: &Params, b: &Params| {
        let [a, b] = [a, b].map(|params| pixels(&job(params), params));
        let differences = a.iter().zip(&b).map(|(a, b)| u32::from(a.abs_diff(*b)));
        f64::from(differences.sum::<u32>()) / a.len() as f64
    };
    let [few, many] = [64, 96].map(|samples| Params { samples, ..small() });
    let noise = mean_difference(&few, &many);
    let other = Params {
        seed: kernels::OperandSeed::from_bytes([9; 32]),
        ..few
    };
    let scene = mean_difference(&few, &other);
    assert!(noise < 4.0 && scene > 3.0 * noise, "{noise} {scene}");
}

#[test]
fn limits_are_kept_one_by_one() {
    let refused = |spoil: &dyn Fn(&mut Value)| {
        let mut params = serde_json::to_value(small()).unwrap();
        spoil(&mut params);
        Job::parse("pathtrace", &params)
            .err()
            .map(|error| error.code())
    };
    let most = [
        ("width", 1, 16_384),
        ("height", 1, 16_384),
        ("samples", 1, 4096),
        ("depth", 1, 32),
        ("marbles", 0, 253),
    ];
    let out = Some("param_out_of_bounds");
    for (member, least, most) in most {
        assert_eq!(refused(&|p| p[member] = json!(most + 1)), out, "{member}");
        assert_eq!(refused(&|p| p[member] = json!(most)), None, "{member}");
        if least > 0 {
            assert_eq!(refused(&|p| p[member] = json!(0)), out, "{member}");
        }
    }
    let camera: [(&str, Value); 8] = [
        ("from", json!([0, 63, 9421])),
        ("from", json!([0, -5, 9421])),
        ("from", json!([65_537, 3277, 0])),
        ("from", json!([-102, 3277, 205])),
        ("to", json!([0, 0, -65_537])),
        ("lens", json!(4097)),
        ("view", json!(0)),
        ("view", json!(16_385)),
    ];
    for (member, value) in camera {
        assert_eq!(
            refused(&|p| p["camera"][member] = value.clone()),
            out,
            "{member} {value}"
        );
    }
    let large = |p: &mut Value| (p["width"], p["height"]) = (json!(4097), json!(4096));
    assert_eq!(refused(&large), out);
    assert_eq!(
        refused(&|p| p["camera"]["roll"] = json!(0)),
        Some("params_malformed")
    );
    assert_eq!(
        refused(&|p| p["scene"] = json!("marbles")),
        Some("params_malformed")
    );
}

#[test]
fn params_survive_json() {
    let params = small();
    let json = serde_json::to_string(&params).unwrap();
    let back: Params = serde_json::from_str(&json).unwrap();
    assert_eq!(*Pathtrace::try_from(back).unwrap().params(), params);
}

/// BLAKE3 of [`Params::marbles`] under [`SEED`]; `b3sum` of the file prints it.
#[cfg(feature = "host")]
const DIGEST_OF_MARBLES: &str = "2584f01cce8c5b9054d1b4b67855fa663b609672d633cd4698f69c7aeb2eda82";

/// `cargo test --release -p kernels --features host -- --ignored picture` writes a picture to look at.
#[cfg(feature = "host")]
#[test]
#[ignore = "writes target/tmp/marbles.png, some seconds of work"]
fn picture() {
    use kernels::audit::{self, Verdict};
    use kernels::host::Machine;
    use std::num::NonZeroUsize;
    let job = job(&Params::marbles(SEED.parse().unwrap()));
    let inputs = job.accept(&Inputs::none()).unwrap();
    let program = job.program(kernels::program::Target::Portable).unwrap();
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let run = Machine::new(threads).run(&program, &inputs).unwrap();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("marbles.png");
    std::fs::write(&path, run.outputs[0].bytes()).unwrap();
    let digest = run.outputs[0].digest().to_string();
    assert_eq!(digest, DIGEST_OF_MARBLES);
    eprintln!("{}: {digest}", path.display());
    // A verifier's share of the work, by the reference.
    let randomness = kernels::Randomness::drawn_after_commitment([1; 32]);
    let points = audit::draw(&randomness, &job, 300);
    let outputs = [run.outputs[0].bytes()];
    let verdict = audit::check(&job, &inputs, &outputs, &points, threads);
    assert_eq!(verdict, Ok(Verdict::Accepted));
}
