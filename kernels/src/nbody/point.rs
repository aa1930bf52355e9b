//! One body after one step, from the state before it.

use super::bodies;
use super::params::{BodySource, Nbody, OPERATIONS_PER_PULL};
use super::step::{Body, Vector, vector};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const TRAJECTORY: Tensor = Tensor::Output("trajectory");
const MASS: Tensor = Tensor::Input(bodies::MASS);
const STATE: Tensor = Tensor::Input(bodies::STATE);

/// Bytes of a body in a state, and of its place.
const BODY: u64 = 24;
const PLACE: u64 = 12;

impl Nbody {
    /// The step of a point, counted from 0, and its body.
    fn step_and_body(&self, point: u64) -> (u64, u64) {
        let n = u64::from(self.params().n);
        (point / n, point % n)
    }

    /// Where the state before a step is: nowhere, if it follows from the seed.
    fn before(&self, step: u64) -> Option<(Tensor, u64)> {
        match (step.checked_sub(1), self.params().bodies) {
            (Some(earlier), _) => Some((TRAJECTORY, earlier.saturating_mul(self.state_bytes()))),
            (None, BodySource::Given { .. }) => Some((STATE, 0)),
            (None, BodySource::Seed(_)) => None,
        }
    }
}

impl PointKernel for Nbody {
    fn points(&self) -> u64 {
        u64::from(self.params().n) * u64::from(self.params().steps)
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: 0,
            offset: point.saturating_mul(BODY),
            len: BODY as usize,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        let (step, body) = self.step_and_body(point);
        let mut needs = Vec::new();
        if let BodySource::Given { .. } = self.params().bodies {
            needs.push(Span::run(MASS, 0, self.mass_bytes()));
        }
        if let Some((tensor, offset)) = self.before(step) {
            needs.push(Span::run(tensor, offset.saturating_add(BODY * body), BODY));
            needs.push(Span {
                tensor,
                offset,
                len: PLACE,
                stride: BODY,
                count: self.params().n.into(),
            });
        }
        needs
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let (step, i) = self.step_and_body(point);
        let (masses, body, places) = match self.before(step) {
            None => {
                let (masses, state) = bodies::begin(self, slices)?;
                let body = state[i as usize];
                (masses, body, state.iter().map(|body| body.place).collect())
            }
            Some((tensor, offset)) => {
                let mut own = [0; BODY as usize];
                slices.read(tensor, offset.saturating_add(BODY * i), &mut own)?;
                let places = places(self, slices, tensor, offset)?;
                (
                    bodies::masses(self, slices)?,
                    Body::from_bytes(&own),
                    places,
                )
            }
        };
        let after = self.step(step).of(&body, &masses, places.into_iter());
        Ok(after.to_bytes().collect())
    }

    fn chain_steps(&self) -> u64 {
        self.params().steps.into()
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let n = u64::from(self.params().n);
        Cost {
            // Every place is read, and in the first step made from the seed.
            operations: (OPERATIONS_PER_PULL + OPERATIONS_PER_PLACE) * n,
            bytes_read: BODY + (PLACE + 4) * n,
            bytes_written: BODY,
        }
    }
}

/// Operations, about, by which a place and a mass come to hand: two draws, a sine and a cosine, two roots.
const OPERATIONS_PER_PLACE: u64 = 200;

fn places(
    job: &Nbody,
    slices: &dyn Slices,
    tensor: Tensor,
    state: u64,
) -> Result<Vec<Vector>, SliceMissing> {
    let place = |body: u32| {
        let mut bytes = [0; PLACE as usize];
        let offset = state.saturating_add(BODY * u64::from(body));
        slices.read(tensor, offset, &mut bytes)?;
        let words = bytes.as_chunks().0;
        Ok(vector(|axis| f32::from_le_bytes(words[axis])))
    };
    (0..job.params().n).map(place).collect()
}
