//! What a ray meets, and the light along a path.

use super::camera::Ray;
use super::draw::Draws;
use super::scene::{self, Sphere, sky};
use super::surface::{Bounce, bounce};
use super::vector::{Vector, WHITE, ZERO, fma, fma_each, vector};

enum Met<'a> {
    Floor,
    Sphere(&'a Sphere),
}

/// The light that sample `s` sees along `ray` on at most `depth` surfaces.
pub(super) fn light(spheres: &[Sphere], draws: &Draws<'_>, s: u32, depth: u32, ray: Ray) -> Vector {
    let (mut light, mut share, mut ray) = (ZERO, WHITE, ray);
    for b in 1..=depth {
        let Some((t, met)) = meet(spheres, &ray) else {
            return fma_each(share, sky(ray.direction), light);
        };
        let (d, p) = (ray.direction, fma(t, ray.direction, ray.origin));
        let draw = draws.block(s, b);
        let next = match met {
            Met::Floor => {
                let clear = clear(t);
                let haze = (1.0 - clear) * sky(vector(d.x, 0.0, d.z));
                light = fma_each(share, haze, light);
                let next = bounce(&scene::floor(p), d, vector(0.0, 1.0, 0.0), draw);
                next.map(|next| Bounce {
                    factor: clear * next.factor,
                    ..next
                })
            }
            Met::Sphere(sphere) => bounce(&sphere.surface, d, (p - sphere.centre).unit(), draw),
        };
        let Some(next) = next else { break };
        share = share * next.factor;
        if share.largest() <= LEAST_SHARE {
            break;
        }
        ray = Ray {
            origin: p,
            direction: next.direction,
        };
    }
    light
}

/// How much of the floor at distance `t` is seen through the air.
fn clear(t: f32) -> f32 {
    let far = t / 64.0;
    1.0 / (far * far).mul_add(far * far, 1.0)
}

/// What is nearest, and how far it is; among equals the first.
fn meet<'a>(spheres: &'a [Sphere], ray: &Ray) -> Option<(f32, Met<'a>)> {
    let floor = floor_at(ray).map(|t| (t, Met::Floor));
    let spheres = spheres
        .iter()
        .filter_map(|sphere| Some((sphere_at(sphere, ray)?, Met::Sphere(sphere))));
    let nearest = |best: Option<(f32, Met<'a>)>, next: (f32, Met<'a>)| match best {
        Some(best) if best.0 <= next.0 => Some(best),
        _ => Some(next),
    };
    let found = floor.into_iter().chain(spheres).fold(None, nearest);
    found.filter(|(t, _)| *t < FARTHEST)
}

fn floor_at(ray: &Ray) -> Option<f32> {
    if ray.direction.y < 0.0 {
        Some(ray.origin.y / -ray.direction.y).filter(|t| *t > NEAREST)
    } else {
        None
    }
}

fn sphere_at(sphere: &Sphere, ray: &Ray) -> Option<f32> {
    let l = sphere.centre - ray.origin;
    let along = l.dot(ray.direction);
    let across = fma(-along, ray.direction, l);
    let rest = sphere.radius * sphere.radius - across.dot(across);
    if rest > 0.0 {
        let [near, far] = [along - rest.sqrt(), along + rest.sqrt()];
        [near, far].into_iter().find(|t| *t > NEAREST)
    } else {
        None
    }
}

/// 2^-10: a ray starts on the surface it leaves.
const NEAREST: f32 = 1.0 / 1024.0;
/// 2^20.
const FARTHEST: f32 = 1_048_576.0;
/// 2^-8: what no longer shows.
const LEAST_SHARE: f32 = 1.0 / 256.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operand_stream::OperandSeed;

    fn ray(origin: Vector, direction: Vector) -> Ray {
        Ray { origin, direction }
    }

    #[test]
    fn the_nearest_of_two_is_met_from_outside_and_inside() {
        let spheres = scene::spheres(&OperandSeed::from_bytes([0; 32]), 0);
        let towards = ray(vector(0.0, 1.25, 9.5), vector(0.0, 0.0, -1.0));
        let (t, _) = meet(&spheres, &towards).unwrap();
        assert_eq!(t, 7.75);
        let within = ray(vector(0.0, 1.25, 1.75), vector(0.0, 0.0, -1.0));
        let (t, _) = meet(&spheres, &within).unwrap();
        assert_eq!(t, 2.5);
    }

    #[test]
    fn the_floor_is_met_from_above_and_the_sky_not_at_all() {
        let down = ray(vector(0.0, 3.0, 9.0), vector(0.0, -1.0, 0.0));
        assert!(matches!(meet(&[], &down), Some((3.0, Met::Floor))));
        let up = ray(vector(0.0, 3.0, 9.0), vector(0.0, 1.0, 0.0));
        assert!(meet(&[], &up).is_none());
        let level = ray(vector(0.0, 3.0, 9.0), vector(1.0, -1e-7, 0.0));
        assert!(meet(&[], &level).is_none(), "beyond 2^20");
    }
}
