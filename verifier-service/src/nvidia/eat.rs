//! The detached EAT: a signed overall claim set, and a signed claim set for each device it holds the digest of
//! (nvidia-evidence 9.1).
//!
//! `[["JWT", overall], {"GPU-0": jwt, …}]`, all signed ES384, header `kid` and `alg` alone, as NVIDIA's service writes it.
//! The digest of a submodule is over the text of its JWT, so a third party can check it.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evidence::appraise::{DeviceAppraisal, EvidenceAppraisal};
use evidence::device::DeviceKind;
use evidence::policy::Decision;
use evidence::{CheckId, Status, UnixTime, crypto};
use receipt::{Jwk, Jwks, LocalSigner, SignError, Signer};
use serde_json::{Map, Value, json};

use super::certificate::{self, CertificateError};
use super::claims::{self, Form};
use super::errors;
use crate::config::NvidiaSettings;
use crate::random;

const SUBJECT: &str = "NVIDIA-PLATFORM-ATTESTATION";
/// As NVIDIA's service has it.
const LIFETIME_S: i64 = 3600;
/// How far `nbf` lies before `iat`: clients that check it allow for no slow clock of their own.
const NOT_BEFORE_MARGIN_S: i64 = 60;
/// Most words of a policy's refusal repeated in a token.
const MAX_DENIALS: usize = 32;

/// What a pass takes, beside revocation (see the module above).
const NVIDIA_CHECKS: [CheckId; 8] = [
    CheckId::Parse,
    CheckId::Nonce,
    CheckId::Chain,
    CheckId::Identity,
    CheckId::ReportSignature,
    CheckId::Fwid,
    CheckId::VbiosRim,
    CheckId::Measurements,
];

/// Who issues detached EATs: a key, its name in the key set, and what the operator lets pass.
pub(crate) struct Issuer {
    signer: Arc<LocalSigner>,
    issuer: String,
    settings: NvidiaSettings,
    jwk: Value,
}

impl Issuer {
    /// An issuer whose tokens say `iss` is `issuer`.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(crate) fn new(
        signer: Arc<LocalSigner>,
        issuer: &str,
        settings: NvidiaSettings,
        now: UnixTime,
    ) -> Result<Self, CertificateError> {
        let jwk = published(&signer, issuer, now)?;
        Ok(Self {
            signer,
            issuer: issuer.to_owned(),
            settings,
            jwk,
        })
    }

    /// The key as it stands in the key set, with its certificate.
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// What the operator lets pass.
    pub(crate) fn settings(&self) -> &NvidiaSettings {
        &self.settings
    }

    /// The detached EAT about devices that were judged.
    ///
    /// # Errors
    /// [`SignError`].
    pub(crate) fn detached_eat(
        &self,
        decision: &Decision<EvidenceAppraisal>,
        nonce: &[u8; 32],
        form: Form,
        now: UnixTime,
    ) -> Result<Value, SignError> {
        let appraisal = decision.appraisal();
        let mut form = form;
        form.waivers.unknown_revocation = self.waives_unknown_revocation(decision);
        let mut tokens = Map::new();
        let mut digests = Map::new();
        let mut counts = [0_usize; 2];
        for device in appraisal.devices() {
            let (word, count) = match device.kind() {
                DeviceKind::Gpu => ("GPU", &mut counts[0]),
                DeviceKind::Switch => ("SWITCH", &mut counts[1]),
            };
            let name = format!("{word}-{count}");
            *count += 1;
            let token = self.sign(self.submodule(device, form, now))?;
            let digest = hex::encode(crypto::sha256(token.as_bytes()));
            digests.insert(name.clone(), json!(["DIGEST", ["SHA-256", digest]]));
            tokens.insert(name, json!(token));
        }
        let mut overall = self.registered(now);
        overall.insert("sub".to_owned(), json!(SUBJECT));
        overall.insert("x-nvidia-ver".to_owned(), json!(form.version.as_str()));
        overall.insert("eat_nonce".to_owned(), json!(hex::encode(nonce)));
        overall.insert("submods".to_owned(), Value::Object(digests));
        let passes = self.passes(decision);
        overall.insert("x-nvidia-overall-att-result".to_owned(), json!(passes));
        overall.insert("x-pogw-policy".to_owned(), policy(decision));
        for (name, value) in self.marks(appraisal.devices()) {
            overall.insert(name.to_owned(), value);
        }
        let overall = self.sign(overall)?;
        Ok(json!([["JWT", overall], tokens]))
    }

    fn submodule(&self, device: &DeviceAppraisal, form: Form, now: UnixTime) -> Map<String, Value> {
        let mut claims = self.registered(now);
        claims.extend(claims::of(device, form));
        for (name, value) in self.marks(std::slice::from_ref(device)) {
            claims.insert(name.to_owned(), value);
        }
        let error = errors::of(device, form.extended).or_else(|| {
            let unnamed = device.simulated() && !form.waivers.simulated;
            let sentence = "a software device; this verifier describes none under NVIDIA's names";
            unnamed.then(|| errors::ErrorCode::Refuted.details("device_simulated", sentence))
        });
        if let Some(error) = error {
            claims.insert("x-nvidia-error-details".to_owned(), json!(error));
        }
        claims
    }

    /// `iss`, times and a name.
    fn registered(&self, now: UnixTime) -> Map<String, Value> {
        let later = |s: i64| now.secs().saturating_add(s);
        let claims = json!({
            "iss": self.issuer,
            "iat": now.secs(),
            "nbf": later(-NOT_BEFORE_MARGIN_S),
            "exp": later(LIFETIME_S),
            "jti": uuid(random::bytes()),
        });
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }

    /// What a reader of NVIDIA's names would not expect, said loudly.
    fn marks(&self, devices: &[DeviceAppraisal]) -> Vec<(&'static str, Value)> {
        let mut marks = Vec::new();
        if devices.iter().any(DeviceAppraisal::simulated) {
            marks.push(("x-pogw-simulated", json!(true)));
        }
        let unchecked = if devices.iter().any(is_revocation_left_out) {
            Some(Status::NotRequested)
        } else if devices.iter().any(is_revocation_unknown) {
            Some(Status::Unverifiable)
        } else {
            None
        };
        marks.extend(unchecked.map(|status| ("x-pogw-revocation", json!(status.as_str()))));
        marks
    }

    /// Whether a device may pass although no answer about its revocation counts: the operator says so, and the policy
    /// looked at it and grants.
    pub(crate) fn waives_unknown_revocation(&self, decision: &Decision<EvidenceAppraisal>) -> bool {
        self.settings.danger_result_without_revocation && matches!(decision, Decision::Granted(_))
    }

    fn passes(&self, decision: &Decision<EvidenceAppraisal>) -> bool {
        let Decision::Granted(granted) = decision else {
            return false;
        };
        let devices = granted.appraisal().devices();
        !devices.is_empty() && devices.iter().all(|device| self.device_passes(device))
    }

    /// Of a device that the policy grants.
    fn device_passes(&self, device: &DeviceAppraisal) -> bool {
        let driver = match device.kind() {
            DeviceKind::Gpu => Some(CheckId::DriverRim),
            DeviceKind::Switch => None,
        };
        let checks = NVIDIA_CHECKS.into_iter().chain(driver);
        let unrevoked = device.affirms(CheckId::Revocation)
            || (self.settings.danger_result_without_revocation
                && (is_revocation_left_out(device) || is_revocation_unknown(device)));
        let named = !device.simulated() || self.settings.simulated_claims;
        checks.into_iter().all(|id| device.affirms(id)) && unrevoked && named
    }

    fn sign(&self, claims: Map<String, Value>) -> Result<String, SignError> {
        let kid = self.signer.public_jwk().kid();
        let header = format!(r#"{{"kid":"{kid}","alg":"ES384"}}"#);
        let [header, payload] =
            [header, Value::Object(claims).to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{payload}");
        let signature = self.signer.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn is_revocation_left_out(device: &DeviceAppraisal) -> bool {
    let check = device.check(CheckId::Revocation);
    check.is_none_or(|check| check.status == Status::NotRequested)
}

fn is_revocation_unknown(device: &DeviceAppraisal) -> bool {
    let check = device.check(CheckId::Revocation);
    check.is_some_and(|check| check.status == Status::Unverifiable)
}

/// Which policy was asked, and the words of its refusal: why a token may say no although every claim of NVIDIA's says yes.
fn policy(decision: &Decision<EvidenceAppraisal>) -> Value {
    let (identity, deny) = (decision.policy(), decision.denials());
    let words: BTreeSet<_> = deny.iter().map(|denial| denial.code.as_str()).collect();
    let words: Vec<_> = words.into_iter().take(MAX_DENIALS).collect();
    json!({ "id": identity.id, "sha256": identity.sha256, "granted": deny.is_empty(), "deny": words })
}

/// The public key with its certificate, as NVIDIA's clients read it.
fn published(signer: &LocalSigner, issuer: &str, now: UnixTime) -> Result<Value, CertificateError> {
    let jwk = signer.public_jwk();
    let mut members = members(jwk);
    let coordinate = |name: &str| {
        let text = members.get(name).and_then(Value::as_str);
        URL_SAFE_NO_PAD
            .decode(text.unwrap_or_default())
            .unwrap_or_default()
    };
    let point = [vec![0x04], coordinate("x"), coordinate("y")].concat();
    let certificate = certificate::self_signed(signer, &point, host(issuer), now)?;
    members.insert("x5c".to_owned(), json!([STANDARD.encode(certificate)]));
    Ok(Value::Object(members))
}

fn members(jwk: &Jwk) -> Map<String, Value> {
    let set = Jwks::new(vec![jwk.clone().into()]).map(|set| set.to_json());
    let set: Value = set
        .ok()
        .and_then(|json| json.parse().ok())
        .unwrap_or_default();
    set["keys"][0].as_object().cloned().unwrap_or_default()
}

fn host(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

/// A random UUID (RFC 9562 section 5.4).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| &digits[from..to]).join("-")
}

#[cfg(test)]
mod tests {
    use evidence::cert::Certificate;

    use super::*;
    use crate::keys;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn issuer(settings: NvidiaSettings) -> Issuer {
        let folder = tempfile::tempdir().unwrap();
        let signer = keys::nvidia(folder.path()).unwrap();
        Issuer::new(signer, "https://verifier.example:8477/base", settings, NOW).unwrap()
    }

    fn certificate(issuer: &Issuer) -> Certificate {
        let x5c = issuer.jwk()["x5c"][0].as_str().unwrap();
        Certificate::from_der(&STANDARD.decode(x5c).unwrap()).unwrap()
    }

    #[test]
    fn the_certificate_is_an_envelope_of_the_key() {
        let issuer = issuer(NvidiaSettings::default());
        let certificate = certificate(&issuer);
        assert_eq!(certificate.common_name(), "verifier.example");
        let jwk = issuer.jwk();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        assert_eq!(certificate.p384_point(), Some(point.as_slice()));
        let validity = certificate.validity();
        assert!(validity.not_before < NOW && NOW < validity.not_after);
        let years = (validity.not_after.secs() - NOW.secs()) / (365 * 24 * 3600);
        assert_eq!(years, 5);
    }

    #[test]
    fn a_name_of_any_length_and_a_late_clock_fit() {
        let folder = tempfile::tempdir().unwrap();
        let key = keys::nvidia(folder.path()).unwrap();
        let host = "x".repeat(300);
        let url = format!("https://{host}");
        for now in [0, 2_524_607_000, 4_102_444_800, 32_503_680_000] {
            let settings = NvidiaSettings::default();
            let signer = Arc::clone(&key);
            let issuer = Issuer::new(signer, &url, settings, UnixTime::from_secs(now)).unwrap();
            assert_eq!(certificate(&issuer).common_name().len(), 64, "{now}");
        }
        let signer = key;
        let never = UnixTime::from_secs(i64::MAX);
        let refused = Issuer::new(signer, &url, NvidiaSettings::default(), never);
        assert!(matches!(refused.err(), Some(CertificateError::Time(_))));
    }

    #[test]
    fn tokens_are_signed_by_the_published_key_and_named_after_it() {
        let issuer = issuer(NvidiaSettings::default());
        let token = issuer.sign(issuer.registered(NOW)).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let certificate = certificate(&issuer);
        let key = certificate.p384_key().unwrap();
        assert!(key.has_signed_raw(signed.as_bytes(), &signature));
        let header = URL_SAFE_NO_PAD
            .decode(signed.split('.').next().unwrap())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"kid": issuer.jwk()["kid"], "alg": "ES384"}));
    }

    #[test]
    fn uuids_are_random_ones() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn hosts_of_issuers() {
        for (url, name) in [
            ("https://a.example", "a.example"),
            ("http://127.0.0.1:8477", "127.0.0.1"),
            ("https://a.example/x/y", "a.example"),
        ] {
            assert_eq!(host(url), name);
        }
    }
}
