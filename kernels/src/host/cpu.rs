//! The builds of the kernels, and which of them this CPU runs.

/// For which CPUs the kernels were compiled. Every build gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Build {
    /// Any CPU of the architecture.
    Portable,
    /// x86-64-v3: AVX2 and fused multiply-add.
    X86_64V3,
}

impl Build {
    /// Every build there is, whether or not this CPU runs it.
    pub const ALL: &[Self] = &[Self::Portable, Self::X86_64V3];

    /// The fastest build that this CPU runs.
    #[must_use]
    pub fn detect() -> Self {
        if Self::X86_64V3.is_supported() {
            Self::X86_64V3
        } else {
            Self::Portable
        }
    }

    /// Whether this CPU runs it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::Portable => true,
            Self::X86_64V3 => has_x86_64_v3(),
        }
    }

    /// Its place in the `BUILDS` of the build script.
    pub(super) const fn index(self) -> u32 {
        match self {
            Self::Portable => 0,
            Self::X86_64V3 => 1,
        }
    }
}

/// The instructions of x86-64-v3 beyond v2 (x86-64 psABI, micro-architecture levels), as far as they can be asked for:
/// a CPU with AVX2 has v2, and a system that saves AVX registers has OSXSAVE.
#[cfg(target_arch = "x86_64")]
fn has_x86_64_v3() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("movbe")
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_x86_64_v3() -> bool {
    false
}
