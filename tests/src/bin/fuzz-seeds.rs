//! Writes what the fuzz targets start from: `fuzz-seeds FOLDER`.
//!
//! Each target gets a folder of inputs, and one line on standard output: its name, the longest input in bytes, its
//! dictionary. `fuzz-seeds --fixture FOLDER` makes the fixture anew instead (see `tests/fuzz/README.md`).

use std::path::Path;

use tests::fuzz::properties::TARGETS;
use tests::fuzz::{fixture, seeds};
use tests::real;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--fixture", folder] => write_fixture(Path::new(folder)),
        [folder] => write_seeds(Path::new(folder)),
        _ => panic!("usage: fuzz-seeds [--fixture] FOLDER"),
    }
}

fn write_fixture(folder: &Path) {
    for (name, contents) in fixture::make() {
        std::fs::write(folder.join(name), contents).expect("a file of the fixture");
    }
}

fn write_seeds(folder: &Path) {
    if real::directory().is_none() {
        eprintln!("no real evidence on this machine: seeds of our own builders alone");
    }
    let seeds = seeds::all();
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (number, seed) in seeds[target.name].iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed).expect("a seed");
        }
        println!("{} {} {}", target.name, target.max_len, target.dictionary);
    }
}
