//! The socket of a running program: what is handed in, and clients that misbehave.
//!
//! The programs are this very test executable: each test marked as ignored is one, started by the agent with its name.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use crate::command::{World, b3};

/// A job that is a program below, with the output `out`.
fn job(program: &str) -> Value {
    let executable = std::env::current_exe().unwrap();
    let name = format!("command_socket::programs::{program}");
    json!({
        "profile": "pogw/1",
        "command": {
            "argv": [executable, "--ignored", "--exact", name],
            "inputs": {},
            "outputs": ["out"],
            "limits": {
                "wall_s": 60,
                "output_bytes": 1 << 20,
                "processes": 16,
                "memory_bytes": 1_u64 << 30,
            },
        },
        "checks": [],
    })
}

/// A conversation with the agent.
struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    /// Outside of an agent there is nothing to test: `cargo test -- --ignored` runs the programs too.
    fn new() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("POGW_SOCKET")?);
        let stream = UnixStream::connect(path).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Some(Self { stream, answers })
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.stream
            .write_all(format!("{request}\n").as_bytes())
            .unwrap();
        self.answer()
    }

    fn ask_with(&mut self, request: &Value, file: &File) -> Value {
        let line = format!("{request}\n");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        let parts = [IoSlice::new(line.as_bytes())];
        let sent = sendmsg(&self.stream, &parts, &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, line.len());
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn refused(&mut self, request: &Value, code: &str) {
        let answer = self.ask(request);
        assert_eq!(
            (&answer["ok"], &answer["code"]),
            (&json!(false), &json!(code)),
            "{answer}"
        );
    }

    fn ends_cut_off(mut self) -> bool {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.answers.read_to_end(&mut rest);
        rest.is_empty()
    }
}

fn file_of(bytes: &[u8]) -> File {
    let fd = rustix::fs::memfd_create("bytes", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(fd);
    file.write_all(bytes).unwrap();
    file
}

/// Programs that the agent runs.
mod programs {
    use super::*;

    #[test]
    #[ignore = "a program that the tests beside it run under an agent"]
    fn hands_in() {
        let Some(mut client) = Client::new() else {
            return;
        };
        let hello = client.ask(&json!({ "op": "hello", "version": 1 }));
        assert_eq!(
            (&hello["ok"], &hello["outputs"]),
            (&json!(true), &json!(["out"]))
        );
        assert_eq!(hello["device_buffers"], false);
        let digest = client.ask_with(&json!({ "op": "digest", "fd": true }), &file_of(b"hello"));
        assert_eq!(
            (&digest["blake3"], &digest["len"]),
            (&json!(b3(b"hello")), &json!(5))
        );
        let mark = json!({ "op": "mark", "step": 7, "name": "w", "fd": true });
        assert_eq!(client.ask_with(&mark, &file_of(b"one"))["entry"], 0);
        let mark = json!({ "op": "mark", "step": 8, "name": "w", "blake3": b3(b"two") });
        assert_eq!(client.ask(&mark)["entry"], 1);
        let output = json!({ "op": "output", "name": "out", "fd": true });
        assert_eq!(
            client.ask_with(&output, &file_of(b"made"))["blake3"],
            b3(b"made")
        );
        assert_eq!(fs::read("out").unwrap(), b"made");
        let again = client.ask(&json!({ "op": "output", "name": "out" }));
        assert_eq!(again["blake3"], b3(b"made"));
        assert_eq!(client.ask(&json!({ "op": "done" }))["ok"], true);
        assert!(client.ends_cut_off());
    }

    #[test]
    #[ignore = "a program that the tests beside it run under an agent"]
    fn changes_its_output() {
        let Some(mut client) = Client::new() else {
            return;
        };
        fs::write("out", b"made").unwrap();
        assert_eq!(
            client.ask(&json!({ "op": "output", "name": "out" }))["ok"],
            true
        );
        fs::write("out", b"other").unwrap();
    }

    #[test]
    #[ignore = "a program that the tests beside it run under an agent"]
    fn misbehaves() {
        let Some(mut client) = Client::new() else {
            return;
        };
        client.refused(
            &json!({ "op": "hello", "version": 2 }),
            "version_unsupported",
        );
        client.refused(
            &json!({ "op": "output", "name": "../out" }),
            "output_unknown",
        );
        client.refused(&json!({ "op": "output", "name": "out" }), "output_missing");
        client.refused(&json!({ "op": "digest" }), "source_unclear");
        client.refused(&json!({ "op": "digest", "fd": true }), "source_unclear");
        let cuda = json!({ "device": 0, "handle": "00".repeat(64), "offset": 0, "len": 4 });
        for operation in ["digest", "mark", "output"] {
            let mut request = json!({ "op": operation, "cuda": cuda });
            if operation != "digest" {
                request["name"] = json!("out");
            }
            if operation == "mark" {
                request["step"] = json!(1);
            }
            client.refused(&request, "unavailable");
        }
        let long = json!({ "op": "mark", "step": 1, "name": "n".repeat(129), "blake3": b3(b"") });
        client.refused(&long, "name_too_long");
        let both = json!({ "op": "mark", "step": 1, "name": "n", "blake3": b3(b""), "cuda": cuda });
        client.refused(&both, "source_unclear");
        let large = file_of(&vec![0; (1 << 20) + 1]);
        let output = json!({ "op": "output", "name": "out", "fd": true });
        assert_eq!(client.ask_with(&output, &large)["code"], "source_unusable");
        // A pipe never ends, and is not waited for.
        let (pipe, _writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        let answer = client.ask_with(&json!({ "op": "digest", "fd": true }), &pipe);
        assert_eq!(answer["code"], "source_unusable");
        assert!(
            !fs::exists("out").unwrap(),
            "a refused output leaves nothing"
        );
        // A link is replaced, not followed.
        std::os::unix::fs::symlink("/etc/hostname", "out").unwrap();
        client.refused(
            &json!({ "op": "output", "name": "out" }),
            "output_not_plain",
        );
        assert_eq!(client.ask_with(&output, &file_of(b"made"))["ok"], true);
        assert!(fs::symlink_metadata("out").unwrap().is_file());
        client.refused(&json!({ "op": "shell" }), "request_malformed");
        assert!(client.ends_cut_off());
        for hostile in [
            vec![b'x'; 1 << 16],
            b"[[[[\n".to_vec(),
            vec![0xff; 100],
            b"\n".to_vec(),
        ] {
            let mut client = Client::new().unwrap();
            // The agent may hang up before all of it is written.
            let _ = client.stream.write_all(&hostile);
            let _ = client.stream.shutdown(std::net::Shutdown::Write);
            // An answer, an end or a reset: whatever comes, comes at once.
            let _ = client.answers.read_to_end(&mut Vec::new());
        }
        // More connections than there may be, all of them silent, and left open.
        let mut silent: Vec<_> = (0..80).filter_map(|_| Client::new()).collect();
        assert_eq!(silent.len(), 80);
        // A line that is begun and never ended does not hold up the end of the run either.
        silent[0].stream.write_all(b"{\"op\"").unwrap();
        std::mem::forget(silent);
        std::process::exit(0);
    }

    #[test]
    #[ignore = "a program that the tests beside it run under an agent"]
    fn lets_a_stranger_in() {
        // A process that is not of the program's tree: the agent's own grandparent is asked to by a file.
        let Some(path) = std::env::var_os("POGW_SOCKET") else {
            return;
        };
        fs::write("socket-is-at", path.as_encoded_bytes()).unwrap();
        let told = PathBuf::from("told");
        while !told.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        fs::write("out", b"made").unwrap();
    }
}

#[test]
fn what_a_program_hands_in_is_stated() {
    let world = World::new();
    let report = world.good(&job("hands_in"), &["--out", "result"]);
    let statement = &report["statement"];
    assert_eq!(statement["outputs"][0]["blake3"], b3(b"made"));
    let digests = fs::read(world.path().join("result/trace.bin")).unwrap();
    let both = [b3(b"one"), b3(b"two")]
        .map(|digest| hex_of(&digest))
        .concat();
    assert_eq!(digests, both);
    let expected = json!({ "entries": 2, "blake3": b3(&digests) });
    assert_eq!(statement["trace"], expected);
    let marks = fs::read(world.path().join("result/trace.json")).unwrap();
    let marks: Value = serde_json::from_slice(&marks).unwrap();
    assert_eq!(
        marks[0],
        json!({ "step": 7, "name": "w", "blake3": b3(b"one") })
    );
    world.is_clean();
}

fn hex_of(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn an_output_that_changes_after_it_was_handed_in_is_refused() {
    World::new().bad(&job("changes_its_output"), &[], "output_changed");
}

#[test]
fn a_client_that_misbehaves_holds_up_nobody() {
    let world = World::new();
    let report = world.good(&job("misbehaves"), &[]);
    assert_eq!(report["statement"]["outputs"][0]["blake3"], b3(b"made"));
    world.is_clean();
}

#[test]
fn a_process_that_is_not_of_the_program_is_not_heard() {
    let world = World::new();
    let mut agent: Command = world.command(&job("lets_a_stranger_in"), &[]);
    let agent = agent
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let runs = world.path().join("state/runs");
    let work = loop {
        let runs = fs::read_dir(&runs).into_iter().flatten().flatten();
        let work = runs
            .map(|run| run.path().join("work"))
            .find(|work| work.join("socket-is-at").exists());
        match work {
            Some(work) => break work,
            None => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    let mut stream = UnixStream::connect(work.parent().unwrap().join("socket")).unwrap();
    // It hangs up without an answer, perhaps before it is asked.
    let _ = stream.write_all(b"{\"op\":\"hello\",\"version\":1}\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    fs::write(work.join("told"), "").unwrap();
    let output = agent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}
