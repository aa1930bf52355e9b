//! Answers about the revocation of forged certificates, good until a test makes one wrong in one way.
//!
//! In scope: one answer for each certificate asked about, made by a responder that the certificate's issuer delegated to,
//! when the time of appraisal is half an hour old. Out of scope: questions, responders that speak HTTP.

use std::sync::{Arc, LazyLock};

use attestation_agent::device::simulated::{CertificateSpec, Extension, OcspSpec, Responder};
use evidence::ocsp::{AtHand, Hold, Link, OcspResponse, Responses};
use evidence::{Reason, UnixTime};
use time::OffsetDateTime;

use super::{Chain, Edits, Forged};

/// Age of a good answer at the time of appraisal.
const AGE_SECS: i64 = 30 * 60;

/// Which certificate an answer is about: its chain and its position there, the leaf being 0.
///
/// The manifests of [`Forged::gpu`] share every certificate once asked about but the leaf, as genuine ones do. One answer
/// serves both then, and a defect of it is one of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Of the device chain.
    Device(usize),
    /// Of the chain of the driver's manifest.
    Driver(usize),
    /// Of the chain of the VBIOS' or switch BIOS' manifest.
    Vbios(usize),
}

/// Every certificate of a GPU that is asked about (nvidia-evidence 5.1).
pub const ABOUT_ALL: [About; 9] = [
    About::Device(1),
    About::Device(2),
    About::Device(3),
    About::Driver(0),
    About::Driver(1),
    About::Driver(2),
    About::Vbios(0),
    About::Vbios(1),
    About::Vbios(2),
];

/// What a verifier asks about revocation, and what comes back.
#[derive(Clone, Default)]
pub struct Asked {
    /// The verifier's own bound on age.
    pub max_age_secs: Option<u64>,
    /// What becomes of a certificate on hold.
    pub hold: Hold,
    edits: Vec<(About, Edits<Answer>)>,
    /// The first is answered with what was made for the second.
    swapped: Vec<(About, About, Examination)>,
}

/// For which certificate a misplaced answer was examined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Examination {
    ForTheOneAsked,
    ForItsOwn,
}

/// An answer, not yet signed.
#[derive(Clone)]
pub struct Answer {
    /// The answer.
    pub spec: OcspSpec,
    /// The nonce of the question, if there was one.
    pub nonce_sent: Option<[u8; 32]>,
    /// Why there is no answer, if somebody knows.
    pub outage: Option<Reason>,
    /// Nobody asked and nobody knows anything.
    pub unasked: bool,
    subject: CertificateSpec,
    issuer: CertificateSpec,
    issuer_der: Vec<u8>,
    responder: CertificateSpec,
    edits: Edits<Vec<u8>>,
}

impl Answer {
    fn good(place: &Place<'_>, as_of: UnixTime) -> Self {
        let mut responder = CertificateSpec::clone(&RESPONDER);
        if !matches!(place.about, About::Device(_)) {
            responder.extensions.push(Extension::ocsp_no_check());
        }
        let issuer = place.issuer.clone();
        let issued = Responder::issued(&responder, &issuer).expect("a responder");
        let at = OffsetDateTime::from_unix_timestamp(as_of.secs() - AGE_SECS).expect("a time");
        let spec = OcspSpec::good(&place.subject_der, &place.issuer_der, issued, at);
        Self {
            spec: spec.expect("two certificates"),
            nonce_sent: None,
            outage: None,
            unasked: false,
            subject: place.subject.clone(),
            issuer,
            issuer_der: place.issuer_der.clone(),
            responder,
            edits: Edits::default(),
        }
    }

    /// Changes the delegated responder's certificate before its issuer signs it; its key is the one that answers.
    pub fn responder(&mut self, change: impl FnOnce(&mut CertificateSpec)) {
        change(&mut self.responder);
        let issuer = self.issuer.clone();
        self.respond_under(&issuer);
    }

    /// Has another authority than the certificate's issuer sign the responder's certificate.
    ///
    /// # Panics
    /// The certificate cannot be signed.
    pub fn respond_under(&mut self, issuer: &CertificateSpec) {
        let issued = Responder::issued(&self.responder, issuer);
        self.spec.responder = issued.expect("a responder");
    }

    /// Has the responder sign its own certificate.
    pub fn respond_under_itself(&mut self) {
        let own = self.responder.clone();
        self.respond_under(&own);
    }

    /// Has the certificate's issuer answer itself, with no certificate beside the answer.
    pub fn respond_by_issuer(&mut self) {
        self.spec.responder = Responder {
            certificate: self.issuer_der.clone(),
            key: Arc::clone(&self.issuer.key),
        };
        self.spec.certificates = Some(Vec::new());
    }

    /// The certificate asked about, as it was described.
    #[must_use]
    pub fn subject(&self) -> &CertificateSpec {
        &self.subject
    }

    /// Its issuer, as it was described.
    #[must_use]
    pub fn issuer(&self) -> &CertificateSpec {
        &self.issuer
    }

    /// Its issuer's certificate (DER).
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// Changes the bytes that are signed.
    ///
    /// # Panics
    /// The responder has no certificate.
    pub fn before_signing(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut data = self.spec.data().expect("response data");
        edit(&mut data);
        self.spec.response_data = Some(data);
    }

    /// Changes the bytes of the signed answer.
    pub fn in_transit(&mut self, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        self.edits.push(edit);
    }

    fn der(&self) -> Vec<u8> {
        self.edits.applied_to(self.spec.build().expect("an answer"))
    }
}

/// One responder key for the whole process; its certificate is made anew by each issuer.
static RESPONDER: LazyLock<CertificateSpec> =
    LazyLock::new(|| CertificateSpec::responder().expect("a key"));

/// A certificate of one of the chains, with its issuer.
struct Place<'a> {
    about: About,
    subject: &'a CertificateSpec,
    subject_der: Vec<u8>,
    issuer: &'a CertificateSpec,
    issuer_der: Vec<u8>,
}

impl Forged {
    /// Has the verifier ask about revocation; every answer is good. The VBIOS' manifest gets a signer of its own, so that
    /// the two manifests are told apart.
    pub fn ask(&mut self) {
        self.asked = Some(Asked::default());
        if let (Some(_), Some(vbios)) = (&self.driver, &mut self.vbios) {
            let leaf: &CertificateSpec = &VBIOS_SIGNER;
            let issuer = &vbios.chain.spec.certificates[1];
            let der = Responder::issued(leaf, issuer).expect("a leaf").certificate;
            vbios.chain.spec.certificates[0] = leaf.clone();
            vbios.chain.handed_over(move |ders| ders[0] = der.clone());
        }
    }

    /// What is asked, to be changed.
    ///
    /// # Panics
    /// Nobody asks.
    pub fn asked(&mut self) -> &mut Asked {
        self.asked.as_mut().expect("somebody asks")
    }

    /// Changes one answer before it is signed.
    pub fn answer(&mut self, about: About, edit: impl Fn(&mut Answer) + Send + Sync + 'static) {
        let mut edits = Edits::default();
        edits.push(edit);
        self.asked().edits.push((about, edits));
    }

    /// Answers one question with what was made for another.
    pub fn answer_with(&mut self, asked: About, other: About) {
        let swapped = (asked, other, Examination::ForTheOneAsked);
        self.asked().swapped.push(swapped);
    }

    /// Answers one question with what was made and examined for another, as a verifier that mixed up its own would.
    pub fn mix_up(&mut self, asked: About, other: About) {
        let swapped = (asked, other, Examination::ForItsOwn);
        self.asked().swapped.push(swapped);
    }

    /// Good answers about every certificate below the roots, DER, as of a time.
    ///
    /// # Panics
    /// An answer cannot be signed.
    #[must_use]
    pub fn filed_answers(&self, as_of: UnixTime) -> Vec<Vec<u8>> {
        let answers = self.places().into_iter();
        answers
            .map(|place| Answer::good(&place, as_of).der())
            .collect()
    }

    /// What comes back for these questions.
    pub(super) fn responses(&self, links: &[Link<'_>]) -> Responses {
        let asked = self.asked.as_ref().expect("somebody asks");
        let places = self.places();
        let mut responses = Responses::new();
        for link in links {
            if !responses.has(&link.id())
                && let Some(at_hand) = asked.at_hand(link, links, &places, self.as_of)
            {
                responses.insert(link.id(), at_hand);
            }
        }
        responses
    }

    fn places(&self) -> Vec<Place<'_>> {
        let mut places = places_of(&self.chain, About::Device);
        let driver = self.driver.as_ref();
        places.extend(driver.map_or_else(Vec::new, |it| places_of(&it.chain, About::Driver)));
        let vbios = self.vbios.as_ref();
        places.extend(vbios.map_or_else(Vec::new, |it| places_of(&it.chain, About::Vbios)));
        places
    }
}

/// Signs the VBIOS' manifest where the two manifests are told apart.
static VBIOS_SIGNER: LazyLock<CertificateSpec> =
    LazyLock::new(|| CertificateSpec::signer("PoGW SIMULATED RIM L4 Signer 2").expect("a key"));

fn places_of(chain: &Chain, about: fn(usize) -> About) -> Vec<Place<'_>> {
    let specs = &chain.spec.certificates;
    let ders = chain.ders();
    let pairs = specs.windows(2).zip(ders.windows(2)).enumerate();
    let places = pairs.map(|(position, (specs, ders))| Place {
        about: about(position),
        subject: &specs[0],
        subject_der: ders[0].clone(),
        issuer: &specs[1],
        issuer_der: ders[1].clone(),
    });
    places.collect()
}

impl Asked {
    fn at_hand(
        &self,
        link: &Link<'_>,
        links: &[Link<'_>],
        places: &[Place<'_>],
        as_of: UnixTime,
    ) -> Option<AtHand> {
        let at: Vec<_> = places_at(link, places).collect();
        let swapped =
            { self.swapped.iter() }.find(|(asked, ..)| at.iter().any(|p| p.about == *asked));
        let Some((_, other, examination)) = swapped else {
            return self.answer(&at, as_of, link);
        };
        let of_other = |link: &&Link<'_>| places_at(link, places).any(|p| p.about == *other);
        let own = links.iter().find(of_other).expect("another question");
        let at: Vec<_> = places_at(own, places).collect();
        match examination {
            Examination::ForTheOneAsked => self.answer(&at, as_of, link),
            Examination::ForItsOwn => self.answer(&at, as_of, own),
        }
    }

    /// What comes back for a certificate that stands at these places.
    fn answer(&self, at: &[&Place<'_>], as_of: UnixTime, examined: &Link<'_>) -> Option<AtHand> {
        let mut answer = Answer::good(at.first()?, as_of);
        for (about, edits) in &self.edits {
            if at.iter().any(|place| place.about == *about) {
                answer = edits.applied_to(answer);
            }
        }
        if answer.unasked {
            return None;
        }
        Some(match answer.outage.clone() {
            Some(reason) => AtHand::Missing(reason),
            None => AtHand::Response {
                response: Arc::new(OcspResponse::examine(&answer.der(), examined)),
                nonce_sent: answer.nonce_sent,
            },
        })
    }
}

/// Where a certificate stands under this issuer.
fn places_at<'a, 'p>(
    link: &Link<'_>,
    places: &'a [Place<'p>],
) -> impl Iterator<Item = &'a Place<'p>> {
    let [subject, issuer] = [link.subject(), link.issuer()].map(|it| it.der().to_vec());
    let stands = move |it: &&Place<'_>| it.subject_der == subject && it.issuer_der == issuer;
    places.iter().filter(stands)
}
