//! Programs that tests put together.
#![expect(unsafe_code, reason = "digests of buffers that no job has")]

use kernels::host::HandMade;
use kernels::program::Program;

/// A program whose launches are those of a digest plan, over buffers made for it with the lengths it has.
pub(crate) fn vouched(program: HandMade) -> Program {
    // SAFETY: that is what callers promise, and the functions of a digest stay within what their plan says.
    unsafe { program.danger_into_program() }
}
