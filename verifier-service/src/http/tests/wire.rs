//! What only shows on a connection: bodies without length, bodies that stop, the end of the service.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

async fn listening() -> (Rig, TcpStream) {
    let rig = Rig::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = rig.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let connection = TcpStream::connect(address).await.unwrap();
    (rig, connection)
}

async fn answer(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"}") {
        match connection.read(&mut piece).await.unwrap() {
            0 => break,
            n => answer.extend_from_slice(&piece[..n]),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn head(length: &str) -> String {
    let content_type = media_type::BUNDLE;
    format!(
        "POST /v1/receipts HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_without_length_is_bounded_too() {
    let (_rig, mut connection) = listening().await;
    let chunk = format!("{:x}\r\n{}\r\n", 4096, " ".repeat(4096));
    let chunks = chunk.repeat(BODY_LIMIT / 4096 + 1);
    let request = head("transfer-encoding: chunked") + &chunks + "0\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let answer = answer(&mut connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_without_the_body() {
    let (_rig, mut connection) = listening().await;
    let request = head(&format!(
        "expect: 100-continue\r\ncontent-length: {}",
        1_u64 << 40
    ));
    connection.write_all(request.as_bytes()).await.unwrap();
    let answer = answer(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_runs_out_of_time() {
    let (_rig, mut connection) = listening().await;
    connection
        .write_all((head("content-length: 10") + "{").as_bytes())
        .await
        .unwrap();
    let answer = answer(&mut connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_timeout"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_broken_chunk_is_malformed() {
    let (_rig, mut connection) = listening().await;
    let request = head("transfer-encoding: chunked") + "zz\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let answer = answer(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
