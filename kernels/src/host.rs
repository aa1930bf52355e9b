//! Runs the CUDA C++ sources of `cuda/` on this CPU (feature `host`).
//!
//! # What's in scope
//!
//! * [`Machine::run`]: a [`Program`](crate::program::Program) from inputs to outputs. Functions are launched by name,
//!   with the arguments and the semantics of `cuLaunchKernel`, their blocks spread over threads. The default executor
//!   where there is no GPU, and the test bench of every kernel.
//! * Defects of a kernel as errors: a thread that exits before a barrier others wait at, a divergent warp barrier, a
//!   stack overflow, a memory fault, a write just outside a buffer. [`Machine::with_seed`] starts threads in another
//!   order, so that a missing barrier shows.
//!
//! # What's out of scope
//!
//! * Claims about a GPU. A result from here is exact, and says nothing about any device.
//! * `*_sm90a.cu`: instructions of one device alone.
//!
//! # What is trusted
//!
//! The kernels are sources of this crate, trusted as its Rust code is. A launch checks its function's name, the number
//! and types of its arguments and that pointers start inside buffers; it cannot check the indices that a kernel
//! computes from its arguments. A kernel that is told of more elements than a buffer has writes outside it, which is
//! found for the 4096 bytes on each side, and is undefined behaviour further out. So arguments come from the program of
//! a job, never from a stranger: outside this crate nobody makes a [`Program`](crate::program::Program), but through
//! [`HandMade::danger_into_program`], which is `unsafe` and says what to vouch for.

mod call;
mod cpu;
mod error;
mod ffi;
mod hand_made;
mod machine;
mod memory;
mod run;
mod signature;
#[cfg(all(test, feature = "host-tests"))]
mod tests;

pub use cpu::Build;
pub use error::{ArgType, DefectKind, HostError, Side};
pub use hand_made::HandMade;
pub use machine::Machine;
pub use run::Run;
