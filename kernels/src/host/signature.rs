//! What the functions of a module take, as their source says.

use super::error::ArgType;
use super::ffi::Function;
use super::machine::Machine;
use crate::modules::Module;

impl Machine {
    /// The types of a function's parameters, in their order; `None` for a function that was not compiled for this CPU.
    #[must_use]
    pub fn signature(&self, module: Module, function: &str) -> Option<Vec<ArgType>> {
        let found = Function::find(self.build(), module.name(), function).ok()?;
        Some(found.params().iter().map(super::ffi::Param::kind).collect())
    }

    /// Whether the source of a module was compiled for this CPU.
    #[must_use]
    pub fn has(&self, module: Module) -> bool {
        Function::has_module(self.build(), module.name())
    }
}
