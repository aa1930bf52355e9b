//! Whoever reads the answer may go at any time; the exit status stays that of the verdict.

use std::io::{Error, ErrorKind, Write};

use cli::Exit;

/// What a pipe is whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }
}

fn run(args: &[&str], stdout: &mut dyn Write) -> Exit {
    let args = std::iter::once("pogw").chain(args.iter().copied());
    cli::run(args.map(Into::into), stdout, &mut Vec::new())
}

#[test]
fn a_refusal_nobody_reads_is_still_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Not a report, and no chain of anybody: refused, not unreadable.
    let (report, chain) = (file("report", &[0x11, 0xe0, 1, 0xff]), file("chain", b""));
    let nonce = "00".repeat(32);
    let args = [
        "appraise", "--report", &report, "--chain", &chain, "--nonce", &nonce,
    ];
    let mut heard = Vec::new();
    assert_eq!(run(&args, &mut heard), Exit::Refused);
    assert!(!heard.is_empty());
    assert_eq!(run(&args, &mut Closed), Exit::Refused);

    let token = file("token", b"a.b.c");
    let jwks = file("jwks", br#"{"keys":[]}"#);
    let args = [
        "receipt",
        "verify",
        &token,
        "--jwks",
        &jwks,
        "--audience",
        "a",
    ];
    assert_eq!(run(&args, &mut Vec::new()), run(&args, &mut Closed));
    assert_ne!(run(&args, &mut Closed), Exit::Done);
}
