//! The system's C++ compiler, and the option sets under which a kernel must keep its bits.
//!
//! In scope: finding the compiler, compiling sources to a program, running it. Out of scope: what
//! the programs print and what it is compared with.
//!
//! Between them the sets vary what has changed floating-point results elsewhere: how far the
//! optimiser goes, hardware FMA or the C library's, and whether the compiler may fuse a product
//! with a sum.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One way to compile.
pub(crate) struct OptionSet {
    /// A word for file names and messages.
    pub(crate) name: &'static str,
    /// What the compiler is told.
    pub(crate) options: &'static [&'static str],
    /// The program has the FMA instruction in it, and may be compiled to fuse.
    pub(crate) fuses: bool,
}

/// Every way a kernel is compiled for comparison.
pub(crate) const OPTION_SETS: [OptionSet; 6] = [
    OptionSet {
        name: "o0",
        options: &["-O0"],
        fuses: false,
    },
    OptionSet {
        name: "o1",
        options: &["-O1", "-ffp-contract=off"],
        fuses: false,
    },
    OptionSet {
        name: "o2",
        options: &["-O2", "-ffp-contract=off"],
        fuses: false,
    },
    OptionSet {
        name: "o3",
        options: &["-O3", "-ffp-contract=fast"],
        fuses: false,
    },
    OptionSet {
        name: "o3-native-fused",
        options: &["-O3", "-march=native", "-ffp-contract=fast"],
        fuses: true,
    },
    OptionSet {
        name: "o3-software-fma",
        options: SOFTWARE_FMA,
        fuses: false,
    },
];

#[cfg(target_arch = "x86_64")]
const SOFTWARE_FMA: &[&str] = &["-O3", "-mno-fma", "-ffp-contract=off"];
/// Elsewhere FMA is part of the base and cannot be left out.
#[cfg(not(target_arch = "x86_64"))]
const SOFTWARE_FMA: &[&str] = &["-O3", "-ffp-contract=off"];

/// Whether `-march=native` brings hardware FMA here.
pub(crate) fn has_hardware_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

/// The compiler: `$CXX`, else the first of `c++`, `g++`, `clang++` that answers. `None` is said on
/// standard error, so that a test which then does nothing does not do so silently.
pub(crate) fn compiler() -> Option<String> {
    let candidates = std::env::var("CXX")
        .into_iter()
        .chain(["c++", "g++", "clang++"].map(String::from));
    let found = candidates.into_iter().find(|name| answers(name));
    if found.is_none() {
        eprintln!("ignored: no C++ compiler (looked for $CXX, c++, g++, clang++)");
    }
    found
}

fn answers(name: &str) -> bool {
    let output = Command::new(name).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

/// Compiles `sources` (paths from the crate's root; `.cu` is read as C++) with `options` to the
/// program `name` in the build's folder for temporary files.
///
/// # Panics
///
/// With the compiler's messages, if it refuses.
pub(crate) fn compile(compiler: &str, name: &str, sources: &[&str], options: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(compiler)
        .args(["-std=c++17", "-Wall", "-Wextra", "-x", "c++"])
        .args(options)
        .arg("-I")
        .arg(root.join("cuda"))
        .args(sources.iter().map(|source| root.join(source)))
        .arg("-o")
        .arg(&binary)
        .output()
        .expect("the compiler runs");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {messages}");
    binary
}

/// What a program of ours writes to standard output.
///
/// # Panics
///
/// If it fails.
pub(crate) fn run<A: AsRef<OsStr>>(binary: &Path, arguments: &[A]) -> Vec<u8> {
    let output = Command::new(binary)
        .args(arguments)
        .output()
        .expect("a compiled program runs");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {messages}", binary.display());
    output.stdout
}
