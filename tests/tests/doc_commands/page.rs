//! The blocks of a page that a test can do something with, in their order.

use std::fmt;

/// Languages of a fence whose blocks are commands.
const SHELLS: [&str; 4] = ["sh", "bash", "shell", "console"];

/// What a page has for a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A block with `file=NAME`: written to that file.
    File {
        /// Name in the folder of the page.
        name: String,
        /// What is written.
        text: String,
    },
    /// Commands, and what they print where the page shows it.
    Run {
        /// Line of the page at which they begin.
        line: usize,
        /// For `bash`.
        commands: String,
        /// Lines to expect.
        output: Option<Vec<String>>,
    },
}

/// Why a page is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    line: usize,
    reason: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A block between fences, or a hidden one.
struct Block {
    line: usize,
    info: String,
    text: String,
}

/// The steps of a page.
///
/// A block of a shell says `run`, or `not-run="REASON"`. One of `text output` says what the block before it prints. A
/// comment that begins with `run` is run and not shown. A fence names its language.
///
/// # Errors
/// A block says none of this.
pub(crate) fn steps(page: &str) -> Result<Vec<Step>, Refused> {
    let mut steps = Vec::new();
    for block in blocks(page)? {
        let line = block.line;
        add(&mut steps, block).map_err(|reason| Refused { line, reason })?;
    }
    Ok(steps)
}

fn add(steps: &mut Vec<Step>, block: Block) -> Result<(), &'static str> {
    let (language, rest) = block.info.split_once(' ').unwrap_or((&block.info, ""));
    match (language, rest.trim()) {
        ("", _) => return Err("a fence without a language"),
        ("console", "run") => steps.extend(dialogue(&block)),
        (shell, "run") if SHELLS.contains(&shell) => steps.push(run(block.line, &block.text)),
        (shell, rest) if SHELLS.contains(&shell) => {
            if !is_reason(rest) {
                return Err("commands neither `run` nor `not-run=\"REASON\"`");
            }
        }
        ("text", "output") => match steps.last_mut() {
            Some(Step::Run { output, .. }) if output.is_none() => {
                *output = Some(lines(&block.text));
            }
            _ => return Err("output of no command"),
        },
        (_, rest) => {
            if let Some(name) = rest.strip_prefix("file=") {
                let name = name.to_owned();
                let text = block.text;
                steps.push(Step::File { name, text });
            }
        }
    }
    Ok(())
}

fn is_reason(rest: &str) -> bool {
    let reason = rest.strip_prefix("not-run=\"");
    reason
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|reason| reason.contains(' '))
}

fn run(line: usize, commands: &str) -> Step {
    Step::Run {
        line,
        commands: commands.to_owned(),
        output: None,
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The commands of a `console` block, which begin with `$ ` and go on with `> `, each with what it prints.
fn dialogue(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, text) in block.text.lines().enumerate() {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(run(block.line + number, command));
            continue;
        }
        let Some(Step::Run {
            commands, output, ..
        }) = steps.last_mut()
        else {
            continue;
        };
        match text.strip_prefix("> ") {
            Some(more) => *commands += &format!("\n{more}"),
            None => output
                .get_or_insert_default()
                .push(text.trim_end().to_owned()),
        }
    }
    steps
}

fn blocks(page: &str) -> Result<Vec<Block>, Refused> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, opening)) = lines.next() {
        let line = number + 1;
        let indent = opening.len() - opening.trim_start().len();
        let opening = opening.trim();
        let (info, closing) = if opening == "<!-- run" {
            ("sh run", "-->")
        } else if let Some(info) = opening.strip_prefix("```") {
            (info.trim(), "```")
        } else {
            continue;
        };
        let mut text = String::new();
        loop {
            let Some((_, inner)) = lines.next() else {
                let reason = "a block without an end";
                return Err(Refused { line, reason });
            };
            if inner.trim() == closing {
                break;
            }
            let white = inner.len() - inner.trim_start().len();
            text += &inner[white.min(indent)..];
            text.push('\n');
        }
        blocks.push(Block {
            line,
            info: info.to_owned(),
            text,
        });
    }
    Ok(blocks)
}

/// What this module promises, for `main` to run: this binary has a harness of its own.
pub(crate) fn keeps_its_promises() {
    let page = "<!-- run\na\n-->\n```sh run\nb\n```\n```text output\nc\n…\n```\n```json file=d.json\n{}\n```\n\
                ```console run\n$ e\n> f\ng\n$ h\n```\n```sh not-run=\"needs a GPU\"\ni\n```\n```rust\nj\n```\n";
    let output = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect());
    let run = |line, commands: &str, output| Step::Run {
        line,
        commands: commands.to_owned(),
        output,
    };
    let file = Step::File {
        name: "d.json".to_owned(),
        text: "{}\n".to_owned(),
    };
    let expected = vec![
        run(1, "a\n", None),
        run(4, "b\n", output(&["c", "…"])),
        file,
        run(14, "e\nf", output(&["g"])),
        run(17, "h", None),
    ];
    assert_eq!(steps(page), Ok(expected));
    for (page, reason) in [
        (
            "```sh\na\n```\n",
            "commands neither `run` nor `not-run=\"REASON\"`",
        ),
        (
            "```sh not-run=\"\"\na\n```\n",
            "commands neither `run` nor `not-run=\"REASON\"`",
        ),
        (
            "```console\n$ a\n```\n",
            "commands neither `run` nor `not-run=\"REASON\"`",
        ),
        ("```\na\n```\n", "a fence without a language"),
        ("```text output\na\n```\n", "output of no command"),
        ("```sh run\na\n", "a block without an end"),
    ] {
        assert_eq!(steps(page), Err(Refused { line: 1, reason }), "{page}");
    }
}
