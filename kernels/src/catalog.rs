//! The catalogue: which kernels exist and the text that defines each.
//!
//! In scope: names, versions, texts, digests. Out of scope: what the kernels compute (their own
//! modules) and which kernels a policy admits.
//!
//! A statement names its kernel by the digest of the specification's text, not by a name alone:
//! whoever keeps the statement can prove later which rules the output was to follow. A text is
//! never edited once a receipt refers to it; a change, however small, is a new version with a new
//! digest, and `vectors/catalog.json` pins both.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::digest::Blake3Digest;
use crate::excerpt;

/// A kernel of the catalogue; in JSON, its name.
///
/// Exhaustive on purpose: a new kernel makes every place that must take a view of it fail to
/// compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// BLAKE3 with the chaining values of all chunks, [`blake3_tree`](crate::blake3_tree).
    Blake3,
    /// bf16 matrix product in the arithmetic of tensor cores, [`gemm_bf16`](crate::gemm_bf16).
    GemmBf16,
    /// int8 products one after another, [`gemm_chain`](crate::gemm_chain).
    GemmChain,
    /// f32 matrix product in a fixed order, [`gemm_f32`](crate::gemm_f32).
    GemmF32,
    /// Exact int8 matrix product, [`gemm_i8`](crate::gemm_i8).
    GemmI8,
    /// int8 matrix product brought back to int8, [`gemm_i8_requant`](crate::gemm_i8_requant).
    GemmI8Requant,
    /// Training of a small network, [`mlp_sgd`](crate::mlp_sgd).
    MlpSgd,
    /// Bodies under their gravity, [`nbody`](crate::nbody).
    Nbody,
    /// A picture by path tracing, [`pathtrace`](crate::pathtrace).
    Pathtrace,
    /// Passes over large arrays, [`stream`](crate::stream).
    Stream,
    /// One block of a quantised transformer, [`transformer_block`](crate::transformer_block).
    TransformerBlock,
    /// Random reads all over memory that is slow to make anew, [`vram_walk`](crate::vram_walk).
    VramWalk,
}

/// What the catalogue says of a kernel.
struct Entry {
    name: &'static str,
    version: u32,
    specification: &'static str,
}

/// The entry of the specification `spec/NAME.md` in a version.
macro_rules! entry {
    ($name:literal, $version:literal) => {
        Entry {
            name: $name,
            version: $version,
            specification: include_str!(concat!("../spec/", $name, ".md")),
        }
    };
}

impl Kernel {
    /// Every kernel there is, by name.
    pub const ALL: &[Self] = &[
        Self::Blake3,
        Self::GemmBf16,
        Self::GemmChain,
        Self::GemmF32,
        Self::GemmI8,
        Self::GemmI8Requant,
        Self::MlpSgd,
        Self::Nbody,
        Self::Pathtrace,
        Self::Stream,
        Self::TransformerBlock,
        Self::VramWalk,
    ];

    const fn entry(self) -> Entry {
        match self {
            Self::Blake3 => entry!("blake3", 1),
            Self::GemmBf16 => entry!("gemm_bf16", 1),
            Self::GemmChain => entry!("gemm_chain", 1),
            Self::GemmF32 => entry!("gemm_f32", 1),
            Self::GemmI8 => entry!("gemm_i8", 1),
            Self::GemmI8Requant => entry!("gemm_i8_requant", 1),
            Self::MlpSgd => entry!("mlp_sgd", 1),
            Self::Nbody => entry!("nbody", 1),
            Self::Pathtrace => entry!("pathtrace", 1),
            Self::Stream => entry!("stream", 1),
            Self::TransformerBlock => entry!("transformer_block", 1),
            Self::VramWalk => entry!("vram_walk", 1),
        }
    }

    /// The name used in jobs and statements.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// The version of the specification, counted from 1.
    pub const fn version(self) -> u32 {
        self.entry().version
    }

    /// The specification: Markdown, UTF-8, lines end in a line feed.
    pub const fn specification(self) -> &'static str {
        self.entry().specification
    }

    /// The *kernel digest* of a statement: BLAKE3 of the specification's bytes, made once.
    pub fn digest(self) -> Blake3Digest {
        static OF_ALL: LazyLock<HashMap<Kernel, Blake3Digest>> = LazyLock::new(|| {
            let all = Kernel::ALL.iter();
            all.map(|kernel| (*kernel, kernel.digest_now())).collect()
        });
        let known = OF_ALL.get(&self).copied();
        known.unwrap_or_else(|| self.digest_now())
    }

    fn digest_now(self) -> Blake3Digest {
        Blake3Digest::of(self.specification().as_bytes())
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = UnknownKernel;

    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        let found = Self::ALL.iter().find(|kernel| kernel.name() == name);
        found.copied().ok_or_else(|| UnknownKernel {
            name: excerpt::name(name),
        })
    }
}

/// No kernel has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel is unknown: expected one of {}, got {name:?}", names())]
pub struct UnknownKernel {
    /// The name asked for, its first 64 characters.
    pub name: String,
}

impl UnknownKernel {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        "kernel_unknown"
    }
}

fn names() -> String {
    let names: Vec<_> = Kernel::ALL.iter().map(|kernel| kernel.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_name_and_parsed_name_are_one() {
        for kernel in Kernel::ALL {
            let json = format!("\"{kernel}\"");
            assert_eq!(serde_json::to_string(kernel).unwrap(), json);
            assert_eq!(serde_json::from_str::<Kernel>(&json).unwrap(), *kernel);
            assert_eq!(kernel.name().parse(), Ok(*kernel));
        }
    }

    #[test]
    fn specification_states_name_and_version_and_has_unix_lines() {
        for kernel in Kernel::ALL {
            let title = format!("# {kernel}, version {}\n", kernel.version());
            assert!(kernel.specification().starts_with(&title), "{title}");
            assert!(!kernel.specification().contains('\r'));
        }
    }

    #[test]
    fn a_long_unknown_name_is_cut() {
        let error = "x".repeat(1000).parse::<Kernel>().unwrap_err();
        assert_eq!(error.name.len(), 64);
    }
}
