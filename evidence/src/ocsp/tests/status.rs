//! What answers say about a certificate.

use super::super::fixture::{GOOD, UNKNOWN, answer, revoked};
use super::authentic;
use crate::ocsp::{CertificateStatus, RevocationReason};
use crate::time::UnixTime;

#[test]
fn every_status_is_told_apart() {
    use RevocationReason as Reason;
    const AT: &str = "20250101000000Z";
    let at = UnixTime::from_secs(1_735_689_600);
    let epoch = UnixTime::from_secs(0);
    let for_reason = |reason| CertificateStatus::Revoked { at, reason };
    #[rustfmt::skip]
    let table = [
        (GOOD.to_vec(), CertificateStatus::Good),
        (UNKNOWN.to_vec(), CertificateStatus::Unknown),
        (revoked(AT, None), for_reason(None)),
        (revoked(AT, Some(0)), for_reason(Some(Reason::Unspecified))),
        (revoked(AT, Some(1)), for_reason(Some(Reason::KeyCompromise))),
        (revoked(AT, Some(2)), for_reason(Some(Reason::CaCompromise))),
        (revoked(AT, Some(3)), for_reason(Some(Reason::AffiliationChanged))),
        (revoked(AT, Some(4)), for_reason(Some(Reason::Superseded))),
        (revoked(AT, Some(5)), for_reason(Some(Reason::CessationOfOperation))),
        (revoked(AT, Some(6)), CertificateStatus::OnHold { at }),
        (revoked(AT, Some(8)), for_reason(Some(Reason::RemoveFromCrl))),
        (revoked(AT, Some(9)), for_reason(Some(Reason::PrivilegeWithdrawn))),
        (revoked(AT, Some(10)), for_reason(Some(Reason::AaCompromise))),
        // RFC 6960 2.2: never issued.
        (revoked("19700101000000Z", Some(6)), CertificateStatus::Revoked { at: epoch, reason: Some(Reason::CertificateHold) }),
        (revoked("19700101000001Z", Some(6)), CertificateStatus::OnHold { at: UnixTime::from_secs(1) }),
    ];
    for (der, expected) in table {
        let response = authentic(&answer(|recipe| recipe.single.status = der));
        assert_eq!(response.get().status(), expected);
    }
}

#[test]
fn reasons_have_the_words_of_the_rfc() {
    #[rustfmt::skip]
    let table = [
        (RevocationReason::Unspecified, "unspecified"),
        (RevocationReason::KeyCompromise, "key_compromise"),
        (RevocationReason::CaCompromise, "ca_compromise"),
        (RevocationReason::AffiliationChanged, "affiliation_changed"),
        (RevocationReason::Superseded, "superseded"),
        (RevocationReason::CessationOfOperation, "cessation_of_operation"),
        (RevocationReason::CertificateHold, "certificate_hold"),
        (RevocationReason::RemoveFromCrl, "remove_from_crl"),
        (RevocationReason::PrivilegeWithdrawn, "privilege_withdrawn"),
        (RevocationReason::AaCompromise, "aa_compromise"),
    ];
    for (reason, word) in table {
        assert_eq!(reason.to_string(), word);
        assert_eq!(serde_json::to_value(reason).unwrap(), word);
    }
}
