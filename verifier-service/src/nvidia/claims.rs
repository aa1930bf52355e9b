//! NVIDIA's claims about one device, versions 2 and 3 (nvidia-evidence 9.2), and 4 as NVIDIA's C++ client reads it: version 3
//! with members of its own. Made of one appraisal.
//!
//! Each boolean is `true` only where that very thing was checked and found so, `false` where it was found wrong, and where
//! it was not reached `null` in version 3 and `false` in version 2.
//!
//! # Reached
//!
//! Our appraisal makes every check, whatever the outcome of those before. NVIDIA's verifiers stop at the first failure,
//! and policies are written with that in mind: one that asks for `measres` alone relies on a wrong nonce ending
//! everything before it. So the claims are made in NVIDIA's order and end with the first failure:
//!
//! architecture and form → device chain → firmware id → nonce → signature → driver RIM → VBIOS RIM → comparison
//!
//! As in NVIDIA's C++ verifier, an expired certificate and a revoked one do not end it: each has a claim of its own that
//! says so, and published policies tolerate them one by one. Nor does a manifest of another version, as in NVIDIA's Python
//! verifier; a policy over claims cannot tolerate that ([`evidence::policy`]).
//!
//! # Dialects
//!
//! NVIDIA's verifiers write some words differently. What its C++ client adds to version 3 comes with that client's words
//! ([`Form::extended`]), since published policies are written for them; otherwise they are those of its service and its
//! Python verifier:
//!
//! | Claim | Service, Python | C++ |
//! |---|---|---|
//! | `x-nvidia-cert-status` of a chain with a revoked certificate | `revoked` | `valid` or `expired`: of the chain and its time alone |
//! | `x-nvidia-cert-revocation-reason` | `certificate_hold` | `certificateHold`, as in RFC 5280 |

use evidence::appraise::{ChainRevocation, DeviceAppraisal, Mismatch, ReferenceUsed};
use evidence::device::DeviceKind;
use evidence::forms::ClaimsVersion;
use evidence::ocsp::{RevocationFinding, RevocationReason, RevocationStatus};
use evidence::{CheckId, Code, Status, UnixTime};
use serde_json::{Map, Value, json};

/// Claims by name.
pub type Claims = Map<String, Value>;

/// What the operator lets a token say although less was checked than NVIDIA's service checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waivers {
    /// A chain whose revocation nobody asked about counts as validated.
    pub without_revocation: bool,
    /// So does one about which no answer counts, where none says anything bad.
    pub unknown_revocation: bool,
    /// A software device is described under NVIDIA's names.
    pub simulated: bool,
}

/// What is found of a chain whose certificates are broken in a way that makes them no chain at all.
const CHAIN_FAULTS: [Code; 12] = [
    Code::ChainTooLarge,
    Code::PemMalformed,
    Code::CertificateMalformed,
    Code::ChainLength,
    Code::ChainRootUntrusted,
    Code::ChainOrder,
    Code::CertificateSignatureInvalid,
    Code::CertificateAlgorithm,
    Code::CertificateBasicConstraints,
    Code::CertificateKeyUsage,
    Code::CertificatePathLength,
    Code::CertificateExtensionCritical,
];

/// Which claims are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The set asked for.
    pub version: ClaimsVersion,
    /// Whether what NVIDIA's C++ client has beyond version 3 is told too, as far as the appraisal knows it.
    pub extended: bool,
    /// What the operator lets pass.
    pub waivers: Waivers,
}

/// The claims about one device, issuer and times left out.
///
/// Of a software device nothing is said but its identity, unless waived: who reads NVIDIA's names alone must not take it
/// for a genuine one, and a policy that asks for anything else finds it missing.
#[must_use]
pub fn of(device: &DeviceAppraisal, form: Form) -> Claims {
    let described = !device.simulated() || form.waivers.simulated;
    let mut claims = match form.version {
        _ if !described => Claims::new(),
        ClaimsVersion::V2 => Facts::of(device).version_2(form.waivers),
        ClaimsVersion::V3 | ClaimsVersion::V4 => Facts::of(device).version_3(form.extended),
    };
    if described && form.extended && form.version != ClaimsVersion::V2 {
        extend(&mut claims, device, form.version);
    }
    let known = chain_status(device, CheckId::Chain).is_some_and(|status| status != INVALID);
    let identity = |name: Option<&str>| json!(name.filter(|_| known));
    claims.insert("eat_nonce".to_owned(), json!(hex::encode(device.nonce())));
    claims.insert("hwmodel".to_owned(), identity(device.hwmodel()));
    claims.insert("ueid".to_owned(), identity(device.ueid()));
    claims.insert("x-nvidia-attestation-warning".to_owned(), warning(device));
    if device.simulated() {
        claims.insert("x-pogw-simulated".to_owned(), json!(true));
    }
    claims
}

/// The claim sets of several devices as a relying-party policy reads them (nvidia-evidence 9.5): version 3, with what
/// NVIDIA's own client adds to it. Who decides by them waives nothing ([`decide`](crate::policies::decide)); a test of
/// policies with software devices waives what they are.
#[must_use]
pub fn array(devices: &[DeviceAppraisal], waivers: Waivers) -> Value {
    let form = Form {
        version: ClaimsVersion::V3,
        extended: true,
        waivers,
    };
    devices
        .iter()
        .map(|device| Value::Object(of(device, form)))
        .collect()
}

/// Members of NVIDIA's C++ client that its service's published answers do not have. NVIDIA's names for the links differ by
/// kind; its zeros for unused ones are left out.
fn extend(claims: &mut Claims, device: &DeviceAppraisal, asked: ClaimsVersion) {
    let (kind, version, links) = match device.kind() {
        DeviceKind::Gpu => (
            "gpu",
            "x-nvidia-gpu-claims-version",
            "x-nvidia-gpu-switch-pdis",
        ),
        DeviceKind::Switch => ("nvswitch", "x-nvidia-version", "x-nvidia-switch-gpu-pdis"),
    };
    claims.insert("x-nvidia-device-type".to_owned(), json!(kind));
    claims.insert(version.to_owned(), json!(asked));
    if asked == ClaimsVersion::V4 {
        // About reports in a form that this verifier does not read, so there is nothing to tell.
        claims.insert("x-nvidia-attester-claims".to_owned(), json!({}));
        let records = "x-nvidia-mismatch-opaque-data-records";
        claims.insert(records.to_owned(), Value::Null);
    }
    let records = "x-nvidia-mismatch-measurement-records".to_owned();
    claims.insert(records, mismatch_records(device));
    // What is linked is said by the report, and believed as far as that.
    if device.affirms(CheckId::ReportSignature) && !device.links().is_empty() {
        let pdis: Vec<_> = device.links().iter().map(hex::encode_upper).collect();
        claims.insert(links.to_owned(), json!(pdis));
    }
    if let (DeviceKind::Switch, Some(pdi)) = (device.kind(), device.pdi()) {
        let pdi = json!(hex::encode_upper(pdi));
        claims.insert("x-nvidia-switch-pdi".to_owned(), pdi);
    }
}

/// Certificates on hold that were tolerated, since such a pass is weaker than it looks.
fn warning(device: &DeviceAppraisal) -> Value {
    let findings = device.revocation().iter().flat_map(|c| &c.certificates);
    let tolerated = findings
        .filter(|f| f.status() == RevocationStatus::OnHold && f.verdict() == Status::Affirmed);
    let subjects: Vec<_> = tolerated.map(RevocationFinding::subject).collect();
    match subjects.is_empty() {
        true => Value::Null,
        false => json!(format!("on hold and tolerated: {}", subjects.join(", "))),
    }
}

const VALID: &str = "valid";
const EXPIRED: &str = "expired";
const REVOKED: &str = "revoked";
const INVALID: &str = "invalid";

/// What is known about one chain; all of it `None` where it was not reached.
#[derive(Default)]
struct Chain {
    expires: Option<UnixTime>,
    /// Of the chain and its time; revocation aside.
    status: Option<&'static str>,
    ocsp: Option<&'static str>,
    /// Why a certificate of it is revoked; `None` if none is.
    reason: Option<RevocationReason>,
    /// Whether each answer about revocation could be believed; `None` if nobody asked.
    answered: Option<bool>,
    /// Whether every answer repeats the nonce of its question; `None` if none was sent.
    nonce: Option<bool>,
    /// Whether no certificate of it was revoked; `None` if nobody asked.
    unrevoked: Option<bool>,
    /// Whether it is not known of some certificate, and the others were not revoked.
    unknown: bool,
}

/// What is known about one manifest; all of it `None` where it was not reached.
#[derive(Default)]
struct Manifest {
    fetched: Option<bool>,
    schema: Option<bool>,
    chain: Chain,
    version: Option<bool>,
    signature: Option<bool>,
    available: Option<bool>,
}

/// Everything both versions tell, in the order in which it is found.
struct Facts<'d> {
    device: &'d DeviceAppraisal,
    arch: Option<bool>,
    parsed: Option<bool>,
    chain: Chain,
    fwid: Option<bool>,
    nonce: Option<bool>,
    signature: Option<bool>,
    driver: Manifest,
    bios: Manifest,
    no_conflict: Option<bool>,
    matches: Option<bool>,
}

impl<'d> Facts<'d> {
    fn of(device: &'d DeviceAppraisal) -> Self {
        let told = |id| decided(device, id);
        let mut facts = Self {
            device,
            arch: told(CheckId::Identity),
            parsed: told(CheckId::Parse),
            chain: Chain::default(),
            fwid: None,
            nonce: None,
            signature: None,
            driver: Manifest::default(),
            bios: Manifest::default(),
            no_conflict: None,
            matches: None,
        };
        if [facts.arch, facts.parsed] != [Some(true); 2] {
            return facts;
        }
        facts.chain = Chain::of(device, CheckId::Chain, device.chain_expires());
        if facts.chain.status.is_none_or(|status| status == INVALID) {
            return facts;
        }
        facts.fwid = told(CheckId::Fwid);
        if facts.fwid != Some(true) {
            return facts;
        }
        facts.nonce = told(CheckId::Nonce);
        if facts.nonce != Some(true) {
            return facts;
        }
        facts.signature = told(CheckId::ReportSignature);
        if facts.signature != Some(true) {
            return facts;
        }
        if device.kind() == DeviceKind::Gpu {
            facts.driver = Manifest::of(device, CheckId::DriverRim);
            if facts.driver.available != Some(true) {
                return facts;
            }
        }
        facts.bios = Manifest::of(device, CheckId::VbiosRim);
        if facts.bios.available != Some(true) {
            return facts;
        }
        facts.no_conflict = Some(!has(
            device,
            CheckId::Measurements,
            &[Code::ReferenceConflict],
        ));
        facts.matches = matches(device);
        facts
    }

    fn version_3(&self, extended: bool) -> Claims {
        // NVIDIA's C++ client takes a word that it does not know for success, and so `null`.
        let compared = self.matches.or(extended.then_some(false));
        let mut claims = self.results(json!(compared.map(outcome)));
        let mut claim = |name: &str, value: Value| {
            claims.insert(self.name(name), value);
        };
        claim("arch-check", json!(self.arch));
        claim("attestation-report-parsed", json!(self.parsed));
        claim("attestation-report-cert-chain", self.chain.object(extended));
        claim("attestation-report-cert-chain-fwid-match", json!(self.fwid));
        claim("attestation-report-nonce-match", json!(self.nonce));
        let signature = "attestation-report-signature-verified";
        claim(signature, json!(self.signature));
        for (name, manifest) in self.manifests() {
            let mut claim = |part: &str, value: Value| claim(&format!("{name}-rim-{part}"), value);
            claim("fetched", json!(manifest.fetched));
            claim("schema-validated", json!(manifest.schema));
            claim("cert-chain", manifest.chain.object(extended));
            claim("version-match", json!(manifest.version));
            claim("signature-verified", json!(manifest.signature));
            claim("measurements-available", json!(manifest.available));
        }
        if self.device.kind() == DeviceKind::Gpu {
            claim("vbios-index-no-conflict", json!(self.no_conflict));
            claim("driver-version", json!(self.device.driver_version()));
            claim("vbios-version", json!(self.device.vbios_version()));
        } else {
            claim("bios-version", json!(self.device.vbios_version()));
        }
        claims
    }

    fn version_2(&self, waivers: Waivers) -> Claims {
        let mut claims = self.results(json!(outcome(self.matches == Some(true))));
        let mut claim = |name: &str, value: Option<bool>| {
            claims.insert(self.name(name), json!(value == Some(true)));
        };
        claim("arch-check", self.arch);
        claim("attestation-report-parsed", self.parsed);
        let validated = |chain: &Chain| Some(chain.is_validated(waivers));
        let chain = "attestation-report-cert-chain-validated";
        claim(chain, validated(&self.chain));
        claim("attestation-report-nonce-match", self.nonce);
        claim("attestation-report-signature-verified", self.signature);
        for (name, manifest) in self.manifests() {
            let mut claim = |part: &str, value| claim(&format!("{name}-rim-{part}"), value);
            claim("fetched", manifest.fetched);
            claim("schema-validated", manifest.schema);
            claim("cert-validated", validated(&manifest.chain));
            claim("signature-verified", manifest.signature);
            claim("measurements-available", manifest.available);
        }
        if self.device.kind() == DeviceKind::Gpu {
            claim("vbios-index-no-conflict", self.no_conflict);
        }
        let text = |text: Option<&str>| json!(text.unwrap_or_default());
        let bios = text(self.device.vbios_version());
        match self.device.kind() {
            DeviceKind::Gpu => {
                let driver = text(self.device.driver_version());
                claims.insert(self.name("driver-version"), driver);
                claims.insert(self.name("vbios-version"), bios);
            }
            DeviceKind::Switch => {
                claims.insert(self.name("bios-version"), bios);
            }
        }
        claims
    }

    /// What has no prefix. Debug firmware and other boot states measure differently, so a full match tells them
    /// (nvidia-evidence 7).
    fn results(&self, measres: Value) -> Claims {
        let mut claims = Claims::new();
        claims.insert("measres".to_owned(), measres);
        if self.matches == Some(true) {
            claims.insert("secboot".to_owned(), json!(true));
            claims.insert("dbgstat".to_owned(), json!("disabled"));
        }
        // A switch has no driver manifest, and NVIDIA's service says so with `null`.
        let driver = self.driver.available == Some(true);
        let oemid = self.device.oemid().filter(|_| driver);
        claims.insert("oemid".to_owned(), json!(oemid));
        claims
    }

    fn manifests(&self) -> impl Iterator<Item = (&'static str, &Manifest)> {
        let driver = Some(("driver", &self.driver));
        let (driver, bios) = match self.device.kind() {
            DeviceKind::Gpu => (driver, "vbios"),
            DeviceKind::Switch => (None, "bios"),
        };
        driver.into_iter().chain([(bios, &self.bios)])
    }

    fn name(&self, name: &str) -> String {
        match self.device.kind() {
            DeviceKind::Gpu => format!("x-nvidia-gpu-{name}"),
            DeviceKind::Switch => format!("x-nvidia-switch-{name}"),
        }
    }
}

impl Manifest {
    fn of(device: &DeviceAppraisal, role: CheckId) -> Self {
        let Some(used) = used(device, role) else {
            return Self {
                fetched: Some(false),
                ..Self::default()
            };
        };
        let read = used.sha256.is_some();
        let fetched = Self {
            fetched: Some(true),
            schema: Some(read),
            ..Self::default()
        };
        if !read {
            return fetched;
        }
        let chain = Chain::of(device, role, used.expires);
        let signed = chain.status.is_some_and(|status| status != INVALID);
        Self {
            version: Some(used.version_matches),
            // By a chain that is none, nothing is signed.
            signature: signed.then_some(used.authentic),
            available: signed.then_some(used.authentic && fits(device, role)),
            chain,
            ..fetched
        }
    }
}

impl Chain {
    /// The chain that the check `id` judges.
    fn of(device: &DeviceAppraisal, id: CheckId, expires: Option<UnixTime>) -> Self {
        let status = chain_status(device, id);
        let asked = device.revocation().iter().find(|asked| asked.chain == id);
        let certificates = asked.map_or(&[][..], |asked| &asked.certificates);
        let any = |status| certificates.iter().any(|c| c.status() == status);
        let ocsp = if any(RevocationStatus::Revoked) || any(RevocationStatus::OnHold) {
            Some(REVOKED)
        } else if any(RevocationStatus::Unknown) {
            Some("unknown")
        } else if certificates.is_empty() || any(RevocationStatus::NotChecked) {
            None
        } else {
            Some("good")
        };
        let reasons = certificates.iter().filter(|c| c.revoked_at().is_some());
        let unspecified = RevocationReason::Unspecified;
        let mut reasons = reasons.map(|c| c.revocation_reason().unwrap_or(unspecified));
        Self {
            expires,
            status,
            ocsp,
            reason: reasons.next().filter(|_| ocsp == Some(REVOKED)),
            answered: asked.map(|_| !any(RevocationStatus::NotChecked)),
            nonce: nonces_match(certificates),
            unrevoked: asked.map(is_unrevoked),
            unknown: asked.is_some_and(is_unknown),
        }
    }

    /// The same with revocation, as NVIDIA's service tells it.
    fn status_with_revocation(&self) -> Option<&'static str> {
        match (self.status, self.ocsp) {
            (Some(VALID | EXPIRED), Some(REVOKED)) => Some(REVOKED),
            (status, _) => status,
        }
    }

    /// Whether the answers repeat a nonce is told where one was sent, which is where each was made for this appraisal. Of
    /// answers that appraisals share nothing is told: what was not compared is neither true nor false.
    fn object(&self, extended: bool) -> Value {
        let (status, reason) = match extended {
            true => (self.status, self.reason.map(rfc_5280)),
            false => (
                self.status_with_revocation(),
                self.reason.map(RevocationReason::as_str),
            ),
        };
        let mut chain = json!({
            "x-nvidia-cert-expiration-date": self.expires.map(|at| at.to_string()),
            "x-nvidia-cert-status": status,
            "x-nvidia-cert-ocsp-status": self.ocsp,
            "x-nvidia-cert-revocation-reason": reason,
        });
        if let Some(answered) = self.answered.filter(|_| extended) {
            chain["x-nvidia-cert-ocsp-response-valid"] = json!(answered);
        }
        if let Some(matches) = self.nonce.filter(|_| extended) {
            chain["x-nvidia-cert-ocsp-nonce-matches"] = json!(matches);
        }
        chain
    }

    /// Version 2 has one word for all of it: valid, in time, and no certificate revoked. A hold that was tolerated counts,
    /// as it does in NVIDIA's verifier.
    fn is_validated(&self, waivers: Waivers) -> bool {
        let unrevoked = self.unrevoked.unwrap_or(waivers.without_revocation)
            || (self.unknown && waivers.unknown_revocation);
        let status = self.status_with_revocation();
        let on_hold = status == Some(REVOKED) && self.unrevoked == Some(true);
        (status == Some(VALID) || on_hold) && unrevoked
    }
}

/// The word of RFC 5280 5.3.1 as it stands there, which NVIDIA's C++ client has from OpenSSL.
const fn rfc_5280(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "unspecified",
        RevocationReason::KeyCompromise => "keyCompromise",
        RevocationReason::CaCompromise => "cACompromise",
        RevocationReason::AffiliationChanged => "affiliationChanged",
        RevocationReason::Superseded => "superseded",
        RevocationReason::CessationOfOperation => "cessationOfOperation",
        RevocationReason::CertificateHold => "certificateHold",
        RevocationReason::RemoveFromCrl => "removeFromCRL",
        RevocationReason::PrivilegeWithdrawn => "privilegeWithdrawn",
        RevocationReason::AaCompromise => "aACompromise",
    }
}

/// Of a chain as of its worst certificate: one whose answer never came bears no nonce either.
fn nonces_match(certificates: &[RevocationFinding]) -> Option<bool> {
    let sent = certificates.iter().any(|c| c.nonce_matches().is_some());
    sent.then(|| certificates.iter().all(|c| c.nonce_matches() == Some(true)))
}

fn is_unrevoked(asked: &ChainRevocation) -> bool {
    let certificates = &asked.certificates;
    !certificates.is_empty() && certificates.iter().all(|c| c.verdict() == Status::Affirmed)
}

fn is_unknown(asked: &ChainRevocation) -> bool {
    let verdicts = || asked.certificates.iter().map(RevocationFinding::verdict);
    let known_as = [Status::Affirmed, Status::Unverifiable];
    verdicts().all(|verdict| known_as.contains(&verdict))
        && verdicts().any(|verdict| verdict == Status::Unverifiable)
}

/// The status of a chain as far as its certificates say it; `None` if it was not judged.
fn chain_status(device: &DeviceAppraisal, id: CheckId) -> Option<&'static str> {
    let check = device.check(id)?;
    let found = |codes: &[Code]| has(device, id, codes);
    let status = if check.status == Status::NotRequested {
        return None;
    } else if found(&CHAIN_FAULTS)
        || found(&[Code::CertificateNotYetValid, Code::RimAnchorMismatch])
    {
        INVALID
    } else if found(&[Code::CertificateExpired]) {
        EXPIRED
    } else {
        VALID
    };
    Some(status)
}

/// Whether the values of an authentic manifest are about this device, its version aside, which has a claim of its own.
fn fits(device: &DeviceAppraisal, role: CheckId) -> bool {
    !has(
        device,
        role,
        &[Code::RimProductMismatch, Code::RimIdMismatch],
    )
}

/// Whether the measurements are those of the manifests. Any difference is one, also from a manifest that failed its own
/// checks; a match counts only if the manifests passed theirs, or failed by nothing but the end of a certificate's life,
/// which has a claim of its own.
fn matches(device: &DeviceAppraisal) -> Option<bool> {
    let decided = decided(device, CheckId::Measurements);
    if decided.is_none() && !device.compared().mismatched.is_empty() {
        return Some(false);
    }
    let only = |id, code: Code| {
        let reasons = device.check(id).map_or(&[][..], |check| &check.reasons);
        reasons.iter().all(|reason| reason.code == code)
    };
    let expired = only(CheckId::Measurements, Code::ReferenceNotVerified)
        && device.compared().compared > 0
        && [CheckId::DriverRim, CheckId::VbiosRim]
            .into_iter()
            .all(|role| device.affirms(role) || only(role, Code::CertificateExpired));
    decided.or(expired.then_some(true))
}

fn mismatch_records(device: &DeviceAppraisal) -> Value {
    // Only against manifests that may be told of.
    if matches(device) != Some(false) {
        return Value::Null;
    }
    let record = |mismatch: &Mismatch| {
        let runtime = mismatch.runtime.as_deref();
        json!({
            "index": mismatch.index,
            "goldenSize": mismatch.golden_size,
            "goldenValue": mismatch.golden.first().map(hex::encode),
            "runtimeSize": runtime.map_or(0, <[u8]>::len),
            "runtimeValue": runtime.map_or_else(|| "NA".to_owned(), hex::encode),
            "measurementSource": match mismatch.source {
                CheckId::DriverRim => "Driver",
                _ => "Firmware",
            },
        })
    };
    json!(
        device
            .compared()
            .mismatches
            .iter()
            .map(record)
            .collect::<Vec<_>>()
    )
}

const fn outcome(matches: bool) -> &'static str {
    if matches { "success" } else { "fail" }
}

/// Affirmed is true, refuted is false, anything else is not known.
fn decided(device: &DeviceAppraisal, id: CheckId) -> Option<bool> {
    match device.check(id)?.status {
        Status::Affirmed => Some(true),
        Status::Refuted => Some(false),
        Status::Unverifiable | Status::NotRequested => None,
    }
}

fn has(device: &DeviceAppraisal, id: CheckId, codes: &[Code]) -> bool {
    let reasons = device.check(id).map_or(&[][..], |check| &check.reasons);
    reasons.iter().any(|reason| codes.contains(&reason.code))
}

fn used(device: &DeviceAppraisal, role: CheckId) -> Option<&ReferenceUsed> {
    device.references().iter().find(|used| used.role == role)
}
