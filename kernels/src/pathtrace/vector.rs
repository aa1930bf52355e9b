//! Vectors of three f32, in the words of `spec/pathtrace.md`.

use std::ops::{Add, Mul, Sub};

use crate::scalar;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

pub(super) const fn vector(x: f32, y: f32, z: f32) -> Vector {
    Vector { x, y, z }
}

pub(super) const ZERO: Vector = vector(0.0, 0.0, 0.0);
pub(super) const WHITE: Vector = vector(1.0, 1.0, 1.0);

impl Vector {
    fn map(self, function: impl Fn(f32) -> f32) -> Self {
        vector(function(self.x), function(self.y), function(self.z))
    }

    fn zip(self, other: Self, function: impl Fn(f32, f32) -> f32) -> Self {
        let Self { x, y, z } = other;
        vector(
            function(self.x, x),
            function(self.y, y),
            function(self.z, z),
        )
    }

    pub(super) fn dot(self, b: Self) -> f32 {
        self.x.mul_add(b.x, self.y.mul_add(b.y, self.z * b.z))
    }

    pub(super) fn unit(self) -> Self {
        scalar::rsqrt(self.dot(self)) * self
    }

    /// This direction mirrored at a surface with normal `n`.
    pub(super) fn mirror(self, n: Self) -> Self {
        fma(-2.0 * self.dot(n), n, self)
    }

    pub(super) fn clamp(self, low: f32, high: f32) -> Self {
        self.map(|x| scalar::clamp(x, low, high))
    }

    pub(super) fn largest(self) -> f32 {
        scalar::max(self.x, scalar::max(self.y, self.z))
    }
}

/// `s·a + b`.
pub(super) fn fma(s: f32, a: Vector, b: Vector) -> Vector {
    a.zip(b, |a, b| s.mul_add(a, b))
}

/// `a∘b + c`.
pub(super) fn fma_each(a: Vector, b: Vector, c: Vector) -> Vector {
    vector(
        a.x.mul_add(b.x, c.x),
        a.y.mul_add(b.y, c.y),
        a.z.mul_add(b.z, c.z),
    )
}

pub(super) fn mix(s: f32, a: Vector, b: Vector) -> Vector {
    fma(s, b - a, a)
}

impl Add for Vector {
    type Output = Self;

    fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }
}

impl Sub for Vector {
    type Output = Self;

    fn sub(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }
}

/// Coordinate by coordinate: `a∘b`.
impl Mul for Vector {
    type Output = Self;

    fn mul(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }
}

impl Mul<Vector> for f32 {
    type Output = Vector;

    fn mul(self, a: Vector) -> Vector {
        a.map(|x| self * x)
    }
}
