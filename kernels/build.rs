//! With feature `host`: compiles the kernels of `cuda/` and the runtime of `host/` for this CPU.
//!
//! Each kernel source becomes one C++ file per build of [`BUILDS`], which includes the source inside an unnamed
//! namespace: so no function compiled for one CPU takes the place of its twin compiled for another. Without the feature
//! nothing is compiled, and no C++ compiler is needed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "host")]
    host::compile();
}

#[cfg(feature = "host")]
mod host {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    /// A build of the kernels.
    struct Build {
        name: &'static str,
        /// The architecture that has it; `None` for all.
        only_on: Option<&'static str>,
        flags: &'static [&'static str],
        /// The sources it is for; `None` for all. The others run from the build before it.
        sources: Option<&'static [&'static str]>,
    }

    /// In the order of `host::Build`. The last is for products of int8, which have an instruction there; nothing else
    /// gains enough by it to be compiled a third time.
    const BUILDS: &[Build] = &[
        Build {
            name: "portable",
            only_on: None,
            flags: &[],
            sources: None,
        },
        Build {
            name: "x86_64_v3",
            only_on: Some("x86_64"),
            flags: &["-march=x86-64-v3"],
            sources: None,
        },
        Build {
            name: "x86_64_v4_vnni",
            only_on: Some("x86_64"),
            flags: &["-march=x86-64-v4", "-mavx512vnni"],
            sources: Some(&["gemm_chain", "gemm_i8", "gemm_i8_requant"]),
        },
    ];

    /// What makes C++ compute what CUDA computes: no contraction to fused operations that the source does not name,
    /// integers that wrap, signed `char`, pointers that may alias; and a probe of every page of a large stack frame,
    /// so that an overflow meets the guard page. Shared memory is thread-local: found without a call, it can be used in
    /// inner loops.
    const FLAGS: &[&str] = &[
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fwrapv",
        "-fsigned-char",
        "-fno-strict-aliasing",
        "-fstack-clash-protection",
        "-ftls-model=initial-exec",
        "-fno-exceptions",
        "-fno-rtti",
        "-fvisibility=hidden",
        "-Wno-unknown-pragmas",
        "-Wno-unused-function",
    ];

    pub(crate) fn compile() {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the architecture");
        let sources = kernel_sources();
        let builds = BUILDS
            .iter()
            .filter(|build| build.only_on.is_none_or(|only_on| only_on == arch));

        let mut tables = String::from(TABLES_HEAD);
        let mut table_of_builds = String::new();
        for build in builds {
            let has =
                |source: &&PathBuf| build.sources.is_none_or(|has| has.contains(&stem(source)));
            let sources: Vec<PathBuf> = sources.iter().filter(has).cloned().collect();
            compile_build(&out, build.name, build.flags, &sources);
            tables += &module_table(build.name, &sources);
            table_of_builds += &format!("pogw_host_modules_{}, ", build.name);
        }
        tables += &format!(
            "extern \"C\" const Module* const* const pogw_host_builds[] = {{{table_of_builds}nullptr}};\n"
        );
        compile_runtime(&write(&out, "module_tables.cpp", &tables));
    }

    const TABLES_HEAD: &str = "#include \"module_table.h\"\nusing pogw_host::Module;\n";

    /// The portable sources: what a Hopper alone can run is not among them.
    fn kernel_sources() -> Vec<PathBuf> {
        let mut sources = cuda_files("cuda");
        sources.retain(|path| !stem(path).ends_with("_sm90a"));
        if cfg!(feature = "host-tests") {
            sources.extend(cuda_files("host/testdata"));
        }
        sources
    }

    /// The `.cu` files of `folder`, by name. None if there is no such folder.
    fn cuda_files(folder: &str) -> Vec<PathBuf> {
        println!("cargo::rerun-if-changed={folder}");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
            .map(|path| fs::canonicalize(path).expect("a file just listed"))
            .collect();
        files.sort();
        files
    }

    fn stem(path: &Path) -> &str {
        path.file_stem()
            .and_then(|stem| stem.to_str())
            .expect("the name of a kernel is ASCII")
    }

    fn compile_build(out: &Path, build: &str, flags: &[&str], sources: &[PathBuf]) {
        if sources.is_empty() {
            return;
        }
        let mut compiler = compiler();
        for flag in flags {
            compiler.flag(flag);
        }
        for source in sources {
            let name = format!("{build}_{}.cpp", stem(source));
            compiler.file(write(out, &name, &wrapper(build, source)));
        }
        compiler.compile(&format!("pogw_kernels_{build}"));
    }

    fn wrapper(build: &str, source: &Path) -> String {
        format!(
            "#include \"cuda_host.h\"\n\
             namespace {{\n\
             #include \"{source}\"\n\
             }}\n\
             extern \"C\" const pogw_host::Module pogw_host_{build}_{stem} = pogw_module;\n",
            source = source.display(),
            stem = stem(source),
        )
    }

    fn module_table(build: &str, sources: &[PathBuf]) -> String {
        let names: Vec<String> = sources
            .iter()
            .map(|source| format!("pogw_host_{build}_{}", stem(source)))
            .collect();
        let declared: String = names
            .iter()
            .map(|name| format!("extern \"C\" const Module {name};\n"))
            .collect();
        let listed: String = names.iter().map(|name| format!("&{name}, ")).collect();
        format!(
            "{declared}static const Module* const pogw_host_modules_{build}[] = {{{listed}nullptr}};\n"
        )
    }

    fn compile_runtime(tables: &Path) {
        println!("cargo::rerun-if-changed=host");
        compiler()
            .file(tables)
            .file("host/context.cpp")
            .file("host/fiber.cpp")
            .file("host/cuda_host.cpp")
            .file("host/entry.cpp")
            .compile("pogw_host");
    }

    /// The optimisation is the same in every profile: kernels without it are too slow to be of use.
    fn compiler() -> cc::Build {
        let mut compiler = cc::Build::new();
        compiler
            .cpp(true)
            .std("c++17")
            .cpp_link_stdlib(None)
            .opt_level(3)
            .debug(false)
            .include("host")
            .include("cuda");
        for flag in FLAGS {
            compiler.flag_if_supported(flag);
        }
        compiler
    }

    fn write(out: &Path, name: &str, text: &str) -> PathBuf {
        let path = out.join(name);
        fs::write(&path, text).expect("OUT_DIR is writable");
        path
    }
}
