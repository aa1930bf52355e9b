//! Validating: a token, a key set and a time in; a receipt or a reason out.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::claims::{Claims, ClaimsParts, Finding, Level, Method, Output, ResultCheck};
use crate::jwks::{Jwks, PublishedKey};
use crate::limits::MAX_LEEWAY_S;
use crate::rejected::{Part, Rejected};
use crate::token::{Compact, Header, TYP};
use crate::value::{InvalidValue, Nonce, Sha256Digest, Text, Thumbprint, UnixTime, excerpt};

/// Leeway for clocks that disagree, in seconds, unless a caller sets another: a minute is what hosts with NTP stay
/// well within, and what RFC 7519 section 4.1.4 calls "no more than a few minutes".
pub const DEFAULT_LEEWAY_S: u64 = 60;

/// What a relying party demands of a receipt.
///
/// Profile, type and size are not here: they are what this crate is for, and no setting changes them.
#[derive(Clone, Debug)]
pub struct Expectations {
    issuer: Text,
    audience: Text,
    leeway_s: u64,
    minimum_level: Level,
    job: Option<Sha256Digest>,
    nonce: Option<Nonce>,
}

impl Expectations {
    /// Receipts of this issuer for this audience, at level [`Level::A1`] or above.
    ///
    /// # Errors
    /// [`InvalidValue`] if a name could not be in a receipt at all.
    pub fn new(issuer: &str, audience: &str) -> Result<Self, InvalidValue> {
        Ok(Self {
            issuer: Text::new(issuer)?,
            audience: Text::new(audience)?,
            leeway_s: DEFAULT_LEEWAY_S,
            minimum_level: Level::A1,
            job: None,
            nonce: None,
        })
    }

    /// Another leeway than [`DEFAULT_LEEWAY_S`]; more than [`MAX_LEEWAY_S`] counts as that.
    #[must_use]
    pub fn leeway_s(mut self, leeway_s: u64) -> Self {
        self.leeway_s = leeway_s.min(MAX_LEEWAY_S);
        self
    }

    /// At least this level. [`Level::A0`] counts as [`Level::A1`]: see [`danger_accept_a0`](Self::danger_accept_a0).
    #[must_use]
    pub fn minimum_level(mut self, level: Level) -> Self {
        self.minimum_level = level.max(Level::A1);
        self
    }

    /// Any level. A0 is what anybody can say without owning a GPU, simulated devices included.
    #[must_use]
    pub fn danger_accept_a0(mut self) -> Self {
        self.minimum_level = Level::A0;
        self
    }

    /// Only receipts about this job.
    #[must_use]
    pub fn job(mut self, digest: Sha256Digest) -> Self {
        self.job = Some(digest);
        self
    }

    /// Only receipts that answer this challenge.
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }
}

/// Validates receipts against one key set and one set of expectations. Cheap to make where the key set is shared.
#[derive(Clone, Debug)]
pub struct Validator {
    keys: Arc<Jwks>,
    expected: Expectations,
}

impl Validator {
    /// A validator. Pass an [`Arc`] to share the key set between validators, for example one per job.
    pub fn new(keys: impl Into<Arc<Jwks>>, expected: Expectations) -> Self {
        Self {
            keys: keys.into(),
            expected,
        }
    }

    /// Validates a token at a time.
    ///
    /// A token is not an identity: an ECDSA signature has a twin that holds as well (s and n - s). Pay once for each
    /// [`Receipt::id`], not for each token.
    ///
    /// # Errors
    /// [`Rejected`], the first reason in the order below.
    pub fn validate(&self, token: &str, now: UnixTime) -> Result<Receipt, Rejected> {
        // Structure, without belief.
        let compact = Compact::split(token)?;
        let header = Header::read(&compact.header)?;
        is_receipt(&header)?;
        // The key decides the algorithm, not the header (RFC 8725 section 3.1).
        let key = key_named(&header, &self.keys)?;
        is_of_pinned_algorithm(&header, key)?;
        is_signed(&compact, key)?;
        // What the issuer says, and whether it is for us and for now.
        let payload = Compact::members(Part::Payload, &compact.payload)?;
        let claims = ClaimsParts::read(payload)?;
        is_from(&claims, &self.expected.issuer)?;
        is_for(&claims, &self.expected.audience)?;
        is_issued_by(&claims, now, self.expected.leeway_s)?;
        is_valid_by(&claims, now, self.expected.leeway_s)?;
        is_unexpired_at(&claims, now, self.expected.leeway_s)?;
        is_within_life_of(key, &claims)?;
        // What it comes to.
        let claims = Claims::new(claims).map_err(Rejected::Contradiction)?;
        reaches(&claims, self.expected.minimum_level)?;
        is_about(&claims, self.expected.job)?;
        answers(&claims, self.expected.nonce.as_ref())?;
        Ok(Receipt::assertion(claims, key.jwk.kid()))
    }
}

/// A receipt that was validated: signed by a key of the set, for us, in time, and free of contradictions.
///
/// What it proves is what its claims say, with the source and strength of each; see the README's table.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    claims: Claims,
    kid: Thumbprint,
}

impl Receipt {
    /// States that every check of [`Validator::validate`] has passed.
    fn assertion(claims: Claims, kid: Thumbprint) -> Self {
        Self { claims, kid }
    }

    /// All claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The identity of this receipt (`jti`): what to pay once for.
    #[must_use]
    pub fn id(&self) -> &str {
        self.claims.jti.as_str()
    }

    /// Whose work it is (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        self.claims.sub.as_str()
    }

    /// The key that signed it.
    #[must_use]
    pub fn kid(&self) -> Thumbprint {
        self.kid
    }

    /// What was asked.
    #[must_use]
    pub fn job_digest(&self) -> Sha256Digest {
        self.claims.pogw.job_digest
    }

    /// What came out.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.claims.pogw.outputs
    }

    /// How much hardware stands behind it.
    #[must_use]
    pub fn level(&self) -> Level {
        self.claims.pogw.assurance.level
    }

    /// The checks of the result that held.
    #[must_use]
    pub fn results(&self) -> &BTreeSet<ResultCheck> {
        &self.claims.pogw.assurance.results
    }

    /// Whether it has this level or a higher one, and each of these checks of the result held.
    #[must_use]
    pub fn meets(&self, level: Level, checks: impl IntoIterator<Item = ResultCheck>) -> bool {
        let held = |check| self.results().contains(&check);
        self.level() >= level && checks.into_iter().all(held)
    }

    /// How one check came out, if the receipt mentions it.
    #[must_use]
    pub fn finding(&self, method: &Method) -> Option<&Finding> {
        self.claims.pogw.finding(method)
    }

    /// Whether a device in it is software.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.claims
            .pogw
            .devices
            .iter()
            .any(|device| device.simulated)
    }
}

/// Shows which receipt it is and no claim: claims may name a device's lifelong identity, and logs are kept.
impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({})", self.claims.jti)
    }
}

/// Compared exactly, upper and lower case included. RFC 7515 section 4.1.9 lets media types differ in case and carry
/// their prefix; the issuer writes one form, so another is not the issuer's.
fn is_receipt(header: &Header) -> Result<(), Rejected> {
    if header.typ == TYP {
        return Ok(());
    }
    Err(Rejected::TypMismatch {
        expected: TYP,
        actual: excerpt(&header.typ),
    })
}

fn key_named<'k>(header: &Header, keys: &'k Jwks) -> Result<&'k PublishedKey, Rejected> {
    let kid: Option<Thumbprint> = header.kid.parse().ok();
    kid.and_then(|kid| keys.find(&kid))
        .ok_or_else(|| Rejected::KeyUnknown {
            kid: excerpt(&header.kid),
        })
}

fn is_of_pinned_algorithm(header: &Header, key: &PublishedKey) -> Result<(), Rejected> {
    let expected = key.jwk.algorithm().as_str();
    if header.alg == expected {
        return Ok(());
    }
    Err(Rejected::AlgorithmMismatch {
        expected,
        actual: excerpt(&header.alg),
    })
}

fn is_signed(compact: &Compact<'_>, key: &PublishedKey) -> Result<(), Rejected> {
    let message = compact.signing_input.as_bytes();
    if key.jwk.has_signed(message, &compact.signature) {
        return Ok(());
    }
    Err(Rejected::SignatureInvalid { kid: key.jwk.kid() })
}

fn is_from(claims: &ClaimsParts, issuer: &Text) -> Result<(), Rejected> {
    if claims.iss == *issuer {
        return Ok(());
    }
    Err(Rejected::IssuerMismatch {
        expected: issuer.to_string(),
        actual: excerpt(claims.iss.as_str()),
    })
}

fn is_for(claims: &ClaimsParts, audience: &Text) -> Result<(), Rejected> {
    let names = claims.aud.names();
    if names.contains(audience) {
        return Ok(());
    }
    let stated: Vec<&str> = names.iter().map(Text::as_str).collect();
    Err(Rejected::AudienceMismatch {
        expected: audience.to_string(),
        actual: excerpt(&stated.join(", ")),
    })
}

fn is_issued_by(claims: &ClaimsParts, now: UnixTime, leeway_s: u64) -> Result<(), Rejected> {
    if claims.iat <= now.plus(leeway_s) {
        return Ok(());
    }
    Err(Rejected::IssuedInFuture {
        iat: claims.iat.secs(),
        now: now.secs(),
        leeway_s,
    })
}

/// RFC 7519 section 4.1.5: not before `nbf`.
fn is_valid_by(claims: &ClaimsParts, now: UnixTime, leeway_s: u64) -> Result<(), Rejected> {
    if claims.nbf <= now.plus(leeway_s) {
        return Ok(());
    }
    Err(Rejected::NotYetValid {
        nbf: claims.nbf.secs(),
        now: now.secs(),
        leeway_s,
    })
}

/// RFC 7519 section 4.1.4: not on or after `exp`.
fn is_unexpired_at(claims: &ClaimsParts, now: UnixTime, leeway_s: u64) -> Result<(), Rejected> {
    match claims.exp {
        Some(exp) if exp.plus(leeway_s) <= now => Err(Rejected::Expired {
            exp: exp.secs(),
            now: now.secs(),
            leeway_s,
        }),
        _ => Ok(()),
    }
}

/// No leeway: both times are the issuer's.
fn is_within_life_of(key: &PublishedKey, claims: &ClaimsParts) -> Result<(), Rejected> {
    match key.retired_at {
        Some(retired_at) if claims.iat > retired_at => Err(Rejected::KeyRetired {
            kid: key.jwk.kid(),
            retired_at: retired_at.secs(),
            iat: claims.iat.secs(),
        }),
        _ => Ok(()),
    }
}

fn reaches(claims: &Claims, minimum: Level) -> Result<(), Rejected> {
    let actual = claims.pogw.assurance.level;
    if actual >= minimum {
        return Ok(());
    }
    Err(Rejected::LevelTooLow {
        expected: minimum,
        actual,
    })
}

fn is_about(claims: &Claims, job: Option<Sha256Digest>) -> Result<(), Rejected> {
    match job {
        Some(expected) if expected != claims.pogw.job_digest => Err(Rejected::JobMismatch {
            expected,
            actual: claims.pogw.job_digest,
        }),
        _ => Ok(()),
    }
}

fn answers(claims: &Claims, nonce: Option<&Nonce>) -> Result<(), Rejected> {
    match nonce {
        Some(expected) if *expected != claims.eat_nonce => Err(Rejected::NonceMismatch {
            expected: expected.clone(),
            actual: claims.eat_nonce.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forgeries of the crate's docs, here where the names are visible: there they fail for privacy alone.
    #[test]
    fn forgeries_name_what_exists() {
        fn by_fields(claims: Claims, kid: Thumbprint) -> Receipt {
            Receipt { claims, kid }
        }
        fn by_assertion(claims: Claims, kid: Thumbprint) -> Receipt {
            Receipt::assertion(claims, kid)
        }
        let forge: [fn(Claims, Thumbprint) -> Receipt; 2] = [by_fields, by_assertion];
        assert_eq!(forge.len(), 2);
    }
}
