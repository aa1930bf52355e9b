//! Why a launch did not give a result.

use std::fmt;

use crate::program::Target;

/// A wrong program, a kernel with a defect, or a machine without memory. Only the last can happen to a good program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The function takes another number of arguments.
    #[error("{function} takes {expected} arguments, got {actual}")]
    ArgumentCount {
        /// The function.
        function: &'static str,
        /// Arguments it takes.
        expected: usize,
        /// Arguments of the launch.
        actual: usize,
    },
    /// An argument has another type.
    #[error("argument {index} of {function} is {expected}, got {actual}")]
    ArgumentType {
        /// The function.
        function: &'static str,
        /// The argument, from 0.
        index: usize,
        /// The type in the function's source.
        expected: ArgType,
        /// The type in the launch.
        actual: ArgType,
    },
    /// A block has no threads or more than CUDA allows: 1024, in z 64.
    #[error("{function} cannot run in blocks of {block:?} threads")]
    BlockSize {
        /// The function.
        function: &'static str,
        /// Threads in x, y, z.
        block: [u32; 3],
    },
    /// An argument points past the end of a buffer, or to no buffer.
    #[error("argument {index} of {function} points to byte {offset} of a buffer of {len} bytes")]
    BufferOffset {
        /// The function.
        function: &'static str,
        /// The argument, from 0.
        index: usize,
        /// Where it points.
        offset: u64,
        /// Bytes of the buffer; 0 for a buffer there is not.
        len: usize,
    },
    /// What fills a buffer is not as long as the buffer.
    #[error("buffer {buffer} has {expected} bytes, its contents {actual}")]
    ContentsLength {
        /// The buffer.
        buffer: &'static str,
        /// Its bytes.
        expected: usize,
        /// Bytes to fill it.
        actual: usize,
    },
    /// The kernel broke a rule of CUDA while it ran.
    #[error("{function}: {detail}")]
    Defect {
        /// The function.
        function: &'static str,
        /// Which rule.
        kind: DefectKind,
        /// Which thread of which block, and what it did.
        detail: String,
    },
    /// A grid has no blocks or more than CUDA allows: 2^31 - 1 in x, 65535 in y and z.
    #[error("{function} cannot run in a grid of {grid:?} blocks")]
    GridSize {
        /// The function.
        function: &'static str,
        /// Blocks in x, y, z.
        grid: [u32; 3],
    },
    /// The job has no input of this name.
    #[error("the program fills a buffer with input {name}, which the job does not have")]
    InputMissing {
        /// The input.
        name: &'static str,
    },
    /// An argument points to an address that its type cannot have.
    #[error(
        "argument {index} of {function} points to byte {offset} of a buffer, not a multiple of {align}"
    )]
    Misaligned {
        /// The function.
        function: &'static str,
        /// The argument, from 0.
        index: usize,
        /// Where it points.
        offset: u64,
        /// Alignment of what it points to.
        align: u32,
    },
    /// A kernel wrote next to a buffer.
    #[error("{function} wrote {distance} bytes {side} buffer {buffer}")]
    OutOfBoundsWrite {
        /// The function.
        function: &'static str,
        /// The buffer.
        buffer: &'static str,
        /// Before its first or after its last byte.
        side: Side,
        /// Bytes from there to the nearest one written.
        distance: usize,
    },
    /// The system has no memory for a buffer, a worker or a stack.
    #[error("no memory for {bytes} bytes of {name}")]
    OutOfMemory {
        /// What it was for.
        name: &'static str,
        /// How much.
        bytes: usize,
    },
    /// A mark reaches past the end of its buffer.
    #[error("a mark of {len} bytes at {offset} reaches out of a buffer of {buffer_len} bytes")]
    RegionOutside {
        /// Its first byte.
        offset: u64,
        /// Its bytes.
        len: u64,
        /// Bytes of the buffer.
        buffer_len: usize,
    },
    /// The module is for one device alone.
    #[error("module {module} is for {target:?}, which no CPU runs")]
    TargetUnsupported {
        /// The module.
        module: &'static str,
        /// What it is for.
        target: Target,
    },
    /// The module has no such function.
    #[error("module {module} has no function {function}")]
    UnknownFunction {
        /// The module.
        module: &'static str,
        /// The function.
        function: &'static str,
    },
    /// No source of this name was compiled.
    #[error("there is no host build of module {module}")]
    UnknownModule {
        /// The module.
        module: &'static str,
    },
}

impl HostError {
    /// The stable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ArgumentCount { .. } => "argument_count_mismatch",
            Self::ArgumentType { .. } => "argument_type_mismatch",
            Self::BlockSize { .. } => "block_size_unsupported",
            Self::BufferOffset { .. } => "buffer_offset_outside",
            Self::ContentsLength { .. } => "buffer_contents_length",
            Self::Defect { kind, .. } => kind.code(),
            Self::GridSize { .. } => "grid_size_unsupported",
            Self::InputMissing { .. } => "program_input_missing",
            Self::Misaligned { .. } => "buffer_misaligned",
            Self::OutOfBoundsWrite { .. } => "out_of_bounds_write",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::RegionOutside { .. } => "mark_outside_buffer",
            Self::TargetUnsupported { .. } => "target_unsupported",
            Self::UnknownFunction { .. } => "function_unknown",
            Self::UnknownModule { .. } => "module_unknown",
        }
    }
}

/// What a kernel did that CUDA leaves undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefectKind {
    /// It divided an integer by zero. Found on x86-64 alone: on aarch64 the quotient is 0.
    ArithmeticFault,
    /// Threads of one warp wait at different barriers.
    DivergentBarrier,
    /// A thread exited before a barrier that others wait at.
    ExitBeforeBarrier,
    /// A shuffle read from a lane that does not take part.
    InactiveLane,
    /// It read or wrote memory that is nobody's.
    MemoryFault,
    /// Its local variables do not fit a stack of 64 KiB.
    StackOverflow,
}

impl DefectKind {
    /// The stable name of this defect.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ArithmeticFault => "arithmetic_fault",
            Self::DivergentBarrier => "divergent_barrier",
            Self::ExitBeforeBarrier => "exit_before_barrier",
            Self::InactiveLane => "inactive_lane",
            Self::MemoryFault => "memory_fault",
            Self::StackOverflow => "stack_overflow",
        }
    }
}

/// The types a kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgType {
    /// A pointer into a buffer.
    Buffer,
    /// A `u32`.
    U32,
    /// A `u64`.
    U64,
    /// An `i32`.
    I32,
    /// A `float`.
    F32,
}

impl fmt::Display for ArgType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Buffer => "a buffer",
            Self::U32 => "a u32",
            Self::U64 => "a u64",
            Self::I32 => "an i32",
            Self::F32 => "a float",
        })
    }
}

/// A side of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before its first byte.
    Before,
    /// After its last byte.
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}
