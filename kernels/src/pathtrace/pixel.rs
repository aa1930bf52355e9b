//! A pixel: the mean light of its samples as three bytes.

use super::camera::Lens;
use super::draw::Paths;
use super::params::Params;
use super::path;
use super::scene::{self, Sphere};
use super::vector::{Vector, ZERO};
use crate::scalar;

/// What all pixels of a job have in common, worked out once.
#[derive(Debug)]
pub(super) struct View<'a> {
    params: &'a Params,
    spheres: Vec<Sphere>,
    paths: Paths,
    lens: Lens,
}

impl<'a> View<'a> {
    pub(super) fn new(params: &'a Params) -> Self {
        Self {
            params,
            spheres: scene::spheres(&params.seed, params.marbles),
            paths: Paths::new(&params.seed),
            lens: Lens::new(params),
        }
    }

    /// Red, green and blue of column `x`, row `y`.
    pub(super) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let pixel = u64::from(y) * u64::from(self.params.width) + u64::from(x);
        let draws = self.paths.of_pixel(pixel);
        let sum = (0..self.params.samples).fold(ZERO, |sum, s| {
            let ray = self.lens.ray(x, y, draws.block(s, 0));
            let light = path::light(&self.spheres, &draws, s, self.params.depth, ray);
            sum + light.clamp(0.0, 64.0)
        });
        let Vector { x, y, z } = sum;
        [x, y, z].map(|sum| byte(sum / self.params.samples as f32))
    }
}

/// Light to a byte, as film and display bend it.
fn byte(light: f32) -> u8 {
    let x = 0.85 * light;
    let above = x * 2.51_f32.mul_add(x, 0.03);
    let film = above / x.mul_add(2.43_f32.mul_add(x, 0.59), 0.14);
    let half = scalar::clamp(film, 0.0, 1.0).sqrt();
    let quarter = half.sqrt();
    let eighth = quarter.sqrt();
    let rest = 0.783_140_36_f32.mul_add(quarter, -0.368_262_74 * eighth);
    scalar::u8_nearest(255.0 * 0.585_122_4_f32.mul_add(half, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_light_is_never_darker_and_both_ends_are_reached() {
        let bytes: Vec<u8> = (0..4000).map(|i| byte(i as f32 / 250.0)).collect();
        assert!(bytes.is_sorted());
        assert_eq!((bytes[0], byte(64.0)), (0, 255));
    }
}
