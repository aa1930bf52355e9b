//! The border to C++ (`host/module_table.h`, `host/entry.cpp`), and all that is unsafe in this crate.
#![expect(
    unsafe_code,
    reason = "kernels are C++: their tables are read and their functions called through pointers"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use super::cpu::Build;
use super::error::{ArgType, DefectKind};
use super::memory::Memory;
use crate::program::Launch;

/// A function of a module, as compiled.
#[derive(Clone, Copy)]
pub(super) struct Function(&'static RawFunction);

/// Why there is no such function.
pub(super) enum Missing {
    Module,
    Function,
}

impl Function {
    /// Looks for a function in one build.
    pub(super) fn find(build: Build, module: &str, function: &str) -> Result<Self, Missing> {
        let named = |build| modules(build).find(|found| text(found.name) == module.as_bytes());
        let own = named(build).or_else(|| build.before().and_then(named));
        let module = own.ok_or(Missing::Module)?;
        module
            .functions()
            .iter()
            .find(|found| text(found.name) == function.as_bytes())
            .map(Self)
            .ok_or(Missing::Function)
    }

    /// Whether one build has a module.
    pub(super) fn has_module(build: Build, module: &str) -> bool {
        let named = |build| modules(build).any(|found| text(found.name) == module.as_bytes());
        named(build) || build.before().is_some_and(named)
    }

    /// What it takes.
    pub(super) fn params(self) -> &'static [Param] {
        if self.0.param_count == 0 {
            return &[];
        }
        // SAFETY: `params` is a constant array of at least `param_count` elements (`Entry` in module_table.h).
        unsafe { std::slice::from_raw_parts(self.0.params, self.0.param_count) }
    }
}

/// A parameter of a function.
#[repr(C)]
pub(super) struct Param {
    kind: u32,
    align: u32,
}

impl Param {
    /// Its type.
    pub(super) fn kind(&self) -> ArgType {
        match self.kind {
            0 => ArgType::Buffer,
            1 => ArgType::U32,
            2 => ArgType::U64,
            3 => ArgType::I32,
            4 => ArgType::F32,
            other => unreachable!("ParamKind {other} is not in module_table.h"),
        }
    }

    /// Alignment of what a pointer points to.
    pub(super) const fn align(&self) -> u32 {
        self.align
    }
}

/// An argument in memory, as C reads it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union Slot {
    pointer: *mut u8,
    u32: u32,
    u64: u64,
    i32: i32,
    f32: f32,
}

impl Slot {
    pub(super) const fn pointer(pointer: *mut u8) -> Self {
        Self { pointer }
    }

    pub(super) const fn u32(u32: u32) -> Self {
        Self { u32 }
    }

    pub(super) const fn u64(u64: u64) -> Self {
        Self { u64 }
    }

    pub(super) const fn i32(i32: i32) -> Self {
        Self { i32 }
    }

    pub(super) const fn f32(f32: f32) -> Self {
        Self { f32 }
    }
}

/// The arguments of one call, whose pointers lead into memory borrowed for `'memory`.
pub(super) struct Slots<'memory> {
    slots: Vec<Slot>,
    _memory: PhantomData<&'memory mut ()>,
}

impl<'memory> Slots<'memory> {
    /// Keeps `memory` borrowed for as long as a call may write to it.
    pub(super) fn new(slots: Vec<Slot>, _memory: &'memory mut Memory) -> Self {
        Self {
            slots,
            _memory: PhantomData,
        }
    }
}

/// A launch with everything checked, ready to run block by block on any thread.
pub(super) struct Call<'memory> {
    function: Function,
    grid: [u32; 3],
    block: [u32; 3],
    seed: u64,
    /// Each points to an element of `slots`, which is not touched again.
    args: Vec<*mut c_void>,
    _slots: Box<[Slot]>,
    _memory: PhantomData<&'memory mut ()>,
}

// SAFETY: the pointers lead to constant tables, to `slots`, which nobody writes, and into the memory that the call
// borrows for itself alone. Kernels write there from several threads; that they keep apart what must be apart is a rule
// of CUDA, which their blocks keep as they do on a device.
unsafe impl Sync for Call<'_> {}

/// What a kernel did wrong, and a sentence about it. Without a kind, the system had no memory.
pub(super) struct Defect {
    pub(super) kind: Option<DefectKind>,
    pub(super) detail: String,
}

impl<'memory> Call<'memory> {
    /// A call of `function` with these arguments, which are of the types that it takes.
    pub(super) fn new(
        function: Function,
        launch: &Launch,
        seed: u64,
        slots: Slots<'memory>,
    ) -> Self {
        let slots = slots.slots.into_boxed_slice();
        let args = slots
            .iter()
            .map(|slot| ptr::from_ref(slot).cast_mut().cast())
            .collect();
        Self {
            function,
            grid: launch.grid,
            block: launch.block,
            seed,
            args,
            _slots: slots,
            _memory: PhantomData,
        }
    }

    /// Runs blocks `first .. first + count` on this thread.
    pub(super) fn run(&self, first: u64, count: u64) -> Result<(), Defect> {
        let mut detail = [0_u8; 256];
        // SAFETY: the function's table is constant; `args` has one pointer for each parameter, to a value of its type
        // (`checked_slots`); sizes are within CUDA's (`checked_blocks`) and the blocks within the grid.
        // The kernel is trusted to stay inside its buffers: see the module's documentation.
        let code = unsafe {
            pogw_host_run(
                self.function.0,
                &self.grid,
                &self.block,
                first,
                count,
                self.args.as_ptr(),
                self.seed,
                detail.as_mut_ptr().cast(),
                detail.len(),
            )
        };
        if code == 0 {
            return Ok(());
        }
        Err(Defect {
            kind: defect_kind(code),
            detail: String::from_utf8_lossy(text_in(&detail)).into_owned(),
        })
    }
}

/// `Defect` of `host/worker.h`.
fn defect_kind(code: c_int) -> Option<DefectKind> {
    match code {
        1 => None,
        2 => Some(DefectKind::ExitBeforeBarrier),
        3 => Some(DefectKind::DivergentBarrier),
        4 => Some(DefectKind::InactiveLane),
        5 => Some(DefectKind::StackOverflow),
        6 => Some(DefectKind::MemoryFault),
        7 => Some(DefectKind::ArithmeticFault),
        other => unreachable!("Defect {other} is not in worker.h"),
    }
}

fn text_in(buffer: &[u8]) -> &[u8] {
    buffer.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[repr(C)]
struct RawFunction {
    name: *const c_char,
    call: unsafe extern "C" fn(*const *mut c_void),
    params: *const Param,
    param_count: usize,
}

// SAFETY: a constant of the program, never written.
unsafe impl Sync for RawFunction {}
// SAFETY: as above.
unsafe impl Send for RawFunction {}

#[repr(C)]
struct RawModule {
    name: *const c_char,
    functions: *const RawFunction,
    function_count: usize,
}

impl RawModule {
    fn functions(&self) -> &'static [RawFunction] {
        // SAFETY: a constant array of `function_count` elements (`POGW_TABLE`), of which there is at least one.
        unsafe { std::slice::from_raw_parts(self.functions, self.function_count) }
    }
}

fn modules(build: Build) -> impl Iterator<Item = &'static RawModule> {
    // SAFETY: takes any number, and returns null or an array that ends with null.
    let table = unsafe { pogw_host_modules(build.index()) };
    (0..).map_while(move |index| {
        if table.is_null() {
            return None;
        }
        // SAFETY: `index` does not pass the null at the end, where the iteration stops. Each element before it points
        // to a constant of the program.
        unsafe { (*table.add(index)).as_ref() }
    })
}

fn text(name: *const c_char) -> &'static [u8] {
    // SAFETY: names in the tables are string literals.
    unsafe { CStr::from_ptr(name) }.to_bytes()
}

unsafe extern "C" {
    fn pogw_host_modules(build: u32) -> *const *const RawModule;

    fn pogw_host_run(
        function: *const RawFunction,
        grid: *const [u32; 3],
        block: *const [u32; 3],
        first_block: u64,
        block_count: u64,
        args: *const *mut c_void,
        seed: u64,
        error: *mut c_char,
        error_len: usize,
    ) -> c_int;
}
