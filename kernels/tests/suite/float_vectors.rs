//! `vectors/gemm_bf16.json`, `vectors/gemm_f32.json`: products whose bits depend on the order of operations.

use kernels::gemm_bf16::Bf16;
use kernels::matrix::{Multiply, Operands, Shape};
use kernels::{Blake3Digest, OperandSeed};
use serde::Serialize;

use crate::vectors::{counting, text};

#[derive(Serialize)]
struct Case {
    why: &'static str,
    m: u32,
    n: u32,
    k: u32,
    operands: Source,
    blake3_a: Blake3Digest,
    blake3_b: Blake3Digest,
    blake3_c: Blake3Digest,
    first: String,
    last: String,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Seed(String),
    /// Bits of the elements, repeated over each matrix in row-major order.
    Repeated {
        a: Vec<&'static str>,
        b: Vec<&'static str>,
    },
}

const COMMENT: &str = "blake3_*: digest of the bytes of A, B and of the output. first, last: bits of C[0][0] and \
                       C[m-1][n-1]. repeated: bits of elements, over and over in row-major order.";

pub(crate) fn bf16() -> String {
    let shapes = [
        ("smallest", [1, 1, 1]),
        ("odd in every dimension, all different", [7, 5, 3]),
        ("k below one step", [3, 4, 15]),
        ("k one step", [3, 4, 16]),
        ("k above one step: filled up with zeros", [3, 4, 17]),
        ("row times column: one long sum", [1, 1, 4096]),
        ("column times row", [65, 129, 1]),
        ("one below a 32 tile", [31, 31, 31]),
        ("one above a 32 tile", [33, 33, 33]),
        ("one below a 128 tile, k above 64", [127, 127, 65]),
        ("one above a 128 tile, k below 64", [129, 129, 63]),
        ("longest k", [2, 3, 131_071]),
    ];
    let repeated = [
        ("largest sum", [1, 1, 131_071], vec!["5aff"], vec!["5aff"]),
        ("smallest products", [2, 2, 33], vec!["2d80"], vec!["ad80"]),
        (
            "zeros of both signs",
            [3, 3, 5],
            vec!["0000", "8000"],
            vec!["8000", "3f80", "0000"],
        ),
        (
            "what is 2^25 below the largest term of a step is lost, each term by itself",
            [2, 2, 48],
            vec!["4c00", "3f81", "bf83", "cc00", "3b05"],
            vec!["3f80", "3f80", "3f80"],
        ),
        (
            "the largest terms cancel and a residue of the smallest is left",
            [3, 2, 64],
            vec!["5a80", "da80", "2d81", "3f80", "adff", "bf80", "0000"],
            vec!["5a80", "2d80", "3f80", "2dff"],
        ),
    ];
    file::<Bf16>("spec/gemm_bf16.md", &shapes, repeated)
}

pub(crate) fn f32() -> String {
    let shapes = [
        ("smallest", [1, 1, 1]),
        ("odd in every dimension, all different", [7, 5, 3]),
        ("row times column: one long sum", [1, 1, 4096]),
        ("column times row", [65, 129, 1]),
        ("one below a 64 tile, k below 16", [63, 63, 15]),
        ("a 64 tile", [64, 64, 64]),
        ("one above a 64 tile, k above 16", [65, 65, 17]),
        ("longest k", [2, 3, 131_071]),
    ];
    let repeated = [
        (
            "largest sum",
            [1, 1, 131_071],
            vec!["5affffff"],
            vec!["5affffff"],
        ),
        (
            "subnormal products",
            [2, 2, 5],
            vec!["0d800001", "8d800003"],
            vec!["2d800001"],
        ),
        (
            "zeros of both signs",
            [3, 3, 5],
            vec!["00000000", "80000000"],
            vec!["80000000", "3f800000"],
        ),
        (
            "fused: products that round by themselves differ",
            [2, 2, 7],
            vec!["bf800000", "3f801000", "3f800001"],
            vec!["3f800000", "3f801000"],
        ),
    ];
    file::<f32>("spec/gemm_f32.md", &shapes, repeated)
}

type Repeated = (&'static str, [u32; 3], Vec<&'static str>, Vec<&'static str>);

fn file<E: Multiply>(
    spec: &str,
    shapes: &[(&'static str, [u32; 3])],
    repeated: impl IntoIterator<Item = Repeated>,
) -> String {
    let seeded = shapes.iter().zip(0..).map(|((why, [m, n, k]), offset)| {
        let seed = OperandSeed::from_bytes(counting(offset));
        let operands = Operands::<E>::from_seed(Shape::new(*m, *n, *k).unwrap(), &seed);
        case(why, &operands, Source::Seed(seed.to_string()))
    });
    let repeated = repeated.into_iter().map(|(why, [m, n, k], a, b)| {
        let shape = Shape::new(m, n, k).unwrap();
        let (a_bytes, b_bytes) = (bytes::<E>(&a, shape.a_len()), bytes::<E>(&b, shape.b_len()));
        let operands = Operands::<E>::from_bytes(shape, &a_bytes, &b_bytes).unwrap();
        case(why, &operands, Source::Repeated { a, b })
    });
    text(
        &format!("Products, {spec}. {COMMENT}"),
        seeded.chain(repeated).collect(),
    )
}

/// Little-endian elements from their bits.
fn bytes<E: Multiply>(bits: &[&str], elements: usize) -> Vec<u8> {
    let element = |bits: &&str| {
        let bits = u32::from_str_radix(bits, 16).unwrap();
        bits.to_le_bytes()[..E::LEN].to_vec()
    };
    bits.iter()
        .cycle()
        .take(elements)
        .flat_map(element)
        .collect()
}

fn case<E: Multiply>(why: &'static str, operands: &Operands<E>, source: Source) -> Case {
    let shape = operands.shape();
    let [m, n, k] = [shape.m(), shape.n(), shape.k()].map(|size| size as u32);
    let c = E::product(operands);
    let bits = |at: usize| {
        format!(
            "{:08x}",
            u32::from_le_bytes(c[at..][..4].try_into().unwrap())
        )
    };
    Case {
        why,
        m,
        n,
        k,
        operands: source,
        blake3_a: operands.a_digest(),
        blake3_b: operands.b_digest(),
        blake3_c: Blake3Digest::of(&c),
        first: bits(0),
        last: bits(c.len() - 4),
    }
}
