//! A host with a CUDA driver and GPUs, without either: the library `fake-cuda` in a folder of its own, and a process
//! that finds it there.
//!
//! A process loads `libcuda.so.1` once, from where `LD_LIBRARY_PATH` said at its start. So each scene is played in a
//! process of its own: the test program itself, started again with one ignored test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fake_cuda::{MISUSE_FILE, SCENE_FILE, Scene};
use tempfile::TempDir;

use crate::driver::{built_library, rename_symbol};

/// A library that plays a scene, as long as this lives.
#[derive(Debug)]
pub struct FakeCuda {
    folder: TempDir,
}

impl FakeCuda {
    /// A library that plays `scene`.
    ///
    /// # Panics
    /// The temporary folder cannot be used, or the library is not there.
    #[must_use]
    pub fn playing(scene: &Scene) -> Self {
        Self::without(scene, &[])
    }

    /// The same without some functions.
    ///
    /// # Panics
    /// As [`playing`](Self::playing); or the library never had one of them.
    #[must_use]
    pub fn without(scene: &Scene, missing: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut library = std::fs::read(built_library("fake_cuda")).expect("fake-cuda");
        for function in missing {
            rename_symbol(&mut library, function);
        }
        // Under the first and the last of the names by which it is looked for, so that no real one comes between.
        for name in ["libcuda.so", "libcuda.so.1"] {
            std::fs::write(folder.path().join(name), &library).expect("library");
        }
        let scene = serde_json::to_vec_pretty(scene).expect("scene");
        std::fs::write(folder.path().join(SCENE_FILE), scene).expect("scene");
        Self { folder }
    }

    /// The folder with the library.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the caller of the library did wrong, line by line.
    #[must_use]
    pub fn misuse(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(MISUSE_FILE)).unwrap_or_default()
    }

    /// What a process has in its environment that finds the library.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        finding(self.folder())
    }

    /// A file beside the library.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn finding(folder: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        ("LD_LIBRARY_PATH", folder.into()),
        // Shared memory of the kernels is thread-local in the host build, by the fastest model, for which glibc keeps
        // little room in a process that loads a library later.
        (
            "GLIBC_TUNABLES",
            "glibc.rtld.optional_static_tls=2097152".into(),
        ),
        // That room is taken from the stack of every thread.
        ("RUST_MIN_STACK", "16777216".into()),
    ]
}

/// Runs one ignored test of this program in a process whose libraries come from `folder` first.
///
/// # Panics
/// This program cannot be started.
#[must_use]
pub fn again(test: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let program = std::env::current_exe().expect("path of this program");
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .envs(finding(folder))
        .env_remove("CUDA_VISIBLE_DEVICES")
        .envs(variables.iter().copied());
    command.output().expect("this program")
}
