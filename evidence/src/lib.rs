//! What a machine says about itself and its work, and whether to believe it.
//!
//! This crate is a function of its arguments: it reads no file, environment, network or random source, and a clock in
//! one place only. Time (`as_of`), trust anchors, reference manifests, answers about revocation and challenges are
//! handed in; reasons and statuses come out. The clock is read while a policy is evaluated, to end one that takes
//! longer than a second: a decision is made in time or not at all, and what the clock says is no part of it.
//!
//! # In scope
//!
//! * [`report`], [`cert`], [`rim`]: reading NVIDIA's attestation reports, certificate chains and reference manifests,
//!   strictly, and checking their signatures up to anchors the caller names (nvidia-evidence 1 to 6).
//! * [`appraise`]: every check of one device, of several, and of a piece of work, each with a [`Status`] and all its
//!   [`Reason`]s.
//! * [`forms`]: the JSON forms in which the field serialises evidence (nvidia-evidence 11).
//! * [`ocsp`]: requests and answers about revocation, verified (nvidia-evidence 5). An appraisal judges the answers
//!   that it is handed ([`appraise::Revocation`]); it asks nobody itself.
//! * [`work`]: jobs, statements, bundles and the derivations that bind them (DESIGN section 4). [`work::wire`]: the
//!   JSON in which agents and verifiers speak about assignments. [`work::request`]: what an agent signs of an HTTP
//!   request, and the verification of it.
//! * `policy` (feature `policy`): a Rego policy decides; below it lies a floor that no policy can waive.
//!
//! # Out of scope
//!
//! * Fetching, storing and caching (`verifier-service`), answers about revocation included. What may be cached is a
//!   type: [`Examined`].
//! * Which kernels exist: checked work enters through [`appraise::WorkChecker`].
//! * Receipts. This crate never learns what a JWT is.
//! * CPU TEE quotes: no check reads them.
//!
//! # What an affirmed device does not prove
//!
//! A device with an NVIDIA-certified key signed this state after the nonce existed. That says nothing about where the
//! device is, whether it is in the host that asked, or whether any kernel ran on it.
//!
//! # Types that carry trust
//!
//! Nobody outside this crate can make an [`Authentic<T>`], a [`Verified<T>`], an appraisal or a `Granted`: the first
//! two come of checking signatures and time, a `Granted` of a policy's decision. Inside the crate types do not hold
//! that every check is made: an appraisal reads a report and its chain before anything vouches for them, and its checks
//! are a list. The floor under every policy wants each of [`appraise::CORE_DEVICE_CHECKS`] to be in that list and
//! affirmed; tests hold the rest. This compiles, for a value that was parsed:
//!
//! ```
//! use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
//!
//! let no_anchors = TrustAnchors::default();
//! let examined = CertificateChain::examine(b"", ChainProfile::Device, &no_anchors);
//! assert!(examined.peek().is_none());
//! ```
//!
//! None of these does (each beside what does compile):
//!
//! ```compile_fail,E0624
//! use evidence::{UnixTime, Verified};
//! let forged = Verified::assertion((), UnixTime::from_secs(0), false); // associated function is private
//! ```
//!
//! ```compile_fail,E0624
//! use evidence::Authentic;
//! let forged = Authentic::assertion((), false); // associated function is private
//! ```
//!
//! ```compile_fail,E0451
//! use evidence::{Authentic, UnixTime, Verified};
//! fn forge(as_of: UnixTime) -> Verified<()> {
//!     Verified { value: (), as_of, simulated: false } // fields are private
//! }
//! ```
//!
//! Nor can anyone make or change an appraisal, or bring findings of their own to a policy:
//!
//! ```
//! use evidence::appraise::EvidenceAppraisal;
//! use evidence::UnixTime;
//! let nothing_appraised = EvidenceAppraisal::new(Vec::new(), UnixTime::from_secs(0));
//! assert_eq!(nothing_appraised.overall(), evidence::Overall::Fail);
//! ```
//!
//! ```compile_fail,E0451
//! use evidence::appraise::EvidenceAppraisal;
//! use evidence::UnixTime;
//! let forged = EvidenceAppraisal { devices: Vec::new(), checks: Vec::new(), as_of: UnixTime::from_secs(0) };
//! ```
//!
//! ```compile_fail,E0616
//! fn whitewash(device: &mut evidence::appraise::DeviceAppraisal) {
//!     device.checks.clear(); // field is private
//! }
//! ```
//!
//! ```compile_fail,E0277
//! use evidence::appraise::{Appraised, DeviceAppraisal, Document};
//! use evidence::{Check, CheckId};
//! struct Invented;
//! impl Appraised for Invented { // sealed
//!     fn all_checks(&self) -> Box<dyn Iterator<Item = &Check> + '_> { Box::new(std::iter::empty()) }
//!     fn core_checks(&self) -> &'static [CheckId] { &[] }
//!     fn devices(&self) -> &[DeviceAppraisal] { &[] }
//!     fn policy_input(&self) -> Document<'_> { Document::Null }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! let forged: evidence::Verified<()> = serde_json::from_str("{}").unwrap(); // not `Deserialize`
//! ```
//!
//! ```compile_fail,E0277
//! fn default<T: Default>() -> T {
//!     T::default()
//! }
//! let forged: evidence::Verified<()> = default(); // not `Default`
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod appraise;
mod bytes;
pub mod cert;
mod check;
pub mod crypto;
pub mod device;
pub mod forms;
pub mod limits;
pub mod ocsp;
pub mod parallel;
#[cfg(feature = "policy")]
pub mod policy;
mod reason;
pub mod report;
pub mod rim;
mod time;
mod trust;
pub mod work;

pub use check::{Check, CheckId, Overall, Source, Status};
pub use reason::{Code, Reason};
pub use time::{UnixTime, Validity};
pub use trust::{Authentic, Examined, Expires, Refuted, Unverified, Verified};
