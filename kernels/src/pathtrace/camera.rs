//! The camera: where a sample's ray starts and where it goes.

use super::draw::Block;
use super::params::Params;
use super::vector::{Vector, fma, vector};
use crate::philox::uniform;
use crate::scalar::{self, SinCos};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ray {
    pub(super) origin: Vector,
    pub(super) direction: Vector,
}

/// A thin lens in front of a screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    from: Vector,
    ahead: Vector,
    right: Vector,
    up: Vector,
    distance: f32,
    radius: f32,
    /// Half the width of a pixel at distance 1.
    half: f32,
    width: i32,
    height: i32,
}

impl Lens {
    pub(super) fn new(params: &Params) -> Self {
        let camera = &params.camera;
        let from = point(camera.from);
        let d = point(camera.to) - from;
        let ahead = d.unit();
        let right = vector(-ahead.z, 0.0, ahead.x).unit();
        let up = vector(
            -(ahead.y * right.z),
            ahead.x.mul_add(right.z, -(ahead.z * right.x)),
            ahead.y * right.x,
        );
        Self {
            from,
            ahead,
            right,
            up,
            distance: d.dot(d).sqrt(),
            radius: length(camera.lens.cast_signed()),
            half: 0.5 * length(camera.view.cast_signed()) / params.width as f32,
            width: params.width.cast_signed(),
            height: params.height.cast_signed(),
        }
    }

    /// Through column `x` from the left, row `y` from above.
    pub(super) fn ray(&self, x: u32, y: u32, draw: Block) -> Ray {
        let column = (2 * x.cast_signed() - self.width) as f32;
        let row = (self.height - 2 * y.cast_signed()) as f32;
        let px = 2.0_f32.mul_add(uniform(draw[0]), column);
        let py = (-2.0_f32).mul_add(uniform(draw[1]), row);
        let reach = self.radius * uniform(draw[2]).sqrt();
        let SinCos { sin, cos } = scalar::sin_cos_turn(draw[3]);
        let (lx, ly) = (reach * cos, reach * sin);
        let across = self.distance.mul_add(px * self.half, -lx);
        let above = self.distance.mul_add(py * self.half, -ly);
        let toward = fma(above, self.up, self.distance * self.ahead);
        Ray {
            origin: fma(lx, self.right, fma(ly, self.up, self.from)),
            direction: fma(across, self.right, toward).unit(),
        }
    }
}

/// In units of 2^-10.
fn length(units: i32) -> f32 {
    units as f32 * f32::from_bits(TWO_MINUS_10)
}

fn point([x, y, z]: [i32; 3]) -> Vector {
    vector(length(x), length(y), length(z))
}

const TWO_MINUS_10: u32 = 0x3a80_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operand_stream::OperandSeed;

    fn lens() -> Lens {
        Lens::new(&Params::marbles(OperandSeed::from_bytes([0; 32])))
    }

    #[test]
    fn the_axes_are_at_right_angles_and_of_length_one() {
        let Lens {
            ahead, right, up, ..
        } = lens();
        for (a, b) in [(ahead, right), (right, up), (up, ahead)] {
            assert!(a.dot(b).abs() < 1e-6);
            assert!((a.dot(a) - 1.0).abs() < 1e-6);
        }
        assert!(up.y > 0.0);
    }

    #[test]
    fn every_part_of_the_lens_sees_the_same_point_in_focus() {
        let lens = lens();
        let seen = [[1 << 31, 1 << 31, 0, 0], [1 << 31, 1 << 31, !0, 1 << 30]];
        let [a, b] = seen.map(|draw| {
            let ray = lens.ray(100, 50, draw);
            let t = lens.distance / ray.direction.dot(lens.ahead);
            fma(t, ray.direction, ray.origin)
        });
        let apart = a - b;
        assert!(apart.dot(apart) < 1e-10, "{a:?} {b:?}");
    }
}
