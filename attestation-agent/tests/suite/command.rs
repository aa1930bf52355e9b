//! People's own programs, run by the real executable: what a good one leaves, and every bad one with its reason and a
//! clean machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use evidence::work::{Bundle, canonical_json};
use serde_json::{Value, json};

const CHALLENGE: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

/// A job that is this shell script, with one output `out` and room for everything.
fn script(text: &str) -> Value {
    json!({
        "profile": "pogw/1",
        "command": {
            "argv": ["sh", "-c", text],
            "inputs": {},
            "outputs": ["out"],
            "limits": {
                "wall_s": 60,
                "output_bytes": 1 << 20,
                "processes": 16,
                "memory_bytes": 1_u64 << 30,
            },
        },
        "checks": ["output_digest"],
    })
}

fn limited(text: &str, limit: &str, value: u64) -> Value {
    let mut job = script(text);
    job["command"]["limits"][limit] = json!(value);
    job
}

pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, job: &Value, more: &[&str]) -> Command {
        fs::write(self.path().join("job.json"), job.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_attestation-agent"));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("SECRET_TOKEN", "do not tell")
            .env("LANG", "C.UTF-8")
            .env("ATTESTATION_AGENT__STATE_DIR", self.path().join("state"))
            .args(["run", "--job", "job.json", "--device", "simulated"])
            .args(["--challenge", CHALLENGE, "--format", "json"])
            .args(more);
        command
    }

    fn run(&self, job: &Value, more: &[&str]) -> Output {
        self.command(job, more).output().unwrap()
    }

    /// The report of a run that must end well.
    #[track_caller]
    pub(crate) fn good(&self, job: &Value, more: &[&str]) -> Value {
        let output = self.run(job, more);
        let text = String::from_utf8_lossy(&output.stdout);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}\n{words}");
        serde_json::from_str(&text).unwrap()
    }

    /// The error of a run that must not, with nothing left behind.
    #[track_caller]
    pub(crate) fn bad(&self, job: &Value, more: &[&str], code: &str) -> Value {
        let output = self.run(job, more);
        let text = String::from_utf8_lossy(&output.stdout);
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(error["code"], code, "{error:#}");
        assert_ne!(output.status.code(), Some(0));
        self.is_clean();
        error
    }

    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let runs = self.path().join("state/runs");
        let left = fs::read_dir(runs).into_iter().flatten().count();
        assert_eq!(left, 0, "a run folder is left");
        let marker = self.path().to_str().unwrap();
        assert_eq!(living(marker), Vec::<String>::new());
    }
}

/// Command lines of living processes that name `marker` or start in a folder below it.
fn living(marker: &str) -> Vec<String> {
    let of_process = |path: &Path| {
        let line = fs::read(path.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let folder = fs::read_link(path.join("cwd")).ok()?;
        let runs = format!("{marker}/state/runs");
        (line.contains(&runs) || folder.to_str()?.starts_with(&runs)).then_some(line)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| of_process(&entry.path()))
        .collect()
}

pub(crate) fn b3(bytes: &[u8]) -> String {
    kernels::Blake3Digest::of(bytes).to_string()
}

#[test]
fn a_program_is_stated_as_it_ran() {
    let world = World::new();
    fs::write(world.path().join("data"), b"12345").unwrap();
    let mut job = script("cat data > out; echo said; echo erred >&2");
    job["command"]["inputs"] = json!({ "data": { "blake3": b3(b"12345"), "len": 5 } });
    let report = world.good(&job, &["--input", "data=data", "--out", "result"]);
    let statement = &report["statement"];
    assert_eq!(statement["executor"], "host-program");
    assert_eq!(statement["program"]["name"], "sh");
    assert_eq!(statement["program"]["exit_code"], 0);
    assert!(statement.get("kernel").is_none());
    assert!(statement.get("trace").is_none());
    let output = &statement["outputs"][0];
    let expected = json!({ "name": "out", "len": 5, "blake3": b3(b"12345") });
    assert_eq!(output, &expected);
    let telemetry = statement["telemetry"].as_object().unwrap();
    for name in ["cpu_user_us", "peak_memory_bytes", "written_bytes"] {
        assert!(telemetry[name].is_i64(), "{name}");
    }
    assert!(!telemetry.keys().any(|name| name.starts_with("gpu")));
    let read = |name: &str| fs::read(world.path().join("result").join(name)).unwrap();
    assert_eq!(read("output-out"), b"12345");
    assert_eq!(read("stdout.txt"), b"said\n");
    assert_eq!(read("stderr.txt"), b"erred\n");
    let bundle = Bundle::parse(&read("bundle.json")).unwrap();
    assert_eq!(
        canonical_json(&bundle.job).unwrap(),
        canonical_json(&job).unwrap()
    );
    assert_eq!(bundle.outputs["out"].0, b"12345");
    assert!(bundle.inputs.is_empty());
    world.is_clean();
}

#[test]
fn the_environment_is_cleaned_and_the_folder_is_fresh() {
    let world = World::new();
    let report = world.good(
        &script("env | sort > out; ls -A >> out; pwd >> out; cat >> out"),
        &["--out", "result"],
    );
    let text = fs::read_to_string(world.path().join("result/output-out")).unwrap();
    assert!(
        !text.contains("SECRET") && !text.contains("ATTESTATION_AGENT__"),
        "{text}"
    );
    for name in ["HOME=", "TMPDIR=", "POGW_SOCKET=", "PATH=", "LANG="] {
        assert!(
            text.lines().any(|line| line.starts_with(name)),
            "{name}\n{text}"
        );
    }
    assert!(report["run_folder"].is_null());
}

#[test]
fn the_command_given_must_be_the_jobs() {
    let world = World::new();
    let text = "true > out";
    let job = script(text);
    world.good(&job, &["--", "sh", "-c", text]);
    world.bad(
        &job,
        &["--", "sh", "-c", "echo other > out"],
        "command_mismatch",
    );
    let kernel = json!({ "profile": "pogw/1", "kernel": "gemm_i8", "checks": [],
        "params": { "m": 1, "n": 1, "k": 4, "operands": { "seed": "00".repeat(32) } } });
    world.bad(&kernel, &["--", "true"], "job_not_a_command");
}

#[test]
fn an_input_can_be_the_program() {
    let world = World::new();
    let text = b"#!/bin/sh\necho made > out\n";
    fs::write(world.path().join("make.sh"), text).unwrap();
    let mut job = script("");
    job["command"]["argv"] = json!(["./make.sh"]);
    job["command"]["inputs"] = json!({ "make.sh": { "blake3": b3(text), "len": text.len() } });
    let report = world.good(&job, &["--input", "make.sh=make.sh"]);
    assert_eq!(report["statement"]["program"]["blake3"], b3(text));
}

#[test]
fn inputs_are_the_jobs() {
    let world = World::new();
    fs::write(world.path().join("data"), b"12345").unwrap();
    let mut job = script("cat data > out");
    job["command"]["inputs"] = json!({ "data": { "blake3": b3(b"12345"), "len": 5 } });
    let given = ["--input", "data=data"];
    world.bad(&job, &[], "input_missing");
    world.bad(
        &job,
        &["--input", "data=data", "--input", "x=data"],
        "input_unexpected",
    );
    world.bad(&job, &["--input", "data=nowhere"], "file_unusable");
    fs::write(world.path().join("data"), b"12346").unwrap();
    world.bad(&job, &given, "input_digest_mismatch");
    fs::write(world.path().join("data"), b"123456").unwrap();
    world.bad(&job, &given, "input_length_mismatch");
}

#[test]
fn what_cannot_be_started_is_told() {
    let world = World::new();
    let with = |argv: Value| {
        let mut job = script("");
        job["command"]["argv"] = argv;
        job
    };
    for program in ["no-such-program", "/no/such", "./no-input", "a/b"] {
        world.bad(&with(json!([program])), &[], "command_not_found");
    }
    let plain = world.path().join("plain");
    fs::write(&plain, "text").unwrap();
    world.bad(&with(json!([plain])), &[], "command_not_executable");
    world.bad(&with(json!([world.path()])), &[], "command_not_executable");
    // Executable by its bits, and nothing a kernel can start.
    let mut job = with(json!(["./empty"]));
    fs::write(world.path().join("empty"), [0_u8; 8]).unwrap();
    job["command"]["inputs"] = json!({ "empty": { "blake3": b3(&[0; 8]), "len": 8 } });
    world.bad(&job, &["--input", "empty=empty"], "command_not_executable");
    let mut job = script("true > out");
    job["checks"] = json!(["freivalds"]);
    world.bad(&job, &[], "check_not_available");
}

#[test]
fn outputs_are_plain_files_that_are_there() {
    let world = World::new();
    for (text, code) in [
        ("true", "output_missing"),
        ("echo x > out; rm out", "output_missing"),
        ("ln -s /etc/passwd out", "output_not_plain"),
        ("echo x > other; ln other out", "output_not_plain"),
        ("mkdir out", "output_not_plain"),
        ("mkfifo out", "output_not_plain"),
    ] {
        world.bad(&script(text), &[], code);
    }
}

#[test]
fn a_program_that_fails_gets_no_statement() {
    let world = World::new();
    let error = world.bad(
        &script("echo x > out; echo why >&2; exit 3"),
        &[],
        "command_failed",
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("exit status 3") && message.contains("why"),
        "{message}"
    );
    let error = world.bad(&script("kill -SEGV $$"), &[], "command_killed");
    assert!(error["message"].as_str().unwrap().contains("signal 11"));
}

#[test]
fn a_program_that_hangs_is_ended_with_all_it_started() {
    let world = World::new();
    let started = Instant::now();
    // One child in its own session, one that ignores the polite signals, and the program itself.
    let text = "setsid sleep 300 & sh -c 'trap \"\" TERM INT HUP; sleep 300' & sleep 300";
    world.bad(&limited(text, "wall_s", 1), &[], "command_timed_out");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn processes_that_outlive_the_program_are_ended() {
    let world = World::new();
    let text = "echo x > out; (setsid sh -c 'sleep 300 & sleep 300' &) ; exit 0";
    world.bad(&script(text), &[], "command_outlived");
}

#[test]
fn a_program_that_uses_too_much_is_ended() {
    let world = World::new();
    let disk = "i=0; while :; do head -c 300000 /dev/zero > f$i; i=$((i+1)); sleep 0.02; done";
    world.bad(&script(disk), &[], "command_output_exceeded");
    let one_file = "head -c 100000000 /dev/zero > out";
    world.bad(&script(one_file), &[], "command_output_exceeded");
    let hidden = "head -c 3000000 /dev/zero > $TMPDIR/f; sleep 300";
    world.bad(&script(hidden), &[], "command_output_exceeded");
    let forks = "i=0; while [ $i -lt 30 ]; do sleep 300 & i=$((i+1)); done; wait";
    world.bad(&script(forks), &[], "command_processes_exceeded");
    let memory = "head -c 200000000 /dev/zero | tail -c 200000000 | sleep 300";
    world.bad(
        &limited(memory, "memory_bytes", 100_000_000),
        &[],
        "command_memory_exceeded",
    );
    let talk = "yes > /dev/stderr";
    let talker = limited(talk, "output_bytes", 1 << 30);
    world.bad(&talker, &[], "command_stream_exceeded");
}

#[test]
fn a_folder_that_cannot_be_read_is_removed_too() {
    let world = World::new();
    let text = "mkdir -p a/b; echo x > a/b/c; chmod 0 a/b a; echo x > out";
    world.good(&script(text), &[]);
    world.is_clean();
}

#[test]
fn the_run_folder_stays_on_demand() {
    let world = World::new();
    let report = world.good(&script("echo x > out"), &["--keep"]);
    let folder = Path::new(report["run_folder"].as_str().unwrap());
    assert_eq!(fs::read(folder.join("work/out")).unwrap(), b"x\n");
}

#[test]
fn an_agent_that_is_killed_leaves_nothing_running() {
    let world = World::new();
    let mut agent = world
        .command(&script("sleep 300 & setsid sleep 300"), &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let marker = world.path().to_str().unwrap().to_owned();
    let until = |wanted: &dyn Fn(usize) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !wanted(living(&marker).len()) {
            assert!(Instant::now() < deadline, "{:?}", living(&marker));
            thread::sleep(Duration::from_millis(20));
        }
    };
    until(&|count| count >= 2);
    agent.kill().unwrap();
    agent.wait().unwrap();
    until(&|count| count == 0);
    let runs = world.path().join("state/runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_dir(&runs).unwrap().count() > 0 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
}
