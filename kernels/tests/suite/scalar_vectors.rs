//! `vectors/scalar.json`: known answers of `spec/scalar.md`, one line a value.

use kernels::scalar;
use kernels::{Blake3Digest, OperandSeed, OperandStream, philox};
use serde::Serialize;

use crate::option_sets;

const COMMENT: &str = "spec/scalar.md. results: the arguments, then the result; f32 and words as 32 \
    bits in hexadecimal, 64-bit integers as 16 digits. blake3_option_sets: of all that \
    tests/option_sets/scalar.cpp writes.";

#[derive(Serialize)]
struct File {
    _comment: &'static str,
    version: u32,
    blake3_specification: Blake3Digest,
    blake3_option_sets: Blake3Digest,
    functions: Vec<Function>,
}

#[derive(Serialize)]
struct Function {
    function: &'static str,
    results: Vec<String>,
}

/// A function under its name in the file.
type Named<A, R> = (&'static str, fn(A) -> R);

/// The text of the file.
pub(crate) fn text() -> String {
    let file = File {
        _comment: COMMENT,
        version: 1,
        blake3_specification: Blake3Digest::of(scalar::SPECIFICATION.as_bytes()),
        blake3_option_sets: option_sets::digest_of_twin(),
        functions: [numbers(), operations(), integers(), draws()]
            .into_iter()
            .flatten()
            .collect(),
    };
    serde_json::to_string_pretty(&file).unwrap() + "\n"
}

/// Functions of one f32.
fn numbers() -> Vec<Function> {
    let functions: [Named<f32, u32>; 17] = [
        ("exp", |x| scalar::exp(x).to_bits()),
        ("tanh", |x| scalar::tanh(x).to_bits()),
        ("sigmoid", |x| scalar::sigmoid(x).to_bits()),
        ("silu", |x| scalar::silu(x).to_bits()),
        ("gelu", |x| scalar::gelu(x).to_bits()),
        ("rsqrt", |x| scalar::rsqrt(x).to_bits()),
        ("sin", |x| scalar::sin(x).to_bits()),
        ("cos", |x| scalar::cos(x).to_bits()),
        ("sqrt", |x| scalar::one_nan(x.sqrt()).to_bits()),
        ("rint", |x| scalar::one_nan(x.round_ties_even()).to_bits()),
        ("floor", |x| scalar::one_nan(x.floor()).to_bits()),
        ("canon", |x| scalar::one_nan(scalar::canon(x)).to_bits()),
        ("output", |x| scalar::output(x).to_bits()),
        ("i32", |x| (x as i32).cast_unsigned()),
        ("u32", |x| x as u32),
        ("i8_nearest", |x| {
            i32::from(scalar::i8_nearest(x)).cast_unsigned()
        }),
        ("u8_nearest", |x| u32::from(scalar::u8_nearest(x))),
    ];
    let of = |(name, function): Named<f32, u32>| Function {
        function: name,
        results: arguments()
            .into_iter()
            .map(|x| format!("{x:08x} {:08x}", function(f32::from_bits(x))))
            .collect(),
    };
    functions.into_iter().map(of).collect()
}

/// Where functions change their ways, then ordinary numbers.
fn arguments() -> Vec<u32> {
    let stream = stream();
    let near = (0..24).map(|i| (12.0 * stream.symmetric(i)).to_bits());
    EDGES
        .into_iter()
        .chain(near)
        .chain((24..32).map(|i| stream.word(i)))
        .collect()
}

const EDGES: [u32; 44] = [
    // Zeros, the least and the largest subnormal, the least normal number.
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    // 1, -1, halves: ties of rint.
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0x3fc0_0000,
    0x4020_0000,
    0xbf00_0000,
    0xc020_0000,
    // Either side of tanh's 5/8.
    0x3f1f_ffff,
    0x3f20_0000,
    0xbf20_0000,
    // exp: either side of overflow, of subnormal results, of zero.
    0x42b1_7217,
    0x42b1_7218,
    0xc2ae_ac4f,
    0xc2ae_ac50,
    0xc2cf_f1b4,
    0xc2cf_f1b5,
    0xc2cf_f1b6,
    // pi/4 and its neighbour, pi/2, pi, 2 pi, the f32 nearest to a multiple of pi/2, the limit of sine.
    0x3f49_0fda,
    0x3f49_0fdb,
    0x3fc9_0fdb,
    0x4049_0fdb,
    0x40c9_0fdb,
    0x4776_8b2d,
    0x4800_0000,
    0xc800_0000,
    0x4800_0001,
    // int8, uint8, i32, u32: the last inside, the first outside.
    0x42fe_ffff,
    0x42ff_0000,
    0xc300_8000,
    0x437f_7fff,
    0x4eff_ffff,
    0x4f00_0000,
    0x4f7f_ffff,
    // The largest number, infinities, NaNs of either sign.
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fff_ffff,
    0xffc0_0001,
];

/// Operations on two or three f32.
fn operations() -> Vec<Function> {
    let functions: [Named<[f32; 3], f32>; 7] = [
        ("fma", |[a, b, c]| a.mul_add(b, c)),
        ("add", |[a, b, _]| a + b),
        ("sub", |[a, b, _]| a - b),
        ("mul", |[a, b, _]| a * b),
        ("div", |[a, b, _]| a / b),
        ("min", |[a, b, _]| scalar::min(a, b)),
        ("max", |[a, b, _]| scalar::max(a, b)),
    ];
    let of = |(name, function): Named<[f32; 3], f32>| Function {
        function: name,
        results: triples()
            .into_iter()
            .map(|words| {
                let result = scalar::one_nan(function(words.map(f32::from_bits)));
                let used = if name == "fma" { 3 } else { 2 };
                line(&words[..used], result.to_bits())
            })
            .collect(),
    };
    functions.into_iter().map(of).collect()
}

fn triples() -> Vec<[u32; 3]> {
    let stream = stream();
    let near = (0..8).map(|i| [0, 1, 2].map(|j| stream.symmetric(64 + 3 * i + j).to_bits()));
    let edges = [
        // (1 + 2^-12)^2 - (1 + 2^-11): what one rounding keeps and two lose.
        [0x3f80_0800, 0x3f80_0800, 0xbf80_1000],
        // Products and quotients that are subnormal, ties among them.
        [0x0080_0001, 0x3f00_0000, 0x8000_0001],
        [0x0000_0003, 0x3f00_0000, 0x0000_0000],
        // Overflow; cancellation to +0; zeros of either sign; 0 times infinity.
        [0x7f7f_ffff, 0x4000_0000, 0xff80_0000],
        [0x3f80_0000, 0xbf80_0000, 0x3f80_0000],
        [0x0000_0000, 0x8000_0000, 0x8000_0000],
        [0x8000_0000, 0x0000_0000, 0x0000_0000],
        [0x0000_0000, 0x7f80_0000, 0x3f80_0000],
        [0x7fc0_0000, 0x3f80_0000, 0x3f80_0000],
        [0x3f80_0000, 0x7fc0_0000, 0x3f80_0000],
    ];
    edges.into_iter().chain(near).collect()
}

fn integers() -> Vec<Function> {
    let stream = stream();
    let word = |i: u64| stream.word(128 + i);
    let wide = |i: u64| (u64::from(word(2 * i)) << 32 | u64::from(word(2 * i + 1))).cast_signed();
    let edges = [
        (5, 1),
        (7, 1),
        (-5, 1),
        (-7, 1),
        (6, 2),
        (-6, 2),
        (9, 0),
        (i64::MIN, 62),
        (i64::MAX, 63),
    ];
    let shifts = edges
        .into_iter()
        .chain((0..6).map(|i| (wide(i), word(i) % 64)));
    let shift = |(v, s): (i64, u32)| format!("{v:016x} {s:08x} {:016x}", scalar::shift_even(v, s));
    let requant = |[acc, multiplier, s]: [u32; 3]| {
        let result = scalar::requant(acc.cast_signed(), multiplier.cast_signed(), s);
        line(&[acc, multiplier, s], i32::from(result).cast_unsigned())
    };
    let requants = (0..8)
        .map(|i| [word(i), word(i + 8), 54 + word(i) % 6])
        .chain([
            [0x8000_0000, 0x8000_0000, 62],
            [3, 1, 1],
            [5, 1, 1],
            [300, 1, 0],
            [0xffff_fe00, 1, 0],
        ]);
    let int8 = |word: u32| word.to_le_bytes().map(u8::cast_signed);
    let dp4a = |[a, b, c]: [u32; 3]| {
        let result = scalar::dp4a(int8(a), int8(b), c.cast_signed());
        line(&[a, b, c], result.cast_unsigned())
    };
    let dp4as = (0..6).map(|i| [word(i), word(i + 8), word(i + 16)]).chain([
        [0x8080_8080, 0x8080_8080, 0x7fff_ffff],
        [0x0102_0304, 0x0100_00ff, 0],
    ]);
    vec![
        Function {
            function: "shift_even",
            results: shifts.map(shift).collect(),
        },
        Function {
            function: "requant",
            results: requants.map(requant).collect(),
        },
        Function {
            function: "dp4a",
            results: dp4as.map(dp4a).collect(),
        },
    ]
}

fn draws() -> Vec<Function> {
    let stream = stream();
    let words: Vec<u32> = [0, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, u32::MAX]
        .into_iter()
        .chain((256..262).map(|i| stream.word(i)))
        .collect();
    let turns = [
        0x1fff_ffff,
        0x2000_0000,
        0x4000_0000,
        0x4000_0001,
        0xc000_0000,
        0xe000_0000,
    ];
    let angles: Vec<u32> = words.iter().copied().chain(turns).collect();
    let of = |name, arguments: &[u32], function: fn(u32) -> f32| Function {
        function: name,
        results: arguments
            .iter()
            .map(|word| line(&[*word], function(*word).to_bits()))
            .collect(),
    };
    vec![
        of("sin_turn", &angles, |t| scalar::sin_cos_turn(t).sin),
        of("cos_turn", &angles, |t| scalar::sin_cos_turn(t).cos),
        of("uniform", &words, philox::uniform),
        of("symmetric", &words, philox::symmetric),
        Function {
            function: "element of the stream, u32, uniform, symmetric",
            results: elements(&stream),
        },
    ]
}

/// Seed 32 times 5c, label `scalar`.
fn elements(stream: &OperandStream) -> Vec<String> {
    let element = |index: u64| {
        let numbers = [stream.uniform(index), stream.symmetric(index)].map(f32::to_bits);
        format!(
            "{index:016x} {:08x} {:08x} {:08x}",
            stream.word(index),
            numbers[0],
            numbers[1]
        )
    };
    [0, 1, 2, 3, 4, 1 << 34, u64::MAX].map(element).into()
}

fn stream() -> OperandStream {
    OperandStream::new(&OperandSeed::from_bytes([0x5c; 32]), "scalar")
}

fn line(arguments: &[u32], result: u32) -> String {
    let words: Vec<String> = arguments
        .iter()
        .chain([&result])
        .map(|word| format!("{word:08x}"))
        .collect();
    words.join(" ")
}
