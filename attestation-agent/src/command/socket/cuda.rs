//! Device buffers by CUDA.

use std::io;

use evidence::work::Hex;

use super::buffers::{BufferError, DeviceBuffers, IpcBuffer};
use crate::execute::{ExecuteError, SharedBuffers};

impl DeviceBuffers for SharedBuffers {
    fn available(&self) -> Result<(), BufferError> {
        Ok(())
    }

    fn digest(&self, buffer: &IpcBuffer) -> Result<Hex<32>, BufferError> {
        let part = part(buffer)?;
        let digest = SharedBuffers::digest(self, buffer.device, &buffer.handle.0, part);
        let digest = digest.map_err(|error| failed(&error))?;
        Ok(Hex(*digest.as_bytes()))
    }

    fn copy(
        &self,
        buffer: &IpcBuffer,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BufferError> {
        let part = part(buffer)?;
        let copied = SharedBuffers::copy(self, buffer.device, &buffer.handle.0, part, sink);
        copied.map_err(|error| failed(&error))
    }
}

fn part(buffer: &IpcBuffer) -> Result<std::ops::Range<u64>, BufferError> {
    let end = buffer.offset.checked_add(buffer.len);
    let end = end.ok_or_else(|| BufferError::Failed("it ends beyond 2^64".to_owned()))?;
    Ok(buffer.offset..end)
}

fn failed(error: &ExecuteError) -> BufferError {
    BufferError::Failed(format!("{}: {error}", error.code()))
}
