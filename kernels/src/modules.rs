//! The device modules: which there are, and their PTX.
//!
//! In scope: names and targets. Out of scope: loading one.

use std::fmt;

use crate::program::Target;

/// A module: everything that one kernel launches, and the digest of its output.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Module {
    name: &'static str,
    target: Target,
}

impl Module {
    /// The module of `cuda/NAME.cu`.
    pub(crate) const fn portable(name: &'static str) -> Self {
        Self {
            name,
            target: Target::Portable,
        }
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
}

impl fmt::Debug for Module {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Module({}, {:?})", self.name, self.target)
    }
}
