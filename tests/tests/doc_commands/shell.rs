//! One shell for a page: its steps in their order, ended with all that they started.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::output;
use crate::page::Step;

/// The programs that pages name.
const PROGRAMS: [&str; 3] = ["pogw", "attestation-agent", "verifier-service"];

/// The port that pages name.
const PORT: &str = "8477";

/// How long the commands of a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the steps of a page.
///
/// # Errors
/// What failed, with what was printed.
pub(crate) fn run(root: &Path, steps: &[Step]) -> Result<(), String> {
    let programs = programs()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let port = free_port().to_string();
    let script = script(&folder, steps, &port)?;
    let mut command = Command::new("bash");
    command
        .arg(script)
        .current_dir(folder.path().join("page"))
        .env_clear()
        .env("PATH", path_with(&programs))
        .env("HOME", folder.path().join("home"))
        .env("LANG", "C.UTF-8")
        .env("POGW", root)
        .env("POGW_PORT", &port)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut shell = command.spawn().map_err(|error| format!("bash: {error}"))?;
    let ended = wait(&mut shell);
    end_group(shell.id());
    let said = compare(&folder, steps, &port);
    match ended {
        Some(true) => said,
        Some(false) => Err(format!("commands failed\n{}", last_printed(&folder, steps))),
        None => Err(format!(
            "not ended after {} s\n{}",
            PATIENCE.as_secs(),
            last_printed(&folder, steps)
        )),
    }
}

/// The folder of the programs.
fn programs() -> Result<PathBuf, String> {
    let folder = match std::env::var_os("POGW_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = std::env::current_exe().map_err(|error| error.to_string())?;
            let profile = own.parent().and_then(Path::parent);
            profile.ok_or("no target folder")?.to_owned()
        }
    };
    let missing = PROGRAMS.iter().find(|name| !folder.join(name).is_file());
    match missing {
        None => Ok(folder),
        Some(name) => Err(format!(
            "no {name} in {}: build the programs first, with `cargo build --release --workspace --bins`",
            folder.display()
        )),
    }
}

fn path_with(programs: &Path) -> std::ffi::OsString {
    let mut path = programs.as_os_str().to_owned();
    if let Some(more) = std::env::var_os("PATH") {
        path.push(":");
        path.push(more);
    }
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Writes the files of a page at their turn and its commands, the output of each step to a file of its own.
fn script(folder: &TempDir, steps: &[Step], port: &str) -> Result<PathBuf, String> {
    for name in ["page", "home", "steps"] {
        fs::create_dir(folder.path().join(name)).map_err(|error| error.to_string())?;
    }
    let mut script = "set -euo pipefail\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        let file = step_file(folder, number);
        match step {
            Step::File { name, text } => {
                let text = text.replace(PORT, port);
                fs::write(&file, text).map_err(|error| error.to_string())?;
                let _ = writeln!(script, "cp '{}' '{name}'", file.display());
            }
            Step::Run { commands, .. } => {
                let commands = commands.replace(PORT, port);
                let _ = writeln!(script, "exec >'{}' 2>&1\n{commands}", file.display());
            }
        }
    }
    let path = folder.path().join("script");
    fs::write(&path, script).map_err(|error| error.to_string())?;
    Ok(path)
}

fn step_file(folder: &TempDir, number: usize) -> PathBuf {
    folder.path().join(format!("steps/{number}"))
}

/// Whether the shell ended well; nothing if it did not end.
fn wait(shell: &mut Child) -> Option<bool> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Ok(Some(status)) = shell.try_wait() {
            return Some(status.success());
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Ends the shell and what it left running: they are a process group of their own.
fn end_group(shell: u32) {
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{shell}")])
        .stderr(Stdio::null())
        .status();
}

/// Holds what the page says against what was printed.
fn compare(folder: &TempDir, steps: &[Step], port: &str) -> Result<(), String> {
    for (number, step) in steps.iter().enumerate() {
        let Step::Run {
            line,
            output: Some(expected),
            ..
        } = step
        else {
            continue;
        };
        let printed = printed(folder, number);
        let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|line| line.replace(PORT, port))
            .collect();
        if !output::matches(&expected, &lines) {
            let expected = expected.join("\n");
            return Err(format!(
                "line {line}: expected\n{expected}\n\ngot\n{printed}"
            ));
        }
    }
    Ok(())
}

fn printed(folder: &TempDir, number: usize) -> String {
    let bytes = fs::read(step_file(folder, number)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The step that was run last, and what it printed.
fn last_printed(folder: &TempDir, steps: &[Step]) -> String {
    let reached = steps.iter().enumerate().rev().find_map(|(number, step)| {
        let Step::Run { line, commands, .. } = step else {
            return None;
        };
        let is_reached = step_file(folder, number).exists();
        is_reached.then(|| {
            format!(
                "line {line}:\n{commands}\nprinted\n{}",
                printed(folder, number)
            )
        })
    });
    reached.unwrap_or_default()
}
