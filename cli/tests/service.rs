//! `pogw job`, `agent` and `provider` before a stand-in for a verifier that answers what a script says.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

const KEY: &str = "pogw_abcdefgh_0123456789012345678901234567890123456789012";

/// A request as it came.
#[derive(Clone, Debug)]
struct Seen {
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Status, media type and body.
type Reply = (u16, &'static str, String);
type Replies = VecDeque<Reply>;

/// The stand-in. Its thread ends with the test process.
struct Service {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    dir: TempDir,
}

impl Service {
    /// Answers `METHOD /path` with its replies in order; the last one is repeated.
    fn start<const N: usize>(script: [(&'static str, Vec<Reply>); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = script
            .into_iter()
            .map(|(path, replies)| (path, replies.into()));
        let script: Mutex<BTreeMap<&str, Replies>> = Mutex::new(script.collect());
        let script = Arc::new(script);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that has seen enough is no failure of the service.
                let _ = serve(stream, &script, &remembered);
            }
        });
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), format!("{KEY}\n")).unwrap();
        Self { url, seen, dir }
    }

    /// Runs the command with the key in a file.
    fn pogw(&self, args: &[&str]) -> Output {
        self.command(args)
            .env("POGW_API_KEY_FILE", "key")
            .output()
            .unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pogw"));
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("POGW_VERIFIER", &self.url)
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    script: &Mutex<BTreeMap<&str, Replies>>,
    seen: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let name = format!("{method} {}", target.split('?').next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    seen.lock().unwrap().push(Seen {
        target,
        headers,
        body,
    });
    let (status, kind, answer) = {
        let mut script = script.lock().unwrap();
        let replies = script
            .get_mut(name.as_str())
            .unwrap_or_else(|| panic!("asked for {name}"));
        if replies.len() > 1 {
            replies.pop_front().unwrap()
        } else {
            replies[0].clone()
        }
    };
    let mut stream = &stream;
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    )
}

fn json(status: u16, body: impl Into<String>) -> Reply {
    (status, "application/json", body.into())
}

fn job(status: &str) -> Reply {
    json(
        200,
        format!(r#"{{"id":"j-1","status":"{status}","spec":{{"a":1}},"assignments":[]}}"#),
    )
}

fn problem(status: u16, code: &str) -> Reply {
    let body = format!(r#"{{"status":{status},"code":"{code}","title":"A title"}}"#);
    (status, "application/problem+json", body)
}

fn events(text: &str) -> Reply {
    (200, "text/event-stream", text.to_owned())
}

#[track_caller]
fn ends(output: &Output, code: i32) -> (String, String) {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY));
    (stdout, stderr)
}

#[test]
fn a_job_is_submitted_once_however_often_it_is_sent() {
    let service = Service::start([(
        "POST /v1/jobs",
        vec![
            problem(503, "store_unavailable"),
            json(201, r#"{"id":"j-1","status":"open","spec":{}}"#),
        ],
    )]);
    fs::write(
        service.dir.path().join("job.json"),
        r#"{"spec":{},"terms":{}}"#,
    )
    .unwrap();
    let (stdout, _) = ends(&service.pogw(&["job", "submit", "job.json"]), 0);
    assert_eq!(stdout, "id      j-1\nstatus  open\n");
    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, r#"{"spec":{},"terms":{}}"#);
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        seen[0].headers["idempotency-key"],
        seen[1].headers["idempotency-key"]
    );

    let args = [
        "job",
        "submit",
        "job.json",
        "--idempotency-key",
        "order-7",
        "--format",
        "json",
    ];
    let (stdout, _) = ends(&service.pogw(&args), 0);
    assert!(stdout.contains("\"spec\": {}"));
    assert_eq!(service.seen()[2].headers["idempotency-key"], "order-7");
}

#[test]
fn a_stake_that_makes_cheating_pay_is_told() {
    for (stake, advised, is_told) in [(5, "251", true), (251, "251", false), (5, "null", false)] {
        let made = format!(
            r#"{{"id":"j-1","status":"open","terms":{{"stake":{stake}}},"advised_stake":{advised}}}"#
        );
        let service = Service::start([("POST /v1/jobs", vec![json(201, made)])]);
        fs::write(service.dir.path().join("job.json"), "{}").unwrap();
        let (_, notes) = ends(&service.pogw(&["job", "submit", "job.json"]), 0);
        let told = "the stake of 5 is below 251";
        assert_eq!(notes.contains(told), is_told, "{stake} {advised}: {notes}");
    }
}

#[test]
fn refusals_say_their_code_and_end_with_1() {
    let service = Service::start([("POST /v1/jobs", vec![problem(402, "funds_missing")])]);
    fs::write(service.dir.path().join("job.json"), "{}").unwrap();
    let (stdout, stderr) = ends(&service.pogw(&["job", "submit", "job.json"]), 1);
    assert!(
        stdout.is_empty() && stderr.contains("HTTP 402 funds_missing: A title"),
        "{stderr}"
    );
    assert_eq!(service.seen().len(), 1);
}

#[test]
fn a_tenant_with_too_many_open_jobs_reads_why() {
    let body =
        r#"{"status":429,"code":"too_many_open_jobs","detail":"2 jobs of this tenant are open"}"#;
    let refused = (429, "application/problem+json", body.to_owned());
    let service = Service::start([("POST /v1/jobs", vec![refused])]);
    fs::write(service.dir.path().join("job.json"), "{}").unwrap();
    let (stdout, stderr) = ends(&service.pogw(&["job", "submit", "job.json"]), 3);
    let said = "HTTP 429 too_many_open_jobs: 2 jobs of this tenant are open";
    assert!(stdout.is_empty() && stderr.contains(said), "{stderr}");
}

#[test]
fn what_cannot_be_asked_is_not_asked() {
    let service = Service::start([]);
    fs::write(service.dir.path().join("job.json"), "{").unwrap();
    ends(&service.pogw(&["job", "submit", "job.json"]), 2);
    ends(&service.pogw(&["job", "submit", "absent.json"]), 2);
    ends(&service.pogw(&["job", "show", "../x"]), 2);
    let (_, stderr) = ends(&service.command(&["job", "list"]).output().unwrap(), 2);
    assert!(stderr.contains("no API key"), "{stderr}");
    let mut elsewhere = service.command(&["job", "list", "--verifier", "http://verifier.example"]);
    let (_, stderr) = ends(&elsewhere.env("POGW_API_KEY", KEY).output().unwrap(), 2);
    assert!(stderr.contains("expected https"), "{stderr}");
    assert!(service.seen().is_empty());
}

#[test]
fn a_verifier_that_is_away_ends_with_3() {
    let service = Service::start([("GET /v1/jobs/j-1", vec![problem(503, "store_unavailable")])]);
    let (_, stderr) = ends(&service.pogw(&["job", "show", "j-1"]), 3);
    assert!(stderr.contains("store_unavailable"), "{stderr}");
    assert_eq!(service.seen().len(), 4);
}

#[test]
fn a_wait_follows_the_events_and_takes_them_up_again() {
    let first = events("id: 4\nevent: job_created\ndata: {\"kind\":\"job_created\"}\n\n");
    let second = events("id: 9\ndata: {\"kind\":\"job_accepted\",\"code\":\"x\"}\n\n");
    let service = Service::start([
        (
            "GET /v1/jobs/j-1",
            vec![job("open"), job("open"), job("opening"), job("accepted")],
        ),
        ("GET /v1/jobs/j-1/events", vec![first, second]),
    ]);
    let (stdout, stderr) = ends(&service.pogw(&["job", "wait", "j-1"]), 0);
    assert!(stdout.contains("status       accepted"), "{stdout}");
    for said in [
        "open",
        "job_created",
        "opening",
        "job_accepted x",
        "accepted",
    ] {
        assert!(
            stderr.contains(&format!("pogw: {said}\n")),
            "{said}: {stderr}"
        );
    }
    let streams: Vec<_> = service
        .seen()
        .into_iter()
        .filter(|s| s.target.ends_with("events"))
        .collect();
    assert_eq!(streams[0].headers.get("last-event-id"), None);
    assert_eq!(streams[1].headers["last-event-id"], "4");
    assert_eq!(streams[0].headers["accept"], "text/event-stream");
}

#[test]
fn a_wait_ends_as_the_job_does() {
    let wait = |status: &str, args: &[&str], code: i32| {
        let service = Service::start([
            ("GET /v1/jobs/j-1", vec![job(status)]),
            ("GET /v1/jobs/j-1/events", vec![events("")]),
        ]);
        ends(
            &service.pogw(&[&["job", "wait", "j-1"], args].concat()),
            code,
        )
    };
    wait("failed", &[], 1);
    wait("cancelled", &["--until", "settled"], 1);
    wait("settled", &["--until", "settled"], 0);
    let (stdout, stderr) = wait("accepted", &["--until", "settled", "--timeout", "1"], 3);
    assert!(
        stdout.is_empty() && stderr.contains("has not ended after 1 s"),
        "{stderr}"
    );
}

#[test]
fn jobs_are_shown_cancelled_and_listed() {
    let page = r#"{"jobs":[{"id":"j-2","status":"open","created_at":"2026-11-27T00:00:00Z"},
        {"id":"j-1","status":"failed","code":"replicas_disagree"}],"next":"c-1"}"#;
    let service = Service::start([
        ("GET /v1/jobs/j-1", vec![problem(404, "job_not_found")]),
        ("POST /v1/jobs/j-1/cancel", vec![job("cancelled")]),
        ("GET /v1/jobs", vec![json(200, page)]),
    ]);
    ends(&service.pogw(&["job", "show", "j-1"]), 1);
    let (stdout, _) = ends(&service.pogw(&["job", "cancel", "j-1"]), 0);
    assert!(stdout.contains("cancelled"));
    let (stdout, stderr) = ends(
        &service.pogw(&["job", "list", "--limit", "2", "--cursor", "a&b"]),
        0,
    );
    assert_eq!(
        stdout,
        "j-2  open    2026-11-27T00:00:00Z\nj-1  failed  replicas_disagree\n"
    );
    assert!(stderr.contains("--cursor c-1"));
    assert_eq!(service.seen()[2].target, "/v1/jobs?limit=2&cursor=a%26b");
}

#[test]
fn a_token_is_shown_once_or_written_for_this_account_alone() {
    let made = r#"{"id":"t-1","token":"pogwe_secret","expires_at":"2026-11-27T01:00:00Z"}"#;
    let service = Service::start([("POST /v1/enrolment-tokens", vec![json(201, made)])]);
    let (stdout, stderr) = ends(&service.pogw(&["agent", "enrol-token"]), 0);
    assert_eq!(stdout, "pogwe_secret\n");
    assert!(stderr.contains("until 2026-11-27T01:00:00Z") && !stderr.contains("secret"));
    assert_eq!(service.seen()[0].body, "{}");

    let args = [
        "agent",
        "enrol-token",
        "--out",
        "token",
        "--label",
        "rack 7",
        "--expires-in",
        "60",
    ];
    let (stdout, _) = ends(&service.pogw(&args), 0);
    assert_eq!(stdout, "token\n");
    let path = service.dir.path().join("token");
    assert_eq!(fs::read_to_string(&path).unwrap(), "pogwe_secret\n");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        service.seen()[1].body,
        r#"{"expires_in_s":60,"label":"rack 7"}"#
    );
    // A file that is there is not written over, and no token is made in vain.
    ends(&service.pogw(&args), 2);
    assert_eq!(service.seen().len(), 2);
}

#[test]
fn statements_come_as_text_json_or_csv() {
    let statement = r#"{"provider":"p-1","balance":{"amount":1200,"currency":"EUR"},
        "entries":[{"kind":"pay","amount":1200}]}"#;
    let csv = "at,kind,amount\r\n2026-11-27T00:00:00Z,pay,1200\r\n";
    let service = Service::start([(
        "GET /v1/providers/p-1/statement",
        vec![
            json(200, statement),
            json(200, statement),
            (200, "text/csv", csv.to_owned()),
        ],
    )]);
    let times = [
        "--from",
        "2026-11-01T00:00:00Z",
        "--to",
        "2026-12-01T00:00:00Z",
    ];
    let (stdout, _) = ends(
        &service.pogw(&[&["provider", "statement", "p-1"], &times[..]].concat()),
        0,
    );
    assert!(
        stdout.contains("balance   1200 EUR (minor units)\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("entries\n  amount 1200  kind pay\n"),
        "{stdout}"
    );
    let from =
        "/v1/providers/p-1/statement?from=2026-11-01T00%3A00%3A00Z&to=2026-12-01T00%3A00%3A00Z";
    assert_eq!(service.seen()[0].target, from);
    let (stdout, _) = ends(
        &service.pogw(&["provider", "statement", "p-1", "--format", "json"]),
        0,
    );
    assert!(stdout.contains("\"amount\": 1200"));
    let (stdout, _) = ends(&service.pogw(&["provider", "statement", "p-1", "--csv"]), 0);
    assert_eq!(stdout, csv);
    assert_eq!(service.seen()[2].headers["accept"], "text/csv");
    ends(
        &service.pogw(&["provider", "statement", "p-1", "--from", "yesterday"]),
        2,
    );
}
