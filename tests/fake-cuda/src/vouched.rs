//! Launches that no job made here, vouched for.
#![expect(
    unsafe_code,
    reason = "what a driver is told to launch is the caller's"
)]

use kernels::host::HandMade;
use kernels::program::Program;

/// A program of what the caller of this driver launched.
pub(crate) fn vouched(program: HandMade) -> Program {
    // SAFETY: this driver is loaded by the agent's tests alone, and the agent launches programs of jobs, into allocations
    // that it made for their buffers. What goes astray all the same is caught by the guards of the host build, as far as
    // they reach.
    unsafe { program.danger_into_program() }
}
