//! Memory of a device, pinned memory of this machine, and copies between them.

use std::ffi::c_char;
use std::ops::Range;
use std::time::Instant;

use cudarc::driver::{result, sys};

use super::context::{Context, Event, Stream};
use super::{CallError, Called};

/// Bytes that travel at once. Two pieces are under way at the same time.
const PIECE: usize = 8 << 20;

/// Memory of the device.
pub(in super::super) struct DeviceMemory<'context> {
    at: sys::CUdeviceptr,
    len: u64,
    context: &'context Context,
}

impl<'context> DeviceMemory<'context> {
    /// So many bytes, with whatever was in them. A device has no memory of no bytes: of none, one is taken.
    pub(in super::super) fn new(context: &'context Context, len: u64) -> Result<Self, CallError> {
        let bytes = usize::try_from(len.max(1)).unwrap_or(usize::MAX);
        #[expect(
            unsafe_code,
            reason = "the bindings call memory unsafe that was not written to yet"
        )]
        // SAFETY: the context is current on this thread (it cannot leave it); `zero` and `upload` write before a kernel
        // reads.
        let at = unsafe { result::malloc_sync(bytes) };
        let at = context.note(at.called("cuMemAlloc_v2"))?;
        Ok(Self { at, len, context })
    }

    /// Where it begins, as kernels see it.
    pub(in super::super) const fn address(&self) -> u64 {
        self.at
    }

    /// Sets every byte to zero, in the order of a stream.
    pub(in super::super) fn zero(&mut self, stream: &Stream<'_>) -> Result<(), CallError> {
        let Some(len) = usize::try_from(self.len).ok().filter(|len| *len > 0) else {
            return Ok(());
        };
        #[expect(
            unsafe_code,
            reason = "the bindings leave it to the caller that the memory is there"
        )]
        // SAFETY: `len` bytes from `at` on are this memory; the stream lives, and is destroyed before the memory is
        // released or waited for by `cuMemFree`.
        let set = unsafe { result::memset_d8_async(self.at, 0, len, stream.raw) };
        self.context.note(set.called("cuMemsetD8Async"))
    }

    /// Copies `bytes` to its beginning, piece by piece through pinned memory, in the order of a stream. Returns when
    /// nothing more is read from `bytes`; the last pieces may still be on their way.
    pub(in super::super) fn upload(
        &mut self,
        stream: &Stream<'_>,
        staging: &mut PinnedMemory<'_>,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<(), CallError> {
        let room = usize::try_from(self.len).unwrap_or(usize::MAX);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        for (piece, at) in bytes.chunks(PIECE).zip((self.at..).step_by(PIECE)) {
            let (buffer, free) = staging.next(piece.len(), deadline)?;
            buffer.copy_from_slice(piece);
            #[expect(unsafe_code, reason = "the copy goes on after the call")]
            // SAFETY: the piece lies within this memory. `buffer` is pinned memory that nobody touches before `free` has
            // passed (`PinnedMemory::next`), and that lives until the driver has released it.
            let copied = unsafe { result::memcpy_htod_async(at, buffer, stream.raw) };
            self.context.note(copied.called("cuMemcpyHtoDAsync_v2"))?;
            stream.record_again(free)?;
        }
        Ok(())
    }

    /// Copies a part of it to `sink`, piece by piece in order, in the order of a stream.
    pub(in super::super) fn download(
        &self,
        part: Range<u64>,
        stream: &Stream<'_>,
        staging: &mut PinnedMemory<'_>,
        deadline: Instant,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), CallError> {
        let part = part.start.min(self.len)..part.end.min(self.len);
        download(self.context, self.at, part, stream, staging, deadline, sink)
    }
}

impl Drop for DeviceMemory<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the memory"
        )]
        // SAFETY: made by `new`, released once, in a context that is alive; the call waits for what still uses it.
        let release = || unsafe { sys::cuMemFree_v2(self.at) };
        self.context.release("cuMemFree_v2", release);
    }
}

/// Reads device memory. The part lies within memory that begins at `base`: the callers see to it.
fn download(
    context: &Context,
    base: sys::CUdeviceptr,
    part: Range<u64>,
    stream: &Stream<'_>,
    staging: &mut PinnedMemory<'_>,
    deadline: Instant,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CallError> {
    let mut at = part.start;
    while at < part.end {
        let len = (part.end - at).min(PIECE as u64);
        let piece = usize::try_from(len).unwrap_or(PIECE);
        let (buffer, arrived) = staging.next(piece, deadline)?;
        #[expect(unsafe_code, reason = "the copy goes on after the call")]
        // SAFETY: `len` bytes from `base + at` on lie within the memory; `buffer` is pinned memory of as many bytes, not
        // touched before `arrived` has passed, which is waited for here; if that fails, it is not looked at.
        let copied = unsafe { result::memcpy_dtoh_async(buffer, base + at, stream.raw) };
        context.note(copied.called("cuMemcpyDtoHAsync_v2"))?;
        stream.record_again(arrived)?;
        arrived.wait(deadline)?;
        sink(buffer);
        at += len;
    }
    Ok(())
}

/// Memory of this machine that a device reads and writes by itself: two pieces, taken in turn.
pub(in super::super) struct PinnedMemory<'context> {
    at: *mut u8,
    free: [Event<'context>; 2],
    /// Pieces handed out so far.
    taken: usize,
    context: &'context Context,
}

impl<'context> PinnedMemory<'context> {
    /// Two pieces, whose contents are zero.
    pub(in super::super) fn new(context: &'context Context) -> Result<Self, CallError> {
        let free = [Event::new(context)?, Event::new(context)?];
        #[expect(
            unsafe_code,
            reason = "the bindings call memory unsafe that was not written to yet"
        )]
        // SAFETY: the context is current; the flags ask for nothing but pinned memory.
        let at = unsafe { result::malloc_host(2 * PIECE, 0) };
        let at = context.note(at.called("cuMemHostAlloc"))?.cast::<u8>();
        #[expect(unsafe_code, reason = "memory is given its first contents")]
        // SAFETY: the call above gave `2 * PIECE` bytes from `at` on, which nobody else knows of.
        unsafe {
            at.write_bytes(0, 2 * PIECE);
        }
        Ok(Self {
            at,
            free,
            taken: 0,
            context,
        })
    }

    /// The piece whose turn it is, once no copy uses it any more, and the event to record behind the next copy. It has
    /// `len` bytes, at most [`PIECE`].
    fn next(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<(&mut [u8], &Event<'context>), CallError> {
        let [even, odd] = &self.free;
        let (event, start) = match self.taken % 2 {
            0 => (even, 0),
            _ => (odd, PIECE),
        };
        if self.taken >= 2 {
            event.wait(deadline)?;
        }
        self.taken += 1;
        let len = len.min(PIECE);
        #[expect(
            unsafe_code,
            reason = "pinned memory is the driver's, not an allocator's of Rust"
        )]
        // SAFETY: `PIECE` bytes from `start` on are half of what `new` was given and initialised. `self` is borrowed for
        // as long as the slice is used, so there is no second one. No copy uses it: the last one has passed its event.
        let piece = unsafe { std::slice::from_raw_parts_mut(self.at.add(start), len) };
        Ok((piece, event))
    }
}

impl Drop for PinnedMemory<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the memory"
        )]
        // SAFETY: made by `new`, released once, in a context that is alive. Copies that still use it end before: of a
        // good context, whoever starts one waits for it, but for a failed start.
        let release = || unsafe { sys::cuMemFreeHost(self.at.cast()) };
        self.context.release("cuMemFreeHost", release);
    }
}

/// Device memory that another process owns, opened by its handle.
pub(in super::super) struct SharedMemory<'context> {
    at: sys::CUdeviceptr,
    len: u64,
    context: &'context Context,
}

impl<'context> SharedMemory<'context> {
    /// Opens a handle of `cuIpcGetMemHandle`.
    pub(in super::super) fn open(
        context: &'context Context,
        handle: &[u8; 64],
    ) -> Result<Self, CallError> {
        let handle = sys::CUipcMemHandle {
            reserved: handle.map(|byte| byte as c_char),
        };
        let flags = sys::CUipcMem_flags::CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS as u32;
        let mut at = 0;
        #[expect(unsafe_code, reason = "the bindings have no wrapper for this call")]
        // SAFETY: the context is current; the call reads 64 bytes by value and writes one address. It refuses handles
        // that are none.
        let opened = unsafe { sys::cuIpcOpenMemHandle_v2(&raw mut at, handle, flags) };
        context.note(opened.called("cuIpcOpenMemHandle_v2"))?;
        let mut shared = Self {
            at,
            len: 0,
            context,
        };
        shared.len = shared.length()?;
        Ok(shared)
    }

    /// Bytes of the whole allocation.
    pub(in super::super) const fn len(&self) -> u64 {
        self.len
    }

    /// Where it begins, as kernels see it.
    pub(in super::super) const fn address(&self) -> u64 {
        self.at
    }

    /// As [`DeviceMemory::download`].
    pub(in super::super) fn download(
        &self,
        part: Range<u64>,
        stream: &Stream<'_>,
        staging: &mut PinnedMemory<'_>,
        deadline: Instant,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), CallError> {
        let part = part.start.min(self.len)..part.end.min(self.len);
        download(self.context, self.at, part, stream, staging, deadline, sink)
    }

    fn length(&self) -> Result<u64, CallError> {
        let (mut base, mut size) = (0, 0);
        #[expect(unsafe_code, reason = "the bindings have no wrapper for this call")]
        // SAFETY: the address is one the driver just gave; the call writes one address and one size.
        let answer = unsafe { sys::cuMemGetAddressRange_v2(&raw mut base, &raw mut size, self.at) };
        self.context
            .note(answer.called("cuMemGetAddressRange_v2"))?;
        // The handle opens the allocation at its beginning.
        Ok((base + size as u64).saturating_sub(self.at))
    }
}

impl Drop for SharedMemory<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the memory"
        )]
        // SAFETY: opened by `open`, closed once, in a context that is alive; whoever reads it waits for the end.
        let release = || unsafe { sys::cuIpcCloseMemHandle(self.at) };
        self.context.release("cuIpcCloseMemHandle", release);
    }
}

const _: () = assert!(size_of::<sys::CUipcMemHandle>() == 64);
