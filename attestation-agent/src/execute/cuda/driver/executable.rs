//! Memory that is written and then executed, as a compiler in the process needs it.
//!
//! A service manager can forbid it (systemd.exec(5), `MemoryDenyWriteExecute=`). Whether NVIDIA's driver asks for such
//! memory when it compiles PTX is not documented; an H200 with driver 580 did not.

use std::io;
use std::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// One page, on every machine that CUDA runs on or a part of one.
const LENGTH: usize = 4096;

/// Whether this process may have such memory. None is executed, and none is left.
///
/// # Errors
/// What the kernel, or a filter before it, said.
#[expect(unsafe_code, reason = "mapping memory is a raw call")]
pub(crate) fn executable_memory() -> io::Result<()> {
    let writable = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh private mapping at an address of the kernel's choice overlaps nothing.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), LENGTH, writable, MapFlags::PRIVATE) }?;
    let executable = MprotectFlags::READ | MprotectFlags::EXEC;
    // SAFETY: `page` is a mapping of `LENGTH` bytes, nothing refers to it, and it is neither read nor executed.
    let allowed = unsafe { mprotect(page, LENGTH, executable) };
    // SAFETY: `page` is a mapping of `LENGTH` bytes to which nothing refers.
    unsafe { munmap(page, LENGTH) }?;
    Ok(allowed?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_run_may_have_it() {
        executable_memory().unwrap();
    }
}
