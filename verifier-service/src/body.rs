//! Bodies of requests: bounded in size, in time, and all together in memory.
//!
//! Memory is counted for bytes that have arrived, never for bytes that a header announces: announcing costs its sender
//! nothing. A part of the memory is for small bodies alone, so that large uploads cannot keep challenges and small
//! bundles out. A body that hardly moves is ended, and its memory becomes free.
//!
//! Agents are authenticated before their bodies are read, and have a reader of their own. What strangers send takes
//! none of its memory; one provider's agents have no more of it than they leave to others; and they have the time that
//! an ordinary line takes for as much as they may send.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header;
use tokio::time::Instant;

use crate::budget::{Budget, SMALL_BYTES, Share};
use crate::id::Id;
use crate::metrics::HttpMeters;
use crate::problem::{Problem, ProblemCode};

/// How often progress is looked at. A packet lost twice in a row is sent again within 3 s.
const PACE_WINDOW: Duration = Duration::from_secs(5);
/// Least bytes in one such time: 3.2 KiB/s, less than any link that could send a bundle before its challenge expires.
const PACE_BYTES: usize = 16 * 1024;

/// Reads bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyReader {
    budget: Budget,
    timeout: Duration,
    /// Bytes for which there is a second beside.
    rate: Option<u64>,
    /// Whose bodies they are, where that is known.
    owner: Option<Id>,
    pace_window: Duration,
    meters: HttpMeters,
}

/// A body, and its share of the memory for bodies.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    share: Share,
}

/// Whether a body moves.
struct Pace {
    window: Duration,
    ends_at: Instant,
    came: usize,
}

/// Why a body was not read.
enum Unread {
    /// It is refused, and what is still sent of it can be passed over.
    Refused(Problem),
    /// Nothing comes, or next to nothing.
    Stalled,
}

impl BodyReader {
    /// Reads bodies of at most `budget_bytes` at one time, each within `timeout`.
    pub(crate) fn new(budget_bytes: usize, timeout: Duration) -> Self {
        Self {
            budget: Budget::new(budget_bytes),
            timeout,
            rate: None,
            owner: None,
            pace_window: PACE_WINDOW,
            meters: HttpMeters::default(),
        }
    }

    /// The same, with the time beside that the largest body takes at so many bytes a second.
    pub(crate) fn at_rate(self, bytes_a_second: u64) -> Self {
        Self {
            rate: Some(bytes_a_second),
            ..self
        }
    }

    /// The same, for bodies of this owner, who has no more of the memory than it leaves to others.
    pub(crate) fn of(&self, owner: Id) -> Self {
        Self {
            owner: Some(owner),
            ..self.clone()
        }
    }

    /// How long a body of at most `limit` bytes may take.
    pub(crate) fn time_for(&self, limit: usize) -> Duration {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let beside = self.rate.map(|rate| limit.div_ceil(rate.max(1)));
        let beside = beside.map_or(Duration::ZERO, Duration::from_secs);
        self.timeout.saturating_add(beside)
    }

    /// The same, counted by these.
    pub(crate) fn metered(self, meters: HttpMeters) -> Self {
        Self { meters, ..self }
    }

    /// Reads a body of at most `limit` bytes.
    ///
    /// # Errors
    /// 408, 413, 503, or 400 if it ends early.
    pub(crate) async fn read(&self, request: Request, limit: usize) -> Result<Body, Problem> {
        let waits_for_go_ahead = request.headers().contains_key(header::EXPECT);
        let mut body = request.into_body();
        let timed_out = || Problem::new(ProblemCode::BodyTimeout);
        let read = async {
            match self.read_at_most(&mut body, limit).await {
                Ok(body) => {
                    self.meters.received(body.bytes.len());
                    Ok(body)
                }
                Err(Unread::Stalled) => Err(timed_out()),
                Err(Unread::Refused(problem)) => {
                    if !waits_for_go_ahead {
                        // A client in the middle of sending reads no answer, and may lose it when the connection closes.
                        self.discard(&mut body, limit).await;
                    }
                    Err(problem)
                }
            }
        };
        tokio::time::timeout(self.time_for(limit), read)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    /// Reads a body that is refused already, of at most `limit` bytes, and keeps nothing of it: whoever is in the middle of
    /// sending reads no answer, and may lose it when the connection closes.
    pub(crate) async fn pass_over(&self, request: Request, limit: usize) {
        if request.headers().contains_key(header::EXPECT) {
            return;
        }
        let mut body = request.into_body();
        let passed = self.discard(&mut body, limit);
        // What is not read by then is its sender's loss.
        let _ = tokio::time::timeout(self.timeout, passed).await;
    }

    async fn read_at_most(
        &self,
        body: &mut axum::body::Body,
        limit: usize,
    ) -> Result<Body, Unread> {
        let stated = body.size_hint();
        if stated.lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(Unread::Refused(too_large(limit)));
        }
        let most = stated.upper().and_then(|most| usize::try_from(most).ok());
        let is_small = most.unwrap_or(limit).min(limit) <= SMALL_BYTES;
        let mut share = match self.owner {
            Some(owner) => self.budget.share_of(owner),
            None => Share::default(),
        };
        let mut bytes = Vec::new();
        let mut pace = Pace::new(self.pace_window);
        while let Some(data) = pace.next(body).await? {
            if data.len() > limit - bytes.len() {
                return Err(Unread::Refused(too_large(limit)));
            }
            let held = bytes.len() + data.len();
            let extended = self.budget.extend(&mut share, held, is_small);
            extended.map_err(Problem::from)?;
            bytes.extend_from_slice(&data);
        }
        Ok(Body { bytes, share })
    }

    /// Reads on for as much again, keeping nothing.
    async fn discard(&self, body: &mut axum::body::Body, at_most: usize) {
        let mut left = at_most;
        let mut pace = Pace::new(self.pace_window);
        while let Ok(Some(data)) = pace.next(body).await {
            match left.checked_sub(data.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}

impl Body {
    /// The bytes, for looking at.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, and the share to hold on to for as long as they are held.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Share) {
        (self.bytes, self.share)
    }
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            ends_at: Instant::now() + window,
            came: 0,
        }
    }

    /// The next piece of data, unless too little came for too long.
    async fn next(
        &mut self,
        body: &mut axum::body::Body,
    ) -> Result<Option<axum::body::Bytes>, Unread> {
        loop {
            match tokio::time::timeout_at(self.ends_at, next(body)).await {
                Ok(data) => {
                    let data = data?;
                    self.came += data.as_ref().map_or(0, |data| data.len());
                    return Ok(data);
                }
                Err(_) if self.came < PACE_BYTES => return Err(Unread::Stalled),
                Err(_) => *self = Self::new(self.window),
            }
        }
    }
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge).detail(format!("expected at most {limit} bytes"))
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut axum::body::Body) -> Result<Option<axum::body::Bytes>, Problem> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame.transpose() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => return Err(Problem::caused(ProblemCode::BodyIncomplete, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body as HttpBody;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn reader(budget_bytes: usize) -> BodyReader {
        BodyReader::new(budget_bytes, Duration::from_millis(50))
    }

    async fn read(reader: &BodyReader, body: HttpBody) -> Result<Body, &'static str> {
        reader
            .read(Request::new(body), 4096)
            .await
            .map_err(|problem| problem.code())
    }

    #[tokio::test]
    async fn sizes_up_to_the_limit_are_read() {
        let reader = reader(8192);
        for (len, good) in [(0, true), (4096, true), (4097, false)] {
            let body = read(&reader, HttpBody::from(vec![7; len])).await;
            assert_eq!(
                body.as_ref().map(|b| b.bytes().len()).ok(),
                good.then_some(len)
            );
            assert_eq!(body.err(), (!good).then_some("body_too_large"));
        }
    }

    /// A server that answers with what became of the body: its length, or the code of a problem.
    async fn serving(reader: &BodyReader) -> SocketAddr {
        let reader = reader.clone();
        let answer = async move |request: Request| match reader.read(request, 64 * MIB).await {
            Ok(body) => body.bytes().len().to_string(),
            Err(problem) => problem.code().to_owned(),
        };
        let router = axum::Router::new().route("/", axum::routing::post(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// A request that states one length and sends another.
    async fn begun(server: SocketAddr, stated: usize, sent: usize) -> TcpStream {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {stated}\r\n\r\n"
        );
        let mut connection = TcpStream::connect(server).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&vec![7; sent]).await.unwrap();
        connection
    }

    /// The text of the answer.
    async fn answer(mut connection: TcpStream) -> String {
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let text = answer.split("\r\n\r\n").nth(1);
        text.unwrap().to_owned()
    }

    async fn sent(server: SocketAddr, len: usize) -> String {
        answer(begun(server, len, len).await).await
    }

    async fn until_held(reader: &BodyReader, bytes: usize) {
        while reader.budget.held() != bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn whoever_is_known_has_the_time_that_a_line_takes() {
        let strangers = BodyReader::new(MIB, Duration::from_millis(400));
        let agents = strangers.clone().at_rate(16 * 1024 * 1024);
        assert_eq!(strangers.time_for(64 * MIB), strangers.timeout);
        assert_eq!(agents.time_for(64 * MIB), Duration::from_millis(4_400));
        for (reader, text) in [(&strangers, "body_timeout"), (&agents, "262144")] {
            let server = serving(reader).await;
            let mut connection = begun(server, 256 * 1024, 128 * 1024).await;
            tokio::time::sleep(Duration::from_millis(800)).await;
            // A server that gave up may have closed the connection.
            let _ = connection.write_all(&vec![7; 128 * 1024]).await;
            assert_eq!(answer(connection).await, text);
        }
    }

    #[tokio::test]
    async fn memory_is_shared_out_and_given_back() {
        let reader = reader(4096);
        let first = read(&reader, HttpBody::from(vec![7; 2048])).await.unwrap();
        let second = read(&reader, HttpBody::from(vec![7; 2048])).await.unwrap();
        assert_eq!(
            read(&reader, HttpBody::from(vec![7; 1])).await.unwrap_err(),
            "overloaded"
        );
        drop((first, second));
        read(&reader, HttpBody::from(vec![7; 2048])).await.unwrap();
    }

    #[tokio::test]
    async fn a_stated_length_takes_no_memory() {
        let reader = BodyReader::new(MIB, Duration::from_secs(30));
        let server = serving(&reader).await;
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(begun(server, 64 * MIB, 1).await);
        }
        // Each connection has the one that its byte is in.
        until_held(&reader, 100 * 1024).await;
        assert_eq!(sent(server, 10).await, "10");
        assert_eq!(sent(server, 512 * 1024).await, "524288");
    }

    #[tokio::test]
    async fn large_bodies_leave_room_for_small_ones() {
        let reader = BodyReader::new(MIB, Duration::from_secs(30));
        let server = serving(&reader).await;
        let _large = begun(server, 64 * MIB, 896 * 1024).await;
        until_held(&reader, 896 * 1024).await;
        assert_eq!(sent(server, SMALL_BYTES + 1).await, "overloaded");
        assert_eq!(sent(server, SMALL_BYTES).await, "65536");
        let of = |len: usize| reader.read(Request::new(vec![7; len].into()), MIB);
        let small = [of(SMALL_BYTES).await, of(SMALL_BYTES).await];
        assert!(small.iter().all(Result::is_ok));
        assert_eq!(of(1).await.unwrap_err().code(), "overloaded");
    }

    #[tokio::test]
    async fn a_body_that_stalls_gives_its_memory_back() {
        let mut reader = BodyReader::new(MIB, Duration::from_secs(30));
        reader.pace_window = Duration::from_millis(200);
        let server = serving(&reader).await;
        let started = Instant::now();
        let mut stalled = begun(server, 64 * MIB, PACE_BYTES).await;
        let mut text = vec![0; 4096];
        let len = stalled.read(&mut text).await.unwrap();
        assert!(String::from_utf8_lossy(&text[..len]).ends_with("body_timeout"));
        // The first window had enough, the second nothing.
        assert!((400..10_000).contains(&started.elapsed().as_millis()));
        assert_eq!(reader.budget.held(), 0);
    }
}
