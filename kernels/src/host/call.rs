//! From a launch to a call: everything that can be checked before a kernel runs.

use super::error::{ArgType, HostError};
use super::ffi::{Function, Param, Slot, Slots};
use super::memory::{BufferRef, Memory, RawBuffer};

/// A launch of one function.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The module: the name of its source without the ending.
    pub module: &'a str,
    /// The function.
    pub function: &'a str,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Arguments in the function's order.
    pub args: &'a [Arg],
}

/// An argument of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// A pointer to this byte of a buffer.
    Buffer(BufferRef, u64),
    /// A `u32`.
    U32(u32),
    /// A `u64`.
    U64(u64),
    /// An `i32`.
    I32(i32),
    /// A `float`.
    F32(f32),
}

impl Arg {
    const fn kind(self) -> ArgType {
        match self {
            Self::Buffer(..) => ArgType::Buffer,
            Self::U32(_) => ArgType::U32,
            Self::U64(_) => ArgType::U64,
            Self::I32(_) => ArgType::I32,
            Self::F32(_) => ArgType::F32,
        }
    }
}

/// CUDA C++ Programming Guide, technical specifications per compute capability, the same since 3.0.
const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
const MAX_BLOCK_THREADS: u64 = 1024;
const MAX_GRID: [u32; 3] = [0x7fff_ffff, 0xffff, 0xffff];

impl Launch<'_> {
    /// How many blocks there are, if grid and block are what CUDA allows.
    pub(super) fn checked_blocks(&self) -> Result<u64, HostError> {
        let function = || self.function.to_owned();
        if !within(self.block, MAX_BLOCK) || volume(self.block) > MAX_BLOCK_THREADS {
            return Err(HostError::BlockSize {
                function: function(),
                block: self.block,
            });
        }
        if !within(self.grid, MAX_GRID) {
            return Err(HostError::GridSize {
                function: function(),
                grid: self.grid,
            });
        }
        Ok(volume(self.grid))
    }

    /// The arguments in the form that C takes, if they are what the function takes.
    pub(super) fn checked_slots<'memory>(
        &self,
        function: Function,
        memory: &'memory mut Memory,
    ) -> Result<Slots<'memory>, HostError> {
        let params = function.params();
        if params.len() != self.args.len() {
            return Err(HostError::ArgumentCount {
                function: self.function.to_owned(),
                expected: params.len(),
                actual: self.args.len(),
            });
        }
        let buffers = memory.raw_parts();
        let slots =
            (0..params.len()).map(|index| self.checked_slot(index, &params[index], &buffers));
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        Ok(Slots::new(slots, memory))
    }

    fn checked_slot(
        &self,
        index: usize,
        param: &Param,
        buffers: &[RawBuffer],
    ) -> Result<Slot, HostError> {
        let arg = self.args[index];
        if arg.kind() != param.kind() {
            return Err(HostError::ArgumentType {
                function: self.function.to_owned(),
                index,
                expected: param.kind(),
                actual: arg.kind(),
            });
        }
        Ok(match arg {
            Arg::Buffer(buffer, offset) => {
                let buffer = buffers.get(buffer.0);
                Slot::pointer(self.checked_pointer(index, param, buffer, offset)?)
            }
            Arg::U32(value) => Slot::u32(value),
            Arg::U64(value) => Slot::u64(value),
            Arg::I32(value) => Slot::i32(value),
            Arg::F32(value) => Slot::f32(value),
        })
    }

    /// A pointer to the end of a buffer is allowed: an empty part of it may begin there.
    fn checked_pointer(
        &self,
        index: usize,
        param: &Param,
        buffer: Option<&RawBuffer>,
        offset: u64,
    ) -> Result<*mut u8, HostError> {
        let function = || self.function.to_owned();
        let outside = |len| HostError::BufferOffset {
            function: function(),
            index,
            offset,
            len,
        };
        let buffer = buffer.ok_or_else(|| outside(0))?;
        let within = usize::try_from(offset).ok().filter(|at| *at <= buffer.len);
        let at = within.ok_or_else(|| outside(buffer.len))?;
        if !offset.is_multiple_of(u64::from(param.align())) {
            return Err(HostError::Misaligned {
                function: function(),
                index,
                offset,
                align: param.align(),
            });
        }
        Ok(buffer.start.wrapping_add(at))
    }
}

fn within(size: [u32; 3], max: [u32; 3]) -> bool {
    size.iter()
        .zip(max)
        .all(|(&size, max)| (1..=max).contains(&size))
}

/// At most 2^63 within [`MAX_GRID`].
fn volume(size: [u32; 3]) -> u64 {
    size.iter().map(|&size| u64::from(size)).product()
}
