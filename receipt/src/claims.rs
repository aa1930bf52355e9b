//! What a receipt says.
//!
//! [`ClaimsParts`] is a well-formed set of claims and nothing more. [`Claims`] does not contradict itself: the same
//! rules ([`rules`]) run when claims are made and when a receipt is validated, so an issuer that grew careless is
//! caught by its customers' copy of this crate. Neither is signed; [`Receipt`](crate::Receipt) is.

mod assurance;
mod ear;
mod error;
mod method;
mod read;
mod revocation;
mod rules;
mod vendor;
mod work;

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

pub use assurance::Shortfall;
pub use ear::{Appraisal, Tier, TrustVector, VerifierId};
pub use error::ClaimsError;
pub use method::{
    Agreeing, Chain, Finding, Log2Error, Method, OtherMethod, PartsPerMillion, Source, Status,
};
pub use revocation::{CertificateRevocation, CertificateStatus};
pub use vendor::VendorClaims;
pub use work::{
    Asserted, Assurance, Collateral, Device, DeviceKind, Inclusion, Kernel, Level, Output, Policy,
    Program, ResultCheck, Timings, Trace, Work,
};

use crate::limits::MAX_AUDIENCES;
use crate::rejected::{Part, Rejected};
use crate::token::Compact;
use crate::value::{InvalidValue, Nonce, Text, Thumbprint, UnixTime};

/// The profile of these claims (RFC 9711 section 6): a tag URI (RFC 4151) with our version of it.
///
/// It changes whenever a validator of the old profile could misjudge a receipt of the new one. A plain EAR has its
/// own profile; ours demands more (`cnf`, `jti`, `pogw`), so it cannot carry that name.
pub const PROFILE: &str = "tag:pogw.dev,2026:work-receipt#1";

/// The claims of a receipt, by their names on the wire. Well-formed, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimsParts {
    /// The issuer (RFC 7519 section 4.1.1): the verifier's URL.
    pub iss: Text,
    /// The agent or provider whose work this is.
    pub sub: Text,
    /// Whom the receipt is for.
    pub aud: Audience,
    /// When it was issued.
    pub iat: UnixTime,
    /// From when it counts; may lie before `iat`, to be kind to slow clocks.
    pub nbf: UnixTime,
    /// Until when it counts (exclusive); absent where the policy sets no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixTime>,
    /// The identity of the receipt. Pay once for each: two tokens may differ in their signatures and be the same
    /// receipt.
    pub jti: Text,
    /// The key the agent proved to hold (RFC 7800).
    pub cnf: Confirmation,
    /// The challenge the work answered (RFC 9711 section 4.1).
    pub eat_nonce: Nonce,
    /// Which verifier software appraised.
    pub ear_verifier_id: VerifierId,
    /// The overall status; never better than the worst submodule.
    pub ear_status: Tier,
    /// One appraisal for each device, under the name its entry in `pogw.devices` gives.
    pub submods: BTreeMap<Text, Appraisal>,
    /// The work.
    pub pogw: Work,
}

/// Claims that do not contradict themselves.
///
/// Reading goes through [`ClaimsParts`]; there is no way to change one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(ClaimsParts);

impl Claims {
    /// Claims fit to be signed.
    ///
    /// # Errors
    /// The first rule broken; the order is that of [`ClaimsError`]'s table.
    pub fn new(parts: ClaimsParts) -> Result<Self, ClaimsError> {
        rules::check(&parts)?;
        Ok(Self(parts))
    }

    /// Reads the payload of a token that was not signed yet: claims that wait for something before they are a receipt.
    /// Nothing vouches for them; whoever kept them knows where they lay.
    ///
    /// # Errors
    /// As for the payload of a token.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejected> {
        let members = Compact::members(Part::Payload, payload)?;
        Self::new(ClaimsParts::read(members)?).map_err(Rejected::Contradiction)
    }

    /// The parts, to build other claims from.
    #[must_use]
    pub fn into_parts(self) -> ClaimsParts {
        self.0
    }
}

impl Deref for Claims {
    type Target = ClaimsParts;

    fn deref(&self) -> &ClaimsParts {
        &self.0
    }
}

/// The payload of the token: the claims and [`PROFILE`].
impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Payload<'a> {
            eat_profile: &'static str,
            #[serde(flatten)]
            claims: &'a ClaimsParts,
        }
        Payload {
            eat_profile: PROFILE,
            claims: &self.0,
        }
        .serialize(serializer)
    }
}

impl ClaimsParts {
    /// The highest level devices and findings support, and what the next one lacks.
    ///
    /// `pogw.assurance` is not looked at: this is what it may say.
    #[must_use]
    pub fn supported_level(&self) -> (Level, Option<Shortfall>) {
        assurance::supported(self)
    }

    /// The result checks that held.
    #[must_use]
    pub fn affirmed_results(&self) -> std::collections::BTreeSet<ResultCheck> {
        assurance::affirmed_results(self)
    }
}

/// The agent's key by its RFC 7638 thumbprint (`jkt`, RFC 9449 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The thumbprint.
    pub jkt: Thumbprint,
}

/// Whom a receipt is for: 1 to [`MAX_AUDIENCES`] different names. On the wire a lone name is a string, and both forms
/// are read (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Audience(Vec<Text>);

impl Audience {
    /// An audience of one or several.
    ///
    /// # Errors
    /// [`InvalidValue`] for no names, too many, or one named twice.
    pub fn new(names: impl Into<Vec<Text>>) -> Result<Self, InvalidValue> {
        let names = names.into();
        let mut different = names.clone();
        different.sort_unstable();
        different.dedup();
        if (1..=MAX_AUDIENCES).contains(&names.len()) && different.len() == names.len() {
            Ok(Self(names))
        } else {
            let expected = format!("1 to {MAX_AUDIENCES} different names");
            let actual = format!("{} names", names.len());
            Err(InvalidValue::new("audience", expected, &actual))
        }
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[Text] {
        &self.0
    }
}

impl From<Text> for Audience {
    fn from(name: Text) -> Self {
        Self(vec![name])
    }
}

impl TryFrom<Value> for Audience {
    type Error = InvalidValue;

    fn try_from(value: Value) -> Result<Self, InvalidValue> {
        let name = |value| match value {
            Value::String(name) => Text::new(name),
            other => Err(InvalidValue::new(
                "audience",
                "a string or an array of strings",
                &other.to_string(),
            )),
        };
        match value {
            Value::Array(names) => {
                Self::new(names.into_iter().map(name).collect::<Result<Vec<_>, _>>()?)
            }
            other => name(other).map(Self::from),
        }
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [lone] => lone.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}
