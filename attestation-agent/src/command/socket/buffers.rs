//! Buffers on a device: the trait for what opens CUDA IPC handles.

use std::io;

use evidence::work::Hex;
use serde::Deserialize;

/// A range of a device buffer that another process owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpcBuffer {
    /// CUDA ordinal of the device, as this host counts.
    pub device: u32,
    /// `cudaIpcMemHandle_t`, 64 bytes.
    pub handle: Hex<64>,
    /// Bytes from the start of the allocation.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Why a device buffer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// Nothing here opens device buffers.
    #[error("this agent opens no device buffers: {0}")]
    Unavailable(&'static str),
    /// The driver refused, or the range is not one of the allocation.
    #[error("cannot read the device buffer: {0}")]
    Failed(String),
}

/// Opens device buffers of other processes and reads them on the device.
///
/// The owner has waited for its own work on the buffer, which no other process can wait for, and keeps the buffer alive
/// and unchanged until it has its answer. Implementations close the handle before they return.
pub trait DeviceBuffers: Send + Sync {
    /// Whether buffers can be opened at all.
    ///
    /// # Errors
    /// [`BufferError::Unavailable`] with the reason.
    fn available(&self) -> Result<(), BufferError>;

    /// Plain BLAKE3 of the bytes, computed on the device.
    ///
    /// # Errors
    /// [`BufferError`].
    fn digest(&self, buffer: &IpcBuffer) -> Result<Hex<32>, BufferError>;

    /// Hands the bytes to `sink` in order, in pieces.
    ///
    /// # Errors
    /// [`BufferError`]; one of `sink` is [`BufferError::Failed`].
    fn copy(
        &self,
        buffer: &IpcBuffer,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BufferError>;
}

/// The host of an agent without CUDA.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBuffers;

impl NoBuffers {
    const REASON: BufferError = BufferError::Unavailable("it has no CUDA executor");
}

impl DeviceBuffers for NoBuffers {
    fn available(&self) -> Result<(), BufferError> {
        Err(Self::REASON)
    }

    fn digest(&self, _buffer: &IpcBuffer) -> Result<Hex<32>, BufferError> {
        Err(Self::REASON)
    }

    fn copy(
        &self,
        _buffer: &IpcBuffer,
        _sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BufferError> {
        Err(Self::REASON)
    }
}
