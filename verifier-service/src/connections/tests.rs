//! A real client, real certificates: changed under open connections, broken, closed.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::serve::MAX_CONNECTIONS;
use super::*;
use crate::config::TlsSettings;

/// A fresh certificate for `localhost`, as PEM with its key, and in DER.
pub(crate) fn certificate() -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    (made.cert.pem(), made.signing_key.serialize_pem(), der)
}

/// The same, that expires on this day of 2040.
fn certificate_until(month: u8) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2040, month, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Files of a certificate, and what reads them.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub(crate) fn put(&self, certificate: &str, key: &str) {
        put(&self.folder.path().join("cert.pem"), certificate, 0o644);
        put(&self.folder.path().join("key.pem"), key, 0o640);
    }

    pub(crate) fn open(&self) -> Result<Certificates, CertificateFileError> {
        let settings = TlsSettings {
            certificate: Some(self.folder.path().join("cert.pem")),
            key: Some(self.folder.path().join("key.pem")),
        };
        Certificates::open(&settings).map(Option::unwrap)
    }
}

/// As tools for certificates do: written aside, moved into place.
fn put(path: &Path, text: &str, mode: u32) {
    let aside = path.with_extension("new");
    fs::write(&aside, text).unwrap();
    fs::set_permissions(&aside, Permissions::from_mode(mode)).unwrap();
    fs::rename(aside, path).unwrap();
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn start(certificates: Certificates) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(slow));
    let stopped = async { drop(stopped.await) };
    let ended = tokio::spawn(serve(listener, Some(certificates), router, stopped));
    Server {
        address,
        stop,
        ended,
    }
}

/// A server with a certificate of its own, whose files are there as long as they are held.
async fn started() -> (Server, CertificateDer<'static>, Files) {
    let (files, (pem, key, der)) = (Files::new(), certificate());
    files.put(&pem, &key);
    (start(files.open().unwrap()).await, der, files)
}

/// Shakes hands, trusting this certificate alone.
async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_for(address, trusted, &[]).await
}

/// The same, asking for these protocols.
pub(crate) async fn connect_for(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// One request on an open connection, which stays open.
async fn ask(stream: &mut TlsStream<TcpStream>, path: &str, ends_with: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(ends_with) {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).await.unwrap();
        assert_ne!(length, 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    answer
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let (files, (old_pem, old_key, old)) = (Files::new(), certificate());
    files.put(&old_pem, &old_key);
    let certificates = files.open().unwrap();
    let server = start(certificates.clone()).await;
    let mut open = connect(server.address, &old).await.unwrap();
    ask(&mut open, "/", "hello").await;
    let (new_pem, new_key, new) = certificate();
    files.put(&new_pem, &new_key);
    certificates.look();
    ask(&mut open, "/", "hello").await;
    let mut fresh = connect(server.address, &new).await.unwrap();
    ask(&mut fresh, "/", "hello").await;
    connect(server.address, &old).await.unwrap_err();
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_old_in_place() {
    let (files, (pem, key, der)) = (Files::new(), certificate());
    files.put(&pem, &key);
    let certificates = files.open().unwrap();
    let server = start(certificates.clone()).await;
    let (other_pem, other_key, _) = certificate();
    for (pem, key) in [
        ("", key.as_str()),
        ("no certificate", &key),
        (&other_pem, &key),
        (&pem, &other_key),
        (&pem, ""),
    ] {
        files.put(pem, key);
        certificates.look();
        certificates.reload();
        let mut open = connect(server.address, &der).await.unwrap();
        ask(&mut open, "/", "hello").await;
    }
    for name in ["cert.pem", "key.pem"] {
        fs::remove_file(files.folder.path().join(name)).unwrap();
        certificates.look();
        connect(server.address, &der).await.unwrap();
    }
}

#[test]
fn a_start_says_what_is_wrong() {
    let (pem, key, _) = certificate();
    let (_, other_key, _) = certificate();
    let table = [
        (
            pem.as_str(),
            key.as_str(),
            0o644,
            "must not be open to others, got mode 0644",
        ),
        ("", &key, 0o600, "cert.pem holds no usable certificate"),
        (&pem, "", 0o600, "key.pem holds no usable private key"),
        (
            &pem,
            &other_key,
            0o600,
            "cannot be used: keys may not be consistent",
        ),
    ];
    for (certificate, private, mode, words) in table {
        let files = Files::new();
        files.put(certificate, private);
        put(&files.folder.path().join("key.pem"), private, mode);
        let error = files.open().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = Files::new().open().unwrap_err();
    assert!(
        matches!(error, CertificateFileError::Read { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_let_go() {
    let (server, der, _files) = started().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut noisy = TcpStream::connect(server.address).await.unwrap();
    noisy.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // An alert, or a reset; the end in any case.
    drop(noisy.read_to_end(&mut rest).await);
    assert!(!rest.starts_with(b"HTTP"));
    connect(server.address, &der).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
}

/// No word of HTTP/2 ever comes, for which hyper itself would wait for ever.
#[tokio::test]
async fn whoever_says_nothing_after_the_handshake_is_let_go() {
    let (server, der, _files) = started().await;
    let mut silent = connect_for(server.address, &der, &[b"h2"]).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut rest));
    assert!(ended.await.is_ok(), "still open");
}

#[tokio::test]
async fn whoever_does_not_end_its_headers_is_let_go() {
    let (server, der, _files) = started().await;
    let mut slow = connect(server.address, &der).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: local")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest));
    assert!(ended.await.is_ok(), "still open");
}

#[tokio::test]
async fn a_connection_beyond_the_most_waits_for_another_to_end() {
    let (server, der, _files) = started().await;
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        open.push(connect(server.address, &der).await.unwrap());
    }
    let mut waiting = pin!(connect(server.address, &der));
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.as_mut()).await;
    assert!(early.is_err(), "there is no room for it");
    drop(open.pop());
    let late = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    let mut late = late.expect("there is room").unwrap();
    assert!(
        ask(&mut late, "/", "hello")
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn stopping_finishes_what_is_in_progress() {
    let (server, der, _files) = started().await;
    let mut idle = connect(server.address, &der).await.unwrap();
    ask(&mut idle, "/", "hello").await;
    let mut busy = connect(server.address, &der).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut busy, "/slow", "slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
    server.ended.await.unwrap();
    // Closed, with or without an alert.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    TcpStream::connect(server.address).await.unwrap_err();
}

#[test]
fn the_first_end_of_a_chain_is_known_and_follows_the_files() {
    let files = Files::new();
    let (leaf, key) = certificate_until(6);
    let (sooner, _) = certificate_until(2);
    files.put(&leaf, &key);
    let certificates = files.open().unwrap();
    let expires = |text| Some(evidence::UnixTime::parse_rfc3339(text).unwrap());
    assert_eq!(certificates.expires(), expires("2040-06-01T00:00:00Z"));
    files.put(&(leaf + &sooner), &key);
    certificates.look();
    assert_eq!(certificates.expires(), expires("2040-02-01T00:00:00Z"));
    files.put("none", &key);
    certificates.look();
    assert_eq!(
        certificates.expires(),
        expires("2040-02-01T00:00:00Z"),
        "the old ones go on"
    );
}
