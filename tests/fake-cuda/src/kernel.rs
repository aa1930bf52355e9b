//! Launches, on the CPU.
//!
//! A launch becomes a program of one step, whose buffers are copies of the allocations it points into; what it wrote is
//! copied back. So the guards of the host build find a kernel that goes astray, as no GPU would.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use kernels::host::{ArgType, HandMade, Machine};
use kernels::program::{Arg, Launch, Target};
use kernels::{CheckedInputs, Inputs, Job, Module};

use crate::vouched::vouched;

/// An argument as the caller gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Pointer(u64),
    U32(u32),
    U64(u64),
    I32(i32),
    F32(f32),
}

/// A launch that is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) module: Module,
    pub(crate) function: &'static str,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) values: Vec<Value>,
}

/// The module with this text.
pub(crate) fn module_of(ptx: &str) -> Option<Module> {
    Module::all().find(|module| module.ptx().is_some_and(|known| known.text == ptx))
}

/// The portable module of the same kernel, for a module of one generation.
pub(crate) fn twin_of(module: Module) -> Option<Module> {
    let name = module.name().strip_suffix("_sm90a")?;
    Module::all().find(|other| other.name() == name)
}

/// A launch for Hopper's product as the portable one: `product(a, b, c, m, n, k)` in tiles of 32 by 32, blocks of 16 by 16.
pub(crate) fn as_portable(call: &mut Call, wrong: bool) {
    if !call.function.ends_with("_product") {
        return;
    }
    if let [_, _, _, Value::U32(m), Value::U32(n), Value::U32(k)] = call.values.as_mut_slice() {
        call.grid = [n.div_ceil(32), m.div_ceil(32), 1];
        call.block = [16, 16, 1];
        *k -= u32::from(wrong && *k > 0);
    }
}

pub(crate) fn is_portable(module: Module) -> bool {
    module.target() == Target::Portable
}

/// A function's name, as long as the process lives, and what it takes.
pub(crate) fn function_of(module: Module, name: &str) -> Option<(&'static str, Vec<ArgType>)> {
    let signature = machine().signature(module, name)?;
    // A program names its functions for ever; there are a few dozen of them.
    Some((Box::leak(name.to_owned().into_boxed_str()), signature))
}

/// Does a launch. `memory` are the allocations by their addresses.
pub(crate) fn run(call: &Call, memory: &mut BTreeMap<u64, Vec<u8>>) -> Result<(), String> {
    let mut program = HandMade::new(call.module);
    let mut placed = BTreeMap::new();
    let mut args = Vec::new();
    for value in &call.values {
        args.push(match *value {
            Value::Pointer(address) => {
                let (base, bytes) = allocation(memory, address).ok_or_else(|| {
                    format!(
                        "{} points to {address:#x}, which is nobody's",
                        call.function
                    )
                })?;
                let next = || program.bytes("allocation", bytes.to_vec());
                let buffer = *placed.entry(base).or_insert_with(next);
                Arg::Buffer(buffer, address - base)
            }
            Value::U32(value) => Arg::U32(value),
            Value::U64(value) => Arg::U64(value),
            Value::I32(value) => Arg::I32(value),
            Value::F32(value) => Arg::F32(value),
        });
    }
    let launch = Launch {
        function: call.function,
        grid: call.grid,
        block: call.block,
        args,
    };
    program.launch(launch);
    for buffer in placed.values() {
        program.output(*buffer);
    }
    let ran = machine().run(&vouched(program), &nothing());
    let ran = ran.map_err(|error| format!("{}: {error}", error.code()))?;
    for (base, output) in placed.keys().zip(ran.outputs) {
        memory.insert(*base, output.into_bytes());
    }
    Ok(())
}

/// The allocation that an address lies in, or just behind.
fn allocation(memory: &BTreeMap<u64, Vec<u8>>, address: u64) -> Option<(u64, &[u8])> {
    let (base, bytes) = memory.range(..=address).next_back()?;
    let within = address - base <= bytes.len() as u64;
    within.then_some((*base, bytes.as_slice()))
}

fn machine() -> Machine {
    Machine::new(NonZeroUsize::MIN)
}

/// Inputs of a job that has none.
fn nothing() -> CheckedInputs<'static> {
    let params = serde_json::json!({"m": 1, "n": 1, "k": 1, "operands": {"seed": "00".repeat(32)}});
    let job = Job::parse("gemm_i8", &params).expect("a job");
    job.accept(&Inputs::none())
        .expect("a seeded job has no inputs")
}
