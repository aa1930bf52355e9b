//! The verifier in the place of NVIDIA's Remote Attestation Service: its requests in, its tokens out, and its tokens (or
//! another verifier's) checked (nvidia-evidence 9).
//!
//! # What's in scope
//!
//! * [`claims`]: what one appraisal says about a device, under NVIDIA's names. Receipts use the same mapping.
//! * [`errors`]: our reasons as the error claim and the error answers that NVIDIA's clients read.
//! * `eat`: the detached EAT around the claims, and the key that signs it.
//! * [`token`]: checking a detached EAT that somebody else issued.
//!
//! # What's out of scope
//!
//! * Whether evidence is good: the appraisal says so. Which evidence is good enough: the policy says so.
//! * The routes: `http/nvidia.rs`.
//!
//! # A key of its own
//!
//! NVIDIA's clients take ES384 alone, and take the key from a certificate in the key set. So these tokens are signed by
//! a key that signs nothing else, whatever algorithm receipts are signed with. It is published in the same key set,
//! since clients look nowhere else, and recognised by its certificate (`x5c`): `receipt` ignores such keys, so a token
//! signed by it is never a receipt, whoever made it. The header prevents it a second time: these tokens have no `typ`,
//! and receipts must have one.
//!
//! # What a pass is
//!
//! `x-nvidia-overall-att-result` is `true` if every check that NVIDIA's service makes is affirmed for every device,
//! *and* our policy grants. Neither replaces the other: a reader of NVIDIA's claims expects NVIDIA's checks, also where
//! our policy would accept less, and whoever runs this verifier expects the policy to hold.
//!
//! NVIDIA's checks include revocation. If this verifier did not ask about it, or asked in vain, that is no pass, unless
//! the operator sets `danger_result_without_revocation` and the policy tolerates it. Then the token says so too
//! (`x-pogw-revocation`: `not_requested` or `unverifiable`). Of a software device the tokens say nothing under NVIDIA's
//! names unless the operator sets `simulated_claims`, and then every token says `x-pogw-simulated`.

mod certificate;
pub mod claims;
mod eat;
pub mod errors;
pub mod token;

pub use certificate::CertificateError;
pub(crate) use eat::Issuer;
