//! Every command in the documentation is run: the blocks of each page, in one shell, in a folder of its own.
//!
//! How a page marks its blocks says [`page::steps`]; what stands for any output, [`output`]. Commands find the programs
//! of this workspace first in `PATH`, the repository as `$POGW`, and an empty folder as `$HOME`. The port 8477 of a page
//! is replaced by a free one, so that pages do not meet.
//!
//! The programs are those that `cargo test --workspace` builds beside this test, or those in `POGW_BIN_DIR`. Where one of
//! [`TOOLS`] is missing, pages are listed as ignored. What a block needs beside them, it names itself.

mod output;
mod page;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use page::Step;

/// Folders without pages of ours, beside those whose name begins with a dot.
const NOT_OURS: [&str; 3] = ["target", "node_modules", "venv"];

/// What pages use and a machine may lack.
const TOOLS: [&str; 4] = ["curl", "jq", "openssl", "sqlite3"];

/// Pages at a time: they wait more than they compute.
const AT_ONCE: usize = 6;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().expect("the repository");
    let mut trials = vec![
        Trial::test("pages_are_read", || keeps(page::keeps_its_promises)),
        Trial::test("output_is_compared", || keeps(output::keeps_its_promises)),
    ];
    let is_equipped = TOOLS.iter().all(|tool| is_there(tool));
    for page in pages(&root) {
        let name = page
            .strip_prefix(&root)
            .expect("below")
            .display()
            .to_string();
        let text = fs::read_to_string(&page).expect("a page");
        match page::steps(&text) {
            Err(refused) => trials.push(Trial::test(name, move || Err(refused.to_string().into()))),
            Ok(steps) if steps.iter().any(|step| matches!(step, Step::Run { .. })) => {
                let root = root.clone();
                let steps = possible(&name, steps);
                let trial = Trial::test(name, move || {
                    shell::run(&root, &steps).map_err(Failed::from)
                });
                trials.push(trial.with_ignored_flag(!is_equipped));
            }
            Ok(_) => {}
        }
    }
    assert!(trials.len() > 10, "only {} pages", trials.len());
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    libtest_mimic::run(&arguments, trials).exit();
}

#[allow(clippy::unnecessary_wraps, reason = "the form of a trial")]
fn keeps(promises: fn()) -> Result<(), Failed> {
    promises();
    Ok(())
}

/// The steps whose needs this machine meets. What is left out is said.
fn possible(page: &str, steps: Vec<Step>) -> Vec<Step> {
    let meets = |step: &Step| step.needs().is_none_or(is_at_hand);
    let (possible, missing): (Vec<_>, Vec<_>) = steps.into_iter().partition(meets);
    for needs in missing.iter().filter_map(Step::needs) {
        eprintln!("{page}: NOT run, since {needs} is missing");
    }
    possible
}

/// Whether a machine has what a block says it needs: a program, or `postgresql`, a server (`tests/postgres/server`).
fn is_at_hand(thing: &str) -> bool {
    match thing {
        "postgresql" => fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| {
            versions.any(|version| version.is_ok_and(|it| it.path().join("bin/initdb").exists()))
        }),
        program => is_there(program),
    }
}

fn is_there(tool: &str) -> bool {
    // `openssl` knows no `--version`; whatever it answers, it is there.
    Command::new(tool).arg("--version").output().is_ok()
}

/// Every page below a folder, in the order of their names.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().expect("a type").is_dir() {
            if !name.starts_with('.') && !NOT_OURS.contains(&name.as_ref()) {
                found.extend(pages(&path));
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found.sort();
    found
}
