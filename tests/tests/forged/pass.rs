//! The full pass, with nothing left to ask.

use std::sync::Arc;

use attestation_agent::device::Device;
use attestation_agent::device::simulated::{SimulatedDevice, Window};
use evidence::appraise::{
    Collateral, DeviceEvidence, DeviceReading, Reference, References, Revocation,
};
use evidence::cert::{AnchorUse, CertificateChain, ChainProfile, TrustAnchor, TrustAnchors};
use evidence::ocsp::{AtHand, OcspResponse, Responses};
use evidence::rim::Rim;

use crate::kit::*;

use RevocationStatus::Good;

/// Nothing is left to ask: the one pass in which every check that applies is affirmed.
#[test]
fn a_full_pass_leaves_nothing_unasked() {
    let gpu = appraise(&Forged::gpu().with(Forged::ask));
    let switch = appraise(&Forged::switch().with(Forged::ask));
    // A switch has no driver, and states no mode.
    for (found, inapplicable) in [(gpu, &[][..]), (switch, &[CheckId::Mode, DriverRim])] {
        assert_eq!(found.overall(), Overall::Pass, "{found:#?}");
        for check in found.checks() {
            let expected = match inapplicable.contains(&check.id) {
                true => Status::NotRequested,
                false => Affirmed,
            };
            assert_eq!(check.status, expected, "{}", check.id);
        }
        assert!(
            certificates(&found)
                .values()
                .all(|it| *it == (Good, Affirmed, BTreeSet::new()))
        );
    }
}

/// The software device, with the files that it writes for a verifier and nothing else.
#[test]
fn the_software_device_passes_with_the_files_it_writes() {
    let folder = tempfile::tempdir().expect("folder");
    let device = SimulatedDevice::open(&folder.path().join("device")).expect("device");
    let attested = device.attest(&forge::NONCE).expect("evidence");
    let window = Window {
        from: at(forge::AS_OF),
        until: at(second(7 * 24 * 60 * 60)),
    };
    let files = device
        .write_answers(&folder.path().join("ocsp"), window)
        .expect("answers");
    assert_eq!(files.len(), 6);
    let answers: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).expect("answer"))
        .collect();
    let anchors = TrustAnchors::new(vec![
        anchor(device.device_root_der(), AnchorUse::Device),
        anchor(device.rim_root_der(), AnchorUse::Rim),
    ]);
    let chain = CertificateChain::examine(&attested.chain_pem, ChainProfile::Device, &anchors);
    let rims = device.rims().into_iter();
    let rims: Vec<_> = rims
        .map(|(id, rim)| (id, Rim::examine(&rim, &anchors)))
        .collect();
    let [driver, vbios] = [0, 1].map(|n| {
        Some(Reference {
            id: Some(&rims[n].0),
            rim: &rims[n].1,
            obtained_at: None,
        })
    });
    let references = References {
        driver,
        vbios,
        ..References::default()
    };
    let evidence = DeviceEvidence {
        claimed: Some(attested.arch),
        report: &attested.report,
        chain: &chain,
    };
    let reading = DeviceReading::new(evidence);
    let mut responses = Responses::new();
    for link in reading.revocation_links(&references) {
        let about = |der: &&Vec<u8>| {
            let response = OcspResponse::parse(der).expect("an answer");
            response.peek().id().names(link.subject(), link.issuer())
        };
        let der = answers.iter().find(about).expect("an answer for each");
        let response = Arc::new(OcspResponse::examine(der, &link));
        responses.insert(
            link.id(),
            AtHand::Response {
                response,
                nonce_sent: None,
            },
        );
    }
    for (as_of, revocation) in [
        (second(0), Affirmed),
        (second(7 * 24 * 60 * 60), Affirmed),
        (second(8 * 24 * 60 * 60), Unverifiable),
    ] {
        let revocation_asked = Revocation::Asked {
            responses: &responses,
            max_age_secs: None,
            hold: Hold::Refuted,
        };
        let collateral = Collateral {
            references,
            revocation: revocation_asked,
        };
        let found = reading.appraise(&forge::NONCE, collateral, as_of);
        for check in found.checks() {
            let expected = if check.id == CheckId::Revocation {
                revocation
            } else {
                Affirmed
            };
            assert_eq!(check.status, expected, "{} {:#?}", check.id, check.reasons);
        }
        assert!(found.simulated());
    }
}

fn anchor(root: &[u8], usage: AnchorUse) -> TrustAnchor {
    let spki = forge::der_elements(forge::der_content(&CertificateParts::of(root).tbs))[6].to_vec();
    TrustAnchor {
        subject: "software root".to_owned(),
        usage,
        sha256: crypto::sha256(root),
        spki,
        simulated: true,
    }
}
