//! Receivers that speak TLS, under an authority of the test's own.

use std::io;

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use reqwest::Certificate;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use super::*;

/// Where the receivers of these tests are: on this machine.
const PRIVATE: Reach = Reach {
    over_http: false,
    to_private: true,
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// With a certificate by `authority`, as `change` leaves it.
    async fn new(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key.into());
        Self {
            tcp: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config.unwrap())),
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (connection, from) = self.tcp.accept().await.unwrap();
            // Who does not trust the certificate goes away.
            if let Ok(stream) = self.acceptor.accept(connection).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A receiver with a certificate by `authority`, as `change` leaves it, and its address.
async fn receiver(
    authority: &Authority,
    change: impl FnOnce(&mut CertificateParams),
) -> (Receiver, String) {
    let listener = TlsListener::new(authority, change).await;
    let receiver = Receiver {
        address: listener.local_addr().unwrap(),
        got: Arc::default(),
        answers: Arc::new(Mutex::new(Answers::Status(204))),
    };
    let shared = (Arc::clone(&receiver.got), Arc::clone(&receiver.answers));
    let router = Router::new().fallback(receive).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("https://{}/hook", receiver.address);
    (receiver, url)
}

fn courier_that_trusts(authority: &Authority) -> Courier {
    let root = Certificate::from_der(authority.der()).unwrap();
    Courier::with(PRIVATE, PATIENCE, [root]).unwrap()
}

on_both! {
    async fn a_receiver_is_told_over_tls(rig) {
        let stage = Stage::new(rig).await;
        let authority = authority();
        let (receiver, url) = receiver(&authority, |_| {}).await;
        let webhooks = Stage::within(PRIVATE, stage.rig.store.clone(), &stage.clock);
        let (_, secret) = webhooks.register(party("tenant"), &url, None, by(END)).await.unwrap();
        stage.job().await;
        let _sender = Sender::with(&webhooks, courier_that_trusts(&authority), PACE);
        stage.until_all_is_done().await;
        let got = receiver.got();
        assert_eq!(got.len(), stage.all().await);
        assert!(got.iter().all(|got| is_signed(got, &secret.text())));
    }

    async fn a_receiver_whose_certificate_is_not_trusted_is_told_nothing(rig) {
        let stage = Stage::new(rig).await;
        let (trusted, stranger) = (authority(), authority());
        let receivers = [
            receiver(&stranger, |_| {}).await,
            receiver(&trusted, |params| {
                *params = CertificateParams::new(["127.0.0.2".to_owned()]).unwrap();
            })
            .await,
            receiver(&trusted, |params| params.not_after = date_time_ymd(2020, 1, 1)).await,
        ];
        let webhooks = Stage::within(PRIVATE, stage.rig.store.clone(), &stage.clock);
        for (_, url) in &receivers {
            webhooks.register(party("tenant"), url, None, by(END)).await.unwrap();
        }
        step(&stage.rig.store, 0).await.unwrap();
        let _sender = Sender::with(&webhooks, courier_that_trusts(&trusted), PACE);
        let failed = "SELECT count(*) AS n FROM deliveries
                      WHERE attempts = 1 AND failure = 'no connection, or no address that may be told'";
        until(async || stage.rig.count(failed).await == 3).await;
        assert!(receivers.iter().all(|(receiver, _)| receiver.got().is_empty()));
    }
}
