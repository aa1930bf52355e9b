//! A RIM service and an OCSP responder for the scene's device, over real HTTP, that fail and lie as they are told.
//!
//! In scope: manifests in the form of NVIDIA's service (nvidia-evidence 6.1), answers about revocation made for each
//! question (5.1), an account of what was asked, an end as sudden as that of a killed process.
//! Out of scope: TLS, service keys, what a verifier should make of all that (the tests say so).

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use attestation_agent::device::simulated::ocsp::CERTIFICATE_HOLD;
use attestation_agent::device::simulated::{
    CertStatus, Key, OcspSpec, PkiSpec, Responder, RimSpec, SimulatedDevice, firmware,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::cert::Certificate;
use evidence::ocsp::OcspRequest;
use evidence::{UnixTime, crypto};
use futures_util::stream;
use serde_json::json;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use verifier_service::{AppraisalSettings, Clock, ManualClock, OcspSettings, RimServiceSettings};

use crate::scene::Scene;

/// Manifests that a device asks for.
pub const MANIFESTS: usize = 2;
/// Certificates that are asked about for one device: three of its chain, then three of its manifests' one chain.
pub const CERTIFICATES: usize = 6;

/// Time between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(100);
/// How long an answer out of date has been so, and how long it was good before.
const DAY: time::Duration = time::Duration::DAY;

/// How a service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct<L> {
    /// As it should.
    Honest,
    /// Takes requests and never answers.
    Hangs,
    /// Answers rightly, and so slowly that nobody waits for the end.
    Drips,
    /// Answers with this status and nothing else.
    Status(u16),
    /// Answers at once, and not with the truth.
    Lies(L),
}

/// What a RIM service can say that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RimLie {
    /// That there is none.
    TakenBack,
    /// A page of HTML.
    Babble,
    /// The manifest asked for, said to be that of another id.
    OtherId,
    /// The manifest asked for, said to have another digest.
    OtherDigest,
    /// A genuine manifest, but not the one asked for.
    OtherManifest,
    /// A genuine manifest of the version asked for, and of another chip. Who trusts [`Upstream::other_signer`] finds it
    /// authentic.
    OtherChip,
    /// The manifest asked for with one value changed, and the digest that goes with it.
    Forgery,
}

/// What a responder can say that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspLie {
    /// A page of HTML.
    Babble,
    /// That it has no time now.
    TryLater,
    /// A good answer about another certificate.
    OtherCertificate,
    /// A good answer, signed with a key that nobody certified.
    Forgery,
    /// A good answer, with something beside the responder's certificate that is none.
    NoCertificate,
    /// A good answer whose time is over.
    OutOfDate,
    /// A good answer that leaves out the nonce of the question.
    NoNonce,
    /// The first answer ever given about the certificate.
    OldAnswer,
}

/// Something that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The manifest of this id.
    Rim(String),
    /// About the certificate at this position.
    Ocsp {
        /// The position, below [`CERTIFICATES`].
        certificate: usize,
        /// The nonce, if there was one.
        nonce: Option<Vec<u8>>,
    },
}

/// Both services, at one address. They stop when dropped.
pub struct Upstream {
    address: SocketAddr,
    desk: Arc<Desk>,
    /// A runtime of their own: what ends with it are the listener and every connection, at once.
    runtime: Option<Runtime>,
}

/// What both work with.
struct Desk {
    clock: ManualClock,
    manifests: HashMap<String, Vec<u8>>,
    /// Who signs manifests of other chips: the key that signed the device's own is gone.
    other_signer: PkiSpec,
    /// Its certificates, DER.
    other_chain: Vec<Vec<u8>>,
    certificates: Vec<Certified>,
    responder_key: Arc<Key>,
    state: Mutex<Account>,
}

/// A certificate to answer about.
#[derive(Clone)]
struct Certified {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// The certificate of the responder that the issuer delegated to.
    responder: Vec<u8>,
}

struct Account {
    rims: Conduct<RimLie>,
    ocsp: Conduct<OcspLie>,
    /// What is so about each certificate.
    status: [CertStatus; CERTIFICATES],
    first_answers: HashMap<usize, Vec<u8>>,
    asked: Vec<Question>,
}

impl Upstream {
    /// The settings of a verifier that trusts the scene's device and has all collateral from here.
    #[must_use]
    pub fn settings(&self, scene: &Scene) -> AppraisalSettings {
        AppraisalSettings {
            simulated_anchors: scene.settings().simulated_anchors,
            rim_service: RimServiceSettings {
                url: Some(self.rim_url()),
                ..RimServiceSettings::default()
            },
            ocsp: OcspSettings {
                url: Some(self.ocsp_url()),
                ..OcspSettings::default()
            },
            ..AppraisalSettings::default()
        }
    }

    /// Services that know the scene's device, and think that it is `now`.
    ///
    /// # Panics
    /// The device cannot be read, or there is no port.
    pub async fn start(scene: &Scene, now: UnixTime) -> Self {
        let mut upstream = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            desk: Arc::new(Desk::of(&scene.device_dir(), now)),
            runtime: None,
        };
        upstream.revive().await;
        upstream
    }

    /// Where the RIM service is.
    #[must_use]
    pub fn rim_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the responder is.
    #[must_use]
    pub fn ocsp_url(&self) -> String {
        format!("http://{}/ocsp", self.address)
    }

    /// The root of who signs manifests of other chips, as a file of anchors.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn other_signer(&self) -> String {
        let root = self.desk.other_chain.last().expect("a root");
        let signer = self.desk.other_signer.certificates.last();
        let key = &signer.expect("a root").key;
        format!(
            "[[anchor]]\nuse = \"rim\"\nsubject = \"CN=other signer\"\nsha256 = \"{}\"\nspki = \"{}\"\nsimulated = true\n",
            digest_of(root),
            hex::encode(key.spki_der()),
        )
    }

    /// What time they think it is.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.desk.clock
    }

    /// Ends them as a kill does, and returns when nobody listens any more.
    pub async fn kill(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        runtime.shutdown_background();
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Starts them again, where they were before.
    ///
    /// # Panics
    /// The port is taken.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).expect("port");
        listener.set_nonblocking(true).expect("a listener");
        self.address = listener.local_addr().expect("address");
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let router = Router::new()
            .route("/v1/rim/{id}", get(manifest))
            .route("/ocsp", post(answer))
            .with_state(Arc::clone(&self.desk));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await
        });
        self.runtime = Some(runtime);
    }

    /// Has the RIM service behave so.
    pub fn rims(&self, conduct: Conduct<RimLie>) {
        self.desk.account().rims = conduct;
    }

    /// Has the responder behave so.
    pub fn ocsp(&self, conduct: Conduct<OcspLie>) {
        self.desk.account().ocsp = conduct;
    }

    /// Has both take requests and answer none.
    pub fn hang(&self) {
        self.rims(Conduct::Hangs);
        self.ocsp(Conduct::Hangs);
    }

    /// Has both behave as they should.
    pub fn mend(&self) {
        self.rims(Conduct::Honest);
        self.ocsp(Conduct::Honest);
    }

    /// Revokes the certificate at a position, as of now.
    ///
    /// # Panics
    /// There is no such certificate.
    pub fn revoke(&self, certificate: usize) {
        self.state(certificate, None);
    }

    /// Puts the certificate at a position on hold, as of now.
    ///
    /// # Panics
    /// There is no such certificate.
    pub fn hold(&self, certificate: usize) {
        self.state(certificate, Some(CERTIFICATE_HOLD));
    }

    fn state(&self, certificate: usize, reason: Option<u8>) {
        let at = self.desk.now();
        self.desk.account().status[certificate] = CertStatus::Revoked { at, reason };
    }

    /// Everything asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Question> {
        self.desk.account().asked.clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn manifest(
    State(desk): State<Arc<Desk>>,
    extract::Path(id): extract::Path<String>,
) -> Response {
    let conduct = {
        let mut account = desk.account();
        account.asked.push(Question::Rim(id.clone()));
        account.rims
    };
    let json = "application/json";
    match conduct {
        Conduct::Lies(RimLie::TakenBack) => no_such_rim(),
        Conduct::Lies(lie) => whole(json, desk.lie_about(&id, lie)),
        other => match desk.manifests.get(&id) {
            Some(document) => {
                let body = rim_json(&id, document, &digest_of(document));
                behave(other, json, body).await
            }
            None => no_such_rim(),
        },
    }
}

/// The word of NVIDIA's service.
fn no_such_rim() -> Response {
    let json = [("content-type", "application/json")];
    let body = r#"{"message":"RIM_NOT_FOUND","request_id":"test"}"#;
    (StatusCode::NOT_FOUND, json, body).into_response()
}

async fn answer(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let Ok(request) = OcspRequest::parse(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(certificate) = desk.position_of(&request) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let nonce = request.nonce().map(<[u8]>::to_vec);
    let conduct = {
        let mut account = desk.account();
        let nonce = nonce.clone();
        let question = Question::Ocsp { certificate, nonce };
        account.asked.push(question);
        account.ocsp
    };
    let media_type = "application/ocsp-response";
    match conduct {
        Conduct::Lies(lie) => whole(
            media_type,
            desk.lie_about_revocation(certificate, nonce, lie),
        ),
        other => {
            let body = desk.truth(certificate, nonce).build().expect("an answer");
            desk.remember(certificate, &body);
            behave(other, media_type, body).await
        }
    }
}

/// An answer in the manner of a service that does not lie.
async fn behave<L>(conduct: Conduct<L>, media_type: &'static str, body: Vec<u8>) -> Response {
    match conduct {
        Conduct::Honest | Conduct::Lies(_) => whole(media_type, body),
        Conduct::Hangs => std::future::pending().await,
        Conduct::Drips => dripping(body),
        Conduct::Status(status) => StatusCode::from_u16(status)
            .expect("status")
            .into_response(),
    }
}

fn whole(media_type: &'static str, body: Vec<u8>) -> Response {
    ([("content-type", media_type)], body).into_response()
}

fn dripping(body: Vec<u8>) -> Response {
    let drops = stream::unfold(body.into_iter(), |mut rest| async move {
        let byte = rest.next()?;
        tokio::time::sleep(DRIP).await;
        Some((Ok::<_, std::io::Error>(vec![byte]), rest))
    });
    Response::new(Body::from_stream(drops))
}

impl Desk {
    fn of(device: &Path, now: UnixTime) -> Self {
        let identity = device.join(format!("identity-{}", firmware::REVISION));
        let ders = |name: &str| -> Vec<Vec<u8>> {
            let text = std::fs::read(identity.join(name)).expect("certificates");
            let blocks = pem::parse_many(text).expect("PEM");
            blocks.into_iter().map(pem::Pem::into_contents).collect()
        };
        // Nobody asks about the leaf of a device chain.
        let of_device = certified(
            &ders("device-chain.pem")[1..],
            &ders("device-responders.pem"),
        );
        let of_rims = certified(&ders("rim-chain.pem"), &ders("rim-responders.pem"));
        let certificates = [of_device, of_rims].concat();
        assert_eq!(certificates.len(), CERTIFICATES);
        let key = std::fs::read(identity.join("responder.key")).expect("key");
        let manifests = SimulatedDevice::open(device)
            .expect("software device")
            .rims();
        assert_eq!(manifests.len(), MANIFESTS);
        let other_signer = PkiSpec::rim().expect("keys");
        Self {
            clock: ManualClock::new(now),
            manifests: manifests.into_iter().collect(),
            other_chain: other_signer.build().expect("certificates"),
            other_signer,
            certificates,
            responder_key: Arc::new(Key::from_pkcs8(&key).expect("key")),
            state: Mutex::new(Account {
                rims: Conduct::Honest,
                ocsp: Conduct::Honest,
                status: [const { CertStatus::Good }; CERTIFICATES],
                first_answers: HashMap::new(),
                asked: Vec::new(),
            }),
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.clock.now().secs()).expect("a time")
    }

    fn remember(&self, certificate: usize, answer: &[u8]) {
        let mut account = self.account();
        let first = account.first_answers.entry(certificate);
        first.or_insert_with(|| answer.to_vec());
    }

    fn position_of(&self, request: &OcspRequest) -> Option<usize> {
        let read = |der: &[u8]| Certificate::from_der(der).expect("a certificate");
        let mut certificates = self.certificates.iter();
        certificates.position(|it| request.id().names(&read(&it.subject), &read(&it.issuer)))
    }

    fn lie_about(&self, id: &str, lie: RimLie) -> Vec<u8> {
        let document = &self.manifests[id];
        let (other_id, other) = { self.manifests.iter() }
            .find(|(other, _)| *other != id)
            .expect("another manifest");
        match lie {
            RimLie::TakenBack | RimLie::Babble => BABBLE.to_vec(),
            RimLie::OtherId => rim_json(other_id, document, &digest_of(document)),
            RimLie::OtherDigest => rim_json(id, document, &digest_of(other)),
            RimLie::OtherManifest => rim_json(id, other, &digest_of(other)),
            RimLie::OtherChip => {
                let of_other_chip = self.of_other_chip(id);
                rim_json(id, &of_other_chip, &digest_of(&of_other_chip))
            }
            RimLie::Forgery => {
                let edited = with_another_value(document);
                rim_json(id, &edited, &digest_of(&edited))
            }
        }
    }

    /// The id of a VBIOS names no chip, but a GPU's.
    fn of_other_chip(&self, id: &str) -> Vec<u8> {
        let (mut spec, chip) = match id == firmware::driver_rim_id() {
            true => (RimSpec::driver(), "GB100"),
            false => (RimSpec::vbios(), "LS10"),
        };
        spec.identity.set("name", chip);
        spec.meta.set("product", chip);
        spec.meta.set("ns1:PlatformModel", chip);
        let key = self.other_signer.leaf_key().expect("a leaf");
        spec.build(key, &self.other_chain).expect("a manifest")
    }

    /// What is so about a certificate, for a day.
    fn truth(&self, certificate: usize, nonce: Option<Vec<u8>>) -> OcspSpec {
        let about = &self.certificates[certificate];
        let responder = Responder {
            certificate: about.responder.clone(),
            key: Arc::clone(&self.responder_key),
        };
        let spec = OcspSpec::good(&about.subject, &about.issuer, responder, self.now());
        let mut spec = spec.expect("two certificates");
        spec.nonce = nonce;
        spec.status = self.account().status[certificate].clone();
        spec
    }

    fn lie_about_revocation(
        &self,
        certificate: usize,
        nonce: Option<Vec<u8>>,
        lie: OcspLie,
    ) -> Vec<u8> {
        let mut spec = self.truth(certificate, nonce.clone());
        match lie {
            OcspLie::Babble => return BABBLE.to_vec(),
            OcspLie::TryLater => {
                spec.response_status = 3;
                spec.response_type = None;
            }
            OcspLie::OldAnswer => return self.account().first_answers[&certificate].clone(),
            OcspLie::OtherCertificate => spec = self.truth((certificate + 1) % CERTIFICATES, nonce),
            OcspLie::Forgery => spec.signer = Some(Arc::new(Key::generate().expect("a key"))),
            OcspLie::NoCertificate => {
                let own = spec.responder.certificate.clone();
                spec.certificates = Some(vec![own, vec![0x30, 0]]);
            }
            OcspLie::NoNonce => spec.nonce = None,
            OcspLie::OutOfDate => {
                let then = self.now() - DAY * 3;
                (spec.produced_at, spec.this_update) = (then, then);
                spec.next_update = Some(then + DAY);
            }
        }
        spec.build().expect("an answer")
    }
}

/// What a proxy says that wants somebody to log in.
const BABBLE: &[u8] = b"<html>log in first</html>";

/// Each certificate with its issuer, and the responder of that issuer.
fn certified(chain: &[Vec<u8>], responders: &[Vec<u8>]) -> Vec<Certified> {
    let links = chain.windows(2).zip(responders);
    let certified = links.map(|(link, responder)| Certified {
        subject: link[0].clone(),
        issuer: link[1].clone(),
        responder: responder.clone(),
    });
    certified.collect()
}

/// The JSON of a RIM service.
fn rim_json(id: &str, document: &[u8], sha256: &str) -> Vec<u8> {
    let answer = json!({
        "id": id,
        "rim": STANDARD.encode(document),
        "sha256": sha256,
        "last_updated": "2026-05-06T07:08:09Z",
        "rim_format": "TCG",
        "request_id": "test",
    });
    answer.to_string().into_bytes()
}

fn digest_of(document: &[u8]) -> String {
    hex::encode(crypto::sha256(document))
}

/// The manifest with the first golden value changed in its first digit.
fn with_another_value(document: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(document.to_vec()).expect("text");
    let (before, value) = text.split_once("Hash0=\"").expect("a golden value");
    let digit = if value.starts_with('0') { '1' } else { '0' };
    let rest = value.get(1..).expect("more digits");
    format!("{before}Hash0=\"{digit}{rest}").into_bytes()
}
