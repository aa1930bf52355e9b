//! What evidence is compared with: offered on the command line, filed in a directory, or fetched from a service.
//!
//! In scope: the order of the sources, and what there is where none has an answer. What somebody offered goes before
//! what is filed, and that before what is fetched.
//! Out of scope: the requests and the terms of a policy, which are the verifier's ([`Inquiry`]).

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use evidence::appraise::{
    Collateral as AtHandOfDevice, DeviceAppraisal, DeviceReading, Reference, ReferenceIds,
    References, Revocation,
};
use evidence::cert::TrustAnchors;
use evidence::ocsp::{AtHand, Link, Responses, Terms, Worth};
use evidence::policy::{Policy, RevocationMode};
use evidence::rim::Rim;
use evidence::{Code, Examined, Reason, UnixTime};
use verifier_service::appraiser::{Inquiry, MAX_PASSES, Wants};
use verifier_service::collateral::{AbsenceKind, Collateral};
use verifier_service::{AppraisalSettings, ManualClock, OcspSettings, RimServiceSettings};

use super::answers::{Answers, OfferedBest};
use super::manifests::{Manifests, OfferedRim};
use super::network::{self, Network};
use crate::Output;
use crate::failure::Failure;

/// Where manifests and answers about revocation come from.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// Reference manifest (RIM) to compare with; may be given more than once
    #[arg(long, value_name = "FILE")]
    rim: Vec<PathBuf>,
    /// Directory of reference manifests, filed as ID.xml
    #[arg(long, value_name = "DIR")]
    rim_dir: Option<PathBuf>,
    /// RIM service to fetch missing manifests from: https://rim.attestation.nvidia.com, or a PoGW verifier
    #[arg(long, value_name = "URL", value_parser = network::parse_url)]
    rim_service: Option<String>,
    /// Answer about revocation (OCSP response, DER); may be given more than once. The check `revocation` is made on the
    /// terms of the policy; without this, --ocsp-dir and --ocsp-service there is no answer, which most policies refuse
    #[arg(long, value_name = "FILE")]
    ocsp: Vec<PathBuf>,
    /// Directory of answers about revocation, *.der
    #[arg(long, value_name = "DIR")]
    ocsp_dir: Option<PathBuf>,
    /// OCSP responder to ask what no file answers: https://ocsp.ndis.nvidia.com/, or /ocsp of a PoGW verifier
    #[arg(long, value_name = "URL", value_parser = network::parse_url)]
    ocsp_service: Option<String>,
}

impl SourceArgs {
    fn has_answers(&self) -> bool {
        !self.ocsp.is_empty() || self.ocsp_dir.is_some() || self.ocsp_service.is_some()
    }

    fn settings(&self) -> AppraisalSettings {
        AppraisalSettings {
            rim_dir: self.rim_dir.clone(),
            rim_service: RimServiceSettings {
                url: self.rim_service.clone(),
                ..RimServiceSettings::default()
            },
            // Files of answers are ours to choose from: one may be right for another day than the newest is for.
            ocsp: OcspSettings {
                url: self.ocsp_service.clone(),
                ..OcspSettings::default()
            },
            ..AppraisalSettings::default()
        }
    }
}

/// Whether revocation was asked about. The policy says that, never the lack of a source: who names none is left
/// without an answer, and that is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Yes.
    Yes,
    /// Yes, and nobody gave a source of answers.
    WithoutSource,
    /// The policy does without.
    NotByPolicy,
}

/// When evidence is judged, and when that is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The time everything is judged at.
    pub(super) as_of: UnixTime,
    /// The time by the clock.
    pub(super) now: UnixTime,
}

/// Everything at hand, and the way to what is not.
pub(super) struct Sources {
    manifests: Manifests,
    answers: Answers,
    asked: Asked,
    has_responder: bool,
    collateral: Collateral,
    inquiry: Inquiry,
    network: Option<Network>,
    times: Times,
}

impl Sources {
    /// Reads what is offered and looks at the rest. Nothing is fetched yet.
    pub(super) fn open(
        args: &SourceArgs,
        anchors: TrustAnchors,
        policy: Arc<Policy>,
        times: Times,
        out: &mut Output<'_>,
    ) -> Result<Self, Failure> {
        if let Some(path) = &args.rim_dir {
            std::fs::read_dir(path).map_err(|e| Failure::unreadable(path.display(), &e))?;
        }
        let manifests = Manifests::read(&args.rim, &anchors)?;
        let answers = Answers::read(&args.ocsp, args.ocsp_dir.as_deref(), out)?;
        let inquiry = Inquiry::new(policy);
        let asked = match (inquiry.asks(), args.has_answers()) {
            (false, _) => Asked::NotByPolicy,
            (true, false) => Asked::WithoutSource,
            (true, true) => Asked::Yes,
        };
        if asked == Asked::NotByPolicy && args.has_answers() {
            out.note(format_args!(
                "the policy asks nobody about revocation: --ocsp, --ocsp-dir and --ocsp-service change nothing"
            ));
        }
        // What is fetched is looked at as of the day of the appraisal, not of today.
        let clock = Arc::new(ManualClock::new(times.as_of));
        let collateral = Collateral::open(&args.settings(), anchors, clock, None);
        let fetches = args.rim_service.is_some() || args.ocsp_service.is_some();
        Ok(Self {
            manifests,
            answers,
            asked,
            has_responder: args.ocsp_service.is_some(),
            collateral: collateral.map_err(Failure::usage)?,
            inquiry,
            network: fetches.then(Network::open).transpose()?,
            times,
        })
    }

    /// Whether revocation is asked about.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// Judges devices, whose reports must carry `nonce`, by what is at hand and what can be fetched.
    pub(super) fn appraise(
        &mut self,
        readings: &[DeviceReading<'_>],
        nonce: &[u8; 32],
    ) -> Result<Vec<DeviceAppraisal>, Failure> {
        self.look_at_directory(readings)?;
        let mut rounds = MAX_PASSES.saturating_sub(1);
        loop {
            let wants = match self.pass(readings, nonce) {
                Ok(appraised) => return Ok(appraised),
                Err(wants) => wants,
            };
            match self.network.as_ref().filter(|_| rounds > 0) {
                Some(network) => network.obtain(&mut self.inquiry, &self.collateral, wants),
                None => self.inquiry.close(),
            }
            rounds = rounds.saturating_sub(1);
        }
    }

    /// A document that took no part is told, so that nobody believes it was looked at.
    pub(super) fn tell_unused(&self, out: &mut Output<'_>) {
        self.manifests.tell_unused(out);
        self.answers.tell_unused(out);
    }

    /// A manifest that is filed and cannot be read is told before it is taken for missing.
    fn look_at_directory(&self, readings: &[DeviceReading<'_>]) -> Result<(), Failure> {
        for reading in readings {
            let ids = reading.reference_ids();
            for id in [ids.driver, ids.vbios].iter().flatten() {
                let filed = self.collateral.rim(id);
                filed.map_err(|error| Failure::unreadable(id, &error))?;
            }
        }
        Ok(())
    }

    /// Judges by what is at hand, or says what has to be fetched: of all devices together, so that it comes at once.
    fn pass(
        &self,
        readings: &[DeviceReading<'_>],
        nonce: &[u8; 32],
    ) -> Result<Vec<DeviceAppraisal>, Wants> {
        let (mut gathered, mut wants) = (Vec::with_capacity(readings.len()), Wants::default());
        for reading in readings {
            match self.gather(reading) {
                Ok(of_device) => gathered.push(of_device),
                Err(more) => wants.extend(more),
            }
        }
        if !wants.is_empty() {
            return Err(wants);
        }
        let each = readings.iter().zip(&gathered);
        let appraised = each.map(|(reading, of_device)| {
            reading.appraise(nonce, of_device.at_hand(&self.inquiry), self.times.as_of)
        });
        Ok(appraised.collect())
    }

    fn gather(&self, reading: &DeviceReading<'_>) -> Result<Gathered<'_>, Wants> {
        let ids = reading.reference_ids();
        let [driver, vbios] = self.manifests.choose(reading);
        let mut wants = Wants::default();
        let mut look_up = |offered, id: &Option<String>| {
            self.manifest(offered, id.as_deref())
                .unwrap_or_else(|more| {
                    wants.extend(more);
                    Manifest::Absent(None)
                })
        };
        let mut gathered = Gathered {
            driver: look_up(driver, &ids.driver),
            vbios: look_up(vbios, &ids.vbios),
            ids,
            responses: None,
        };
        if self.asked != Asked::NotByPolicy {
            match self.responses(reading, &gathered.references()) {
                Ok(responses) => gathered.responses = Some(responses),
                Err(more) => wants.extend(more),
            }
        }
        match wants.is_empty() {
            true => Ok(gathered),
            false => Err(wants),
        }
    }

    fn manifest<'s>(
        &'s self,
        offered: Option<&'s OfferedRim>,
        id: Option<&str>,
    ) -> Result<Manifest<'s>, Wants> {
        if let Some(offered) = offered {
            return Ok(Manifest::Offered(offered));
        }
        let Some(id) = id else {
            return Ok(Manifest::Absent(None));
        };
        let looked_up = self
            .inquiry
            .manifest(&self.collateral, id, self.times.as_of)?;
        Ok(match looked_up {
            Ok(found) => Manifest::Found {
                rim: found.rim,
                obtained_at: found.fetched_at.map(|_| self.times.now),
            },
            Err(absence) if absence.kind == AbsenceKind::NotConfigured => Manifest::Absent(None),
            Err(absence) => Manifest::Absent(Some(absence.reason)),
        })
    }

    fn responses(
        &self,
        reading: &DeviceReading<'_>,
        references: &References<'_>,
    ) -> Result<Responses, Wants> {
        let (mut responses, mut wants) = (Responses::new(), Wants::default());
        for link in reading.revocation_links(references) {
            match self.answer(&link) {
                Ok(answer) => responses.insert(link.id(), answer),
                Err(more) => wants.extend(more),
            }
        }
        match wants.is_empty() {
            true => Ok(responses),
            false => Err(wants),
        }
    }

    /// What there is about a certificate. A policy that wants answers made for this appraisal takes none from a file,
    /// for a file repeats no nonce of ours; a revocation counts wherever it stands.
    fn answer(&self, link: &Link<'_>) -> Result<AtHand, Wants> {
        let terms = Terms {
            as_of: self.times.as_of,
            max_age_secs: self.inquiry.max_age_secs(),
            hold: self.inquiry.hold(),
        };
        let made_now = self.inquiry.policy().revocation().mode == RevocationMode::Required;
        let least = match made_now {
            true => Worth::Revocation,
            false => Worth::Current,
        };
        let best = self.answers.best(link, &terms);
        let best = match best {
            Some(best) if best.worth() >= least => return Ok(best.take()),
            best => best,
        };
        if self.has_responder {
            return self
                .inquiry
                .answer(&self.collateral, link, self.times.as_of);
        }
        let unavailable = |what| AtHand::Missing(Reason::new(Code::OcspNotAvailable, what));
        if self.asked == Asked::WithoutSource {
            return Ok(unavailable("no source of answers was named"));
        }
        if made_now {
            return Ok(unavailable(
                "the policy wants an answer made for this appraisal, which no file is; --ocsp-service asks for one",
            ));
        }
        Ok(best.map_or_else(
            || unavailable("no OCSP response given is about it"),
            OfferedBest::take,
        ))
    }
}

/// The collateral of one device.
struct Gathered<'s> {
    ids: ReferenceIds,
    driver: Manifest<'s>,
    vbios: Manifest<'s>,
    responses: Option<Responses>,
}

/// A manifest, or why there is none.
enum Manifest<'s> {
    /// Somebody named the file.
    Offered(&'s OfferedRim),
    /// It is filed, or was fetched.
    Found {
        rim: Arc<Examined<Rim>>,
        obtained_at: Option<UnixTime>,
    },
    /// Why not, where there is more to say than that.
    Absent(Option<Reason>),
}

impl Gathered<'_> {
    fn references(&self) -> References<'_> {
        References {
            driver: self.driver.reference(self.ids.driver.as_deref()),
            vbios: self.vbios.reference(self.ids.vbios.as_deref()),
            driver_absence: self.driver.absence(),
            vbios_absence: self.vbios.absence(),
        }
    }

    fn at_hand(&self, inquiry: &Inquiry) -> AtHandOfDevice<'_> {
        let revocation = match &self.responses {
            None => Revocation::NotRequested,
            Some(responses) => Revocation::Asked {
                responses,
                max_age_secs: inquiry.max_age_secs(),
                hold: inquiry.hold(),
            },
        };
        AtHandOfDevice {
            references: self.references(),
            revocation,
        }
    }
}

impl Manifest<'_> {
    fn reference<'a>(&'a self, id: Option<&'a str>) -> Option<Reference<'a>> {
        match self {
            Self::Offered(offered) => Some(offered.reference()),
            Self::Found { rim, obtained_at } => Some(Reference {
                id,
                rim,
                obtained_at: *obtained_at,
            }),
            Self::Absent(_) => None,
        }
    }

    fn absence(&self) -> Option<&Reason> {
        match self {
            Self::Absent(reason) => reason.as_ref(),
            Self::Offered(_) | Self::Found { .. } => None,
        }
    }
}
