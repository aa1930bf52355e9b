//! One body after one step, from all before it.

use crate::scalar;

/// Three coordinates.
pub(super) type Vector = [f32; 3];

/// A vector by its coordinates.
pub(super) fn vector(coordinate: impl Fn(usize) -> f32) -> Vector {
    std::array::from_fn(coordinate)
}

/// Place at a whole step, velocity half a step before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Body {
    pub(super) place: Vector,
    pub(super) velocity: Vector,
}

/// All bodies at once.
pub(super) type State = Vec<Body>;

/// What does not change from body to body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) kick: f32,
    pub(super) drift: f32,
    pub(super) softening_squared: f32,
}

impl Body {
    pub(super) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let words = bytes.as_chunks().0;
        Self {
            place: vector(|axis| f32::from_le_bytes(words[axis])),
            velocity: vector(|axis| f32::from_le_bytes(words[3 + axis])),
        }
    }

    pub(super) fn to_bytes(self) -> impl Iterator<Item = u8> {
        let numbers = self.place.into_iter().chain(self.velocity);
        numbers.flat_map(f32::to_le_bytes)
    }

    /// As it may be in an output.
    pub(super) fn written(self) -> Self {
        Self {
            place: self.place.map(scalar::output),
            velocity: self.velocity.map(scalar::output),
        }
    }
}

impl Step {
    /// `body` after the step, pulled by all `places`, its own among them.
    pub(super) fn of(
        &self,
        body: &Body,
        masses: &[f32],
        places: impl Iterator<Item = Vector>,
    ) -> Body {
        let pull = masses
            .iter()
            .zip(places)
            .fold([0.0; 3], |sum, (mass, place)| {
                self.pulled(sum, body.place, *mass, place)
            });
        let velocity =
            vector(|axis| scalar::output(self.kick.mul_add(pull[axis], body.velocity[axis])));
        let place =
            vector(|axis| scalar::output(self.drift.mul_add(velocity[axis], body.place[axis])));
        Body { place, velocity }
    }

    /// `sum` and the pull of a mass at `place` on one at `from`.
    fn pulled(&self, sum: Vector, from: Vector, mass: f32, place: Vector) -> Vector {
        let d = vector(|axis| place[axis] - from[axis]);
        let flat = d[1].mul_add(d[1], d[2].mul_add(d[2], self.softening_squared));
        let q = scalar::rsqrt(d[0].mul_add(d[0], flat));
        let w = mass * q * (q * q);
        vector(|axis| w.mul_add(d[axis], sum[axis]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step {
        kick: 0.5,
        drift: 1.0,
        softening_squared: 1.0,
    };

    #[test]
    fn a_body_alone_drifts() {
        let body = Body {
            place: [1.0, 2.0, 3.0],
            velocity: [0.5, 0.0, -1.0],
        };
        let after = STEP.of(&body, &[7.0], [body.place].into_iter());
        assert_eq!(after.place, [1.5, 2.0, 2.0]);
        assert_eq!(after.velocity, body.velocity);
    }

    #[test]
    fn bytes_are_place_and_velocity_little_endian() {
        let body = Body {
            place: [1.0, 2.0, 3.0],
            velocity: [4.0, 5.0, 6.0],
        };
        let bytes: Vec<u8> = body.to_bytes().collect();
        assert_eq!(bytes[..4], [0, 0, 0x80, 0x3f]);
        assert_eq!(Body::from_bytes(&bytes.try_into().unwrap()), body);
    }

    #[test]
    fn what_overflows_is_written_as_the_largest_number() {
        let far = f32::MAX;
        let body = Body {
            place: [far, -far, 0.0],
            velocity: [far, 0.0, -0.0],
        };
        let after = STEP.of(
            &body,
            &[1.0, 1.0],
            [body.place, [-far, far, 0.0]].into_iter(),
        );
        for number in after.place.into_iter().chain(after.velocity) {
            assert!(number.is_finite() && number.to_bits() != 0x8000_0000);
        }
    }
}
