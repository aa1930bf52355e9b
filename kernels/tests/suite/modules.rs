//! The checked-in modules are whole, belong together, and keep the rules for PTX text, as far as reading them can tell.
//!
//! That the sources give them, and what assemblers make of them, is for `kernels/ptx/check`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kernels::Module;
use kernels::program::Target;
use sha2::{Digest, Sha256};

use crate::ptx_rules::{self, RULES, Text};

/// Registers of a thread, so that two blocks of 256 threads are on a multiprocessor of 65,536 at a time.
const REGISTERS: u32 = 128;

/// Functions that may have more, up to what an instruction can name, and why.
const MORE_REGISTERS: &[(&str, u32, &str)] = &[
    ("transformer_block_down", 168, INT8_TILE),
    ("transformer_block_merge", 168, INT8_TILE),
    ("transformer_block_merge_high", 168, INT8_TILE),
    ("transformer_block_rotate", 168, INT8_TILE),
    ("transformer_block_up", 168, INT8_TILE),
    ("transformer_block_values", 168, INT8_TILE),
];

/// 256 threads of 168 registers fit a multiprocessor's 65536 once.
const INT8_TILE: &str = "the tile of its int8 products keeps its inner loop in registers";

/// Static shared memory of a block, bytes: what every device gives without being asked.
const SHARED: u32 = 48 * 1024;

#[test]
fn every_source_has_a_module_and_every_module_a_source() {
    let sources = stems("cuda", "cu");
    assert_eq!(stems("ptx", "ptx"), sources, "run kernels/ptx/build");
    let listed: BTreeSet<_> = Module::all()
        .map(|module| module.name().to_owned())
        .collect();
    assert_eq!(listed, sources, "the list in src/modules.rs");
}

#[test]
fn hopper_only_modules_are_called_so() {
    for module in Module::all() {
        let hopper = module.name().ends_with("_sm90a");
        assert_eq!(hopper, module.target() == Target::Sm90a, "{module:?}");
    }
}

#[test]
fn sums_are_of_these_files_and_of_no_other() {
    let mut expected = String::new();
    for module in Module::all() {
        let ptx = module.ptx().unwrap();
        let sha256: [u8; 32] = Sha256::digest(ptx.text).into();
        assert_eq!(ptx.sha256, sha256, "{module:?}");
        let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        expected += &format!("{digits}  {}.ptx\n", module.name());
    }
    assert_eq!(read("ptx/SHA256SUMS"), expected);
}

#[test]
fn modules_keep_every_rule() {
    for module in Module::all() {
        let broken = ptx_rules::broken(module.ptx().unwrap().text, module.target());
        assert!(broken.is_empty(), "{module:?}: {broken:?}");
    }
}

#[test]
fn modules_are_plain_text() {
    for module in Module::all() {
        let text = module.ptx().unwrap().text;
        let first = format!(
            "// {0}: made by kernels/ptx/build from kernels/cuda/{0}.cu\n",
            module.name()
        );
        assert!(text.starts_with(&first), "{module:?}");
        assert!(
            text.is_ascii() && !text.contains(['\r', '\0']),
            "{module:?}"
        );
    }
}

/// The host launches what the table at the end of the source names, a device what the PTX has: one list.
#[test]
fn entries_are_the_table_of_the_source() {
    for module in Module::all() {
        let table = table(module.name());
        let entries = Text::of(module.ptx().unwrap().text, module.target()).entries();
        assert!(!entries.is_empty(), "{module:?}");
        let listed = arguments(&table, "POGW_ENTRY(", ")");
        assert_eq!(entries, listed, "{module:?}");
        assert!(table.starts_with(&format!("{},", module.name())), "{table}");
    }
}

#[test]
fn resources_are_of_every_entry_for_every_target_and_within_limits() {
    let rows = resources();
    for row in &rows {
        let more = MORE_REGISTERS
            .iter()
            .find(|(function, ..)| *function == row.function);
        let limit = more.map_or(REGISTERS, |(_, limit, _)| *limit);
        assert!(
            row.registers <= limit,
            "{row:?}: more than {limit} registers"
        );
        assert!(
            row.shared <= SHARED,
            "{row:?}: more than {SHARED} bytes of shared memory"
        );
        assert_eq!(row.spills, 0, "{row:?}: registers are spilled");
    }
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let judged = format!("{} {}", row.target, row.ptxas);
        found
            .entry((row.module, row.function))
            .or_default()
            .insert(judged);
    }
    assert_eq!(found, expected_judgements());
}

/// The oldest assembler that knows PTX ISA 8.0 and a new one, each for what it can make.
fn expected_judgements() -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut expected = BTreeMap::new();
    for module in Module::all() {
        let judged: &[&str] = match module.target() {
            Target::Portable => &[
                "sm_80 12.0",
                "sm_90 12.0",
                "sm_80 13.5",
                "sm_90 13.5",
                "sm_100 13.5",
                "sm_120 13.5",
            ],
            Target::Sm90a => &["sm_90a 12.0", "sm_90a 13.5"],
        };
        let judged: BTreeSet<_> = judged.iter().map(|&word| word.to_owned()).collect();
        for entry in Text::of(module.ptx().unwrap().text, module.target()).entries() {
            expected.insert((module.name().to_owned(), entry), judged.clone());
        }
    }
    expected
}

/// Each is a good module but for one thing, which its second line names.
#[test]
fn a_text_that_breaks_one_rule_is_refused_for_it() {
    let mut shown = BTreeSet::new();
    for stem in stems("ptx/testdata", "ptx") {
        // What it says of itself is no part of the module, the comments of which would be a fault too.
        let file = read(&format!("ptx/testdata/{stem}.ptx"));
        let expected = file
            .lines()
            .find_map(|line| line.strip_prefix("// text: "))
            .unwrap()
            .to_owned();
        let text: Vec<&str> = file
            .lines()
            .filter(|line| !line.starts_with("//"))
            .collect();
        let broken: Vec<_> = ptx_rules::broken(&text.join("\n"), Target::Portable)
            .into_iter()
            .collect();
        let expected_codes = if expected == "passes" {
            vec![]
        } else {
            vec![expected.as_str()]
        };
        assert_eq!(broken, expected_codes, "{stem}");
        shown.insert(expected);
    }
    for (code, _) in RULES {
        let in_header = ["isa_version", "target", "address_size"].contains(code);
        assert!(
            in_header || shown.contains(*code),
            "no text in ptx/testdata breaks {code}"
        );
    }
}

#[test]
fn a_header_that_asks_for_another_machine_is_refused() {
    let good = ".version 8.0\n.target sm_80\n.address_size 64\n";
    assert!(ptx_rules::broken(good, Target::Portable).is_empty());
    let cases = [
        ("isa_version", good.replace("8.0", "8.1")),
        ("isa_version", good.replace(".version 8.0", "")),
        ("target", good.replace("sm_80", "sm_90")),
        ("target", good.replace("sm_80", "sm_80, debug")),
        ("address_size", good.replace("64", "32")),
    ];
    for (code, text) in cases {
        let broken = ptx_rules::broken(&text, Target::Portable);
        assert_eq!(broken, BTreeSet::from([code]), "{text}");
    }
    assert_eq!(
        ptx_rules::broken(good, Target::Sm90a),
        BTreeSet::from(["target"])
    );
}

#[test]
fn the_product_of_tensor_cores_is_for_hopper_alone() {
    let body = "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%f1, %f2}, %rd1, %rd2, p, 1, 1, 0, 0;";
    let header =
        |target: &str| format!(".version 8.0\n.target {target}\n.address_size 64\n{body}\n");
    assert!(ptx_rules::broken(&header("sm_90a"), Target::Sm90a).is_empty());
    let broken = ptx_rules::broken(&header("sm_80"), Target::Portable);
    assert_eq!(broken, BTreeSet::from(["float_instruction"]));
}

#[test]
fn a_second_statement_of_a_line_and_one_behind_a_label_are_read() {
    let header = ".version 8.0\n.target sm_80\n.address_size 64\n";
    for body in [
        "{ add.rn.f32 %r1, %r2, %r3; mul.f32 %r4, %r1, %r1; }",
        "$L__BB0_1: mul.f32 %r4, %r1, %r1;",
        "@!%p1 mul.f32 %r4, %r1, %r1;",
        "$L__BB0_1: fence.proxy.async.shared::cta; mul.f32 %r4, %r1, %r1;",
    ] {
        let broken = ptx_rules::broken(&format!("{header}{body}\n"), Target::Portable);
        assert_eq!(broken, BTreeSet::from(["rounding"]), "{body}");
    }
}

/// A row of `resources.tsv`.
#[derive(Debug)]
struct Row {
    module: String,
    function: String,
    target: String,
    ptxas: String,
    registers: u32,
    spills: u32,
    shared: u32,
}

fn resources() -> Vec<Row> {
    let table = read("ptx/resources.tsv");
    let mut lines = table.lines();
    let columns =
        "module\tfunction\ttarget\tptxas\tregisters\tstack\tspill_stores\tspill_loads\tshared";
    assert_eq!(lines.next(), Some(columns));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('\t').collect();
    let number = |index: usize| cells[index].parse::<u32>().unwrap();
    Row {
        module: cells[0].to_owned(),
        function: cells[1].to_owned(),
        target: cells[2].to_owned(),
        ptxas: cells[3].to_owned(),
        registers: number(4),
        spills: number(6) + number(7),
        shared: number(8),
    }
}

/// What is behind `POGW_TABLE(` at the end of a source, with the entries that headers name in one word.
fn table(module: &str) -> String {
    let source = read(&format!("cuda/{module}.cu"));
    let (_, table) = source.rsplit_once("POGW_TABLE(").unwrap();
    let mut table = table.to_owned();
    for header in stems("cuda", "cuh") {
        let header = read(&format!("cuda/{header}.cuh")).replace("\\\n", " ");
        for (word, entries) in header.lines().filter_map(definition) {
            table = table.replace(word, entries);
        }
    }
    table
}

/// `#define POGW_SOME_ENTRIES POGW_ENTRY(some_function) …`, taken apart.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (word, entries) = line.strip_prefix("#define ")?.split_once(' ')?;
    word.ends_with("_ENTRIES").then_some((word, entries))
}

/// What stands between every `before` and the next `after`, outside comments.
fn arguments(source: &str, before: &str, after: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n")
        .collect();
    let pieces = code.split(before).skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once(after)?.0.trim().to_owned()))
        .collect()
}

/// Names, without their ending, of the files in a folder of the crate that have this ending.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    wanted
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
