//! A product as a job: what it reads and writes, what it costs, how it is done.

use super::{Multiply, OperandSource, Product, operands, program};
use crate::catalog::Kernel;
use crate::gemm_i8::GemmI8;
use crate::job::{CheckedInputs, Cost, InputError, InputSpec, KernelJob, OutputSpec};
use crate::point::PointKernel;
use crate::program::{Program, Target};

impl<E: Multiply> KernelJob for Product<E> {
    fn kernel(&self) -> Kernel {
        E::KERNEL
    }

    fn cost(&self) -> Cost {
        self.shape().cost(E::LEN)
    }

    /// None if seeded, else `a` and `b`.
    fn inputs(&self) -> Vec<InputSpec> {
        let OperandSource::Given { a, b } = self.operands() else {
            return Vec::new();
        };
        let spec = |name, elements, digest| InputSpec {
            name,
            len: elements * E::LEN,
            digest,
        };
        let shape = self.shape();
        vec![spec("a", shape.a_len(), a), spec("b", shape.b_len(), b)]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = self.shape().output_len() as u64;
        vec![OutputSpec { name: "c", len }]
    }

    /// Every element is of the kernel's domain.
    fn examine(&self, inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
        operands::check_bytes::<E>("a", inputs.get("a"))?;
        operands::check_bytes::<E>("b", inputs.get("b"))
    }

    fn program(&self, target: Target) -> Option<Program> {
        E::functions(target).map(|functions| program::of(self, functions))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        vec![E::product(&self.operands_from(inputs))]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }

    fn product(&self) -> Option<&GemmI8> {
        E::exact(self)
    }
}
