//! Clients that ask and do not read, that read slowly, that wait: over HTTP/1.1 and HTTP/2, over TLS and not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::budget::SMALL_BYTES;
use crate::connections::tests::{Files, certificate, connect_for};
use crate::connections::{Certificates, serve};

const MIB: usize = 1024 * 1024;
/// More than the system keeps for both sides of a connection.
const LARGE: usize = 64 * MIB;
/// Longer than the tests' connections may stand still.
const PAUSE: Duration = Duration::from_millis(1500);
const LONG: Duration = Duration::from_secs(60);

struct Server {
    address: SocketAddr,
    budget: Budget,
}

async fn start(budget_bytes: usize, certificates: Option<Certificates>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let budget = Budget::new(budget_bytes);
    let news = || {
        stream::unfold(0, async |n| {
            tokio::time::sleep(PAUSE).await;
            (n < 2).then(|| (Ok::<_, Infallible>(format!("event {n}\n")), n + 1))
        })
    };
    let endless = || stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; MIB]));
    let router = Router::new()
        .route("/", get(|| async { vec![b'x'; LARGE] }))
        .route("/small", get(|| async { vec![b'x'; SMALL_BYTES] }))
        .route("/free", get(|| async { vec![b'x'; FREE_BYTES] }))
        .route("/news", get(async move || Body::from_stream(news())))
        .route("/endless", get(async move || Body::from_stream(endless())))
        .layer(from_fn_with_state(budget.clone(), bound));
    tokio::spawn(serve(
        listener,
        certificates,
        router,
        std::future::pending(),
    ));
    Server { address, budget }
}

impl Server {
    async fn asked(&self, path: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        ask(&mut connection, path).await;
        connection
    }

    /// How much of the memory for all is held.
    fn held(&self) -> usize {
        self.budget.held()
    }

    async fn until_held(&self, is: impl Fn(usize) -> bool) {
        let until = async {
            while !is(self.held()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, until).await.unwrap();
    }
}

async fn ask(connection: &mut (impl AsyncWrite + Unpin), path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
}

/// Everything until the end of the connection, also where that is no orderly one.
async fn rest(mut connection: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut rest = Vec::new();
    drop(
        timeout(LONG, connection.read_to_end(&mut rest))
            .await
            .unwrap(),
    );
    rest
}

#[tokio::test]
async fn whoever_asks_and_does_not_read_is_let_go() {
    let server = start(2 * LARGE, None).await;
    let unread = server.asked("/").await;
    server.until_held(|held| held == LARGE).await;
    server.until_held(|held| held == 0).await;
    assert!(rest(unread).await.len() < LARGE);
    let endless = server.asked("/endless").await;
    tokio::time::sleep(2 * PAUSE).await;
    // What the system has of it, and the end.
    assert!(rest(endless).await.len() < LARGE);
}

#[tokio::test]
async fn over_tls_too() {
    let (files, (pem, key, der)) = (Files::new(), certificate());
    files.put(&pem, &key);
    let server = start(2 * LARGE, Some(files.open().unwrap())).await;
    let mut unread = connect_for(server.address, &der, &[]).await.unwrap();
    ask(&mut unread, "/").await;
    server.until_held(|held| held == LARGE).await;
    server.until_held(|held| held == 0).await;
    assert!(rest(unread).await.len() < LARGE);
}

/// A client of HTTP/2 that lets nothing of a stream be sent, while its connection is well (RFC 9113 6.9.2).
#[tokio::test]
async fn over_http_2_too_where_the_connection_lives() {
    let server = start(2 * LARGE, None).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let no_window = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    // GET, http, / of the static table (RFC 7541 A).
    let get = [0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &no_window[..], &get].concat();
    client.write_all(&opening).await.unwrap();
    server.until_held(|held| held == LARGE).await;
    server.until_held(|held| held == 0).await;
    assert!(rest(client).await.len() < MIB);
}

#[tokio::test]
async fn whoever_reads_slowly_gets_everything() {
    let server = start(2 * LARGE, None).await;
    let mut slow = server.asked("/").await;
    let mut got = 0;
    let mut piece = vec![0; 4 * MIB];
    loop {
        let count = timeout(LONG, slow.read(&mut piece)).await.unwrap().unwrap();
        if count == 0 {
            break;
        }
        got += count;
        tokio::time::sleep(PAUSE / 30).await;
    }
    assert!(got > LARGE, "{got}");
    server.until_held(|held| held == 0).await;
}

#[tokio::test]
async fn whoever_waits_for_news_is_not_disturbed() {
    let server = start(2 * LARGE, None).await;
    let news = rest(server.asked("/news").await).await;
    let news = String::from_utf8(news).unwrap();
    assert!(
        news.contains("event 0") && news.contains("event 1"),
        "{news}"
    );
}

#[tokio::test]
async fn unread_answers_are_bounded_in_sum_and_leave_room_for_small_ones() {
    let server = start(LARGE, None).await;
    // What is larger than the memory for all takes all of it.
    let unread = server.asked("/").await;
    server.until_held(|held| held > LARGE / 2).await;
    let second = String::from_utf8(rest(server.asked("/").await).await).unwrap();
    assert!(
        second.starts_with("HTTP/1.1 503 ") && second.contains("overloaded"),
        "{second}"
    );
    for path in ["/small", "/free"] {
        let answer = rest(server.asked(path).await).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}");
    }
    drop(unread);
    server.until_held(|held| held == 0).await;
    assert!(rest(server.asked("/").await).await.len() > LARGE);
}

#[tokio::test]
async fn a_length_is_stated_as_before() {
    let server = start(LARGE, None).await;
    let answer = rest(server.asked("/small").await).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("content-length: 65536"), "{:.200}", answer);
}
