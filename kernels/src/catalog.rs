//! The catalogue: which kernels exist and the text that defines each.
//!
//! In scope: names, versions, texts, digests. Out of scope: what the kernels compute (their own
//! modules) and which kernels a policy admits.
//!
//! A statement names its kernel by the digest of the specification's text, not by a name alone:
//! whoever keeps the statement can prove later which rules the output was to follow. A text is
//! never edited once a receipt refers to it; a change, however small, is a new version with a new
//! digest, and `vectors/catalog.json` pins both.

use std::fmt;
use std::str::FromStr;

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
    /// int8 products one after another, [`gemm_chain`](crate::gemm_chain).
    GemmChain,
    /// Exact int8 matrix product, [`gemm_i8`](crate::gemm_i8).
    GemmI8,
    /// int8 matrix product brought back to int8, [`gemm_i8_requant`](crate::gemm_i8_requant).
    GemmI8Requant,
    /// Passes over large arrays, [`stream`](crate::stream).
    Stream,
    /// Random reads all over memory that is slow to make anew, [`vram_walk`](crate::vram_walk).
    VramWalk,
}

impl Kernel {
    /// Every kernel there is.
    pub const ALL: &[Self] = &[
        Self::Blake3,
        Self::GemmChain,
        Self::GemmI8,
        Self::GemmI8Requant,
        Self::Stream,
        Self::VramWalk,
    ];

    /// The name used in jobs and statements.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::GemmChain => "gemm_chain",
            Self::GemmI8 => "gemm_i8",
            Self::GemmI8Requant => "gemm_i8_requant",
            Self::Stream => "stream",
            Self::VramWalk => "vram_walk",
        }
    }

    /// The version of the specification, counted from 1.
    pub const fn version(self) -> u32 {
        match self {
            Self::Blake3
            | Self::GemmChain
            | Self::GemmI8
            | Self::GemmI8Requant
            | Self::Stream
            | Self::VramWalk => 1,
        }
    }

    /// The specification: Markdown, UTF-8, lines end in a line feed.
    pub const fn specification(self) -> &'static str {
        match self {
            Self::Blake3 => include_str!("../spec/blake3.md"),
            Self::GemmChain => include_str!("../spec/gemm_chain.md"),
            Self::GemmI8 => include_str!("../spec/gemm_i8.md"),
            Self::GemmI8Requant => include_str!("../spec/gemm_i8_requant.md"),
            Self::Stream => include_str!("../spec/stream.md"),
            Self::VramWalk => include_str!("../spec/vram_walk.md"),
        }
    }

    /// The *kernel digest* of a statement: BLAKE3 of the specification's bytes.
    pub fn digest(self) -> Blake3Digest {
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
