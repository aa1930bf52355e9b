//! A command: work that is a program of the tenant's own, and not a kernel of a catalogue.
//!
//! In scope: its form and the bounds of it. A [`Command`] that exists keeps them.
//!
//! Out of scope: running it, and any check of what it computes. Nobody but its author knows what its output should be,
//! so no verifier can recompute it: of its result, a check can only say that bytes have the digest stated.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::canonical::MAX_SAFE_INTEGER;
use super::encoding::{Hex, bounded_list, distinct_members};
use crate::limits::{
    MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_FILE_NAME_BYTES, MAX_MEMBERS, MAX_OUTPUTS, MAX_WALL_S,
};

/// A program with its arguments, the files it is given, the files it leaves, and what it may use up.
///
/// ```json
/// {"argv": ["python3", "train.py"],
///  "inputs": {"train.py": {"blake3": "…", "len": 1234}},
///  "outputs": ["model.bin"],
///  "limits": {"wall_s": 600, "output_bytes": 1073741824, "processes": 64, "memory_bytes": 17179869184}}
/// ```
///
/// Every member is stated, also where it is empty, so that a job has one canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CommandForm", into = "CommandForm")]
pub struct Command {
    argv: Vec<String>,
    inputs: BTreeMap<String, InputRef>,
    outputs: Vec<String>,
    limits: CommandLimits,
}

/// A file the program is given, by digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRef {
    /// Plain BLAKE3 of the bytes, as `b3sum` prints it.
    pub blake3: Hex<32>,
    /// Length in bytes.
    pub len: u64,
}

/// What a program may use up; beyond any of it, it is ended and nothing is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLimits {
    /// Time from start to end, in seconds.
    pub wall_s: u64,
    /// Bytes of all files in the working directory, inputs not counted.
    pub output_bytes: u64,
    /// Processes at one time, the first one counted; threads are not.
    pub processes: u64,
    /// Resident memory of all processes together, in bytes.
    pub memory_bytes: u64,
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// An argument that no program can be given, or that is too long.
    #[error("argument {position}: expected at most {MAX_ARGUMENT_BYTES} bytes without NUL")]
    Argument {
        /// Its place, from 0.
        position: usize,
    },
    /// No program is named.
    #[error("argv names no program")]
    ArgvEmpty,
    /// A file name with a path, a hidden file, or characters beyond the portable ones.
    #[error(
        "file name {name:?}: expected 1 to {MAX_FILE_NAME_BYTES} of A-Z a-z 0-9 . _ -, not starting with . or -"
    )]
    FileName {
        /// The name, shortened.
        name: String,
    },
    /// A limit that is none.
    #[error("limit {name}: expected 1 to {most}, got {actual}")]
    Limit {
        /// The member.
        name: &'static str,
        /// The largest there is.
        most: u64,
        /// What is stated.
        actual: u64,
    },
    /// A name stands for two files.
    #[error("file name {name} occurs twice among inputs and outputs")]
    NameRepeated {
        /// The name.
        name: String,
    },
    /// Nothing would come out.
    #[error("outputs names no file")]
    OutputsEmpty,
    /// More of something than a command may have.
    #[error("too many {what}: expected at most {limit}, got {actual}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
}

impl Command {
    /// Puts a command together.
    ///
    /// # Errors
    /// The first of its rules that does not hold.
    pub fn new(
        argv: Vec<String>,
        inputs: BTreeMap<String, InputRef>,
        outputs: Vec<String>,
        limits: CommandLimits,
    ) -> Result<Self, CommandError> {
        check_argv(&argv)?;
        check_names(&inputs, &outputs)?;
        check_limits(&limits)?;
        Ok(Self {
            argv,
            inputs,
            outputs,
            limits,
        })
    }

    /// Program and arguments; at least the program.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The program, as it is named.
    #[must_use]
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// The files it is given, by name in its working directory.
    #[must_use]
    pub fn inputs(&self) -> &BTreeMap<String, InputRef> {
        &self.inputs
    }

    /// The files it leaves, by name in its working directory; at least one, each once.
    #[must_use]
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// What it may use up.
    #[must_use]
    pub fn limits(&self) -> &CommandLimits {
        &self.limits
    }
}

/// The members as they stand in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandForm {
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_ARGUMENTS>")]
    argv: Vec<String>,
    #[serde(deserialize_with = "distinct_members")]
    inputs: BTreeMap<String, InputRef>,
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_OUTPUTS>")]
    outputs: Vec<String>,
    limits: CommandLimits,
}

impl TryFrom<CommandForm> for Command {
    type Error = CommandError;

    fn try_from(form: CommandForm) -> Result<Self, CommandError> {
        Self::new(form.argv, form.inputs, form.outputs, form.limits)
    }
}

impl From<Command> for CommandForm {
    fn from(command: Command) -> Self {
        Self {
            argv: command.argv,
            inputs: command.inputs,
            outputs: command.outputs,
            limits: command.limits,
        }
    }
}

fn check_argv(argv: &[String]) -> Result<(), CommandError> {
    at_most("arguments", MAX_ARGUMENTS, argv.len())?;
    if argv.first().is_none_or(String::is_empty) {
        return Err(CommandError::ArgvEmpty);
    }
    let impossible = |arg: &String| arg.len() > MAX_ARGUMENT_BYTES || arg.contains('\0');
    match argv.iter().position(impossible) {
        Some(position) => Err(CommandError::Argument { position }),
        None => Ok(()),
    }
}

/// Each name stands for one file: an output that was an input could be handed back untouched.
fn check_names(
    inputs: &BTreeMap<String, InputRef>,
    outputs: &[String],
) -> Result<(), CommandError> {
    at_most("inputs", MAX_MEMBERS, inputs.len())?;
    at_most("outputs", MAX_OUTPUTS, outputs.len())?;
    if outputs.is_empty() {
        return Err(CommandError::OutputsEmpty);
    }
    let mut seen = BTreeSet::new();
    for name in inputs.keys().chain(outputs) {
        if !is_file_name(name) {
            let name = name.chars().take(64).collect();
            return Err(CommandError::FileName { name });
        }
        if !seen.insert(name) {
            return Err(CommandError::NameRepeated { name: name.clone() });
        }
    }
    Ok(())
}

/// The portable file name characters of POSIX (XBD 3.265), no path, nothing hidden, no option.
fn is_file_name(name: &str) -> bool {
    let portable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let bounded = (1..=MAX_FILE_NAME_BYTES).contains(&name.len());
    bounded && name.bytes().all(portable) && !name.starts_with(['.', '-'])
}

fn check_limits(limits: &CommandLimits) -> Result<(), CommandError> {
    let safe = MAX_SAFE_INTEGER.unsigned_abs();
    let stated = [
        ("wall_s", MAX_WALL_S, limits.wall_s),
        ("output_bytes", safe, limits.output_bytes),
        ("processes", safe, limits.processes),
        ("memory_bytes", safe, limits.memory_bytes),
    ];
    let wrong = |(_, most, actual): &(_, u64, u64)| !(1..=*most).contains(actual);
    match stated.into_iter().find(wrong) {
        Some((name, most, actual)) => Err(CommandError::Limit { name, most, actual }),
        None => Ok(()),
    }
}

fn at_most(what: &'static str, limit: usize, actual: usize) -> Result<(), CommandError> {
    if actual > limit {
        return Err(CommandError::TooMany {
            what,
            limit,
            actual,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "argv": ["python3", "train.py"],
            "inputs": { "train.py": { "blake3": "00".repeat(32), "len": 5 } },
            "outputs": ["model.bin"],
            "limits": { "wall_s": 1, "output_bytes": 1, "processes": 1, "memory_bytes": 1 },
        })
    }

    fn read(value: &Value) -> Result<Command, serde_json::Error> {
        serde_json::from_str(&value.to_string())
    }

    #[test]
    fn a_command_reads_and_writes_the_same_members() {
        let command = read(&good()).unwrap();
        assert_eq!(command.program(), "python3");
        assert_eq!(serde_json::to_value(&command).unwrap(), good());
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let long = "a".repeat(MAX_FILE_NAME_BYTES + 1);
        let many: Vec<_> = (0..=MAX_OUTPUTS).map(|n| format!("o{n}")).collect();
        let table: Vec<(&str, Value, &str)> = vec![
            ("/argv", json!([]), "argv names no program"),
            ("/argv", json!([""]), "argv names no program"),
            ("/argv", json!(["a", "b\0"]), "argument 1"),
            (
                "/argv",
                json!(["a".repeat(MAX_ARGUMENT_BYTES + 1)]),
                "argument 0",
            ),
            (
                "/argv",
                json!(vec!["a"; MAX_ARGUMENTS + 1]),
                "more than 256 items",
            ),
            ("/outputs", json!([]), "outputs names no file"),
            ("/outputs", json!(["a", "a"]), "occurs twice"),
            ("/outputs", json!(["train.py"]), "occurs twice"),
            ("/outputs", json!(["../a"]), "file name"),
            ("/outputs", json!(["/a"]), "file name"),
            ("/outputs", json!([".a"]), "file name"),
            ("/outputs", json!(["-a"]), "file name"),
            ("/outputs", json!(["é"]), "file name"),
            ("/outputs", json!([""]), "file name"),
            ("/outputs", json!([long]), "file name"),
            ("/outputs", json!(many), "more than 256 items"),
            ("/limits/wall_s", json!(0), "limit wall_s"),
            ("/limits/wall_s", json!(MAX_WALL_S + 1), "limit wall_s"),
            ("/limits/processes", json!(0), "limit processes"),
            ("/limits/memory_bytes", json!(0), "limit memory_bytes"),
            (
                "/limits/output_bytes",
                json!(1_u64 << 53),
                "limit output_bytes",
            ),
            ("/limits/output_bytes", json!(1.5), "invalid type"),
            ("/inputs/train.py/blake3", json!("00"), "hexadecimal digits"),
        ];
        for (pointer, value, expected) in table {
            let mut command = good();
            *command.pointer_mut(pointer).unwrap() = value.clone();
            let error = read(&command).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer} {value}: {error}");
        }
    }

    #[test]
    fn every_member_is_stated_and_no_other() {
        for member in ["argv", "inputs", "outputs", "limits"] {
            let mut command = good();
            command.as_object_mut().unwrap().remove(member);
            assert!(read(&command).is_err(), "{member}");
        }
        let mut command = good();
        command["shell"] = json!(true);
        assert!(read(&command).is_err());
        let twice = good()
            .to_string()
            .replace("\"train.py\":{", "\"train.py\":{\"len\":1,");
        assert!(serde_json::from_str::<Command>(&twice).is_err());
    }
}
