//! The device modules: which there are, their PTX, and its SHA-256.
//!
//! In scope: one module per `cuda/NAME.cu`, as text that a driver loads, and the digest by which a statement names it.
//! Out of scope: loading one (the agent's device modules), what it computes (`spec/`), and how it is made and checked
//! (`ptx/README.md`).
//!
//! The text is made by `ptx/build`, never by hand, and no GPU takes part in making or checking it. That a module is
//! here says that assemblers accept it and that its arithmetic is rounded exactly; what a GPU makes of it is for the
//! hardware tests.

use std::fmt;

use crate::catalog::Kernel;
use crate::hex32;
use crate::program::Target;

/// A module: everything that one kernel launches, and the digest of its output.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Module {
    name: &'static str,
    target: Target,
}

/// What a driver is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ptx {
    /// PTX ISA 8.0 in ASCII. A driver takes it as a C string, with a NUL byte behind it.
    pub text: &'static str,
    /// SHA-256 of the text, without that byte: what `sha256sum` prints of the file in `ptx/`.
    pub sha256: [u8; 32],
}

/// The modules and their texts, from name and target of each. A name without a file does not compile.
macro_rules! texts {
    ($($name:literal $target:ident),* $(,)?) => {
        &[$((Module { name: $name, target: Target::$target }, include_str!(concat!("../ptx/", $name, ".ptx")))),*]
    };
}

/// Every module that has PTX, by name.
const TEXTS: &[(Module, &str)] = texts! {
    "blake3" Portable,
    "gemm_bf16" Portable,
    "gemm_bf16_sm90a" Sm90a,
    "gemm_chain" Portable,
    "gemm_f32" Portable,
    "gemm_i8" Portable,
    "gemm_i8_requant" Portable,
    "mlp_sgd" Portable,
    "nbody" Portable,
    "pathtrace" Portable,
    "stream" Portable,
    "transformer_block" Portable,
    "vram_walk" Portable,
};

/// As `sha256sum` writes it: digest, two blanks, name of the file.
const SUMS: &str = include_str!("../ptx/SHA256SUMS");

impl Module {
    /// The module of `cuda/NAME.cu`.
    pub(crate) const fn portable(name: &'static str) -> Self {
        Self {
            name,
            target: Target::Portable,
        }
    }

    /// The module of `cuda/NAME.cu`, for Hopper alone.
    pub(crate) const fn sm90a(name: &'static str) -> Self {
        Self {
            name,
            target: Target::Sm90a,
        }
    }

    /// Every module that has PTX, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        TEXTS.iter().map(|(module, _)| *module)
    }

    /// SHA-256 of the modules shipped for a kernel: by one of these a statement names what was loaded.
    pub fn digests_of(kernel: Kernel) -> Vec<[u8; 32]> {
        let names = [kernel.name().to_owned(), format!("{kernel}_sm90a")];
        names.iter().filter_map(|name| sum_of(name)).collect()
    }

    /// Its name: that of its source without the ending.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Which instructions it uses.
    #[must_use]
    pub const fn target(self) -> Target {
        self.target
    }

    /// Its PTX; `None` for a module that the host build alone has.
    #[must_use]
    pub fn ptx(self) -> Option<Ptx> {
        let (_, text) = TEXTS.iter().find(|(module, _)| *module == self)?;
        let sha256 = sum_of(self.name)?;
        Some(Ptx { text, sha256 })
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Module({}, {:?})", self.name, self.target)
    }
}

impl fmt::Debug for Ptx {
    /// Without the text, which is long.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ptx({} bytes, SHA-256 ", self.text.len())?;
        hex32::write(&self.sha256, out)?;
        out.write_str(")")
    }
}

/// What [`SUMS`] says of the PTX of this name.
fn sum_of(name: &str) -> Option<[u8; 32]> {
    let mut lines = SUMS.lines().filter_map(|line| line.split_once("  "));
    let (digest, _) = lines.find(|(_, file)| file.strip_suffix(".ptx") == Some(name))?;
    hex32::parse(digest).ok()
}
