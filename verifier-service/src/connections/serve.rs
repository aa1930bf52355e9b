//! Connections, over TLS or not, from the handshake to an orderly end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::Certificates;
use super::attended::Attended;
use super::line::Line;

/// HTTP/2 over TLS (RFC 9113 3.2).
pub(super) const H2: &[u8] = b"h2";
/// The longest a handshake may take; less in tests, which wait for it.
const HANDSHAKE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// The longest the headers of a request may take, and the longest a connection of HTTP/1.1 may be idle.
const HEADERS: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 60 });
/// How often an idle connection of HTTP/2 is asked whether it is still there, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest nothing may come from the client of a connection of HTTP/2, which answers pings: also before its first word.
const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 90 });
/// The longest nothing of an answer may be taken, over TLS or not: its memory is needed.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// Most connections over TLS at one time, handshakes included; the next waits in the system's queue.
pub(super) const MAX_CONNECTIONS: usize = if cfg!(test) { 8 } else { 4096 };
/// Most requests at one time on one connection of HTTP/2.
const MAX_STREAMS: u32 = 64;
/// The pause after no connection could be taken, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes connections until `stop` is ready, then lets those that are open finish the requests in progress. Without
/// certificates they are taken as they come, for a proxy that bounds them.
pub(crate) async fn serve(
    listener: TcpListener,
    certificates: Option<Certificates>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let places = match certificates {
        Some(_) => MAX_CONNECTIONS,
        None => Semaphore::MAX_PERMITS,
    };
    let places = Arc::new(Semaphore::new(places));
    let (closing, closed) = watch::channel(false);
    let mut open = JoinSet::new();
    let mut stop = pin!(stop);
    let mut following = pin!(follow(certificates.as_ref()));
    // Of a router that is put together copies are one.
    let router = router.with_state(());
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = &mut following => {}
            Some(_) = open.join_next() => {}
            (stream, place) = accept(&listener, &places) => {
                let acceptor = certificates.as_ref().map(|certificates| TlsAcceptor::from(certificates.current()));
                open.spawn(attend(stream, acceptor, router.clone(), closed.clone(), place));
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    while open.join_next().await.is_some() {}
}

async fn follow(certificates: Option<&Certificates>) {
    match certificates {
        Some(certificates) => certificates.follow().await,
        None => std::future::pending().await,
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    // Nobody closes the semaphore.
    let Ok(place) = Arc::clone(places).acquire_owned().await else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(cause = %error, "no connection could be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether a connection was gone before it was taken.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// One connection. What goes wrong with it is the client's, or the wire's, and no line in the log each.
async fn attend(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    closed: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    // Answers are small and whole; waiting for more to send only delays them.
    drop(stream.set_nodelay(true));
    let Some(acceptor) = acceptor else {
        return converse(stream, Builder::new(TokioExecutor::new()), router, closed).await;
    };
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(cause = %error, "handshake failed"),
        Err(_) => return tracing::debug!("handshake took too long"),
    };
    let builder = speaking(&stream);
    // Over HTTP/1.1 a client that waits for an answer says nothing; its headers have a limit of their own.
    let silence = is_h2(&stream).then_some(SILENCE);
    converse(Attended::new(stream, silence), builder, router, closed).await;
}

/// Answers requests until the client has no more, or takes no answers.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: Builder<TokioExecutor>,
    router: Router,
    mut closed: watch::Receiver<bool>,
) {
    let line = Line::default();
    let service = TowerToHyperService::new(router.map_request(introducing(line.clone())));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let conversation = async {
        // Whoever closes says so once; its end counts as well.
        tokio::select! {
            ended = connection.as_mut() => ended,
            _ = closed.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    tokio::select! {
        ended = conversation => {
            if let Err(error) = ended {
                tracing::debug!(cause = %error, "connection failed");
            }
        }
        () = line.stalls(STALL) => tracing::debug!("nothing of an answer was taken for too long"),
    }
}

/// Tells each request which connection it came over.
fn introducing<B>(line: Line) -> impl Fn(Request<B>) -> Request<B> + Clone {
    move |mut request| {
        request.extensions_mut().insert(line.clone());
        request
    }
}

/// The protocol that was agreed on in the handshake.
fn speaking(stream: &TlsStream<TcpStream>) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    match is_h2(stream) {
        true => builder.http2_only(),
        false => builder.http1_only(),
    }
}

fn is_h2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}
