//! Collateral over real HTTP, a clock that is moved, and documents signed for the test.

mod ocsp;
mod outages;
mod rims;
mod shelf;

use std::path::Path;
use std::time::Duration;

use evidence::crypto;
use evidence::ocsp::Terms;
use tokio::time::Instant;

use super::directory::LOOK_AGAIN;
use super::fetch::Errand;
use super::fixture::{DAY, DRIVER_ID, DRIVER_VERSION, Fake, NOW, PKI, Says, rim_answer};
use super::*;
use crate::clock::ManualClock;
use crate::config::{OcspSettings, RimServiceSettings};
use crate::flights::MAX_FLIGHTS;

/// Collateral under test and the clock it goes by.
struct Site {
    collateral: Arc<Collateral>,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new(settings: &AppraisalSettings, state_dir: Option<&Path>) -> Self {
        Self::at(settings, state_dir, NOW)
    }

    fn at(settings: &AppraisalSettings, state_dir: Option<&Path>, now: UnixTime) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let of_collateral = Arc::clone(&clock) as Arc<dyn Clock>;
        let collateral = Collateral::open(settings, PKI.anchors(), of_collateral, state_dir);
        Self {
            collateral: Arc::new(collateral.unwrap()),
            clock,
        }
    }

    fn rim(&self, id: &str) -> Lookup<RimAtHand> {
        self.collateral.look_up_rim(id, self.clock.now())
    }

    /// The manifest, which has to be at hand.
    #[track_caller]
    fn found(&self, id: &str) -> RimAtHand {
        match self.rim(id) {
            Lookup::Found(found) => found,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn absent(&self, id: &str) -> Absence {
        match self.rim(id) {
            Lookup::Absent(absence) => absence,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for a manifest as an appraisal does: look up, fetch if told to.
    async fn want(&self, id: &str) {
        if let Lookup::Ask(need) = self.rim(id) {
            self.collateral.fetch(vec![need], soon()).await;
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn with_rims(fake: &Fake) -> AppraisalSettings {
    AppraisalSettings {
        rim_service: RimServiceSettings {
            url: Some(fake.url.clone()),
            timeout_s: 1,
            ..RimServiceSettings::default()
        },
        ..AppraisalSettings::default()
    }
}

fn with_ocsp(fake: &Fake) -> AppraisalSettings {
    AppraisalSettings {
        ocsp: OcspSettings {
            url: Some(fake.url.clone()),
            timeout_s: 1,
            ..OcspSettings::default()
        },
        ..AppraisalSettings::default()
    }
}

#[test]
fn one_chain_is_kept_once_whatever_stands_around_its_certificates() {
    let site = Site::new(&AppraisalSettings::default(), None);
    let pem = PKI.chain_pem();
    let chain = site.collateral.chain(pem.as_bytes());
    assert!(matches!(*chain, Examined::Authentic(_)));
    for text in [
        format!("a comment\n{pem}"),
        pem.replace("-----BEGIN", "another\n-----BEGIN"),
        pem.replace('\n', "\r\n"),
    ] {
        let same = site.collateral.chain(text.as_bytes());
        assert!(Arc::ptr_eq(&chain, &same), "{text:.60}");
    }
    let block = pem
        .split_inclusive("-----END CERTIFICATE-----\n")
        .next()
        .unwrap();
    for other in [
        format!("{block}{pem}"),
        pem.replacen(block, "", 1),
        "no chain".to_owned(),
    ] {
        let other = site.collateral.chain(other.as_bytes());
        assert!(!matches!(*other, Examined::Authentic(_)));
    }
    assert_eq!(lock(&site.collateral.chains).len(), 1);
}
