//! Programs that no job made: for tests of digests, and for stand-ins that launch what the caller of a driver says.
#![expect(
    unsafe_code,
    reason = "a launch is trusted with the memory around its buffers; whoever makes one up vouches for it"
)]

use std::sync::Arc;

use crate::modules::Module;
use crate::program::{BufferId, Launch, Program};

/// A program put together by hand, which nobody runs until somebody vouches for it.
#[derive(Clone, Debug)]
pub struct HandMade(Program);

impl HandMade {
    /// Nothing yet, of functions of `module`.
    #[must_use]
    pub const fn new(module: Module) -> Self {
        Self(Program::new(module))
    }

    /// Adds a buffer of `len` zero bytes.
    pub fn buffer(&mut self, name: &'static str, len: u64) -> BufferId {
        self.0.buffer(name, len)
    }

    /// Adds a buffer that starts with these bytes.
    pub fn bytes(&mut self, name: &'static str, bytes: impl Into<Arc<[u8]>>) -> BufferId {
        self.0.bytes(name, bytes)
    }

    /// Adds a launch.
    pub fn launch(&mut self, launch: Launch) {
        self.0.push_launch(launch);
    }

    /// Adds the digest of a whole buffer, as it is by now, to the trace.
    ///
    /// # Panics
    ///
    /// The buffer is another program's.
    pub fn mark(&mut self, buffer: BufferId) {
        self.0.mark(buffer);
    }

    /// Makes a buffer the next output.
    pub fn output(&mut self, buffer: BufferId) {
        self.0.output(buffer);
    }

    /// A program like those that jobs make.
    ///
    /// # Safety
    ///
    /// Whoever runs a program trusts its launches. Every function must stay within the buffers that its arguments point
    /// into, for these arguments, this grid and these contents: no count, length or shape among them may be larger than
    /// the buffer it is about. What is checked later is the number and types of arguments, and that pointers begin inside
    /// buffers, and no more than that.
    #[must_use]
    pub unsafe fn danger_into_program(self) -> Program {
        self.0
    }
}
