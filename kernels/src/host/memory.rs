//! The buffers of launches, and the guards around them.

use super::error::{HostError, Side};

/// Buffers that launches read and write, each between two guards; known by their places.
#[derive(Debug, Default)]
pub(super) struct Memory {
    buffers: Vec<Buffer>,
}

#[derive(Debug)]
struct Buffer {
    name: &'static str,
    /// Padding up to [`ALIGN`], a guard, the bytes, a guard.
    block: Vec<u8>,
    start: usize,
    len: usize,
}

/// A cache line, and no less than what `cudaMalloc` guarantees for any vector type.
const ALIGN: usize = 64;
/// Bytes of a guard: a page, some rows of a small matrix.
const GUARD: usize = 4096;
const GUARD_BYTE: u8 = 0xa5;

impl Memory {
    /// Adds a buffer of `len` zero bytes, aligned to 64 bytes, and tells its place. `name` is for error messages.
    pub(super) fn add(&mut self, name: &'static str, len: usize) -> Result<usize, HostError> {
        self.buffers.push(Buffer::zeroed(name, len)?);
        Ok(self.buffers.len() - 1)
    }

    /// What a buffer holds.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        let Buffer {
            block, start, len, ..
        } = &self.buffers[place];
        &block[*start..start + len]
    }

    /// What a buffer holds, to be changed.
    pub(super) fn bytes_mut(&mut self, place: usize) -> &mut [u8] {
        let Buffer {
            block, start, len, ..
        } = &mut self.buffers[place];
        &mut block[*start..*start + *len]
    }

    /// Start and length of each buffer, for a launch. The pointers are good until the next use of this memory.
    pub(super) fn raw_parts(&mut self) -> Vec<RawBuffer> {
        self.buffers.iter_mut().map(Buffer::raw).collect()
    }

    /// That no launch wrote into a guard.
    pub(super) fn check_guards(&self, function: &'static str) -> Result<(), HostError> {
        self.buffers
            .iter()
            .try_for_each(|buffer| buffer.check_guards(function))
    }
}

/// A buffer as C sees it.
#[derive(Clone, Copy)]
pub(super) struct RawBuffer {
    pub(super) start: *mut u8,
    pub(super) len: usize,
}

impl Buffer {
    fn zeroed(name: &'static str, len: usize) -> Result<Self, HostError> {
        let no_memory = HostError::OutOfMemory { name, bytes: len };
        let room = len
            .checked_add(2 * GUARD + ALIGN)
            .ok_or(no_memory.clone())?;
        let mut block: Vec<u8> = Vec::new();
        block.try_reserve_exact(room).map_err(|_| no_memory)?;
        let padding = block.as_ptr().align_offset(ALIGN);
        let start = padding + GUARD;
        block.resize(start, GUARD_BYTE);
        block.resize(start + len, 0);
        block.resize(start + len + GUARD, GUARD_BYTE);
        Ok(Self {
            name,
            block,
            start,
            len,
        })
    }

    fn raw(&mut self) -> RawBuffer {
        RawBuffer {
            // From the whole block: a pointer to the bytes alone might not reach the guards, which are there for
            // kernels that go astray.
            start: self.block.as_mut_ptr().wrapping_add(self.start),
            len: self.len,
        }
    }

    fn check_guards(&self, function: &'static str) -> Result<(), HostError> {
        let stray = |side, distance| HostError::OutOfBoundsWrite {
            function,
            buffer: self.name,
            side,
            distance,
        };
        let (before, rest) = self.block.split_at(self.start);
        let after = &rest[self.len..];
        if let Some(at) = before.iter().rposition(is_written) {
            return Err(stray(Side::Before, before.len() - at));
        }
        match after.iter().position(is_written) {
            Some(at) => Err(stray(Side::After, at)),
            None => Ok(()),
        }
    }
}

fn is_written(guard: &u8) -> bool {
    *guard != GUARD_BYTE
}
