//! Modules, their functions and launches.

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};

use cudarc::driver::{result, sys};

use super::context::{Context, Stream};
use super::{CallError, Called, none};

/// A module that the driver has compiled for its device.
pub(in super::super) struct Module<'context> {
    raw: sys::CUmodule,
    functions: BTreeMap<&'static str, sys::CUfunction>,
    context: &'context Context,
}

/// An argument as a kernel reads it: 4 or 8 bytes, aligned for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(in super::super) struct Argument([u8; 8]);

impl Argument {
    /// One of 4 bytes.
    pub(in super::super) const fn narrow(bytes: [u8; 4]) -> Self {
        let [a, b, c, d] = bytes;
        Self([a, b, c, d, 0, 0, 0, 0])
    }

    /// One of 8 bytes.
    pub(in super::super) const fn wide(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl<'context> Module<'context> {
    /// Has the driver compile PTX. Where it refuses, the error has the words of its compiler.
    pub(in super::super) fn load(context: &'context Context, ptx: &str) -> Result<Self, CallError> {
        let text = CString::new(ptx).unwrap_or_default();
        let mut words = vec![0_u8; 4096];
        let mut options = [
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // The driver takes the number in the place of a pointer, and writes back how many bytes it used.
        let room = std::ptr::without_provenance_mut::<c_void>(words.len() - 1);
        let mut values = [words.as_mut_ptr().cast::<c_void>(), room];
        let mut raw = none();
        #[expect(
            unsafe_code,
            reason = "the bindings' wrapper has no place for the compiler's words"
        )]
        // SAFETY: the context is current; the text ends with NUL; there are two options with a value each, of the types
        // that cuda.h gives them, and the buffer has as many bytes as it is said to have.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(
                &raw mut raw,
                text.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        let loaded = loaded.called("cuModuleLoadDataEx");
        context.note(loaded.map_err(|error| with_words(error, &words)))?;
        Ok(Self {
            raw,
            functions: BTreeMap::new(),
            context,
        })
    }

    /// Launches a function, in the order of a stream.
    ///
    /// The caller answers for the number of arguments and for what is in them: a program of the catalogue, whose
    /// pointers lie within its buffers.
    pub(in super::super) fn launch(
        &mut self,
        function: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &mut [Argument],
        stream: &Stream<'_>,
    ) -> Result<(), CallError> {
        let function = self.function(function)?;
        let mut pointers: Vec<*mut c_void> = arguments
            .iter_mut()
            .map(|argument| (&raw mut argument.0).cast())
            .collect();
        let [gx, gy, gz] = grid;
        let [bx, by, bz] = block;
        #[expect(
            unsafe_code,
            reason = "a kernel is code that no compiler of ours has seen"
        )]
        // SAFETY: function and stream are alive. There is a pointer for each argument, to 8 bytes aligned to 8, which the
        // driver copies before it returns. The kernels stay within the buffers that their programs hand them; that is
        // held by the tests of the crate `kernels`, which run every program on a CPU with guards around each buffer.
        let launched = unsafe {
            result::launch_kernel(
                function,
                (gx, gy, gz),
                (bx, by, bz),
                0,
                stream.raw,
                &mut pointers,
            )
        };
        self.context.note(launched.called("cuLaunchKernel"))
    }

    fn function(&mut self, name: &'static str) -> Result<sys::CUfunction, CallError> {
        if let Some(found) = self.functions.get(name) {
            return Ok(*found);
        }
        let text = CString::new(name).unwrap_or_default();
        #[expect(
            unsafe_code,
            reason = "the bindings leave it to the caller that the module lives"
        )]
        // SAFETY: the module is loaded; the name ends with NUL.
        let found = unsafe { result::module::get_function(self.raw, text) };
        let found = self.context.note(found.called("cuModuleGetFunction"))?;
        self.functions.insert(name, found);
        Ok(found)
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the module"
        )]
        // SAFETY: loaded by `load`, unloaded once, in a context that is alive; its functions go with it.
        let release = || unsafe { sys::cuModuleUnload(self.raw) };
        self.context.release("cuModuleUnload", release);
    }
}

fn with_words(mut error: CallError, words: &[u8]) -> CallError {
    let words = words.split(|byte| *byte == 0).next().unwrap_or_default();
    let words = String::from_utf8_lossy(words);
    if !words.trim().is_empty() {
        error.text = format!("{}: {}", error.text, words.trim());
    }
    error
}
