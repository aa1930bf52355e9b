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
        /// What it needs that not every machine has.
        needs: Option<String>,
    },
}

impl Step {
    /// What it needs that not every machine has.
    pub(crate) fn needs(&self) -> Option<&str> {
        match self {
            Self::Run { needs, .. } => needs.as_deref(),
            Self::File { .. } => None,
        }
    }
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
/// A block of a shell says `run`, `run needs="THING"`, or `not-run="REASON"`. One of `text output` says what the block before
/// it prints. A comment that begins with `run` is run and not shown. A fence names its language.
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
            if let Some(thing) = quoted(rest, "run needs=") {
                let mut step = run(block.line, &block.text);
                if let Step::Run { needs, .. } = &mut step {
                    *needs = Some(thing.to_owned());
                }
                steps.push(step);
            } else if !quoted(rest, "not-run=").is_some_and(|reason| reason.contains(' ')) {
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

/// What stands in quotes after this.
fn quoted<'a>(rest: &'a str, before: &str) -> Option<&'a str> {
    let quoted = rest.strip_prefix(before)?.strip_prefix('"')?;
    quoted.strip_suffix('"').filter(|text| !text.is_empty())
}

fn run(line: usize, commands: &str) -> Step {
    Step::Run {
        line,
        commands: commands.to_owned(),
        output: None,
        needs: None,
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
        let (info, closing) = if let Some(rest) = hidden(opening) {
            (format!("sh run{rest}"), "-->")
        } else if let Some(info) = opening.strip_prefix("```") {
            (info.trim().to_owned(), "```")
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
        blocks.push(Block { line, info, text });
    }
    Ok(blocks)
}

/// What follows `run` where a comment begins that is run.
fn hidden(opening: &str) -> Option<&str> {
    let rest = opening.strip_prefix("<!-- run")?;
    (rest.is_empty() || rest.starts_with(" needs=")).then_some(rest)
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
        needs: None,
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
    let page = "<!-- run needs=\"postgresql\"\na\n-->\n```sh run needs=\"b3sum\"\nb\n```\n```text output\nc\n```\n";
    let needed: Vec<_> = steps(page).unwrap_or_default();
    let needed = needed.iter().map(Step::needs);
    assert_eq!(
        needed.collect::<Vec<_>>(),
        [Some("postgresql"), Some("b3sum")]
    );
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
            "```sh run needs=\"\"\na\n```\n",
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
