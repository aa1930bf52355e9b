//! The random words of a path: by pixel, sample and stage, whoever asks for them and when.

use crate::operand_stream::{OperandSeed, OperandStream};
use crate::philox;
use crate::scalar::{self, SinCos};

use super::vector::{Vector, vector};

/// Four words of one stage of one sample.
pub(super) type Block = [u32; 4];

/// All draws of one pixel.
pub(super) struct Draws<'a> {
    paths: &'a Paths,
    pixel: u64,
}

/// All draws of a job's paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    stream: OperandStream,
    steps: [Block; EVEN_STAGES as usize],
}

/// Stages whose draws move on by fixed steps from sample to sample.
const EVEN_STAGES: u32 = 6;

impl Paths {
    pub(super) fn new(seed: &OperandSeed) -> Self {
        let mut steps = primes().map(|prime| (prime << 64).isqrt() as u32);
        Self {
            stream: OperandStream::new(seed, "paths"),
            steps: std::array::from_fn(|_| {
                std::array::from_fn(|_| steps.next().expect("primes do not end"))
            }),
        }
    }

    pub(super) const fn of_pixel(&self, pixel: u64) -> Draws<'_> {
        Draws { paths: self, pixel }
    }
}

impl Draws<'_> {
    /// The block `D_b` of sample `s`.
    pub(super) fn block(&self, s: u32, b: u32) -> Block {
        let first = self.pixel << 32;
        let Some(steps) = self.paths.steps.get(b as usize) else {
            return block(
                &self.paths.stream,
                first + (u64::from(s) << 8) + u64::from(b),
            );
        };
        let words = block(&self.paths.stream, first + u64::from(b));
        std::array::from_fn(|j| words[j].wrapping_add(s.wrapping_mul(steps[j])))
    }
}

/// Block `q` of a stream read as words.
pub(super) fn block(stream: &OperandStream, q: u64) -> Block {
    let [high_0, high_1] = stream.counter_high();
    let counter = [q as u32, (q >> 32) as u32, high_0, high_1];
    philox::philox4x32_10(counter, stream.key())
}

/// The point of the unit sphere that two words select.
pub(super) fn on_sphere(height: u32, turn: u32) -> Vector {
    let y = (-2.0_f32).mul_add(philox::uniform(height), 1.0);
    let around = scalar::max((-y).mul_add(y, 1.0), 0.0).sqrt();
    let SinCos { sin, cos } = scalar::sin_cos_turn(turn);
    vector(around * cos, y, around * sin)
}

fn primes() -> impl Iterator<Item = u128> {
    (2_u128..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_first_bits_of_square_roots_of_primes() {
        let paths = Paths::new(&OperandSeed::from_bytes([0; 32]));
        let [first, .., last] = paths.steps;
        assert_eq!(first, [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a]);
        assert_eq!(last[3], 0x6f19_6331);
    }

    #[test]
    fn every_stage_of_every_sample_has_words_of_its_own() {
        let paths = Paths::new(&OperandSeed::from_bytes([1; 32]));
        let mut seen = std::collections::BTreeSet::new();
        for pixel in 0..3 {
            for s in 0..5 {
                for b in 0..9 {
                    assert!(seen.insert(paths.of_pixel(pixel).block(s, b)));
                }
            }
        }
    }

    #[test]
    fn points_of_the_sphere_have_its_radius() {
        for i in 0..1000_u32 {
            let point = on_sphere(i.wrapping_mul(0x0123_4567), i.wrapping_mul(0x89ab_cdef));
            assert!((point.dot(point) - 1.0).abs() < 1e-5, "{point:?}");
        }
    }
}
