//! What is done with a request, and what has been handed in.
//!
//! No lock is held while bytes are read, so a slow source delays only its own connection. An output is recorded under
//! the lock, so that none is recorded after the end.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use evidence::work::Hex;
use serde_json::{Value, json};

use super::buffers::{BufferError, DeviceBuffers, IpcBuffer};
use super::lock;
use super::message::{MAX_NAME_BYTES, Request};
use crate::command::error::CommandError;
use crate::command::folder::RunFolder;
use crate::command::job::CommandJob;
use crate::command::outputs::{self, FileOutput};
use crate::command::trace::{Mark, Trace};

/// Version of the protocol.
const VERSION: u32 = 1;
/// Longest source that is digested, in bytes; more than any host has memory.
const MAX_SOURCE_BYTES: u64 = 1 << 44;

/// Where the requests of one run are served.
pub(in crate::command) struct Desk {
    job: String,
    names: Vec<String>,
    work: PathBuf,
    incoming: PathBuf,
    numbers: AtomicU64,
    output_bytes: u64,
    buffers: Arc<dyn DeviceBuffers>,
    handed: Mutex<Handed>,
}

/// What a program handed in.
#[derive(Clone, Debug, Default)]
pub(in crate::command) struct Handed {
    /// Outputs by name; the last of each name.
    pub(in crate::command) outputs: BTreeMap<String, FileOutput>,
    /// States in order.
    pub(in crate::command) trace: Trace,
    closed: bool,
}

/// Why a request is not served.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    message: String,
}

type Digest = (Hex<32>, u64);

impl Desk {
    pub(in crate::command) fn new(
        job: &CommandJob,
        folder: &RunFolder,
        buffers: Arc<dyn DeviceBuffers>,
    ) -> Self {
        Self {
            job: job.digest.to_string(),
            names: job.command.outputs().to_vec(),
            work: folder.work(),
            incoming: folder.incoming(),
            numbers: AtomicU64::new(0),
            output_bytes: job.command.limits().output_bytes,
            buffers,
            handed: Mutex::new(Handed::default()),
        }
    }

    /// What was handed in; nothing counts that comes later, and what is being read is given up.
    pub(in crate::command) fn close(&self) -> Handed {
        let mut handed = lock(&self.handed);
        handed.closed = true;
        handed.clone()
    }

    pub(super) fn refusal(code: &'static str, message: &str) -> Value {
        let message: String = message.chars().take(256).collect();
        json!({ "ok": false, "code": code, "message": message })
    }

    /// Serves one request; `file` is what came with it.
    pub(super) fn serve(&self, request: Request, file: Option<&File>) -> Value {
        let served = match request {
            Request::Hello { version } => self.hello(version),
            Request::Digest { cuda, .. } => self.digest(file, cuda.as_ref()),
            Request::Output { name, fd, cuda } => match (fd, cuda) {
                (false, None) => self.output_there(&name),
                (_, cuda) => self.output_given(&name, file, cuda.as_ref()),
            },
            Request::Mark {
                step,
                name,
                cuda,
                blake3,
                ..
            } => self.mark(step, name, file, cuda.as_ref(), blake3),
            Request::Done {} => Ok(json!({ "ok": true })),
        };
        served.unwrap_or_else(|refusal| Self::refusal(refusal.code, &refusal.message))
    }

    fn hello(&self, version: u32) -> Result<Value, Refusal> {
        if version != VERSION {
            return refuse(
                "version_unsupported",
                format!("expected {VERSION}, got {version}"),
            );
        }
        Ok(json!({
            "ok": true,
            "version": VERSION,
            "agent": env!("CARGO_PKG_VERSION"),
            "job": self.job,
            "outputs": self.names,
            "device_buffers": self.buffers.available().is_ok(),
        }))
    }

    fn digest(&self, file: Option<&File>, cuda: Option<&IpcBuffer>) -> Result<Value, Refusal> {
        let (blake3, len) = self.source(file, cuda)?;
        Ok(json!({ "ok": true, "blake3": blake3, "len": len }))
    }

    fn source(&self, file: Option<&File>, cuda: Option<&IpcBuffer>) -> Result<Digest, Refusal> {
        match (file, cuda) {
            (Some(file), None) => {
                let digest = outputs::digest_shared(file, MAX_SOURCE_BYTES, |_| self.go_on());
                digest.map_err(|error| source_failed(&error))
            }
            (None, Some(buffer)) => {
                let digest = self.buffers.digest(buffer).map_err(buffer_failed)?;
                Ok((digest, buffer.len))
            }
            _ => refuse(
                "source_unclear",
                "expected one source: a file or a device buffer",
            ),
        }
    }

    fn mark(
        &self,
        step: u64,
        name: String,
        file: Option<&File>,
        cuda: Option<&IpcBuffer>,
        stated: Option<Hex<32>>,
    ) -> Result<Value, Refusal> {
        if name.len() > MAX_NAME_BYTES {
            return refuse(
                "name_too_long",
                format!("expected at most {MAX_NAME_BYTES} bytes"),
            );
        }
        let blake3 = match (stated, file, cuda) {
            (Some(stated), None, None) => stated,
            (Some(_), _, _) => {
                return refuse("source_unclear", "expected a digest or a source, not both");
            }
            (None, file, cuda) => self.source(file, cuda)?.0,
        };
        let mut handed = lock(&self.handed);
        if handed.closed {
            return refuse("run_ended", "the program has ended");
        }
        match handed.trace.push(Mark { step, name, blake3 }) {
            Some(entry) => Ok(json!({ "ok": true, "entry": entry, "blake3": blake3 })),
            None => refuse("marks_too_many", "no more states are taken"),
        }
    }

    /// The program wrote the file itself.
    fn output_there(&self, name: &str) -> Result<Value, Refusal> {
        self.is_named(name)?;
        let failed = |error: CommandError| Refusal {
            code: error.code(),
            message: error.to_string(),
        };
        let (file, path) = outputs::open_shared(&self.work, name).map_err(failed)?;
        let digest = outputs::digest_shared(&file, MAX_SOURCE_BYTES, |_| self.go_on());
        let digest = digest.map_err(|error| source_failed(&error))?;
        self.hand_in(name, path, digest, None)
    }

    /// The agent writes the file.
    fn output_given(
        &self,
        name: &str,
        file: Option<&File>,
        cuda: Option<&IpcBuffer>,
    ) -> Result<Value, Refusal> {
        self.is_named(name)?;
        let staged = Staged::new(&self.incoming, self.numbers.fetch_add(1, Ordering::Relaxed));
        let mut target = staged.open().map_err(|error| source_failed(&error))?;
        let digest = match (file, cuda) {
            (Some(file), None) => {
                let sink = |bytes: &[u8]| self.write(&mut target, bytes);
                outputs::digest_shared(file, self.output_bytes, sink)
                    .map_err(|error| source_failed(&error))?
            }
            (None, Some(buffer)) => self.copied(buffer, &mut target)?,
            _ => return self.source(file, cuda).map(|_| Value::Null),
        };
        let path = self.work.join(name);
        self.hand_in(name, path, digest, Some(&staged))
    }

    fn copied(&self, buffer: &IpcBuffer, target: &mut File) -> Result<Digest, Refusal> {
        if buffer.len > self.output_bytes {
            let most = self.output_bytes;
            return refuse("source_unusable", format!("expected at most {most} bytes"));
        }
        let digest = self.buffers.digest(buffer).map_err(buffer_failed)?;
        let mut sink = |bytes: &[u8]| self.write(target, bytes);
        self.buffers
            .copy(buffer, &mut sink)
            .map_err(buffer_failed)?;
        Ok((digest, buffer.len))
    }

    fn is_named(&self, name: &str) -> Result<(), Refusal> {
        if self.names.iter().any(|known| known == name) {
            return Ok(());
        }
        refuse("output_unknown", "the job has no output of this name")
    }

    fn write(&self, target: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.go_on()?;
        target.write_all(bytes)
    }

    /// An error once the run has ended: what is not done by then is for nobody.
    fn go_on(&self) -> io::Result<()> {
        match lock(&self.handed).closed {
            true => Err(io::Error::other("the program has ended")),
            false => Ok(()),
        }
    }

    /// Counts an output. One that is staged takes its place in the same step: an output that is counted is the one that
    /// lies there, and none is replaced after the end.
    fn hand_in(
        &self,
        name: &str,
        path: PathBuf,
        digest: Digest,
        staged: Option<&Staged>,
    ) -> Result<Value, Refusal> {
        let (blake3, len) = digest;
        let mut handed = lock(&self.handed);
        if handed.closed {
            return refuse("run_ended", "the program has ended");
        }
        if let Some(staged) = staged {
            fs::rename(&staged.0, &path).map_err(|error| source_failed(&error))?;
        }
        let output = FileOutput {
            name: name.to_owned(),
            path,
            len,
            blake3,
        };
        handed.outputs.insert(name.to_owned(), output);
        Ok(json!({ "ok": true, "blake3": blake3, "len": len }))
    }
}

fn refuse<T>(code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        message: message.into(),
    })
}

fn source_failed(error: &io::Error) -> Refusal {
    Refusal {
        code: "source_unusable",
        message: error.to_string(),
    }
}

fn buffer_failed(error: BufferError) -> Refusal {
    Refusal {
        code: match error {
            BufferError::Unavailable(_) => "unavailable",
            BufferError::Failed(_) => "source_unusable",
        },
        message: error.to_string(),
    }
}

/// A file that is being written beside the working directory. It takes its place in one step, where it replaces a link and
/// does not follow it; if it does not come to that, it goes away and what was there stays.
struct Staged(PathBuf);

impl Staged {
    fn new(folder: &Path, number: u64) -> Self {
        Self(folder.join(number.to_string()))
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.0)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is gone already where it took its place.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffers::NoBuffers;
    use super::*;

    fn desk(folder: &RunFolder) -> Desk {
        Desk {
            job: String::new(),
            names: vec!["out".to_owned()],
            work: folder.work(),
            incoming: folder.incoming(),
            numbers: AtomicU64::new(0),
            output_bytes: 1 << 10,
            buffers: Arc::new(NoBuffers),
            handed: Mutex::new(Handed::default()),
        }
    }

    #[test]
    fn nothing_takes_its_place_after_the_end() {
        let run_dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(run_dir.path(), false).unwrap();
        let desk = desk(&folder);
        let source = run_dir.path().join("source");
        let give = |bytes: &[u8]| {
            fs::write(&source, bytes).unwrap();
            desk.output_given("out", Some(&File::open(&source).unwrap()), None)
        };
        give(b"in time").unwrap();
        let staged = Staged::new(&folder.incoming(), 7);
        staged.open().unwrap();
        assert_eq!(desk.close().outputs["out"].len, 7);

        assert!(give(b"while it is read").is_err());
        let out = folder.work().join("out");
        let late = desk.hand_in("out", out.clone(), (Hex([0; 32]), 0), Some(&staged));
        assert_eq!(late.unwrap_err().code, "run_ended");
        drop(staged);
        assert_eq!(fs::read(out).unwrap(), b"in time");
        assert_eq!(fs::read_dir(folder.incoming()).unwrap().count(), 0);
    }
}
