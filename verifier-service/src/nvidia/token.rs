//! Checking a detached EAT: NVIDIA's, ours, or another verifier's (nvidia-evidence 9.1, rows 122 to 130).
//!
//! In scope: form, signatures by the keys given, issuer, times at the time given, nonce, digests, the devices, the
//! result; every fault is reported, not only the first. Out of scope: fetching anything, and whether the claims meet a
//! policy of the relying party, for which they are handed back.
//!
//! A token signed by a key that the key set does not have cannot be verified: that is [`Status::Unverifiable`], never a
//! pass, and every other fault of it is reported all the same.
//!
//! The certificate of a key (`x5c`) is compared with the key and recorded. It is not validated: nothing says which root it
//! should lead to, and what makes the key the issuer's is the connection that the key set came over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evidence::cert::Certificate;
use evidence::crypto::P384Key;
use evidence::limits::MAX_DEVICES;
use evidence::work::StrictValue;
use evidence::{Status, UnixTime, crypto};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Largest detached EAT accepted, in bytes: a token for each of [`MAX_DEVICES`] devices and the one over them, at 16 KiB;
/// real ones take 3 KiB.
pub const MAX_EAT_BYTES: usize = (MAX_DEVICES + 1) * 16 * 1024;

/// Largest key set accepted, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// Most keys looked at, each with its certificates.
const MAX_KEYS: usize = 64;

/// Most certificates of one key.
const MAX_CERTIFICATES: usize = 8;

/// How far clocks may differ, in seconds.
pub const LEEWAY_S: i64 = 60;

/// Most characters of foreign text repeated in a fault.
const MAX_EXCERPT_CHARS: usize = 96;

/// Bytes of a coordinate of P-384.
const COORDINATE_BYTES: usize = 48;

const ALGORITHM: &str = "ES384";

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// What is wrong with a detached EAT or a key set: one stable word each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FaultCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FaultCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable snake_case word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

codes! {
    /// The text is longer than any detached EAT or key set.
    TooLarge = "eat_too_large",
    /// The text is not a detached EAT.
    Malformed = "eat_malformed",
    /// The text is not a key set.
    KeySetMalformed = "eat_key_set_malformed",
    /// Row 122: a token is signed with another algorithm than ES384.
    Algorithm = "eat_algorithm",
    /// Row 122: the key set has no such key. Nothing can be said about the signature.
    KeyUnknown = "eat_key_unknown",
    /// Row 122: a token is not signed by the key it names.
    SignatureInvalid = "eat_signature_invalid",
    /// Row 123: the certificate of a key is that of another key.
    KeyCertificateMismatch = "eat_key_certificate_mismatch",
    /// Row 124: a token is of another issuer.
    Issuer = "eat_issuer",
    /// Row 124: a token has expired, or says no time at which it does.
    Expired = "eat_expired",
    /// Row 124: a token is not valid yet.
    NotYetValid = "eat_not_yet_valid",
    /// Row 125: a token answers another nonce, or says none.
    NonceMismatch = "eat_nonce_mismatch",
    /// Row 126: a submodule is not the one whose digest is signed.
    SubmoduleDigest = "eat_submodule_digest",
    /// Row 127: there are not as many submodules as digests, or as devices sent.
    SubmoduleCount = "eat_submodule_count",
    /// Row 128: the devices in the token are not those whose evidence was sent.
    UeidMismatch = "eat_ueid_mismatch",
    /// Row 129: the overall result is not `true`.
    OverallResult = "eat_overall_result",
    /// Row 130: the issuer reports an error for a device.
    ErrorClaim = "eat_error_claim",
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FaultCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The stable word.
    pub code: FaultCode,
    /// A sentence that names the token and, where there are such, what was expected and found.
    pub message: String,
}

/// What a token has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// The nonce that the evidence was collected for.
    pub nonce: &'a [u8; 32],
    /// The `ueid` of each device whose evidence was sent: the serial number of its leaf certificate in decimal. Without
    /// them nothing is said about which devices the token is about.
    pub ueids: Option<&'a [String]>,
    /// The time to judge at.
    pub at: UnixTime,
}

/// A key of a set.
#[derive(Clone, Debug)]
struct Key {
    /// Uncompressed.
    point: Vec<u8>,
    certificate: Option<KeyCertificate>,
    /// The certificate is that of another key.
    disputed: bool,
}

/// The certificate that a key was published with; recorded, not validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyCertificate {
    /// Common name of its subject.
    pub subject: String,
    /// The end of its validity.
    pub not_after: UnixTime,
    /// How many certificates were published with the key.
    pub chain_length: usize,
}

/// The P-384 keys of an issuer, by name.
#[derive(Clone, Debug, Default)]
pub struct KeySet(BTreeMap<String, Key>);

/// What a device's submodule says, believed as far as the verdict goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Device {
    /// `GPU-0`.
    pub name: String,
    /// Every claim.
    pub claims: Map<String, Value>,
}

/// What came of checking a detached EAT.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Everything wrong with it.
    pub faults: Vec<Fault>,
    /// `x-nvidia-overall-att-result`.
    pub overall_result: Option<bool>,
    /// Whether a token says that a device is a software device.
    pub simulated: bool,
    /// `x-pogw-revocation` of the first token that has it: what this verifier says of a pass that was given without
    /// knowing whether a certificate is revoked. Tokens of other issuers have none.
    pub revocation: Option<String>,
    /// The certificate of the key that signed the overall token.
    pub key_certificate: Option<KeyCertificate>,
    /// The overall claims; empty if they could not be read.
    pub claims: Map<String, Value>,
    /// The submodules that could be read.
    pub devices: Vec<Device>,
}

impl Verdict {
    /// Affirmed without a fault; unverifiable if all that is wrong is that a key is not known; else refuted.
    #[must_use]
    pub fn status(&self) -> Status {
        let unknown = |fault: &Fault| fault.code == FaultCode::KeyUnknown;
        match self.faults.as_slice() {
            [] => Status::Affirmed,
            faults if faults.iter().all(unknown) => Status::Unverifiable,
            _ => Status::Refuted,
        }
    }
}

impl KeySet {
    /// Reads a key set (RFC 7517). Keys of another type or curve are passed over.
    ///
    /// # Errors
    /// The text is no key set, or two keys have one name.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = |why: String| fault(FaultCode::KeySetMalformed, why);
        if text.len() > MAX_KEY_SET_BYTES {
            let limit = format!("key set: expected at most {MAX_KEY_SET_BYTES} bytes");
            return Err(fault(FaultCode::TooLarge, limit));
        }
        let set = strict(text).map_err(malformed)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| malformed("keys is not an array".to_owned()))?;
        if keys.len() > MAX_KEYS {
            let message = format!("expected at most {MAX_KEYS} keys, got {}", keys.len());
            return Err(malformed(message));
        }
        let mut known = BTreeMap::new();
        for key in keys {
            let Some((kid, key)) = read_key(key) else {
                continue;
            };
            if known.contains_key(&kid) {
                return Err(malformed(format!("key {} occurs twice", excerpt(&kid))));
            }
            known.insert(kid, key);
        }
        Ok(Self(known))
    }

    /// How many keys there are that could have signed a token.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A key for ES384 signatures and its name; `None` for any other key.
fn read_key(key: &Value) -> Option<(String, Key)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let is_or_absent = |name: &str, value: &str| key.get(name).is_none_or(|v| v == value);
    if text("kty") != Some("EC") || !is_or_absent("crv", "P-384") {
        return None;
    }
    if !is_or_absent("alg", ALGORITHM) || !is_or_absent("use", "sig") {
        return None;
    }
    let coordinate = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
        (bytes.len() == COORDINATE_BYTES).then_some(bytes)
    };
    let stated = coordinate("x").zip(coordinate("y"));
    let stated = stated.map(|(x, y)| [vec![0x04], x, y].concat());
    let chain = key.get("x5c").and_then(Value::as_array);
    let leaf = chain.and_then(|chain| {
        let bounded = (1..=MAX_CERTIFICATES).contains(&chain.len());
        let der = STANDARD.decode(chain.first()?.as_str()?).ok()?;
        Certificate::from_der(&der).ok().filter(|_| bounded)
    });
    let certified = leaf.as_ref().and_then(Certificate::p384_point);
    let point = stated.clone().or_else(|| certified.map(<[u8]>::to_vec))?;
    // A certificate that cannot be read certifies no key.
    let disputed = chain.is_some() && certified != Some(point.as_slice());
    let certificate = leaf.as_ref().map(|leaf| KeyCertificate {
        subject: excerpt(leaf.common_name()),
        not_after: leaf.validity().not_after,
        chain_length: chain.map_or(0, Vec::len),
    });
    let key = Key {
        point,
        certificate,
        disputed,
    };
    Some((text("kid")?.to_owned(), key))
}

/// Checks a detached EAT, given as JSON: the array itself, or what `nvattest attest --format json` prints around it.
#[must_use]
pub fn validate(text: &str, keys: &KeySet, expected: &Expected<'_>) -> Verdict {
    let mut check = Check {
        keys,
        expected,
        verdict: Verdict {
            faults: Vec::new(),
            overall_result: None,
            simulated: false,
            revocation: None,
            key_certificate: None,
            claims: Map::new(),
            devices: Vec::new(),
        },
    };
    match Envelope::read(text) {
        Ok(envelope) => check.envelope(&envelope),
        Err(fault) => check.verdict.faults.push(fault),
    }
    check.verdict
}

/// The tokens of a detached EAT.
struct Envelope {
    overall: String,
    submodules: BTreeMap<String, String>,
}

impl Envelope {
    fn read(text: &str) -> Result<Self, Fault> {
        let malformed = |why: &str| fault(FaultCode::Malformed, why);
        if text.len() > MAX_EAT_BYTES {
            let limit = format!("expected at most {MAX_EAT_BYTES} bytes");
            return Err(fault(FaultCode::TooLarge, limit));
        }
        let document = strict(text).map_err(|why| malformed(&why))?;
        let eat = document.get("detached_eat").unwrap_or(&document);
        let parts = eat.as_array().map(Vec::as_slice);
        let Some([overall, Value::Object(submodules)]) = parts else {
            return Err(malformed(
                "expected an array of a token and an object of tokens",
            ));
        };
        let overall = match overall.as_array().map(Vec::as_slice) {
            Some([Value::String(tag), Value::String(token)]) if tag == "JWT" => token.clone(),
            _ => return Err(malformed("overall token: expected [\"JWT\", token]")),
        };
        if submodules.len() > MAX_DEVICES {
            return Err(malformed(&format!(
                "expected at most {MAX_DEVICES} submodules"
            )));
        }
        let named = submodules.iter().map(|(name, token)| {
            let token = token.as_str()?;
            Some((name.clone(), token.to_owned()))
        });
        let submodules: Option<_> = named.collect();
        Ok(Self {
            overall,
            submodules: submodules.ok_or_else(|| malformed("a submodule is not a token"))?,
        })
    }
}

/// A token taken apart; nothing in it is believed yet.
struct Jwt<'t> {
    signed: &'t str,
    alg: String,
    kid: String,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'t> Jwt<'t> {
    fn read(token: &'t str) -> Result<Self, String> {
        let (signed, signature) = token.rsplit_once('.').ok_or("is not a JWT")?;
        let (header, payload) = signed.split_once('.').ok_or("is not a JWT")?;
        let decode = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| "is not base64url".to_owned())
        };
        let object = |part: &str| -> Result<Map<String, Value>, String> {
            let text = String::from_utf8(decode(part)?).map_err(|_| "is not UTF-8")?;
            match strict(&text)? {
                Value::Object(members) => Ok(members),
                _ => Err("is not an object".to_owned()),
            }
        };
        let header = object(header)?;
        // What is allowed, not what is dangerous: `jwk`, `jku`, `x5c`, `crit` and the like name a sender's own key or rules.
        let foreign = |name: &&String| !["alg", "kid", "typ"].contains(&name.as_str());
        if let Some(name) = header.keys().find(foreign) {
            return Err(format!("has a header member {}", excerpt(name)));
        }
        let text = |name: &str| {
            let text = header.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
                .ok_or(format!("has no {name} in its header"))
        };
        Ok(Self {
            signed,
            alg: text("alg")?,
            kid: text("kid")?,
            claims: object(payload)?,
            signature: decode(signature)?,
        })
    }
}

struct Check<'a> {
    keys: &'a KeySet,
    expected: &'a Expected<'a>,
    verdict: Verdict,
}

impl Check<'_> {
    fn envelope(&mut self, envelope: &Envelope) {
        let overall = self.token("overall token", &envelope.overall);
        let digests = overall.as_ref().map(digests).unwrap_or_default();
        self.counts(&digests, &envelope.submodules);
        for (name, token) in &envelope.submodules {
            self.digest(name, digests.get(name), token);
            if let Some(jwt) = self.token(name, token) {
                self.error_claim(name, &jwt.claims);
                self.verdict.devices.push(Device {
                    name: name.clone(),
                    claims: jwt.claims,
                });
            }
        }
        self.devices();
        if let Some(overall) = overall {
            self.verdict.key_certificate = self
                .keys
                .0
                .get(&overall.kid)
                .and_then(|key| key.certificate.clone());
            self.verdict.overall_result = overall
                .claims
                .get("x-nvidia-overall-att-result")
                .and_then(Value::as_bool);
            self.verdict.claims = overall.claims;
        }
        self.overall_result();
        self.marks();
    }

    /// What tokens of this verifier say against themselves, the overall one or any other.
    fn marks(&mut self) {
        let verdict = &mut self.verdict;
        let of_devices = verdict.devices.iter().map(|device| &device.claims);
        let claims: Vec<_> = std::iter::once(&verdict.claims).chain(of_devices).collect();
        let mut revocation = claims.iter().filter_map(|c| c.get("x-pogw-revocation"));
        let revocation = revocation.next().map(|value| match value.as_str() {
            Some(word) => excerpt(word),
            None => excerpt(&value.to_string()),
        });
        let simulated = |c: &&Map<String, Value>| {
            let mark = c.get("x-pogw-simulated");
            mark.is_some_and(|value| *value != Value::Bool(false))
        };
        let simulated = claims.iter().any(simulated);
        (verdict.revocation, verdict.simulated) = (revocation, simulated);
    }

    /// What every token has to be.
    fn token<'t>(&mut self, name: &str, token: &'t str) -> Option<Jwt<'t>> {
        let jwt = match Jwt::read(token) {
            Ok(jwt) => jwt,
            Err(why) => {
                self.add(FaultCode::Malformed, format!("{}: {why}", excerpt(name)));
                return None;
            }
        };
        let name = excerpt(name);
        self.signature(&name, &jwt);
        self.issuer(&name, &jwt.claims);
        self.times(&name, &jwt.claims);
        self.nonce(&name, &jwt.claims);
        Some(jwt)
    }

    /// Rows 122 and 123.
    fn signature(&mut self, name: &str, jwt: &Jwt<'_>) {
        if jwt.alg != ALGORITHM {
            let alg = excerpt(&jwt.alg);
            let message = format!("{name}: expected alg {ALGORITHM}, got {alg}");
            return self.add(FaultCode::Algorithm, message);
        }
        let kid = excerpt(&jwt.kid);
        let Some(key) = self.keys.0.get(&jwt.kid) else {
            let message = format!("{name}: no key {kid} in the key set");
            return self.add(FaultCode::KeyUnknown, message);
        };
        if key.disputed {
            let message = format!("{name}: the certificate of key {kid} is not one of that key");
            return self.add(FaultCode::KeyCertificateMismatch, message);
        }
        let key = P384Key::at(&key.point);
        if !key.is_some_and(|key| key.has_signed_raw(jwt.signed.as_bytes(), &jwt.signature)) {
            let message = format!("{name}: not signed by key {kid}");
            self.add(FaultCode::SignatureInvalid, message);
        }
    }

    /// Row 124.
    fn issuer(&mut self, name: &str, claims: &Map<String, Value>) {
        let (expected, actual) = (self.expected.issuer, text(claims, "iss"));
        if actual != Some(expected) {
            let actual = excerpt(actual.unwrap_or("none"));
            let message = format!("{name}: expected iss {}, got {actual}", excerpt(expected));
            self.add(FaultCode::Issuer, message);
        }
    }

    /// Row 124.
    fn times(&mut self, name: &str, claims: &Map<String, Value>) {
        let at = self.expected.at.secs();
        let of = |name: &str| claims.get(name).and_then(Value::as_i64);
        match of("exp") {
            Some(exp) if at < exp.saturating_add(LEEWAY_S) => {}
            Some(exp) => {
                let exp = UnixTime::from_secs(exp);
                let message = format!("{name}: expired at {exp}, judged at {}", self.expected.at);
                self.add(FaultCode::Expired, message);
            }
            None => self.add(FaultCode::Expired, format!("{name}: has no exp")),
        }
        for member in ["nbf", "iat"] {
            let early = of(member).filter(|from| at < from.saturating_sub(LEEWAY_S));
            let malformed = claims.contains_key(member) && of(member).is_none();
            if early.is_some() || malformed {
                let from = early.map_or_else(
                    || "no time".to_owned(),
                    |from| UnixTime::from_secs(from).to_string(),
                );
                let message = format!("{name}: {member} is {from}, judged at {}", self.expected.at);
                self.add(FaultCode::NotYetValid, message);
            }
        }
    }

    /// Row 125. All 32 bytes, in hexadecimal of either case.
    fn nonce(&mut self, name: &str, claims: &Map<String, Value>) {
        let mut actual = [0; 32];
        let stated = text(claims, "eat_nonce");
        let read = stated.map(|text| hex::decode_to_slice(text, &mut actual));
        if !matches!(read, Some(Ok(()))) || actual != *self.expected.nonce {
            let actual = excerpt(stated.unwrap_or("none"));
            let expected = hex::encode(self.expected.nonce);
            let message = format!("{name}: expected eat_nonce {expected}, got {actual}");
            self.add(FaultCode::NonceMismatch, message);
        }
    }

    /// Row 126.
    fn digest(&mut self, name: &str, signed: Option<&Option<String>>, token: &str) {
        let actual = hex::encode(crypto::sha256(token.as_bytes()));
        let matches = match signed {
            // Told by the count.
            None => return,
            Some(signed) => signed
                .as_ref()
                .is_some_and(|s| s.eq_ignore_ascii_case(&actual)),
        };
        if !matches {
            let message = format!("{}: its digest is not the one signed", excerpt(name));
            self.add(FaultCode::SubmoduleDigest, message);
        }
    }

    /// Row 127: an empty map passes policies that ask something of every submodule.
    fn counts(
        &mut self,
        digests: &BTreeMap<String, Option<String>>,
        tokens: &BTreeMap<String, String>,
    ) {
        if !digests.keys().eq(tokens.keys()) {
            let names = |names: Vec<&String>| {
                let names = names.into_iter().take(8).map(|name| excerpt(name));
                names.collect::<Vec<_>>().join(", ")
            };
            let (signed, sent) = (
                names(digests.keys().collect()),
                names(tokens.keys().collect()),
            );
            let message = format!("digests are signed for [{signed}], submodules are [{sent}]");
            self.add(FaultCode::SubmoduleCount, message);
        }
        let devices = self.expected.ueids.map_or(tokens.len().max(1), <[_]>::len);
        if tokens.len() != devices {
            let actual = tokens.len();
            let message = format!("expected {devices} submodules, got {actual}");
            self.add(FaultCode::SubmoduleCount, message);
        }
    }

    /// Row 128, and row 55: one device is not two.
    fn devices(&mut self) {
        let devices = self.verdict.devices.iter();
        let stated: Vec<_> = devices.map(|device| text(&device.claims, "ueid")).collect();
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for ueid in stated.iter().flatten() {
            if !seen.insert(*ueid) {
                faults.push(format!("ueid {} occurs twice", excerpt(ueid)));
            }
        }
        if let Some(sent) = self.expected.ueids {
            let sent: BTreeSet<_> = sent.iter().map(String::as_str).collect();
            for ueid in sent.difference(&seen) {
                faults.push(format!("no submodule for the device {ueid} that was sent"));
            }
            for ueid in seen.difference(&sent) {
                let ueid = excerpt(ueid);
                faults.push(format!("a submodule for a device {ueid} that was not sent"));
            }
        }
        for message in faults {
            self.add(FaultCode::UeidMismatch, message);
        }
    }

    /// Row 129.
    fn overall_result(&mut self) {
        if self.verdict.overall_result != Some(true) {
            let actual = match self.verdict.overall_result {
                Some(_) => "false",
                None => "none",
            };
            let message = format!("x-nvidia-overall-att-result: expected true, got {actual}");
            self.add(FaultCode::OverallResult, message);
        }
    }

    /// Row 130.
    fn error_claim(&mut self, name: &str, claims: &Map<String, Value>) {
        let error = claims.get("x-nvidia-error-details");
        if let Some(error) = error.filter(|error| !error.is_null()) {
            let message = error.get("message").and_then(Value::as_str);
            let code = error.get("code").map(Value::to_string).unwrap_or_default();
            let (name, word) = (excerpt(name), excerpt(message.unwrap_or("no message")));
            self.add(
                FaultCode::ErrorClaim,
                format!("{name}: {} {word}", excerpt(&code)),
            );
        }
    }

    fn add(&mut self, code: FaultCode, message: String) {
        self.verdict.faults.push(fault(code, message));
    }
}

/// The digests of the overall token by submodule; `None` for one that is not SHA-256. NVIDIA's service and its C++ client
/// spell the label differently.
fn digests(overall: &Jwt<'_>) -> BTreeMap<String, Option<String>> {
    let submods = overall.claims.get("submods").and_then(Value::as_object);
    let digest = |value: &Value| {
        let outer = value.as_array().map(Vec::as_slice);
        let Some([Value::String(tag), Value::Array(inner)]) = outer else {
            return None;
        };
        match inner.as_slice() {
            [Value::String(label), Value::String(digest)]
                if tag == "DIGEST" && ["SHA-256", "SHA256"].contains(&label.as_str()) =>
            {
                Some(digest.clone())
            }
            _ => None,
        }
    };
    let submods = submods.into_iter().flatten();
    submods
        .map(|(name, value)| (name.clone(), digest(value)))
        .collect()
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// JSON without repeated members, which readers take in different ways.
fn strict(text: &str) -> Result<Value, String> {
    let strict: Result<StrictValue, _> = serde_json::from_str(text);
    match strict {
        Ok(value) => Ok(value.as_value().clone()),
        Err(error) => Err(format!(
            "is not JSON of one meaning (line {}, column {})",
            error.line(),
            error.column()
        )),
    }
}

fn fault(code: FaultCode, message: impl Into<String>) -> Fault {
    let message = message.into();
    Fault { code, message }
}

fn excerpt(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars()
        .take(MAX_EXCERPT_CHARS)
        .map(printable)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_snake_case() {
        let words: BTreeSet<_> = FaultCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), FaultCode::ALL.len());
        let snake = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(words.iter().all(|word| snake(word)));
    }

    #[test]
    fn junk_is_no_key_set() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert_eq!(
                KeySet::parse(text).unwrap_err().code,
                FaultCode::KeySetMalformed
            );
        }
        let keys = r#"{"keys":[{"kty":"RSA","kid":"a"},{"kty":"EC","crv":"P-256","kid":"b"},1]}"#;
        assert!(KeySet::parse(keys).unwrap().is_empty());
    }
}
