//! How a path goes on where it meets a surface.

use super::draw::{Block, on_sphere};
use super::scene::{Finish, Surface};
use super::vector::{Vector, WHITE, fma};
use crate::philox::uniform;
use crate::scalar::{clamp, max};

/// Where a path goes, and the factor by which its light shrinks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounce {
    pub(super) direction: Vector,
    pub(super) factor: Vector,
}

/// From direction `d`, at a surface with outward normal `n`. `None`: the path ends.
pub(super) fn bounce(surface: &Surface, d: Vector, n: Vector, draw: Block) -> Option<Bounce> {
    match surface.finish {
        Finish::Glazed => Some(glazed(surface.colour, d, n, draw)),
        Finish::Metal { rough } => metal(surface.colour, rough, d, n, draw),
        Finish::Glass => Some(glass(surface.colour, d, n, draw)),
    }
}

fn glazed(colour: Vector, d: Vector, n: Vector, draw: Block) -> Bounce {
    if uniform(draw[0]) < schlick(-d.dot(n)) {
        return mirrored(d, n);
    }
    let s = n + on_sphere(draw[1], draw[2]);
    let usable = s.dot(s) > f32::from_bits(TWO_MINUS_20);
    Bounce {
        direction: if usable { s.unit() } else { n },
        factor: colour,
    }
}

fn metal(colour: Vector, rough: f32, d: Vector, n: Vector, draw: Block) -> Option<Bounce> {
    let direction = fma(rough, on_sphere(draw[1], draw[2]), d.mirror(n)).unit();
    (direction.dot(n) > 0.0).then_some(Bounce {
        direction,
        factor: colour,
    })
}

fn glass(colour: Vector, d: Vector, n: Vector, draw: Block) -> Bounce {
    let dn = d.dot(n);
    let inside = dn > 0.0;
    let (m, eta) = if inside {
        (-1.0 * n, 1.5_f32)
    } else {
        (n, 2.0 / 3.0)
    };
    let cosine = dn.abs();
    let under = (eta * eta).mul_add(cosine.mul_add(cosine, -1.0), 1.0);
    let through = max(under, 0.0).sqrt();
    let back = match under > 0.0 {
        true => schlick(if inside { through } else { cosine }),
        false => 1.0,
    };
    if uniform(draw[0]) < back {
        return mirrored(d, m);
    }
    let bent = fma(eta.mul_add(cosine, -through), m, eta * d);
    Bounce {
        direction: bent.unit(),
        factor: colour,
    }
}

fn mirrored(d: Vector, n: Vector) -> Bounce {
    Bounce {
        direction: d.mirror(n).unit(),
        factor: WHITE,
    }
}

/// The share that a smooth clear surface throws back, at this cosine to the normal.
fn schlick(a: f32) -> f32 {
    let c = clamp(1.0 - a, 0.0, 1.0);
    let c2 = c * c;
    0.96_f32.mul_add(c2 * c2 * c, 0.04)
}

const TWO_MINUS_20: u32 = 0x3580_0000;

#[cfg(test)]
mod tests {
    use super::super::vector::vector;
    use super::*;

    const UP: Vector = vector(0.0, 1.0, 0.0);

    #[test]
    fn light_straight_through_glass_is_not_bent_and_mostly_passes() {
        let down = vector(0.0, -1.0, 0.0);
        let bounce = glass(WHITE, down, UP, [u32::MAX, 0, 0, 0]);
        assert_eq!(bounce.direction, down);
        assert_eq!(schlick(1.0), 0.04);
        assert_eq!(schlick(0.0), 1.0);
    }

    #[test]
    fn glass_bends_by_the_ratio_of_sines() {
        let d = vector(0.6, -0.8, 0.0);
        let bent = glass(WHITE, d, UP, [u32::MAX, 0, 0, 0]).direction;
        assert!((bent.x - 0.4).abs() < 1e-6, "{bent:?}");
        let out = glass(WHITE, bent, vector(0.0, -1.0, 0.0), [u32::MAX, 0, 0, 0]).direction;
        assert!((out.x - 0.6).abs() < 1e-6, "{out:?}");
    }

    #[test]
    fn flat_light_inside_glass_stays_inside() {
        let d = vector(0.8, 0.6, 0.0);
        let bounce = glass(vector(0.5, 0.5, 0.5), d, UP, [u32::MAX, 0, 0, 0]);
        assert!((bounce.direction.y + 0.6).abs() < 1e-6);
        assert_eq!(bounce.factor, WHITE);
    }

    #[test]
    fn a_rough_metal_swallows_what_would_go_below_its_surface() {
        let d = vector(0.9999, -0.0141, 0.0).unit();
        // Height 1 - 2u near -1: straight down.
        let down = [0, u32::MAX, 0, 0];
        assert_eq!(metal(WHITE, 0.25, d, UP, down), None);
        assert!(metal(WHITE, 0.0, d, UP, down).is_some());
    }
}
