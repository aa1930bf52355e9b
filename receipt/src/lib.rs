//! The work receipt: what we say, and how a stranger checks it, offline.
//!
//! A receipt is a JWT (RFC 7519) that carries an attestation result (RFC 9711, draft-ietf-rats-ear-04) about a piece of
//! GPU work: what was asked, what came out, on which devices, which checks it survived and how strong each is. This
//! crate is a marketplace's only dependency.
//!
//! # What's in scope
//!
//! - [`Claims`]: the claims of the profile [`PROFILE`], free of contradictions, and which assurance [`Level`] they
//!   support.
//! - [`issue`]: signing through a [`Signer`], in memory ([`LocalSigner`]) or anywhere else.
//! - [`Jwks`]: the key set, retired keys included, each key named by its RFC 7638 thumbprint.
//! - [`Validator::validate`]: strict validation. The header may have `typ`, `alg` and `kid` only; the key decides the
//!   algorithm; issuer, audience, times (leeway [`DEFAULT_LEEWAY_S`]), profile and the rules of the assurance levels
//!   are checked in a fixed order; every refusal is a [`Rejected`] with a stable [`code`](Rejected::code).
//! - [`limits`]: how large anything may be.
//!
//! # What's out of scope
//!
//! - Device evidence, its appraisal and the policy that grants a receipt: the verifier does that before it issues.
//! - Clock, files, environment, network, random numbers: the time, the keys and the nonces are arguments. (ECDSA's
//!   secret per signature is drawn inside AWS-LC.)
//! - Making, storing and rotating keys; fetching key sets.
//! - Remembering which receipts were paid: see [`Receipt::id`].
//! - Whether the receipt is in the issuer's log; the claims only say where.
//!
//! # Trust in types
//!
//! [`ClaimsParts`] → [`Claims`] → [`SignedReceipt`] at the issuer; `&str` → [`Receipt`] at the relying party.
//! Outside this crate nobody can make a signed receipt without signing:
//!
//! ```compile_fail,E0451
//! use receipt::SignedReceipt;
//!
//! fn forge(token: String) -> SignedReceipt {
//!     SignedReceipt { token }
//! }
//! ```
//!
//! but with it:
//!
//! ```
//! use receipt::{Claims, IssueError, SignedReceipt, Signer, issue};
//!
//! fn sign(claims: &Claims, signer: &dyn Signer) -> Result<SignedReceipt, IssueError> {
//!     issue(claims, signer)
//! }
//! ```
//!
//! nor a validated one without validating:
//!
//! ```compile_fail,E0451
//! use receipt::{Claims, Receipt, Thumbprint};
//!
//! fn forge(claims: Claims, kid: Thumbprint) -> Receipt {
//!     Receipt { claims, kid }
//! }
//! ```
//!
//! ```compile_fail,E0624
//! use receipt::{Claims, Receipt, Thumbprint};
//!
//! fn forge(claims: Claims, kid: Thumbprint) -> Receipt {
//!     Receipt::assertion(claims, kid)
//! }
//! ```
//!
//! though what it says can be had:
//!
//! ```
//! use receipt::{Claims, Receipt, Thumbprint};
//! use receipt::{Rejected, UnixTime, Validator};
//!
//! fn validate(validator: &Validator, token: &str, now: UnixTime) -> Result<Receipt, Rejected> {
//!     validator.validate(token, now)
//! }
//!
//! fn look(receipt: &Receipt) -> (Claims, Thumbprint) {
//!     (receipt.claims().clone(), receipt.kid())
//! }
//! ```
//!
//! nor read one from JSON, as a finding can be:
//!
//! ```compile_fail,E0277
//! fn forge(json: &str) -> serde_json::Result<receipt::Receipt> {
//!     serde_json::from_str(json)
//! }
//! ```
//!
//! ```
//! fn keep(receipt: receipt::Receipt) -> serde_json::Result<receipt::Receipt> {
//!     Ok(receipt)
//! }
//!
//! fn read(json: &str) -> serde_json::Result<receipt::Finding> {
//!     serde_json::from_str(json)
//! }
//! ```
//!
//! nor get one out of nothing, as a vector without claims can be:
//!
//! ```compile_fail,E0277
//! fn forge() -> receipt::Receipt {
//!     Default::default()
//! }
//! ```
//!
//! ```
//! fn keep(receipt: receipt::Receipt) -> receipt::Receipt {
//!     receipt
//! }
//!
//! fn nothing() -> receipt::TrustVector {
//!     Default::default()
//! }
//! ```
//!
//! nor change what a receipt says, only read it:
//!
//! ```compile_fail,E0594
//! use receipt::{Level, Receipt};
//!
//! fn promote(receipt: &mut Receipt) {
//!     receipt.claims().pogw.assurance.level = Level::A3;
//! }
//! ```
//!
//! ```
//! use receipt::{Level, Receipt};
//!
//! fn is_promoted(receipt: &mut Receipt) -> bool {
//!     receipt.claims().pogw.assurance.level == Level::A3
//! }
//! ```

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        reason = "a test that panics has failed"
    )
)]

/// Holds the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod algorithm;
mod claims;
mod code;
mod json;
mod jwk;
mod jwks;
pub mod limits;
mod peek;
mod rejected;
mod sign;
mod signer;
mod token;
mod validate;
mod value;

pub use algorithm::Algorithm;
pub use claims::{
    Agreeing, Appraisal, Asserted, Assurance, Audience, CertificateRevocation, CertificateStatus,
    Chain, Claims, ClaimsError, ClaimsParts, Collateral, Confirmation, Device, DeviceKind, Finding,
    Inclusion, Kernel, Level, Log2Error, Method, OtherMethod, Output, PROFILE, PartsPerMillion,
    Policy, Program, ResultCheck, Shortfall, Source, Status, Tier, Timings, Trace, TrustVector,
    VendorClaims, VerifierId, Work,
};
pub use json::JsonFault;
pub use jwk::{Jwk, JwkError};
pub use jwks::{Jwks, JwksError, PublishedKey, SkippedKey};
pub use peek::UnverifiedReceipt;
pub use rejected::{Part, Rejected};
pub use sign::{IssueError, SignedReceipt, issue};
pub use signer::{LocalSigner, SignError, Signer};
pub use token::TYP;
pub use validate::{DEFAULT_LEEWAY_S, Expectations, Receipt, Validator};
pub use value::{Blake3Digest, InvalidValue, Nonce, Sha256Digest, Text, Thumbprint, UnixTime};
