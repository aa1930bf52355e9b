//! Why a token is not a receipt the caller can rely on.

use crate::claims::{ClaimsError, Level};
use crate::code::codes;
use crate::json::JsonFault;
use crate::value::{Nonce, Sha256Digest, Thumbprint, words};

words! {
    /// A part of a compact JWS.
    Part, "part":
    /// The protected header.
    Header = "header",
    /// The claims.
    Payload = "payload",
    /// The signature.
    Signature = "signature",
}

/// The first reason why a token was rejected, in the order of the checks.
///
/// The checks run cheapest first and stop at the first failure, so the same token gives the same code every time.
/// Nothing of the payload is read before the signature holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The token is longer than any receipt.
    #[error("token: expected at most {limit} bytes, got {actual}")]
    TokenTooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// The length, in bytes.
        actual: usize,
    },
    /// The token is not header, payload and signature with a dot between them.
    #[error("token: expected {expected} parts, got {actual}")]
    TokenParts {
        /// The number of parts of a compact JWS.
        expected: usize,
        /// The number of parts found.
        actual: usize,
    },
    /// A part is not strict base64url: unpadded, no white space, no spare bits.
    #[error("{part} is not unpadded base64url")]
    Base64urlMalformed {
        /// The part.
        part: Part,
    },
    /// The header names something else than `typ`, `alg` and `kid`: a key of the sender's choice, an extension, a
    /// nested type.
    #[error("header member {name:?} is not allowed")]
    HeaderMemberNotAllowed {
        /// The first such member by name.
        name: String,
    },
    /// The header lacks one of its three members.
    #[error("header member {name} is missing")]
    HeaderMemberMissing {
        /// The member.
        name: &'static str,
    },
    /// A header member is not a string.
    #[error("header member {name} is not a string")]
    HeaderMemberMalformed {
        /// The member.
        name: &'static str,
    },
    /// The token is of another type.
    #[error("typ: expected {expected}, got {actual:?}")]
    TypMismatch {
        /// The type of a receipt.
        expected: &'static str,
        /// The beginning of the type stated.
        actual: String,
    },
    /// No key of the set has this name.
    #[error("no key {kid:?} in the key set")]
    KeyUnknown {
        /// The beginning of the name.
        kid: String,
    },
    /// The header names another algorithm than the key's own.
    #[error("alg: expected {expected}, got {actual:?}")]
    AlgorithmMismatch {
        /// The algorithm of the key.
        expected: &'static str,
        /// The beginning of the algorithm stated.
        actual: String,
    },
    /// The signature is not one of this key over these bytes.
    #[error("signature of key {kid} does not hold")]
    SignatureInvalid {
        /// The key.
        kid: Thumbprint,
    },
    /// A part is not JSON of the profile.
    #[error("{part}: {fault}")]
    Json {
        /// The part.
        part: Part,
        /// Why not.
        fault: JsonFault,
    },
    /// A claim of the profile is absent.
    #[error("claim {claim} is missing")]
    ClaimMissing {
        /// The claim.
        claim: String,
    },
    /// A claim does not have its type.
    #[error("claim {claim}: {reason}")]
    ClaimMalformed {
        /// The claim.
        claim: String,
        /// What its reader says.
        reason: String,
    },
    /// Our own claim has a member this version does not know.
    #[error("claim {claim} is unknown")]
    ClaimUnknown {
        /// The claim.
        claim: String,
    },
    /// The claims follow another profile.
    #[error("eat_profile: expected {expected}, got {actual:?}")]
    ProfileMismatch {
        /// Our profile.
        expected: &'static str,
        /// The beginning of the profile stated.
        actual: String,
    },
    /// Somebody else issued it.
    #[error("iss: expected {expected}, got {actual}")]
    IssuerMismatch {
        /// The issuer expected.
        expected: String,
        /// The issuer stated.
        actual: String,
    },
    /// It is for somebody else.
    #[error("aud: expected {expected}, got {actual}")]
    AudienceMismatch {
        /// The audience expected.
        expected: String,
        /// The audiences stated.
        actual: String,
    },
    /// It was issued later than now.
    #[error("iat {iat} is later than {now} with {leeway_s} s of leeway")]
    IssuedInFuture {
        /// When it was issued, in seconds since the Unix epoch.
        iat: u64,
        /// The time given.
        now: u64,
        /// The leeway, in seconds.
        leeway_s: u64,
    },
    /// It does not count yet.
    #[error("nbf {nbf} is later than {now} with {leeway_s} s of leeway")]
    NotYetValid {
        /// From when it counts, in seconds since the Unix epoch.
        nbf: u64,
        /// The time given.
        now: u64,
        /// The leeway, in seconds.
        leeway_s: u64,
    },
    /// It no longer counts.
    #[error("exp {exp} is not later than {now} with {leeway_s} s of leeway")]
    Expired {
        /// Until when it counted, in seconds since the Unix epoch.
        exp: u64,
        /// The time given.
        now: u64,
        /// The leeway, in seconds.
        leeway_s: u64,
    },
    /// The key was retired before the receipt says it was issued.
    #[error("key {kid} was retired at {retired_at}, iat is {iat}")]
    KeyRetired {
        /// The key.
        kid: Thumbprint,
        /// When it was retired, in seconds since the Unix epoch.
        retired_at: u64,
        /// When the receipt says it was issued.
        iat: u64,
    },
    /// The claims contradict themselves; the code is that of the contradiction.
    #[error("claims contradict themselves: {0}")]
    Contradiction(ClaimsError),
    /// Less hardware stands behind it than asked for.
    #[error("assurance level: expected at least {expected}, got {actual}")]
    LevelTooLow {
        /// The lowest level accepted.
        expected: Level,
        /// The level stated.
        actual: Level,
    },
    /// It is about another job.
    #[error("job_digest: expected {expected}, got {actual}")]
    JobMismatch {
        /// The job expected.
        expected: Sha256Digest,
        /// The job stated.
        actual: Sha256Digest,
    },
    /// It answers another challenge.
    #[error("eat_nonce: expected {expected}, got {actual}")]
    NonceMismatch {
        /// The challenge expected.
        expected: Nonce,
        /// The challenge stated.
        actual: Nonce,
    },
}

codes! { Rejected:
    TokenTooLarge = "token_too_large",
    TokenParts = "token_parts",
    Base64urlMalformed = "base64url_malformed",
    HeaderMemberNotAllowed = "header_member_not_allowed",
    HeaderMemberMissing = "header_member_missing",
    HeaderMemberMalformed = "header_member_malformed",
    TypMismatch = "typ_mismatch",
    KeyUnknown = "key_unknown",
    AlgorithmMismatch = "algorithm_mismatch",
    SignatureInvalid = "signature_invalid",
    ClaimMissing = "claim_missing",
    ClaimMalformed = "claim_malformed",
    ClaimUnknown = "claim_unknown",
    ProfileMismatch = "profile_mismatch",
    IssuerMismatch = "issuer_mismatch",
    AudienceMismatch = "audience_mismatch",
    IssuedInFuture = "issued_in_future",
    NotYetValid = "not_yet_valid",
    Expired = "expired",
    KeyRetired = "key_retired",
    LevelTooLow = "assurance_level_too_low",
    JobMismatch = "job_mismatch",
    NonceMismatch = "nonce_mismatch",
    ; Rejected::Json { fault, .. } => fault.code()
    ; Rejected::Contradiction(contradiction) => contradiction.code()
}
