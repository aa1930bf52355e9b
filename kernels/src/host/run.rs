//! A program from its inputs to its outputs, step by step.

use super::error::HostError;
use super::machine::Machine;
use super::memory::Memory;
use crate::program::{Buffer, Contents, Program, Region, Step, Target};
use crate::{Blake3Digest, CheckedInputs, Output};

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The outputs, in the order of the specification.
    pub outputs: Vec<Output>,
    /// The digest of each [`Step::Mark`], in their order.
    pub marks: Vec<Blake3Digest>,
}

impl Machine {
    /// Runs a program.
    ///
    /// # Errors
    ///
    /// The first step that fails, by its [`HostError`]; before any step, a target, inputs or memory that are not there.
    pub fn run(&self, program: &Program, inputs: &CheckedInputs<'_>) -> Result<Run, HostError> {
        let module = program.module();
        if module.target() != Target::Portable {
            return Err(HostError::TargetUnsupported {
                module: module.name(),
                target: module.target(),
            });
        }
        let mut memory = allocate(program, inputs)?;
        let mut marks = Vec::new();
        for step in program.steps() {
            match step {
                Step::Launch(launch) => self.launch(module.name(), launch, &mut memory)?,
                Step::Mark(region) => marks.push(digest(&memory, region)?),
            }
        }
        let bytes = |buffer: usize| Output::new(memory.bytes(buffer).to_vec());
        let outputs = program.outputs().iter().map(|id| bytes(id.index()));
        Ok(Run {
            outputs: outputs.collect(),
            marks,
        })
    }
}

fn allocate(program: &Program, inputs: &CheckedInputs<'_>) -> Result<Memory, HostError> {
    let mut memory = Memory::default();
    for buffer in program.buffers() {
        let place = memory.add(buffer.name, length(buffer)?)?;
        match &buffer.contents {
            Contents::Zero => {}
            Contents::Input(name) => fill(&mut memory, place, buffer, find(inputs, name)?)?,
            Contents::Bytes(bytes) => fill(&mut memory, place, buffer, bytes)?,
        }
    }
    Ok(memory)
}

fn length(buffer: &Buffer) -> Result<usize, HostError> {
    usize::try_from(buffer.len).map_err(|_| HostError::OutOfMemory {
        name: buffer.name,
        bytes: usize::MAX,
    })
}

fn find<'a>(inputs: &'a CheckedInputs<'_>, name: &'static str) -> Result<&'a [u8], HostError> {
    let mut inputs = inputs.iter();
    inputs
        .find_map(|(found, bytes)| (found == name).then_some(bytes))
        .ok_or(HostError::InputMissing { name })
}

fn fill(memory: &mut Memory, place: usize, buffer: &Buffer, bytes: &[u8]) -> Result<(), HostError> {
    let room = memory.bytes_mut(place);
    if room.len() != bytes.len() {
        return Err(HostError::ContentsLength {
            buffer: buffer.name,
            expected: room.len(),
            actual: bytes.len(),
        });
    }
    room.copy_from_slice(bytes);
    Ok(())
}

fn digest(memory: &Memory, region: &Region) -> Result<Blake3Digest, HostError> {
    let bytes = memory.bytes(region.buffer.index());
    let part = || {
        let start = usize::try_from(region.offset).ok()?;
        let len = usize::try_from(region.len).ok()?;
        bytes.get(start..)?.get(..len)
    };
    part()
        .map(Blake3Digest::of)
        .ok_or(HostError::RegionOutside {
            offset: region.offset,
            len: region.len,
            buffer_len: bytes.len(),
        })
}
