//! The loss of one sample and its derivative by the network's outputs.

use crate::scalar;

/// Half the squared distance of `outputs` from `target`; leaves the derivative in `outputs`.
pub(super) fn regression(outputs: &mut [f32], target: &[f32]) -> f32 {
    let mut sum = 0.0_f32;
    for (output, target) in outputs.iter_mut().zip(target) {
        *output -= target;
        sum = output.mul_add(*output, sum);
    }
    0.5 * sum
}

/// Cross entropy of the softmax of `outputs` for `class`; leaves the derivative in `outputs`. Accepted data
/// have no class beyond the last.
pub(super) fn classification(outputs: &mut [f32], class: usize) -> f32 {
    let class = class.min(outputs.len() - 1);
    let mut largest = outputs[0];
    for output in &outputs[1..] {
        largest = scalar::max(largest, *output);
    }
    let of_class = outputs[class] - largest;
    let mut sum = 0.0_f32;
    for output in outputs.iter_mut() {
        *output = scalar::exp(*output - largest);
        sum += *output;
    }
    for output in outputs.iter_mut() {
        *output /= sum;
    }
    outputs[class] -= 1.0;
    ln(sum) - of_class
}

/// The bits of √½.
const SQRT_HALF: u32 = 0x3f35_04f3;

/// The natural logarithm for 1 ≤ x ≤ 1024: a sum of exponentials of which the largest is 1.
fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(SQRT_HALF) >> 23;
    let v = f32::from_bits(bits.wrapping_sub(exponent << 23));
    let f = (v - 1.0) / (v + 1.0);
    let z = f * f;
    let mut q = f32::from_bits(0x3de3_8e39);
    for coefficient in [0x3e12_4925, 0x3e4c_cccd, 0x3eaa_aaab] {
        q = q.mul_add(z, f32::from_bits(coefficient));
    }
    let g = 2.0 * f;
    (exponent as f32).mul_add(f32::from_bits(0x3f31_7218), (g * z).mul_add(q, g))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_is_within_two_units_of_its_last_place() {
        assert_eq!(ln(1.0).to_bits(), 0);
        let steps = (1.0_f32.to_bits()..=1024.0_f32.to_bits()).step_by(37);
        for x in steps.map(f32::from_bits) {
            let exact = f64::from(x).ln();
            let unit = f64::from(f32::EPSILON) * exact.max(f64::from(f32::MIN_POSITIVE));
            let error = (f64::from(ln(x)) - exact).abs() / unit;
            assert!(error < 2.0, "ln({x}) is off by {error}");
        }
    }

    #[test]
    fn cross_entropy_and_its_derivative_are_those_of_f64() {
        let outputs = [0.5_f32, -2.0, 3.25, 0.0];
        let mut derivative = outputs;
        let loss = classification(&mut derivative, 1);
        let sum: f64 = outputs.iter().map(|o| f64::from(*o).exp()).sum();
        assert!((f64::from(loss) - (sum.ln() + 2.0)).abs() < 1e-6);
        for (j, (o, d)) in outputs.iter().zip(derivative).enumerate() {
            let exact = f64::from(*o).exp() / sum - f64::from(u8::from(j == 1));
            assert!((f64::from(d) - exact).abs() < 1e-6);
        }
    }

    #[test]
    fn squared_distance_and_its_derivative() {
        let mut outputs = [1.0, -2.0];
        assert_eq!(regression(&mut outputs, &[0.0, 1.0]), 5.0);
        assert_eq!(outputs, [1.0, -3.0]);
    }
}
