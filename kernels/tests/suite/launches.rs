//! What programs launch is what modules have: function, number and kinds of arguments, block size.
//!
//! A driver finds a wrong name when it looks it up, and a wrong argument never: it copies bytes. The host build checks
//! launches against C++ types; this is the same check against the PTX.

use kernels::program::{Arg, Launch, Step, Target};

use crate::samples;

/// Most threads of a block, by the rules of `cuda/`.
const THREADS: u32 = 256;

#[test]
fn every_launch_fits_its_function() {
    for (why, job) in samples::small() {
        for target in [Target::Portable, Target::Sm90a] {
            let Some(program) = job.program(target) else {
                continue;
            };
            let module = program.module();
            assert_eq!(module.target(), target, "{why}");
            let ptx = module
                .ptx()
                .unwrap_or_else(|| panic!("{why}: {module:?} has no PTX"));
            for step in program.steps() {
                if let Step::Launch(launch) = step {
                    expect_fit(launch, ptx.text, &why);
                }
            }
        }
    }
}

fn expect_fit(launch: &Launch, ptx: &str, why: &str) {
    let what = format!("{why}: {}", launch.function);
    let parameters = parameters(ptx, launch.function);
    let parameters = parameters.unwrap_or_else(|| panic!("{what}: the module has no such entry"));
    let arguments: Vec<_> = launch.args.iter().map(kind).collect();
    assert_eq!(arguments, parameters, "{what}");
    let threads: u32 = launch.block.iter().product();
    assert!(
        (1..=THREADS).contains(&threads),
        "{what}: {threads} threads in a block"
    );
    assert!(
        launch.grid.iter().all(|&blocks| blocks > 0),
        "{what}: an empty grid"
    );
    assert!(
        launch.grid[1].max(launch.grid[2]) <= 65_535,
        "{what}: a grid higher than CUDA has"
    );
}

/// The type that PTX gives to a parameter of this kind.
fn kind(arg: &Arg) -> &'static str {
    match arg {
        Arg::Buffer(..) => ".u64 .ptr",
        Arg::U64(_) => ".u64",
        Arg::U32(_) | Arg::I32(_) => ".u32",
        Arg::F32(_) => ".f32",
    }
}

/// Types of an entry's parameters, in order, as [`kind`] writes them.
fn parameters<'a>(ptx: &'a str, entry: &str) -> Option<Vec<&'a str>> {
    let (_, behind) = ptx.split_once(&format!(".visible .entry {entry}("))?;
    let (list, _) = behind.split_once(')')?;
    let parameters = list
        .split(',')
        .filter_map(|one| one.trim().strip_prefix(".param "));
    Some(parameters.map(parameter).collect())
}

fn parameter(declared: &str) -> &str {
    let of_pointer = declared
        .find(" .align")
        .filter(|_| declared.contains(".ptr"));
    let end = of_pointer.or_else(|| declared.find(' '));
    &declared[..end.unwrap_or(declared.len())]
}

#[test]
fn parameters_are_read_as_the_compiler_writes_them() {
    let ptx = ".visible .entry f(\n\t.param .u64 .ptr .align 1 f_param_0,\n\t.param .u64 f_param_1,\n\
               \t.param .u32 f_param_2,\n\t.param .f32 f_param_3\n)\n.visible .entry g()\n{\n";
    let f = vec![".u64 .ptr", ".u64", ".u32", ".f32"];
    assert_eq!(parameters(ptx, "f"), Some(f));
    assert_eq!(parameters(ptx, "g"), Some(vec![]));
    assert_eq!(parameters(ptx, "h"), None);
}
