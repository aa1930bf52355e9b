//! Bodies obey the laws that steps of finite length leave standing; given ones are held against their rules.

use kernels::nbody::{BodySource, Nbody, Params};
use kernels::{Blake3Digest, InputError, Inputs, Job, JobError, OperandSeed};
use serde_json::{Value, json};

#[cfg(feature = "host")]
use crate::host;
use crate::samples::SEED;

/// Mass, and at each step place and velocity, of every body; in f64 for sums.
struct Trajectory {
    masses: Vec<f64>,
    steps: Vec<Vec<[f64; 6]>>,
}

const GIVEN_DT: f64 = 1.0 / 256.0;
const GIVEN_SOFTENING: f64 = 0.5;

/// A cluster of `n` bodies, its trajectory over `steps` short steps.
fn cluster(n: u32, steps: u32) -> Trajectory {
    let (mass, state) = cluster_bytes(n);
    let job = given(&mass, &state, n, steps).unwrap();
    let inputs = Inputs::none().with("mass", &mass).with("state", &state);
    let output = job.reference_run(&inputs).unwrap().remove(0);
    let bodies = |bytes: &[u8]| {
        let numbers: Vec<f64> = floats(bytes).into_iter().map(f64::from).collect();
        numbers.as_chunks().0.to_vec()
    };
    Trajectory {
        masses: floats(&mass).into_iter().map(f64::from).collect(),
        steps: output.bytes().chunks(24 * n as usize).map(bodies).collect(),
    }
}

fn cluster_bytes(n: u32) -> (Vec<u8>, Vec<u8>) {
    let stream = kernels::OperandStream::new(&OperandSeed::from_bytes([7; 32]), "cluster");
    let mass = (0..n).map(|i| 1.0 + stream.uniform((1 << 20) + u64::from(i)));
    let state = (0..6 * n).map(|i| {
        let coordinate = stream.symmetric(i.into());
        if i % 6 < 3 {
            2.0 * coordinate
        } else {
            coordinate
        }
    });
    (bytes(mass), bytes(state))
}

fn given(mass: &[u8], state: &[u8], n: u32, steps: u32) -> Result<Job, JobError> {
    let digests = json!({"mass": Blake3Digest::of(mass), "state": Blake3Digest::of(state)});
    let params = json!({"n": n, "steps": steps, "dt": 256, "softening": 32_768,
        "bodies": {"given": digests}});
    Job::parse("nbody", &params)
}

fn bytes(numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    numbers.flat_map(f32::to_le_bytes).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.as_chunks().0.iter().copied();
    words.map(f32::from_le_bytes).collect()
}

impl Trajectory {
    /// The energy at a step that has one after it: velocities are those of half a step before and after.
    fn energy(&self, step: usize) -> f64 {
        let (now, next) = (&self.steps[step], &self.steps[step + 1]);
        let mut energy = 0.0;
        for (i, mass) in self.masses.iter().enumerate() {
            let speed = |axis: usize| (now[i][3 + axis] + next[i][3 + axis]) / 2.0;
            energy += mass * (0..3).map(|axis| speed(axis).powi(2)).sum::<f64>() / 2.0;
            for (j, other) in self.masses[..i].iter().enumerate() {
                let apart: f64 = (0..3)
                    .map(|axis| (now[i][axis] - now[j][axis]).powi(2))
                    .sum();
                energy -= mass * other / (apart + GIVEN_SOFTENING.powi(2)).sqrt();
            }
        }
        energy
    }

    fn momentum(&self, step: usize) -> [f64; 3] {
        let bodies = self.steps[step].iter().zip(&self.masses);
        bodies.fold([0.0; 3], |sum, (body, mass)| {
            std::array::from_fn(|axis| sum[axis] + mass * body[3 + axis])
        })
    }
}

#[test]
fn energy_and_momentum_stay() {
    let steps = 400;
    let trajectory = cluster(24, steps as u32);
    let (first, last) = (trajectory.energy(0), trajectory.energy(steps - 2));
    assert!((last / first - 1.0).abs() < 2e-3, "{first} to {last}");
    let [before, after] = [0, steps - 1].map(|step| trajectory.momentum(step));
    for (before, after) in before.into_iter().zip(after) {
        assert!((before - after).abs() < 1e-3, "{before} to {after}");
    }
}

#[test]
fn places_follow_velocities() {
    let trajectory = cluster(3, 2);
    for (before, after) in trajectory.steps[0].iter().zip(&trajectory.steps[1]) {
        for axis in 0..3 {
            let expected = before[axis] + GIVEN_DT * after[3 + axis];
            assert!((after[axis] - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn two_bodies_at_rest_fall_onto_each_other_symmetrically() {
    let mass = bytes([1.0, 1.0].into_iter());
    let state = bytes([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0].into_iter());
    let inputs = Inputs::none().with("mass", &mass).with("state", &state);
    let job = given(&mass, &state, 2, 50).unwrap();
    let last = job.reference_run(&inputs).unwrap().remove(0).into_bytes();
    let last = floats(&last[last.len() - 48..]);
    assert!(last[0] < 1.0 && last[0] > 0.9);
    assert_eq!((last[6], last[9]), (-last[0], -last[3]));
}

#[cfg(feature = "host")]
#[test]
fn given_bodies_take_the_same_course_on_a_device() {
    let (mass, state) = cluster_bytes(300);
    let job = given(&mass, &state, 300, 2).unwrap();
    let inputs = Inputs::none().with("mass", &mass).with("state", &state);
    let inputs = job.accept(&inputs).unwrap();
    host::agrees("a given cluster", &job, &inputs, &host::SEEDS);
}

/// What f32 can hold, and no more.
#[cfg(feature = "host")]
#[test]
fn bodies_beyond_all_bounds_have_a_result_without_nan() {
    let mass = bytes([f32::MAX, 1.0, 0.0, 1e-40].into_iter());
    let far = [f32::MAX, -f32::MAX, -0.0, f32::MAX, -f32::MAX, 1e-40];
    let state = bytes((0..4).flat_map(|i| far.map(|x| if i % 2 == 0 { x } else { -x })));
    let job = given(&mass, &state, 4, 3).unwrap();
    let inputs = Inputs::none().with("mass", &mass).with("state", &state);
    let inputs = job.accept(&inputs).unwrap();
    host::agrees("far away", &job, &inputs, &host::SEEDS);
    for number in floats(&job.reference_bytes(&inputs)[0]) {
        assert!(number.is_finite() && number.to_bits() != 0x8000_0000);
    }
}

#[test]
fn every_point_of_given_bodies_is_the_reference() {
    let (mass, state) = cluster_bytes(5);
    let job = given(&mass, &state, 5, 3).unwrap();
    let inputs = Inputs::none().with("mass", &mass).with("state", &state);
    let inputs = job.accept(&inputs).unwrap();
    let trajectory = job.reference_bytes(&inputs).remove(0);
    let named = [("trajectory", trajectory.as_slice())];
    let slices = kernels::point::InMemory::new(&inputs, named);
    for point in 0..job.points().points() {
        let needs = job.points().needs(point);
        let watched = crate::samples::Watched::new(&slices, &needs);
        let place = job.points().place(point);
        let right = &trajectory[place.offset as usize..][..place.len];
        assert_eq!(job.points().eval(point, &watched).unwrap(), right);
    }
}

#[test]
fn given_numbers_that_are_none_are_refused() {
    let (mass, state) = cluster_bytes(3);
    let cases: [(&str, usize, f32); 5] = [
        ("mass", 8, f32::NAN),
        ("mass", 0, -1.0),
        ("mass", 4, -0.0),
        ("mass", 4, f32::INFINITY),
        ("state", 68, f32::NEG_INFINITY),
    ];
    for (name, at, number) in cases {
        let (mut mass, mut state) = (mass.clone(), state.clone());
        let tensor = if name == "mass" {
            &mut mass
        } else {
            &mut state
        };
        tensor[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let job = given(&mass, &state, 3, 1).unwrap();
        let inputs = Inputs::none().with("mass", &mass).with("state", &state);
        match job.accept(&inputs) {
            Err(InputError::Content {
                name: actual,
                offset,
                ..
            }) => assert_eq!((actual, offset), (name, at as u64)),
            other => panic!("{number} in {name}: {other:?}"),
        }
    }
}

#[test]
fn limits_are_kept_one_by_one() {
    let discs = Params::discs(SEED.parse().unwrap());
    let with = |member: &str, value: u64| {
        let mut params = serde_json::to_value(discs).unwrap();
        params[member] = json!(value);
        Job::parse("nbody", &params).map(|_| ())
    };
    let cases = [
        ("n", 0, 1_u64 << 20),
        ("steps", 0, 1 << 14),
        ("dt", 0, 1 << 16),
        ("softening", 0, 1 << 20),
    ];
    for (member, below, most) in cases {
        for wrong in [below, most + 1] {
            let error = with(member, wrong).unwrap_err();
            assert_eq!(error.code(), "param_out_of_bounds", "{member} {wrong}");
        }
    }
    // 24 * 1024 * 10922 is below 2^28, one step more is not.
    assert_eq!(with("steps", 10_922), Ok(()));
    let error = with("steps", 10_923).unwrap_err();
    assert!(
        error.to_string().contains("bytes of the outputs"),
        "{error}"
    );
}

#[test]
fn params_survive_json_and_other_forms_are_malformed() {
    let discs = Params::discs(SEED.parse().unwrap());
    let json = serde_json::to_value(discs).unwrap();
    let back: Params = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(back, discs);
    assert_eq!(*Nbody::try_from(back).unwrap().params(), discs);
    assert!(matches!(discs.bodies, BodySource::Seed(_)));
    let spoilt = |spoil: fn(&mut Value)| {
        let mut params = json.clone();
        spoil(&mut params);
        Job::parse("nbody", &params).unwrap_err().code()
    };
    assert_eq!(spoilt(|p| p["mass"] = json!(1)), "params_malformed");
    assert_eq!(spoilt(|p| p["dt"] = json!(0.5)), "params_malformed");
    assert_eq!(spoilt(|p| p["bodies"] = json!({})), "params_malformed");
    assert_eq!(spoilt(|p| p["n"] = Value::Null), "params_malformed");
}
