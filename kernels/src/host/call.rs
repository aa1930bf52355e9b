//! From a launch to a call: everything that can be checked before a kernel runs.

use super::error::{ArgType, HostError};
use super::ffi::{Function, Param, Slot, Slots};
use super::memory::{Memory, RawBuffer};
use crate::program::{Arg, Launch};

/// CUDA C++ Programming Guide, technical specifications per compute capability, the same since 3.0.
const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
const MAX_BLOCK_THREADS: u64 = 1024;
const MAX_GRID: [u32; 3] = [0x7fff_ffff, 0xffff, 0xffff];

/// How many blocks a launch has, if grid and block are what CUDA allows.
pub(super) fn checked_blocks(launch: &Launch) -> Result<u64, HostError> {
    let function = launch.function;
    if !within(launch.block, MAX_BLOCK) || volume(launch.block) > MAX_BLOCK_THREADS {
        return Err(HostError::BlockSize {
            function,
            block: launch.block,
        });
    }
    if !within(launch.grid, MAX_GRID) {
        return Err(HostError::GridSize {
            function,
            grid: launch.grid,
        });
    }
    Ok(volume(launch.grid))
}

/// The arguments of a launch in the form that C takes, if they are what the function takes.
pub(super) fn checked_slots<'memory>(
    launch: &Launch,
    function: Function,
    memory: &'memory mut Memory,
) -> Result<Slots<'memory>, HostError> {
    let params = function.params();
    if params.len() != launch.args.len() {
        return Err(HostError::ArgumentCount {
            function: launch.function,
            expected: params.len(),
            actual: launch.args.len(),
        });
    }
    let buffers = memory.raw_parts();
    let slots =
        (0..params.len()).map(|index| checked_slot(launch, index, &params[index], &buffers));
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    Ok(Slots::new(slots, memory))
}

fn checked_slot(
    launch: &Launch,
    index: usize,
    param: &Param,
    buffers: &[RawBuffer],
) -> Result<Slot, HostError> {
    let arg = launch.args[index];
    if type_of(arg) != param.kind() {
        return Err(HostError::ArgumentType {
            function: launch.function,
            index,
            expected: param.kind(),
            actual: type_of(arg),
        });
    }
    Ok(match arg {
        Arg::Buffer(buffer, offset) => {
            let buffer = buffers.get(buffer.index());
            Slot::pointer(checked_pointer(launch, index, param, buffer, offset)?)
        }
        Arg::U32(value) => Slot::u32(value),
        Arg::U64(value) => Slot::u64(value),
        Arg::I32(value) => Slot::i32(value),
        Arg::F32(value) => Slot::f32(value),
    })
}

/// A pointer to the end of a buffer is allowed: an empty part of it may begin there.
fn checked_pointer(
    launch: &Launch,
    index: usize,
    param: &Param,
    buffer: Option<&RawBuffer>,
    offset: u64,
) -> Result<*mut u8, HostError> {
    let function = launch.function;
    let outside = |len| HostError::BufferOffset {
        function,
        index,
        offset,
        len,
    };
    let buffer = buffer.ok_or(outside(0))?;
    let within = usize::try_from(offset).ok().filter(|at| *at <= buffer.len);
    let at = within.ok_or(outside(buffer.len))?;
    if !offset.is_multiple_of(u64::from(param.align())) {
        return Err(HostError::Misaligned {
            function,
            index,
            offset,
            align: param.align(),
        });
    }
    Ok(buffer.start.wrapping_add(at))
}

const fn type_of(arg: Arg) -> ArgType {
    match arg {
        Arg::Buffer(..) => ArgType::Buffer,
        Arg::U32(_) => ArgType::U32,
        Arg::U64(_) => ArgType::U64,
        Arg::I32(_) => ArgType::I32,
        Arg::F32(_) => ArgType::F32,
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
