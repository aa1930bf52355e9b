//! `vectors/*.json`: what this crate computes is what the files say, to the byte.
//!
//! The files are for implementers in other languages, so each explains itself in `_comment`.
//! `cargo test --release -p kernels -- --ignored write_vectors` rewrites them after a deliberate
//! change, which is a new version of a specification, never a correction in place.

use std::fs;
use std::path::PathBuf;

use kernels::freivalds::{Accepted, Randomness};
use kernels::gemm_i8::{Operands, Shape, encode, reference};
use kernels::philox::philox4x32_10;
use kernels::{Blake3Digest, Inputs, Job, Kernel, OperandSeed, OperandStream};
use serde::Serialize;
use serde_json::Value;

use crate::samples;
use crate::{float_vectors, job_vectors, scalar_vectors, scene_vectors};

#[test]
fn vectors_are_what_is_computed() {
    for (name, computed) in all() {
        let stored = fs::read_to_string(path(name)).unwrap();
        assert!(
            stored == computed,
            "{name} differs; computed now:\n{computed}"
        );
    }
}

#[test]
#[ignore = "rewrites the files under vectors/"]
fn write_vectors() {
    for (name, computed) in all() {
        fs::write(path(name), computed).unwrap();
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name)
}

fn all() -> [(&'static str, String); 13] {
    [
        ("catalog.json", catalog()),
        ("freivalds.json", challenge_vectors()),
        ("gemm_bf16.json", float_vectors::bf16()),
        ("gemm_f32.json", float_vectors::f32()),
        ("gemm_i8.json", products()),
        ("mlp_sgd.json", job_vectors::text(Kernel::MlpSgd)),
        ("nbody.json", courses()),
        ("operand_stream.json", streams()),
        ("outputs.json", outputs()),
        ("pathtrace.json", pictures()),
        ("philox4x32_10.json", philox()),
        ("scalar.json", scalar_vectors::text()),
        (
            "transformer_block.json",
            job_vectors::text(Kernel::TransformerBlock),
        ),
    ]
}

#[derive(Serialize)]
struct File<'a, T> {
    _comment: &'a str,
    cases: Vec<T>,
}

pub(crate) fn text<T: Serialize>(comment: &str, cases: Vec<T>) -> String {
    let file = File {
        _comment: comment,
        cases,
    };
    serde_json::to_string_pretty(&file).unwrap() + "\n"
}

/// Words as one text: `6627e8d5 e169c58d`.
fn words(words: &[u32]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
    words.join(" ")
}

/// Bytes 0, 1, … 31 plus `offset`: every byte differs, so that a wrong order shows.
pub(crate) fn counting(offset: u8) -> [u8; 32] {
    std::array::from_fn(|i| i as u8 + offset)
}

fn hex(bytes: &[u8; 32]) -> String {
    OperandSeed::from_bytes(*bytes).to_string()
}

#[derive(Serialize)]
struct KernelCase {
    name: &'static str,
    version: u32,
    digest: Blake3Digest,
}

fn catalog() -> String {
    let case = |kernel: &Kernel| KernelCase {
        name: kernel.name(),
        version: kernel.version(),
        digest: kernel.digest(),
    };
    text(
        "digest: BLAKE3 of spec/NAME.md. A text that has been released is never edited: a change \
         is a new version.",
        Kernel::ALL.iter().map(case).collect(),
    )
}

fn courses() -> String {
    text(
        "Trajectories, spec/nbody.md. Words of bodies: place and velocity, the bits of each f32 in hexadecimal. \
         blake3_trajectory: digest of the output.",
        scene_vectors::courses(OperandSeed::from_bytes(counting(0))),
    )
}

fn pictures() -> String {
    text(
        "Pictures, spec/pathtrace.md. pixel: the bytes of one pixel, which needs no other. blake3_image: digest of \
         the output, a PNG file of so many bytes.",
        scene_vectors::pictures(OperandSeed::from_bytes(counting(0))),
    )
}

#[derive(Serialize)]
struct PhiloxCase {
    why: &'static str,
    counter: String,
    key: String,
    output: String,
}

fn philox() -> String {
    let cases: [(&str, [u32; 4], [u32; 2]); 4] = [
        ("Random123 known answer", [0; 4], [0; 2]),
        ("Random123 known answer", [u32::MAX; 4], [u32::MAX; 2]),
        (
            "Random123 known answer, digits of pi",
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
        ),
        (
            "sign bits: catches arithmetic shifts and signed products",
            [0x8000_0000, 0x7fff_ffff, 0x8000_0001, 0x7fff_fffe],
            [0x8000_0000, 0x7fff_ffff],
        ),
    ];
    let case = |(why, counter, key): (_, [u32; 4], [u32; 2])| PhiloxCase {
        why,
        counter: words(&counter),
        key: words(&key),
        output: words(&philox4x32_10(counter, key)),
    };
    text(
        "Philox4x32-10. Words in hexadecimal, word 0 first.",
        cases.into_iter().map(case).collect(),
    )
}

#[derive(Serialize)]
struct StreamCase {
    seed: String,
    label: &'static str,
    key: String,
    counter_words_2_and_3: String,
    elements: Vec<Elements>,
}

#[derive(Serialize)]
struct Elements {
    why: &'static str,
    first: u64,
    values: Vec<i8>,
}

fn streams() -> String {
    let case = |offset, label| {
        let seed = OperandSeed::from_bytes(counting(offset));
        let stream = OperandStream::new(&seed, label);
        let elements = |why, first, len| {
            let mut values = vec![0; len];
            stream.fill(first, &mut values);
            Elements { why, first, values }
        };
        StreamCase {
            seed: seed.to_string(),
            label,
            key: words(&stream.key()),
            counter_words_2_and_3: words(&stream.counter_high()),
            elements: vec![
                elements("the first two blocks", 0, 32),
                elements("across a block edge, starting inside a block", 45, 7),
                elements("last element of an 8192x8192 matrix", 67_108_863, 1),
                elements(
                    "block index 2^32 - 1 to 2^32: carry into word 1",
                    68_719_476_728,
                    16,
                ),
            ],
        }
    };
    text(
        "Operands from a seed, spec/gemm_i8.md. key, counter words: hexadecimal, lower word \
         first. values: elements first, first + 1, ... as int8.",
        vec![case(0, "a"), case(0, "b"), case(0x80, "a")],
    )
}

#[derive(Serialize)]
struct ProductCase {
    why: &'static str,
    m: u32,
    n: u32,
    k: u32,
    operands: OperandsCase,
    blake3_a: Blake3Digest,
    blake3_b: Blake3Digest,
    blake3_c: Blake3Digest,
    first: i32,
    last: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum OperandsCase {
    Seed(String),
    EveryElement { a: i8, b: i8 },
}

fn products() -> String {
    let seeded = [
        ("smallest", [1, 1, 1]),
        ("odd in every dimension, all different", [7, 5, 3]),
        ("k below one Philox block", [3, 4, 15]),
        (
            "k above one Philox block, rows start inside blocks",
            [3, 4, 17],
        ),
        ("row times column: one long sum", [1, 1, 4096]),
        ("column times row: no sum at all", [65, 129, 1]),
        ("one below a 64 tile", [63, 63, 63]),
        ("a 64 tile", [64, 64, 64]),
        ("one above a 64 tile", [65, 65, 65]),
        ("one below a 128 tile, k one above", [127, 127, 129]),
        ("one above a 128 tile, k one below", [129, 129, 127]),
        ("many tiles, no two dimensions equal", [256, 192, 320]),
        ("longest k", [2, 3, 131_071]),
        ("benchmark size", [512, 512, 512]),
    ];
    let extreme = [
        (
            "largest element there is: 131071*2^14",
            [1, 1, 131_071],
            [-128, -128],
        ),
        (
            "smallest element there is: -131071*16256",
            [1, 1, 131_071],
            [-128, 127],
        ),
        (
            "largest odd products: catches 127*127 saturation",
            [2, 2, 33],
            [127, 127],
        ),
        ("zeros", [3, 3, 3], [0, 0]),
    ];
    let mut cases: Vec<ProductCase> = seeded
        .into_iter()
        .zip(0..)
        .map(|((why, shape), offset)| seeded_product(why, shape, offset))
        .collect();
    cases.extend(extreme.map(|(why, shape, values)| constant_product(why, shape, values)));
    text(
        "Products, spec/gemm_i8.md. blake3_*: digest of the bytes of A, B and of the output. \
         first, last: C[0][0] and C[m-1][n-1].",
        cases,
    )
}

fn seeded_product(why: &'static str, [m, n, k]: [u32; 3], offset: u8) -> ProductCase {
    let seed = OperandSeed::from_bytes(counting(offset));
    let operands = Operands::from_seed(Shape::new(m, n, k).unwrap(), &seed);
    product(why, &operands, OperandsCase::Seed(seed.to_string()))
}

fn constant_product(why: &'static str, [m, n, k]: [u32; 3], [a, b]: [i8; 2]) -> ProductCase {
    let shape = Shape::new(m, n, k).unwrap();
    let (all_a, all_b) = (vec![a; shape.a_len()], vec![b; shape.b_len()]);
    let operands = Operands::new(shape, all_a, all_b).unwrap();
    product(why, &operands, OperandsCase::EveryElement { a, b })
}

fn product(why: &'static str, operands: &Operands, described: OperandsCase) -> ProductCase {
    let shape = operands.shape();
    let [m, n, k] = [shape.m(), shape.n(), shape.k()].map(|size| size as u32);
    let c = reference(operands);
    ProductCase {
        why,
        m,
        n,
        k,
        operands: described,
        blake3_a: operands.a_digest(),
        blake3_b: operands.b_digest(),
        blake3_c: Blake3Digest::of(&encode(&c)),
        first: c[0],
        last: c[c.len() - 1],
    }
}

#[derive(Serialize)]
struct JobCase {
    kernel: Kernel,
    why: &'static str,
    params: Value,
    outputs: Vec<OutputCase>,
}

#[derive(Serialize)]
struct OutputCase {
    name: &'static str,
    len: u64,
    blake3: Blake3Digest,
}

fn outputs() -> String {
    let of_kernel = |kernel: &Kernel| {
        let kernel = *kernel;
        let cases = samples::cases(kernel).into_iter();
        cases.map(move |(why, params)| job_case(kernel, why, params))
    };
    text(
        "Every kernel: params of a job, and the BLAKE3 digests of its outputs by spec/KERNEL.md.",
        Kernel::ALL.iter().flat_map(of_kernel).collect(),
    )
}

fn job_case(kernel: Kernel, why: &'static str, params: Value) -> JobCase {
    let job = Job::parse(kernel.name(), &params).unwrap();
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    let outputs = job.outputs().into_iter().zip(outputs);
    let outputs = outputs.map(|(spec, output)| OutputCase {
        name: spec.name,
        len: spec.len,
        blake3: output.digest(),
    });
    JobCase {
        kernel,
        why,
        params,
        outputs: outputs.collect(),
    }
}

#[derive(Serialize)]
struct ChallengeCase {
    randomness: String,
    log2_error: i32,
    /// Entry j of the four repetitions.
    entries: Vec<ChallengeEntry>,
}

#[derive(Serialize)]
struct ChallengeEntry {
    j: usize,
    r: [u64; 4],
}

fn challenge_vectors() -> String {
    let case = |offset| {
        let bytes = counting(offset);
        let r = Randomness::drawn_after_commitment(bytes).vectors(1025);
        // 63 and 64 lie either side of 1024 bytes of BLAKE3 output.
        let entries = [0, 1, 63, 64, 1024].map(|j| ChallengeEntry { j, r: r[j] });
        ChallengeCase {
            randomness: hex(&bytes),
            log2_error: Accepted::LOG2_ERROR,
            entries: entries.into(),
        }
    };
    text(
        "Freivalds' check: 32 bytes to four vectors r of 31-bit entries. Entry j of repetition s \
         is the little-endian 32-bit word 4j + s of BLAKE3 derive_key(context 'PoGW 2026-11-23 \
         freivalds v1 vectors', randomness), top bit cleared.",
        vec![case(0), case(0x60)],
    )
}
