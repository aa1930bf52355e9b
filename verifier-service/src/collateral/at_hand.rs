//! The result of a look-up: what is at hand, why nothing is, or what has to be asked for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use evidence::ocsp::{CertificateId, Link, OcspResponse, OwnedLink};
use evidence::rim::Rim;
use evidence::{Code, Examined, Reason, UnixTime};

/// The answer of a look-up.
#[derive(Clone, Debug)]
pub enum Lookup<T> {
    /// It can be used now.
    Found(T),
    /// It is known not to be available now.
    Absent(Absence),
    /// Somebody has to fetch it.
    Ask(Need),
}

impl<T> Lookup<T> {
    pub(super) fn absent(kind: AbsenceKind, reason: Reason) -> Self {
        Self::Absent(Absence { kind, reason })
    }
}

/// Why something is not at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Whose doing it is.
    pub kind: AbsenceKind,
    /// The reason for the appraisal, with what the network said.
    pub reason: Reason,
}

/// What kind of absence it is: whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbsenceKind {
    /// There is nowhere to ask.
    NotConfigured,
    /// Every source was asked and has none.
    Missing,
    /// Something came and cannot be used.
    Refused,
    /// A source cannot be asked now.
    Unreachable,
}

/// Where something at hand came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The operator's directory.
    Directory,
    /// A service, not long ago.
    Service,
    /// A service, longer ago than it counts as fresh; it could not be asked again since.
    StaleCopy,
}

impl Origin {
    /// The word for receipts and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Service => "service",
            Self::StaleCopy => "stale_copy",
        }
    }

    pub(super) const fn fetched(stale: bool) -> Self {
        match stale {
            true => Self::StaleCopy,
            false => Self::Service,
        }
    }
}

/// A reference manifest at hand.
#[derive(Clone, Debug)]
pub struct RimAtHand {
    /// What came of examining it. From a service it is always authentic.
    pub rim: Arc<Examined<Rim>>,
    /// The document, byte for byte.
    pub document: Arc<[u8]>,
    /// SHA-256 of the document.
    pub sha256: [u8; 32],
    /// Where it came from.
    pub origin: Origin,
    /// When the service gave it; `None` for a directory.
    pub fetched_at: Option<UnixTime>,
    /// When it was last changed, by the service's word or the file's time.
    pub last_updated: Option<UnixTime>,
}

impl RimAtHand {
    /// Whether it is past its freshness: the receipt shall say so.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.origin == Origin::StaleCopy
    }
}

/// An answer about revocation at hand.
#[derive(Clone, Debug)]
pub struct OcspAtHand {
    /// What came of examining it for the link it was looked up for; always authentic.
    pub response: Arc<Examined<OcspResponse>>,
    /// The response, DER.
    pub der: Arc<[u8]>,
    /// Where it came from.
    pub origin: Origin,
    /// When the responder gave it; `None` for a directory.
    pub fetched_at: Option<UnixTime>,
}

impl OcspAtHand {
    /// Whether it is past its freshness; true of nothing but a revocation for good.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.origin == Origin::StaleCopy
    }
}

/// An answer made for one appraisal.
#[derive(Clone, Debug)]
pub struct FreshOcsp {
    /// What came of examining it for the link it was asked about, whatever that is.
    pub response: Arc<Examined<OcspResponse>>,
    /// The response, DER.
    pub der: Arc<[u8]>,
    /// The nonce of the question.
    pub nonce_sent: [u8; 32],
    /// When the responder gave it.
    pub fetched_at: UnixTime,
}

/// Something to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// The manifest of this id.
    Rim(String),
    /// An answer about this certificate.
    Ocsp(OcspNeed),
}

impl Need {
    /// The absence of something that was asked for and had not come when waiting ended.
    #[must_use]
    pub(crate) fn not_in_time(&self) -> Absence {
        let reason = match self {
            Self::Rim(id) => {
                let reason = Reason::new(Code::RimNotAvailable, "RIM service: no answer in time");
                reason.expected(id)
            }
            Self::Ocsp(_) => no_answer_in_time(),
        };
        Absence {
            kind: AbsenceKind::Unreachable,
            reason,
        }
    }
}

pub(super) fn no_answer_in_time() -> Reason {
    Reason::new(Code::OcspNotAvailable, "OCSP responder: no answer in time")
}

/// A certificate to ask about, and what it takes to examine the answer. Two are equal if certificate and issuer are.
#[derive(Clone, Debug)]
pub struct OcspNeed {
    pub(super) key: LinkKey,
    pub(super) link: OwnedLink,
}

impl OcspNeed {
    /// A question about the certificate of this link.
    #[must_use]
    pub fn of(link: &Link<'_>) -> Self {
        Self {
            key: LinkKey::of(link),
            link: OwnedLink::from(link),
        }
    }

    /// The link.
    #[must_use]
    pub fn link(&self) -> Link<'_> {
        self.link.as_link()
    }

    /// What the responder is asked.
    #[must_use]
    pub fn id(&self) -> CertificateId {
        self.link().id()
    }
}

impl PartialEq for OcspNeed {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for OcspNeed {}

impl Hash for OcspNeed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// What an examination of an answer depends on beside the answer: both certificates, and whose root they lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    subject: [u8; 32],
    issuer: [u8; 32],
    simulated: bool,
}

impl LinkKey {
    pub(super) fn of(link: &Link<'_>) -> Self {
        Self {
            subject: *link.subject().sha256(),
            issuer: *link.issuer().sha256(),
            simulated: link.is_simulated(),
        }
    }
}
