//! What there is to see: spheres on a floor, from the seed, and the sky around them.

use super::draw::block;
use super::vector::{Vector, WHITE, fma, mix, vector};
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::philox::uniform;
use crate::scalar::{self, SinCos};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Finish {
    Glazed,
    Metal { rough: f32 },
    Glass,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surface {
    pub(super) finish: Finish,
    pub(super) colour: Vector,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sphere {
    pub(super) centre: Vector,
    pub(super) radius: f32,
    pub(super) surface: Surface,
}

/// Spheres that every scene has.
const LARGE: [Sphere; 3] = [
    Sphere {
        centre: vector(0.0, 1.25, 0.5),
        radius: 1.25,
        surface: Surface {
            finish: Finish::Glass,
            colour: vector(0.98, 0.99, 1.0),
        },
    },
    Sphere {
        centre: vector(-2.125, 1.0, -1.0),
        radius: 1.0,
        surface: Surface {
            finish: Finish::Metal { rough: 0.04 },
            colour: vector(1.0, 0.72, 0.35),
        },
    },
    Sphere {
        centre: vector(2.0, 0.875, -0.75),
        radius: 0.875,
        surface: Surface {
            finish: Finish::Glazed,
            colour: vector(0.8, 0.2, 0.12),
        },
    },
];

/// Every sphere, in its order.
pub(super) fn spheres(seed: &OperandSeed, marbles: u32) -> Vec<Sphere> {
    let stream = OperandStream::new(seed, "scene");
    let marbles = (0..marbles).map(|k| marble(&stream, k));
    LARGE.into_iter().chain(marbles).collect()
}

/// 2^32 less the golden section of it, a golden angle.
const GOLDEN_ANGLE: u32 = 0x61c8_8647;

fn marble(stream: &OperandStream, k: u32) -> Sphere {
    let [first_angle, hue, ..] = block(stream, 0);
    let [size, rough, ..] = block(stream, 1 + 2 * u64::from(k));
    let look = block(stream, 2 + 2 * u64::from(k));
    let n = k + 10;
    let distance = 0.5625 * (n as f32).sqrt();
    let angle = first_angle.wrapping_add(n.wrapping_mul(GOLDEN_ANGLE));
    let SinCos { sin, cos } = scalar::sin_cos_turn(angle);
    let (x, z) = (distance * cos, distance * sin);
    let drawn = 0.21875_f32.mul_add(uniform(size), 0.1875);
    let radius = LARGE.iter().fold(drawn, |radius, large| {
        scalar::min(radius, room(large, x, z))
    });
    Sphere {
        centre: vector(x, radius, z),
        radius,
        surface: marble_surface(hue, look, rough),
    }
}

/// The radius at which a marble at this place keeps clear of a large sphere.
fn room(large: &Sphere, x: f32, z: f32) -> f32 {
    let (dx, dz) = (x - large.centre.x, z - large.centre.z);
    0.225 * dx.mul_add(dx, dz * dz) / large.radius
}

fn marble_surface(hue: u32, look: [u32; 4], rough: u32) -> Surface {
    let [choice, shift, opposite, strength] = look;
    let shift = (shift.cast_signed() >> 2).cast_unsigned();
    let opposite = if opposite.is_multiple_of(4) {
        1 << 31
    } else {
        0
    };
    let turn = hue.wrapping_add(shift).wrapping_add(opposite);
    let colour = wheel(turn, 0.25_f32.mul_add(uniform(strength), 0.2));
    let pale = mix(0.5, colour, WHITE);
    let (finish, colour) = match uniform(choice) {
        choice if choice < 0.5 => (Finish::Glazed, colour * colour),
        choice if choice < 0.75 => {
            let rough = 0.25 * uniform(rough);
            (Finish::Metal { rough }, pale)
        }
        _ => (Finish::Glass, pale),
    };
    Surface { finish, colour }
}

/// The colour of the wheel at `turn`/2^32.
fn wheel(turn: u32, strength: f32) -> Vector {
    let channel = |third| {
        let cos = scalar::sin_cos_turn(turn.wrapping_sub(third)).cos;
        strength.mul_add(cos, 0.5)
    };
    vector(channel(0), channel(0x5555_5555), channel(0xaaaa_aaaa))
}

/// The floor's surface at a point.
pub(super) fn floor(p: Vector) -> Surface {
    let slab = |x: f32| (0.5 * x).floor() as i32;
    let colour = if (slab(p.x) - slab(p.z)) % 2 == 0 {
        vector(0.05, 0.05, 0.065)
    } else {
        vector(0.16, 0.15, 0.16)
    };
    Surface {
        finish: Finish::Glazed,
        colour,
    }
}

const SUN: Vector = vector(-0.46875, 0.3125, -0.826_187_2);

/// The light from outside in direction `d`.
pub(super) fn sky(d: Vector) -> Vector {
    let h = 1.0 - scalar::clamp(d.y, 0.0, 1.0).sqrt();
    let air = mix(h, vector(0.03, 0.09, 0.3), vector(0.5, 0.29, 0.27));
    let away = 1.0 - d.dot(SUN);
    let spread = 9.0_f32.mul_add(away, 1.0);
    let glow = 8.0 / (spread * (spread * spread));
    fma(glow, vector(1.0, 0.66, 0.36), air)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_spheres_touch() {
        for seed in 0..40 {
            let spheres = spheres(&OperandSeed::from_bytes([seed; 32]), 253);
            for (i, a) in spheres.iter().enumerate() {
                assert!(a.radius > 0.0 && a.centre.y == a.radius);
                for b in &spheres[..i] {
                    let between = a.centre - b.centre;
                    let gap = between.dot(between).sqrt() - a.radius - b.radius;
                    assert!(gap > 0.0, "seed {seed}, sphere {i}: {gap}");
                }
            }
        }
    }

    #[test]
    fn colours_throw_back_no_more_than_comes() {
        for sphere in spheres(&OperandSeed::from_bytes([3; 32]), 253) {
            let Vector { x, y, z } = sphere.surface.colour;
            assert!([x, y, z].iter().all(|share| (0.0..=1.0).contains(share)));
        }
    }

    #[test]
    fn the_sky_is_brightest_towards_the_sun() {
        assert!(sky(SUN).largest() > 8.0);
        assert!(sky(-1.0 * SUN).largest() < 1.0);
    }
}
