//! The builds of the kernels, and which of them this CPU runs.

/// For which CPUs the kernels were compiled. Every build gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Build {
    /// Any CPU of the architecture.
    Portable,
    /// x86-64-v3: AVX2 and fused multiply-add.
    X86_64V3,
    /// x86-64-v4 with VNNI: products of int8. Of the modules for which that makes no difference it has none, and runs those
    /// of x86-64-v3.
    X86_64V4Vnni,
}

impl Build {
    /// Every build there is, whether or not this CPU runs it.
    pub const ALL: &[Self] = &[Self::Portable, Self::X86_64V3, Self::X86_64V4Vnni];

    /// The fastest build that this CPU runs.
    #[must_use]
    pub fn detect() -> Self {
        let supported = Self::ALL.iter().rev().find(|build| build.is_supported());
        supported.copied().unwrap_or(Self::Portable)
    }

    /// The build whose modules it runs where it has none of its own.
    pub(super) const fn before(self) -> Option<Self> {
        match self {
            Self::X86_64V4Vnni => Some(Self::X86_64V3),
            Self::X86_64V3 | Self::Portable => None,
        }
    }

    /// Whether this CPU runs it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::Portable => true,
            Self::X86_64V3 => has_x86_64_v3(),
            Self::X86_64V4Vnni => has_x86_64_v3() && has_x86_64_v4_vnni(),
        }
    }

    /// Its place in the `BUILDS` of the build script.
    pub(super) const fn index(self) -> u32 {
        match self {
            Self::Portable => 0,
            Self::X86_64V3 => 1,
            Self::X86_64V4Vnni => 2,
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

/// The instructions of x86-64-v4 beyond v3, and VNNI. That the system saves the registers is part of the question.
#[cfg(target_arch = "x86_64")]
fn has_x86_64_v4_vnni() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_x86_64_v3() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_x86_64_v4_vnni() -> bool {
    false
}
