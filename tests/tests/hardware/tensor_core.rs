//! What tensor cores make of a bf16 step, beside the model that `spec/gemm_bf16.md` took it from.
//!
//! Jobs of given operands: in them one product is two steps, the first of which makes the accumulator that the second
//! starts from, so that the records of `kernels/vectors/hopper_wgmma_bf16_k16.bin` can be put to a device as they are.
//! Records with an operand outside the kernel's domain cannot. On a device without a module for its tensor cores this is
//! the emulation in integers, and says so.

use std::collections::BTreeMap;

use attestation_agent::{Cuda, Execution};
use kernels::philox::philox4x32_10;
use kernels::{Blake3Digest, Job};
use serde_json::json;

use crate::{run_on, table};

const VECTORS: &[u8] = include_bytes!("../../../kernels/vectors/hopper_wgmma_bf16_k16.bin");

/// 16 bf16 of A, 16 of B, an f32 of C and of D, little endian.
const RECORD: usize = 72;

/// Products in a step, and operands of a line of a record's row of A: two steps.
const STEP: usize = 16;
const ONE: u16 = 0x3f80;

/// Runs both comparisons, and says of how many steps.
pub(crate) fn compare(cuda: &Cuda) -> String {
    let records: Vec<Record> = VECTORS
        .chunks_exact(RECORD)
        .filter_map(Record::of)
        .collect();
    let n = records.len();
    let (job, ran) = product(
        cuda,
        [n, n, 2 * STEP],
        &lines_of(&records),
        &columns_of(&records),
    );
    let bytes = ran.outputs[0]
        .bytes
        .as_ref()
        .expect("the output was asked for");
    for (at, record) in records.iter().enumerate() {
        let from = 4 * (at * n + at);
        let d = u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap());
        assert_eq!(d, record.d, "record {at} of those within the domain");
    }
    let [m, n_any, k] = [768, 768, 256];
    product(
        cuda,
        [m, n_any, k],
        &anything(m * k, 1),
        &anything(k * n_any, 2),
    );
    format!(
        "bf16 steps{}: {n} of {} public records have the result stated, and all {} steps of their combinations and of \
         operands all over the domain that of the model.\n\n",
        table::module_of(&ran, &job),
        VECTORS.len() / RECORD,
        n * n * 2 + m * n_any * k / STEP,
    )
}

/// Given matrices multiplied on the device; the whole output equals the reference's.
fn product(cuda: &Cuda, [m, n, k]: [usize; 3], a: &[u16], b: &[u16]) -> (Job, Execution) {
    let bytes =
        |matrix: &[u16]| -> Vec<u8> { matrix.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let (a, b) = (bytes(a), bytes(b));
    let given = json!({"a": Blake3Digest::of(&a), "b": Blake3Digest::of(&b)});
    let params = json!({"m": m, "n": n, "k": k, "operands": {"given": given}});
    let job = Job::parse("gemm_bf16", &params).unwrap();
    let inputs = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
    let inputs = job.accept_owned(inputs).unwrap();
    let right = job.reference(&inputs).remove(0);
    let ran = run_on(cuda, &job, inputs, true);
    assert_eq!(ran.outputs[0].digest, right.digest(), "{m} x {n} x {k}");
    (job, ran)
}

/// A record whose operands are of the domain, and whose accumulator can be made by a step.
struct Record {
    a: [u16; STEP],
    b: [u16; STEP],
    c: [u16; 3],
    d: u32,
}

impl Record {
    fn of(bytes: &[u8]) -> Option<Self> {
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let a = std::array::from_fn(|at| short(2 * at));
        let b = std::array::from_fn(|at| short(2 * (STEP + at)));
        let c = f32::from_bits(u32::from(short(64)) | u32::from(short(66)) << 16);
        let d = u32::from(short(68)) | u32::from(short(70)) << 16;
        let c = pieces(c);
        let all_in_domain = a.iter().chain(&b).chain(&c).all(|x| in_domain(*x));
        all_in_domain.then_some(Self { a, b, c, d })
    }
}

/// A zero, or a magnitude in `[2^-36, 2^55)`.
fn in_domain(bits: u16) -> bool {
    bits & 0x7fff == 0 || (91..=181).contains(&(bits >> 7 & 0xff))
}

/// Three bf16 whose sum is `c`: eight bits of its significand each.
fn pieces(c: f32) -> [u16; 3] {
    let mut left = c;
    std::array::from_fn(|_| {
        let piece = (left.to_bits() >> 16) as u16;
        left -= f32::from_bits(u32::from(piece) << 16);
        piece
    })
}

/// Of A: the pieces of C times one in the first step, the record's operands in the second.
fn lines_of(records: &[Record]) -> Vec<u16> {
    let line = |record: &Record| {
        let mut line = [0; 2 * STEP];
        line[..3].copy_from_slice(&record.c);
        line[STEP..].copy_from_slice(&record.a);
        line
    };
    records.iter().flat_map(line).collect()
}

fn columns_of(records: &[Record]) -> Vec<u16> {
    let one = |l: usize| if l < 3 { ONE } else { 0 };
    let row = |l: usize| {
        records.iter().map(move |record| match l.checked_sub(STEP) {
            Some(second) => record.b[second],
            None => one(l),
        })
    };
    (0..2 * STEP).flat_map(row).collect()
}

/// Exponents all over the domain, so that most terms of a step are lost, and zeros of both signs.
fn anything(elements: usize, key: u32) -> Vec<u16> {
    let value = |index: usize| {
        let word = philox4x32_10([index as u32, 0, 0, 0], [key, 0])[0];
        let exponent = 91 + (word >> 16) % 91;
        let bits = (word as u16 & 0x807f) | (exponent as u16) << 7;
        if word >> 28 == 0 { bits & 0x8000 } else { bits }
    };
    (0..elements).map(value).collect()
}

/// No GPU is needed to see what is put to one.
#[test]
fn most_public_records_can_be_put_to_a_device() {
    let records: Vec<_> = VECTORS
        .chunks_exact(RECORD)
        .filter_map(Record::of)
        .collect();
    assert_eq!((VECTORS.len() / RECORD, records.len()), (3072, 2556));
    for record in records {
        let c: f32 = record
            .c
            .iter()
            .map(|piece| f32::from_bits(u32::from(*piece) << 16))
            .sum();
        let d = kernels::gemm_bf16::tensor_core::step(c.to_bits(), &record.a, &record.b);
        assert_eq!(d, record.d);
    }
}
