//! `cuda/pogw.cuh` and `cuda/philox.cuh`, compiled for the host in six ways, against the Rust twin:
//! the same bits from each, over some four million results.

use std::sync::LazyLock;

use kernels::scalar::{self, SinCos};
use kernels::{Blake3Digest, OperandSeed, OperandStream, philox};

use crate::cpp::{self, OptionSet};

const DRIVER: &str = "tests/option_sets/scalar.cpp";

#[test]
fn every_option_set_gives_the_bits_of_the_rust_twin() {
    let Some(compiler) = cpp::compiler() else {
        return;
    };
    std::thread::scope(|scope| {
        for set in &cpp::OPTION_SETS {
            scope.spawn(|| compare(&compiler, set));
        }
    });
}

fn compare(compiler: &str, set: &OptionSet) {
    if set.fuses && !cpp::has_hardware_fma() {
        eprintln!("ignored: {} (no FMA instruction here)", set.name);
        return;
    }
    let binary = cpp::compile(
        compiler,
        &format!("scalar-{}", set.name),
        &[DRIVER],
        set.options,
    );
    let written = cpp::run(&binary, &arguments(&stream()));
    let same = Blake3Digest::of(&written) == digest_of_twin();
    assert!(same, "{}: {}", set.name, first_difference(&TWIN, &written));
}

/// Shows that the comparison can fail: `x * z + y` in place of the functions is fused.
#[test]
fn plain_arithmetic_does_not_keep_its_bits() {
    let Some(compiler) = cpp::compiler().filter(|_| cpp::has_hardware_fma()) else {
        return;
    };
    let set = cpp::OPTION_SETS.iter().find(|set| set.fuses).unwrap();
    let options = [set.options, &["-DPLAIN_ARITHMETIC"]].concat();
    let binary = cpp::compile(&compiler, "scalar-plain", &[DRIVER], &options);
    assert_ne!(
        cpp::run(&binary, &arguments(&stream())),
        bytes(&twin(&stream()))
    );
}

/// The digest of every result, for `vectors/scalar.json`.
pub(crate) fn digest_of_twin() -> Blake3Digest {
    Blake3Digest::of(&bytes(&TWIN))
}

/// All results, computed once for the tests that compare with them.
static TWIN: LazyLock<Vec<u32>> = LazyLock::new(|| twin(&stream()));

fn stream() -> OperandStream {
    OperandStream::new(&OperandSeed::from_bytes([0x5c; 32]), "scalar")
}

fn arguments(stream: &OperandStream) -> Vec<String> {
    let ([key_0, key_1], [high_0, high_1]) = (stream.key(), stream.counter_high());
    [key_0, key_1, high_0, high_1]
        .map(|word| word.to_string())
        .into()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn first_difference(expected: &[u32], written: &[u8]) -> String {
    let written: Vec<u32> = written
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    match expected.iter().zip(&written).position(|(a, b)| a != b) {
        None => format!(
            "{} words written, expected {}",
            written.len(),
            expected.len()
        ),
        Some(at) => format!(
            "word {} of case {} is {:08x}, expected {:08x}",
            at % WORDS_PER_CASE,
            at / WORDS_PER_CASE,
            written[at],
            expected[at]
        ),
    }
}

/// What the driver writes, in its order.
fn twin(stream: &OperandStream) -> Vec<u32> {
    let mut words = Vec::new();
    for case in 0..CASES {
        let bits = [0, 1, 2].map(|j| stream.word(3 * case + j));
        let near = bits.map(|word| 16.0 * philox::symmetric(word));
        words.extend(operations(bits.map(f32::from_bits)));
        words.extend(operations(near));
        words.extend(functions(f32::from_bits(bits[0])));
        words.extend(functions(near[0]));
        words.extend(functions(near[1] * 8.0));
        words.extend(integers(bits));
    }
    assert_eq!(words.len(), CASES as usize * WORDS_PER_CASE);
    streams(stream, &mut words);
    words
}

fn operations([x, y, z]: [f32; 3]) -> [u32; 18] {
    let plain = |x: f32| scalar::one_nan(x).to_bits();
    [
        plain(x.mul_add(y, z)),
        plain(x + y),
        plain(x - y),
        plain(x * y),
        plain(x / y),
        plain(x.sqrt()),
        plain(x * z + y),
        plain(x.round_ties_even()),
        plain(x.floor()),
        plain(scalar::min(x, y)),
        plain(scalar::max(x, y)),
        plain(scalar::clamp(x, -1.0, 1.0)),
        plain(scalar::canon(x)),
        scalar::output(x).to_bits(),
        (x as i32).cast_unsigned(),
        x as u32,
        i32::from(scalar::i8_nearest(x)).cast_unsigned(),
        u32::from(scalar::u8_nearest(x)),
    ]
}

fn functions(x: f32) -> [u32; 8] {
    let all = [
        scalar::exp,
        scalar::tanh,
        scalar::sigmoid,
        scalar::silu,
        scalar::gelu,
        scalar::rsqrt,
        scalar::sin,
        scalar::cos,
    ];
    all.map(|function| function(x).to_bits())
}

fn integers([a, b, c]: [u32; 3]) -> [u32; 13] {
    let SinCos { sin, cos } = scalar::sin_cos_turn(a);
    let join = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let wide = ((u128::from(join(a, b)) * u128::from(join(b, c))) >> 64) as u64;
    let shifted = scalar::shift_even(join(a, b).cast_signed(), c % 64);
    let few_bits = i64::from((a & 0xff00_00f0).cast_signed());
    let int8 = |word: u32| word.to_le_bytes().map(u8::cast_signed);
    [
        sin.to_bits(),
        cos.to_bits(),
        (a.cast_signed() as f32).to_bits(),
        (a as f32).to_bits(),
        ((u64::from(a) * u64::from(b)) >> 32) as u32,
        ((i64::from(a.cast_signed()) * i64::from(b.cast_signed())) >> 32) as u32,
        wide as u32,
        (wide >> 32) as u32,
        scalar::dp4a(int8(a), int8(b), c.cast_signed()).cast_unsigned(),
        shifted as u32,
        (shifted >> 32) as u32,
        scalar::shift_even(few_bits, c % 8) as u32,
        i32::from(scalar::requant(
            a.cast_signed() >> 8,
            b.cast_signed(),
            40 + c % 16,
        ))
        .cast_unsigned(),
    ]
}

fn streams(stream: &OperandStream, words: &mut Vec<u32>) {
    for len in [1, 15, 16, 17, 63, 64] {
        let (mut int8, mut uniform, mut symmetric) = ([0; 80], [0.0; 80], [0.0; 80]);
        stream.fill(0, &mut int8[..len]);
        stream.fill_uniform(0, &mut uniform[..len]);
        stream.fill_symmetric(0, &mut symmetric[..len]);
        words.extend(int8.map(|byte| i32::from(byte).cast_unsigned()));
        words.extend(uniform.map(f32::to_bits));
        words.extend(symmetric.map(f32::to_bits));
    }
    for index in [0, 45, 1 << 40, u64::MAX] {
        words.push(i32::from(stream.element(index)).cast_unsigned());
        words.push(stream.word(index));
        words.push(stream.uniform(index).to_bits());
        words.push(stream.symmetric(index).to_bits());
    }
}

/// Inputs of the driver: triples of words of the stream.
const CASES: u64 = 65_536;
const WORDS_PER_CASE: usize = 18 + 18 + 8 + 8 + 8 + 13;
