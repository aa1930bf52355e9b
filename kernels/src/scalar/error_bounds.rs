//! Measures every stated error bound against f64, whose own error is below 2^-20 ulp of an f32.
//!
//! By default every 1009th number of the range. `cargo test --release -p kernels -- --ignored
//! --nocapture errors_of` takes them all (minutes) and prints what it found. tanh, sine and cosine
//! are measured on one side of 0; tests beside them show that the other mirrors it.

use super::{cos, exp, gelu, rsqrt, sigmoid, silu, sin, sin_cos_turn, tanh};

/// A function, where its bound holds, and the bound in ulp, as in the table of `spec/scalar.md`.
struct Bound {
    name: &'static str,
    function: fn(f32) -> f32,
    exact: fn(f64) -> f64,
    range: [f32; 2],
    ulp: f64,
}

const BOUNDS: &[Bound] = &[
    Bound {
        name: "exp",
        function: exp,
        exact: f64::exp,
        range: [-150.0, 88.722_83],
        ulp: 1.1,
    },
    Bound {
        name: "tanh",
        function: tanh,
        exact: f64::tanh,
        range: [0.0, 30.0],
        ulp: 1.5,
    },
    Bound {
        name: "sigmoid",
        function: sigmoid,
        exact: exact_sigmoid,
        range: [-150.0, 150.0],
        ulp: 2.5,
    },
    Bound {
        name: "silu",
        function: silu,
        exact: |x| x * exact_sigmoid(x),
        range: [-87.0, 150.0],
        ulp: 3.2,
    },
    Bound {
        name: "gelu",
        function: gelu,
        exact: |x| x * exact_sigmoid(gelu_argument(x)),
        range: [-1.0, 150.0],
        ulp: 3.2,
    },
    Bound {
        name: "rsqrt",
        function: rsqrt,
        exact: |x| 1.0 / x.sqrt(),
        range: [f32::from_bits(1), f32::MAX],
        ulp: 0.51,
    },
    Bound {
        name: "sin",
        function: sin,
        exact: f64::sin,
        range: [0.0, 131_072.0],
        ulp: 1.6,
    },
    Bound {
        name: "cos",
        function: cos,
        exact: f64::cos,
        range: [0.0, 131_072.0],
        ulp: 1.6,
    },
];

fn exact_sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn gelu_argument(x: f64) -> f64 {
    (8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)
}

/// The error of `computed` in units of the last place of an f32 near `exact`.
fn ulps(computed: f32, exact: f64) -> f64 {
    let exponent = ((exact.to_bits() >> 52 & 0x7ff) as i64 - 1023).clamp(-126, 127);
    let last_place = f64::from_bits(((exponent - 23 + 1023) as u64) << 52);
    (f64::from(computed) - exact).abs() / last_place
}

/// The largest error over every `step`th number of the range, and where.
fn largest_error(bound: &Bound, step: u64) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    let [low, high] = bound.range;
    for x in numbers(low, high, step) {
        let error = ulps((bound.function)(x), (bound.exact)(f64::from(x)));
        if error > worst.0 || error.is_nan() {
            worst = (error, x);
        }
    }
    worst
}

/// Every `step`th f32 of `[low, high]`, ends included.
fn numbers(low: f32, high: f32, step: u64) -> impl Iterator<Item = f32> {
    (order(low)..=order(high))
        .step_by(step as usize)
        .map(number)
        .chain([high])
}

/// f32 numbered in the order of their values.
fn order(x: f32) -> i64 {
    let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() {
        -magnitude
    } else {
        magnitude
    }
}

/// Inverse of [`order`], with one zero.
fn number(order: i64) -> f32 {
    let magnitude = f32::from_bits(order.unsigned_abs() as u32);
    if order < 0 { -magnitude } else { magnitude }
}

fn check(step: u64) {
    let mut beyond = Vec::new();
    for bound in BOUNDS {
        let (error, at) = largest_error(bound, step);
        println!(
            "{}: {error:.4} ulp at {at:e} ({:#010x})",
            bound.name,
            at.to_bits()
        );
        // Not a number is beyond any bound.
        if error.is_nan() || error > bound.ulp {
            beyond.push(format!("{}: {error} ulp at {at:e}", bound.name));
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}

#[test]
fn sampled_errors_are_within_the_stated_bounds() {
    check(1009);
}

#[test]
#[ignore = "takes minutes: every number of every range"]
fn errors_of_every_number_are_within_the_stated_bounds() {
    check(1);
}

/// What `spec/scalar.md` says of silu and gelu below their ranges.
#[test]
fn tails_are_small_in_absolute_terms() {
    let bound = 2_f64.powi(-24);
    for x in numbers(-f32::MAX, -1.0, 1009) {
        let exact = f64::from(x) * exact_sigmoid(gelu_argument(f64::from(x)));
        assert!((f64::from(gelu(x)) - exact).abs() <= bound, "gelu at {x:e}");
        let exact = f64::from(x) * exact_sigmoid(f64::from(x));
        assert!(
            (f64::from(silu(x)) - exact).abs() <= bound || x > -87.0,
            "silu at {x:e}"
        );
    }
}

/// sin of `t`/2^32 turns. Of an angle and its mirror image, which have one sine, the lesser is taken:
/// near half a turn f64 would lose digits.
fn exact_sin_turn(t: u32) -> f64 {
    let (angle, mirrored) = (t.cast_signed(), (1_u32 << 31).wrapping_sub(t).cast_signed());
    let nearer = if angle.unsigned_abs() < mirrored.unsigned_abs() {
        angle
    } else {
        mirrored
    };
    (f64::from(nearer) / 2_f64.powi(32) * std::f64::consts::TAU).sin()
}

fn check_turns(step: usize) {
    let mut worst = [(0.0, 0); 2];
    for t in (0..=u32::MAX).step_by(step) {
        let computed = sin_cos_turn(t);
        let found = [
            (computed.sin, exact_sin_turn(t)),
            (computed.cos, exact_sin_turn(t.wrapping_add(1 << 30))),
        ];
        for (worst, (computed, exact)) in worst.iter_mut().zip(found) {
            let error = ulps(computed, exact);
            if error > worst.0 || error.is_nan() {
                *worst = (error, t);
            }
        }
    }
    println!("turns: {worst:?}");
    assert!(worst.iter().all(|(error, _)| *error <= 1.4), "{worst:?}");
}

#[test]
fn sampled_errors_of_turns_are_within_the_stated_bound() {
    check_turns(1009);
}

#[test]
#[ignore = "takes minutes: every fraction of a turn"]
fn errors_of_every_turn_are_within_the_stated_bound() {
    check_turns(1);
}
