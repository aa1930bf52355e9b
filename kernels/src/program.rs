//! What a device does for one job: buffers, launches in their order, outputs.
//!
//! In scope: the form, and the rules every program keeps. A [`Program`] is a pure function of a job, so the host build
//! and CUDA do the same launches with the same arguments; nothing in it depends on the device, its number of
//! multiprocessors or its clock (methods 3.3).
//!
//! A program comes from a job, which has checked its parameters, or from a digest of bytes ([`digest_program`]); nobody
//! else makes one. Whoever runs it trusts the arguments of its launches: a kernel that is told of more elements than a
//! buffer has writes beyond it. Who has to run launches of their own, as a stand-in for a driver has, says that they are
//! right (`host::HandMade`).
//!
//! Out of scope: running it (`host` here, CUDA in the agent), and what a launch computes (`cuda/*.cu`, the kernel's
//! specification).
//!
//! [`digest_program`]: crate::digest_program

use std::sync::Arc;

use crate::modules::Module;

/// Which instructions a module may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// PTX for compute capability 8.0: every device since Ampere, and the host build.
    Portable,
    /// PTX for sm_90a: Hopper alone, with its warp-group matrix instructions.
    Sm90a,
}

/// Buffers and launches of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    module: Module,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    outputs: Vec<BufferId>,
}

/// A buffer of a [`Program`], by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(usize);

/// Device memory of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// What it is called in error messages.
    pub name: &'static str,
    /// Bytes.
    pub len: u64,
    /// What is in it before the first step.
    pub contents: Contents,
}

/// What a buffer holds before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Zero bytes. Also where every byte is written before it is read: no run depends on what an earlier one left.
    Zero,
    /// An input of the job, by name; as long as the buffer.
    Input(&'static str),
    /// Bytes that follow from the parameters, such as a table; as long as the buffer.
    Bytes(Arc<[u8]>),
}

/// One thing after another, each done before the next begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Runs a function of the module.
    Launch(Launch),
    /// Digests part of a buffer into the trace of the run.
    Mark(Region),
}

/// A launch of one function.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Its name in the module.
    pub function: &'static str,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Arguments in the function's order.
    pub args: Vec<Arg>,
}

/// An argument of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// A pointer to this byte of a buffer.
    Buffer(BufferId, u64),
    /// A `u32`.
    U32(u32),
    /// A `u64`.
    U64(u64),
    /// An `i32`.
    I32(i32),
    /// A `float`.
    F32(f32),
}

/// Some bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

impl BufferId {
    /// The buffer at this place of a program.
    pub(crate) const fn at(index: usize) -> Self {
        Self(index)
    }

    /// Its place among [`Program::buffers`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

impl Program {
    /// The same launches in another module that has functions of these names.
    #[cfg(all(test, feature = "host-tests"))]
    pub(crate) fn in_module(self, module: Module) -> Self {
        Self { module, ..self }
    }

    /// A program of `module` without buffers and steps.
    pub(crate) const fn new(module: Module) -> Self {
        Self {
            module,
            buffers: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Adds a buffer of `len` zero bytes.
    pub(crate) fn buffer(&mut self, name: &'static str, len: u64) -> BufferId {
        self.push(name, len, Contents::Zero)
    }

    /// Adds a buffer that starts with an input of the job.
    pub(crate) fn input(&mut self, name: &'static str, len: u64) -> BufferId {
        self.push(name, len, Contents::Input(name))
    }

    /// Adds a buffer that starts with these bytes.
    pub(crate) fn bytes(&mut self, name: &'static str, bytes: impl Into<Arc<[u8]>>) -> BufferId {
        let bytes = bytes.into();
        self.push(name, bytes.len() as u64, Contents::Bytes(bytes))
    }

    /// Adds a launch of `blocks` blocks of `threads` threads, both in one dimension.
    pub(crate) fn launch(
        &mut self,
        function: &'static str,
        blocks: u32,
        threads: u32,
        args: Vec<Arg>,
    ) {
        self.launch_grid(function, [blocks, 1, 1], [threads, 1, 1], args);
    }

    /// Adds a launch.
    pub(crate) fn launch_grid(
        &mut self,
        function: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        args: Vec<Arg>,
    ) {
        self.push_launch(Launch {
            function,
            grid,
            block,
            args,
        });
    }

    /// Adds a launch that is made up already.
    pub(crate) fn push_launch(&mut self, launch: Launch) {
        self.steps.push(Step::Launch(launch));
    }

    /// Takes all steps out, for them to be put back changed.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Adds the digest of a whole buffer, as it is by now, to the trace.
    pub(crate) fn mark(&mut self, buffer: BufferId) {
        let len = self.buffers[buffer.0].len;
        self.steps.push(Step::Mark(Region {
            buffer,
            offset: 0,
            len,
        }));
    }

    /// Makes a buffer the next output of the job, in the order of the specification.
    pub fn output(&mut self, buffer: BufferId) {
        self.outputs.push(buffer);
    }

    /// The module whose functions are launched.
    #[must_use]
    pub const fn module(&self) -> Module {
        self.module
    }

    /// The buffers.
    #[must_use]
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The buffers that hold the outputs in the end, in the order of the specification.
    #[must_use]
    pub fn outputs(&self) -> &[BufferId] {
        &self.outputs
    }

    /// One of its buffers.
    ///
    /// # Panics
    ///
    /// The id is another program's.
    #[must_use]
    pub fn at(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0]
    }

    fn push(&mut self, name: &'static str, len: u64, contents: Contents) -> BufferId {
        self.buffers.push(Buffer {
            name,
            len,
            contents,
        });
        BufferId(self.buffers.len() - 1)
    }
}

/// Blocks of `per_block` that cover `items`.
#[must_use]
pub fn blocks(items: u64, per_block: u32) -> u32 {
    u32::try_from(items.div_ceil(u64::from(per_block))).unwrap_or(u32::MAX)
}
