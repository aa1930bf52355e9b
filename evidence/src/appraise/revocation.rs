//! Was any certificate revoked that the appraisal stands on? (nvidia-evidence 5, rows 58 to 73)
//!
//! The certificates asked about are those of the device chain and of each manifest at hand, if their chain is
//! authentic. A chain that is not has a check of its own that says so, and so has a manifest that is missing.

use serde::Serialize;

use super::{Collateral, DeviceReading, Reference, References};
use crate::check::{Check, CheckId};
use crate::ocsp::{Answer, AtHand, Hold, Link, Responses, RevocationFinding, Terms};
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::Examined;

/// What is known about revocation when evidence is judged.
#[derive(Clone, Copy, Debug, Default)]
pub enum Revocation<'a> {
    /// Nobody asked: the policy does without.
    #[default]
    NotRequested,
    /// It was asked for, and this is what came of it.
    Asked {
        /// The answers; a certificate without one could not be checked.
        responses: &'a Responses,
        /// The policy's bound on the age of an answer, if it is narrower than the responder's.
        max_age_secs: Option<u64>,
        /// What becomes of a certificate on hold.
        hold: Hold,
    },
}

/// What is known about the certificates of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainRevocation {
    /// The check that judges the chain: `chain`, `driver_rim` or `vbios_rim`.
    pub chain: CheckId,
    /// Each certificate that was asked about, leaf first.
    pub certificates: Vec<RevocationFinding>,
}

/// The links of each authentic chain.
pub(super) fn chains<'l>(
    device: &'l DeviceReading<'_>,
    references: &References<'l>,
) -> Vec<(CheckId, Vec<Link<'l>>)> {
    let of_device = match device.evidence.chain {
        Examined::Authentic(chain) => Some((CheckId::Chain, Link::of_device(chain))),
        Examined::Refuted(_) | Examined::Unreadable(_) => None,
    };
    let roles = [
        (CheckId::DriverRim, references.driver),
        (CheckId::VbiosRim, references.vbios),
    ];
    let of_manifests = roles
        .into_iter()
        .filter_map(|(role, reference)| Some((role, links_of(reference?)?)));
    of_device.into_iter().chain(of_manifests).collect()
}

fn links_of(reference: Reference<'_>) -> Option<Vec<Link<'_>>> {
    match reference.rim {
        Examined::Authentic(rim) => Some(Link::of_rim(rim)),
        Examined::Refuted(_) | Examined::Unreadable(_) => None,
    }
}

/// Judges every certificate asked about.
pub(super) fn judge(
    device: &DeviceReading<'_>,
    collateral: &Collateral<'_>,
    as_of: UnixTime,
) -> Vec<ChainRevocation> {
    let Revocation::Asked {
        responses,
        max_age_secs,
        hold,
    } = collateral.revocation
    else {
        return Vec::new();
    };
    let terms = Terms {
        as_of,
        max_age_secs,
        hold,
    };
    let chains = chains(device, &collateral.references).into_iter();
    chains
        .map(|(chain, links)| ChainRevocation {
            chain,
            certificates: links
                .iter()
                .map(|link| finding(link, responses, &terms))
                .collect(),
        })
        .collect()
}

fn finding(link: &Link<'_>, responses: &Responses, terms: &Terms) -> RevocationFinding {
    match responses.of(link) {
        None => RevocationFinding::of(link, None, terms),
        Some(AtHand::Missing(reason)) => RevocationFinding::not_checked(link, reason.clone()),
        Some(AtHand::Response {
            response,
            nonce_sent,
        }) => {
            let answer = Answer {
                response,
                nonce_sent: nonce_sent.as_ref(),
            };
            RevocationFinding::of(link, Some(answer), terms)
        }
    }
}

/// The check of all chains together. Where the device chain could not be asked about, nothing is affirmed by answers about
/// manifests.
pub(super) fn check(asked: Revocation<'_>, chains: &[ChainRevocation]) -> Check {
    if matches!(asked, Revocation::NotRequested) {
        return Check::not_requested(CheckId::Revocation);
    }
    let mut check = RevocationFinding::check(chains.iter().flat_map(|chain| &chain.certificates));
    let of_device = chains.iter().any(|chain| chain.chain == CheckId::Chain);
    if !of_device && check.is_affirmed() {
        let message = "the device chain is not authentic, so nobody can be asked about it";
        let reason = Reason::new(Code::OcspNotAvailable, message);
        check = Check::unverifiable(CheckId::Revocation, reason);
    }
    check
}
