//! Whole programs under six option sets: the device code of a kernel, compiled for the host in six ways, gives the bytes
//! of the reference from each.
//!
//! The programs go to a C++ driver through a file; `tests/option_sets/programs.cpp` says how.

use std::fs;
use std::path::Path;

use kernels::program::{Arg, Contents, Launch, Program, Step, Target};
use kernels::{Inputs, Job, Kernel};

use crate::{cpp, samples};

/// Those whose arithmetic is not of integers alone.
const KERNELS: [Kernel; 2] = [Kernel::MlpSgd, Kernel::TransformerBlock];

/// The driver with the runtime that it needs.
const SOURCES: [&str; 5] = [
    "tests/option_sets/programs.cpp",
    "host/context.cpp",
    "host/cuda_host.cpp",
    "host/entry.cpp",
    "host/fiber.cpp",
];

/// What C++ must not be free in, whatever the set; as in `build.rs`.
const LANGUAGE: [&str; 6] = [
    "-Ihost",
    "-pthread",
    "-fwrapv",
    "-fsigned-char",
    "-fno-strict-aliasing",
    "-fno-math-errno",
];

#[test]
fn every_option_set_gives_the_bytes_of_the_reference() {
    let Some(compiler) = cpp::compiler() else {
        return;
    };
    std::thread::scope(|scope| {
        for kernel in KERNELS {
            let compiler = &compiler;
            scope.spawn(move || check(compiler, kernel));
        }
    });
}

fn check(compiler: &str, kernel: Kernel) {
    for set in cpp::OPTION_SETS {
        if set.fuses && !cpp::has_hardware_fma() {
            eprintln!("ignored: {} (no FMA instruction here)", set.name);
            continue;
        }
        let module = format!("-DPOGW_MODULE=\"{kernel}.cu\"");
        let options = [&[module.as_str()], &LANGUAGE[..], set.options].concat();
        let binary = cpp::compile(
            compiler,
            &format!("{kernel}-{}", set.name),
            &SOURCES,
            &options,
        );
        for (why, params) in samples::cases(kernel) {
            let job = Job::parse(kernel.name(), &params).unwrap();
            let name = format!("{kernel}, {}, {why}", set.name);
            assert!(run(&binary, &job) == expected(&job), "{name}");
        }
    }
}

fn expected(job: &Job) -> Vec<u8> {
    let outputs = job.reference_run(&Inputs::none()).unwrap();
    outputs
        .into_iter()
        .flat_map(|output| output.into_bytes())
        .collect()
}

fn run(binary: &Path, job: &Job) -> Vec<u8> {
    let file = binary.with_extension("program");
    fs::write(&file, encode(&job.program(Target::Portable).unwrap())).unwrap();
    cpp::run(binary, &[&file])
}

fn encode(program: &Program) -> Vec<u8> {
    let mut words = Words::default();
    words.number(program.buffers().len() as u64);
    for buffer in program.buffers() {
        match &buffer.contents {
            Contents::Zero => words.bytes(&vec![0; buffer.len as usize]),
            Contents::Bytes(bytes) => words.bytes(bytes),
            Contents::Input(name) => panic!("samples are seeded, and this one reads {name}"),
        }
    }
    let launches = program.steps().iter().filter_map(|step| match step {
        Step::Launch(launch) => Some(launch),
        Step::Mark(_) => None,
    });
    let launches: Vec<&Launch> = launches.collect();
    words.number(launches.len() as u64);
    launches.into_iter().for_each(|launch| words.launch(launch));
    words.number(program.outputs().len() as u64);
    program
        .outputs()
        .iter()
        .for_each(|id| words.number(id.index() as u64));
    words.0
}

/// A file in the making.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn number(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn launch(&mut self, launch: &Launch) {
        self.bytes(launch.function.as_bytes());
        for size in launch.grid.iter().chain(&launch.block) {
            self.number(u64::from(*size));
        }
        self.number(launch.args.len() as u64);
        launch.args.iter().for_each(|arg| self.arg(*arg));
    }

    fn arg(&mut self, arg: Arg) {
        let bits = match arg {
            Arg::Buffer(id, offset) => {
                return [1, id.index() as u64, offset]
                    .into_iter()
                    .for_each(|n| self.number(n));
            }
            Arg::U32(value) => u64::from(value),
            Arg::U64(value) => value,
            Arg::I32(value) => u64::from(value.cast_unsigned()),
            Arg::F32(value) => u64::from(value.to_bits()),
        };
        self.number(0);
        self.number(bits);
    }
}
