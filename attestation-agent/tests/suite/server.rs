//! A stand-in for a verifier: answers what a script says, on a thread of its own, and remembers
//! what it was asked. It never judges a bundle.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What to do with one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answer with this status, these header lines and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Close the connection without a word.
    Hangup,
    /// Promise a body and close in the middle of it.
    CutShort,
    /// Keep the client waiting for longer than a test allows it to wait.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The path with its query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An address where connections are refused, and that nobody else is given, as long as this lives: a port that is bound and
/// not listened on. (A port that is merely free again may be the next test's.)
pub(crate) struct Nobody {
    _socket: tokio::net::TcpSocket,
    pub(crate) url: String,
}

impl Nobody {
    pub(crate) fn listens() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        Self {
            _socket: socket,
            url,
        }
    }
}

/// The stand-in. Its thread ends with the test process.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = Mutex<BTreeMap<&'static str, VecDeque<Reply>>>;

impl Server {
    /// Serves each path with its replies in order; the last one is repeated for ever.
    pub(crate) fn start<const N: usize>(script: [(&'static str, Vec<Reply>); N]) -> Self {
        let script = script.into_iter().map(|(path, r)| (path, r.into()));
        let script: Script = Mutex::new(script.collect());
        Self::answering(move |request| next_reply(&script, &request.path))
    }

    /// Answers every request as `reply` says, several at a time.
    pub(crate) fn answering(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reply, remembered) = (Arc::new(reply), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (reply, seen) = (Arc::clone(&reply), Arc::clone(&remembered));
                std::thread::spawn(move || serve(stream, &*reply, &seen));
            }
        });
        Self { url, seen }
    }

    /// Everything asked so far of this path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| s.path == path).cloned().collect()
    }
}

impl Reply {
    /// A challenge: 32 bytes of sevens that expire long after any test.
    pub(crate) fn challenge() -> Self {
        let body = r#"{"id":"ch-1","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            "expires_at":"2100-01-01T00:00:00Z",
            "accept":["application/vnd.pogw.bundle+json"],"added_later":true}"#;
        Self::json(201, "application/json", body)
    }

    /// A challenge that lives for `life_s` by the clock of a verifier five years ahead of ours.
    pub(crate) fn challenge_for(life_s: u64) -> Self {
        let (minute, second) = (life_s / 60, life_s % 60);
        let body = format!(
            r#"{{"id":"ch-1","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            "expires_at":"2031-11-24T08:{minute:02}:{second:02}Z"}}"#
        );
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Date", "Mon, 24 Nov 2031 08:00:00 GMT".to_owned()),
        ];
        Self::Answer(201, headers, body.into())
    }

    /// A verifier without the reference manifest of a driver.
    pub(crate) fn unverifiable() -> Self {
        let body = r#"{"type":"about:blank","title":"Cannot verify now","status":503,
            "code":"unverifiable","checks":[{"id":"measurements","device":0,"status":"unverifiable",
            "reasons":[{"code":"rim_unavailable","message":"no reference manifest",
            "expected":"NV_GPU_DRIVER_GH100_550.90.07"}]}]}"#;
        Self::json(503, "application/problem+json", body)
    }

    /// A receipt.
    pub(crate) fn receipt() -> Self {
        let headers = vec![
            ("Content-Type", "application/eat+jwt".to_owned()),
            ("Location", "/v1/receipts/r-1".to_owned()),
        ];
        Self::Answer(201, headers, JWT.into())
    }

    /// A refusal or an excuse as RFC 9457 has it.
    pub(crate) fn problem(status: u16, code: &str) -> Self {
        let body = format!(
            r#"{{"type":"about:blank","title":"A title","status":{status},"code":"{code}",
            "detail":"a detail","checks":[{{"id":"nonce","device":0,"status":"refuted","reasons":
            [{{"code":"nonce_mismatch","message":"nonce in the report","expected":"3f","actual":"91"}}],
            "remedy":"Attest again."}}]}}"#
        );
        Self::json(status, "application/problem+json", &body)
    }

    /// The same with a `Retry-After`.
    pub(crate) fn after(self, seconds: u64) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push(("Retry-After", seconds.to_string()));
                Self::Answer(status, headers, body)
            }
            other => other,
        }
    }

    pub(crate) fn json(status: u16, media_type: &str, body: &str) -> Self {
        let headers = vec![("Content-Type", media_type.to_owned())];
        Self::Answer(status, headers, body.into())
    }
}

/// The receipt's text.
pub(crate) const JWT: &str = "eyJ0eXAiOiJlYXQrand0In0.e30.c2ln";

fn serve(stream: TcpStream, reply: &dyn Fn(&Seen) -> Reply, seen: &Mutex<Vec<Seen>>) {
    let Some(request) = read(&stream) else { return };
    seen.lock().unwrap().push(request.clone());
    let reply = reply(&request);
    // A client that has given up is the subject of some tests, not a failure of this one.
    let _ = answer(stream, reply);
}

fn next_reply(script: &Script, path: &str) -> Reply {
    let mut script = script.lock().unwrap();
    let Some(replies) = script.get_mut(path) else {
        return Reply::json(404, "text/plain", "no such path");
    };
    match replies.len() {
        1 => replies[0].clone(),
        _ => replies.pop_front().unwrap(),
    }
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    let path = target.split('?').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(Ok(0), |length| length.parse()).ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        method,
        path,
        target,
        headers,
        body,
    })
}

fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Hangup => Ok(()),
        Reply::Silence => {
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
        Reply::CutShort => stream.write_all(b"HTTP/1.1 201 X\r\nContent-Length: 99\r\n\r\nabc"),
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n"
            )?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            stream.write_all(b"Connection: close\r\n\r\n")?;
            stream.write_all(&body)
        }
    }
}
