//! Bodies in the beginning: two discs from a seed, or given bytes.

use super::params::{BodySource, Nbody};
use super::step::{Body, State, vector};
use crate::job::{CheckedInputs, InputError};
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::philox::{philox4x32_10, symmetric, uniform};
use crate::point::{SliceMissing, Slices, Tensor};
use crate::scalar::{self, SinCos};

pub(super) const MASS: &str = "mass";
pub(super) const STATE: &str = "state";

/// A disc of bodies around a core.
struct Disc {
    core: f32,
    scale: f32,
    /// Cosine and sine of the angle between the disc and the plane of x and y.
    tilt: (f32, f32),
    centre: [f32; 3],
    drift: [f32; 3],
}

const DISCS: [Disc; 2] = [
    Disc {
        core: 1.0,
        scale: 1.0,
        tilt: (0.96, 0.28),
        centre: [-1.0, -0.375, 0.0],
        drift: [0.25, 0.0, 0.03125],
    },
    Disc {
        core: 0.5,
        scale: 0.75,
        tilt: (0.6, -0.8),
        centre: [2.0, 0.75, 0.0],
        drift: [-0.5, 0.0, -0.0625],
    },
];

/// Masses and states in the beginning, given or from the seed.
pub(super) fn begin(job: &Nbody, slices: &dyn Slices) -> Result<(Vec<f32>, State), SliceMissing> {
    let n = job.params().n;
    match job.params().bodies {
        BodySource::Seed(seed) => {
            let bodies = (0..n).map(|i| seeded(&seed, n, job.softening_squared(), i));
            Ok(bodies.unzip())
        }
        BodySource::Given { .. } => {
            let mut state = vec![0; 24 * n as usize];
            slices.read(Tensor::Input(STATE), 0, &mut state)?;
            let state = state.as_chunks().0.iter().map(Body::from_bytes);
            Ok((masses(job, slices)?, state.collect()))
        }
    }
}

/// The masses alone.
pub(super) fn masses(job: &Nbody, slices: &dyn Slices) -> Result<Vec<f32>, SliceMissing> {
    let n = job.params().n;
    match job.params().bodies {
        BodySource::Seed(_) => Ok((0..n).map(|i| role(n, i).mass()).collect()),
        BodySource::Given { .. } => {
            let mut bytes = vec![0; 4 * n as usize];
            slices.read(Tensor::Input(MASS), 0, &mut bytes)?;
            let words = bytes.as_chunks().0.iter().copied();
            Ok(words.map(f32::from_le_bytes).collect())
        }
    }
}

/// What a body is in its disc.
struct Role {
    disc: &'static Disc,
    /// Bodies around the core; `None` for the core itself.
    around: Option<u32>,
}

fn role(n: u32, i: u32) -> Role {
    let second = n / 2;
    let first = n - second;
    let (disc, within, bodies) = if i < first {
        (&DISCS[0], i, first)
    } else {
        (&DISCS[1], i - first, second)
    };
    let around = (within > 0).then(|| bodies - 1);
    Role { disc, around }
}

impl Role {
    fn mass(&self) -> f32 {
        match self.around {
            None => self.disc.core,
            Some(others) => 0.125 * self.disc.core / others as f32,
        }
    }
}

fn seeded(seed: &OperandSeed, n: u32, softening_squared: f32, i: u32) -> (f32, Body) {
    let role = role(n, i);
    let disc = role.disc;
    let body = match role.around {
        None => Body {
            place: disc.centre,
            velocity: disc.drift,
        },
        Some(_) => disc.body(draw(seed, i), softening_squared),
    };
    (role.mass(), body.written())
}

/// The words of block `i`.
fn draw(seed: &OperandSeed, i: u32) -> [u32; 4] {
    let stream = OperandStream::new(seed, "bodies");
    let [high_0, high_1] = stream.counter_high();
    philox4x32_10([i, 0, high_0, high_1], stream.key())
}

impl Disc {
    /// A body on a circle around the core.
    fn body(&self, draw: [u32; 4], softening_squared: f32) -> Body {
        let r = self.scale * 0.875_f32.mul_add(uniform(draw[0]).sqrt(), 0.125);
        let SinCos { sin, cos } = scalar::sin_cos_turn(draw[1]);
        let z = 0.02 * self.scale * symmetric(draw[2]);
        let i = scalar::rsqrt(r.mul_add(r, softening_squared));
        let speed = r * (self.core * (i * (i * i))).sqrt();
        Body {
            place: self.tilted([r * cos, r * sin, z], self.centre),
            velocity: self.tilted([-speed * sin, speed * cos, 0.0], self.drift),
        }
    }

    fn tilted(&self, a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
        let (cosine, sine) = self.tilt;
        let turned = [
            a[0],
            cosine.mul_add(a[1], -(sine * a[2])),
            sine.mul_add(a[1], cosine * a[2]),
        ];
        vector(|axis| b[axis] + turned[axis])
    }
}

/// The rules on given numbers.
pub(super) fn examine(inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
    let rule = |name, rule, keeps: fn(f32) -> bool| {
        let words = inputs.get(name).as_chunks().0;
        let wrong = words
            .iter()
            .position(|word| !keeps(f32::from_le_bytes(*word)));
        match wrong {
            None => Ok(()),
            Some(element) => Err(InputError::Content {
                name,
                rule,
                offset: 4 * element as u64,
            }),
        }
    };
    rule(MASS, "finite, sign bit not set", |mass| {
        mass.is_finite() && mass.is_sign_positive()
    })?;
    rule(STATE, "finite", f32::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_discs_have_their_share_of_bodies_and_mass() {
        for n in [1, 2, 3, 10, 1001] {
            let total: f32 = (0..n).map(|i| role(n, i).mass()).sum();
            let discs = match n {
                1 => 1.0,
                2 => 1.5,
                3 => 1.125 + 0.5,
                _ => 1.125 * 1.5,
            };
            assert!((total - discs).abs() < 1e-4, "{n}: {total}");
        }
    }
}
