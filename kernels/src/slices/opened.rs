//! Everything that was opened of the outputs of one replica.

use std::collections::BTreeMap;

use super::{SliceError, Stretch, open};
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Job};
use crate::point::{SliceMissing, Slices, Tensor};

/// Inputs in full, and what was opened of committed tensors.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    inputs: &'a CheckedInputs<'a>,
    tensors: BTreeMap<Tensor, Runs>,
}

/// Opened bytes of a tensor by their first, none of them twice.
#[derive(Clone, Debug)]
struct Runs {
    digest: Blake3Digest,
    total: u64,
    bytes: BTreeMap<u64, Vec<u8>>,
}

impl<'a> Opened<'a> {
    /// Nothing but the inputs.
    #[must_use]
    pub fn new(inputs: &'a CheckedInputs<'_>) -> Self {
        Self {
            inputs,
            tensors: BTreeMap::new(),
        }
    }

    /// The outputs of a job, committed to by these digests in its order, and nothing of them yet.
    #[must_use]
    pub fn of_outputs(
        job: &Job,
        inputs: &'a CheckedInputs<'_>,
        digests: impl IntoIterator<Item = Blake3Digest>,
    ) -> Self {
        let mut opened = Self::new(inputs);
        for (spec, digest) in job.outputs().into_iter().zip(digests) {
            opened.commit(Tensor::Output(spec.name), digest, spec.len);
        }
        opened
    }

    /// Names the digest of a tensor of `total` bytes. Of an earlier one of the same name everything is forgotten.
    pub fn commit(&mut self, tensor: Tensor, digest: Blake3Digest, total: u64) {
        let bytes = BTreeMap::new();
        let runs = Runs {
            digest,
            total,
            bytes,
        };
        self.tensors.insert(tensor, runs);
    }

    /// Opens bytes of a tensor by a Bao slice.
    ///
    /// # Errors
    ///
    /// [`SliceError`]; then nothing changed.
    pub fn add(
        &mut self,
        tensor: Tensor,
        stretch: Stretch,
        slice: &[u8],
    ) -> Result<(), SliceError> {
        let runs = self.tensors.get_mut(&tensor);
        let runs = runs.ok_or(SliceError::TensorUnknown)?;
        runs.is_new(stretch)?;
        let bytes = open(runs.digest, runs.total, stretch, slice)?;
        runs.bytes.insert(stretch.start, bytes);
        Ok(())
    }
}

/// The tensor of an output, by a name that came from outside; `None` if the job has no such.
#[must_use]
pub fn output_named(job: &Job, name: &str) -> Option<Tensor> {
    let mut specs = job.outputs().into_iter();
    let spec = specs.find(|spec| spec.name == name)?;
    Some(Tensor::Output(spec.name))
}

impl Opened<'_> {
    /// Bytes that were opened elsewhere, where nothing was opened before.
    pub(crate) fn insert(&mut self, tensor: Tensor, start: u64, bytes: Vec<u8>) {
        let digest = Blake3Digest::from_bytes([0; 32]);
        let runs = self.tensors.entry(tensor).or_insert(Runs {
            digest,
            total: 0,
            bytes: BTreeMap::new(),
        });
        runs.bytes.insert(start, bytes);
    }
}

impl Runs {
    fn is_new(&self, stretch: Stretch) -> Result<(), SliceError> {
        let Stretch { start, len } = stretch;
        let end = start.saturating_add(len);
        let before = self.bytes.range(..end).next_back();
        match before {
            Some((first, bytes)) if first + bytes.len() as u64 > start => {
                Err(SliceError::Overlapping { start, len })
            }
            _ => Ok(()),
        }
    }

    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let (first, bytes) = self.bytes.range(..=offset).next_back()?;
        let within = usize::try_from(offset - first).ok()?;
        bytes.get(within..)?.get(..len)
    }
}

impl Slices for Opened<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let missing = SliceMissing {
            tensor,
            offset,
            len: into.len() as u64,
        };
        let found = match tensor {
            Tensor::Input(name) => {
                let start = usize::try_from(offset).map_err(|_| missing)?;
                let bytes = self.inputs.get(name).get(start..);
                bytes.and_then(|bytes| bytes.get(..into.len()))
            }
            _ => {
                let runs = self.tensors.get(&tensor);
                runs.and_then(|runs| runs.get(offset, into.len()))
            }
        };
        into.copy_from_slice(found.ok_or(missing)?);
        Ok(())
    }
}
