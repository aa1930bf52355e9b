//! One entry: what it says, its canonical form, and the digest that chains it to the one before.
//!
//! The digest of an entry is SHA-256 over `"pogw/1 audit entry\n"` and the entry as canonical JSON (RFC 8785) without its
//! own digest; it has the digest of the entry before as `previous`, 32 zero bytes in the first. That JSON is what
//! `GET /v1/audit` shows, so whoever has entries can check them without the database.

use evidence::UnixTime;
use evidence::crypto::sha256;
use evidence::work::canonical_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Action, By};
use crate::parties::SecretKind;

const DOMAIN: &[u8] = b"pogw/1 audit entry\n";
/// Most bytes of the details of an entry, as canonical JSON. A constraint of the table says the same.
const MAX_DETAILS_BYTES: usize = 2048;

/// Digests and identifiers beside an entry's own columns.
pub(crate) type Details = Map<String, Value>;

/// Details, written as JSON.
macro_rules! details {
    ($($json:tt)*) => {
        match ::serde_json::json!({ $($json)* }) {
            ::serde_json::Value::Object(members) => members,
            _ => $crate::audit::Details::new(),
        }
    };
}
pub(crate) use details;

/// Something to be recorded, before it has its place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct New {
    /// Who, when, in which request.
    pub(crate) by: By,
    /// What.
    pub(crate) action: Action,
    /// To which object of the action's kind.
    pub(crate) object: Option<String>,
    /// Whose the object is.
    pub(crate) party: Option<String>,
    /// The code, where it was refused.
    pub(crate) refused: Option<&'static str>,
    /// What else an auditor would ask for.
    pub(crate) details: Details,
}

/// Where an entry is in the chain: its number, and the digest of all up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The number; 0 before the first.
    pub(crate) number: i64,
    /// The digest.
    pub(crate) digest: [u8; 32],
}

/// An entry as it is stored. Nothing in it is taken for granted: it may have been altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) at: UnixTime,
    pub(crate) actor: String,
    pub(crate) actor_id: Option<String>,
    pub(crate) actor_issuer: Option<String>,
    pub(crate) actor_party: Option<String>,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) object_id: Option<String>,
    pub(crate) party: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) refused: Option<String>,
    /// Canonical JSON.
    pub(crate) details: String,
    pub(crate) previous: Vec<u8>,
    pub(crate) digest: Vec<u8>,
}

#[derive(Serialize)]
struct ShownActor<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    party: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownObject<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    number: i64,
    at: UnixTime,
    actor: ShownActor<'a>,
    action: &'a str,
    object: ShownObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    party: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    details: Value,
    previous: String,
}

impl New {
    /// Something that was done, with nothing to add.
    pub(crate) fn done(by: By, action: Action, object: impl ToString) -> Self {
        Self {
            by,
            action,
            object: Some(object.to_string()),
            party: None,
            refused: None,
            details: Details::new(),
        }
    }

    /// Something that somebody was not let do.
    pub(crate) fn refused(
        by: By,
        action: Action,
        object: Option<String>,
        code: &'static str,
    ) -> Self {
        Self {
            by,
            action,
            object: object.filter(|text| !claims_to_be_secret(text)),
            party: None,
            refused: Some(code),
            details: Details::new(),
        }
    }

    /// The same about an object of a party's.
    pub(crate) fn of(self, party: impl ToString) -> Self {
        Self {
            party: Some(party.to_string()),
            ..self
        }
    }

    /// The same with details. What is null is left out.
    pub(crate) fn with(self, mut details: Details) -> Self {
        details.retain(|_, value| !value.is_null());
        Self { details, ..self }
    }

    /// The entry after another. Details beyond what there is room for are left out, by their size.
    pub(crate) fn after(self, last: Link) -> Result<Entry, serde_json::Error> {
        let By { actor, at, asked } = self.by;
        let mut entry = Entry {
            number: last.number.saturating_add(1),
            at,
            actor: actor.kind().to_owned(),
            actor_id: actor.id(),
            actor_issuer: actor.issuer().map(str::to_owned),
            actor_party: actor.party().map(|party| party.to_string()),
            action: self.action.as_str().to_owned(),
            object: self.action.object().to_owned(),
            object_id: self.object,
            party: self.party,
            request: asked.request,
            trace: asked.trace,
            refused: self.refused.map(str::to_owned),
            details: bounded(&self.details)?,
            previous: last.digest.to_vec(),
            digest: Vec::new(),
        };
        entry.digest = entry.computed()?.to_vec();
        Ok(entry)
    }
}

impl Link {
    /// What the first entry comes after.
    pub(crate) const BEGINNING: Self = Self {
        number: 0,
        digest: [0; 32],
    };
}

impl Entry {
    /// The digest it must have by what it says.
    ///
    /// # Errors
    /// It cannot be written canonically, so nobody wrote it here.
    pub(crate) fn computed(&self) -> Result<[u8; 32], serde_json::Error> {
        let canonical = canonical_json(&self.shown()?)?;
        Ok(sha256(&[DOMAIN, &canonical].concat()))
    }

    /// As it is shown: what the digest is over, and the digest.
    ///
    /// # Errors
    /// As [`Self::computed`].
    pub(crate) fn to_json(&self) -> Result<Value, serde_json::Error> {
        let mut shown = serde_json::to_value(self.shown()?)?;
        shown["digest"] = json!(hex::encode(&self.digest));
        Ok(shown)
    }

    /// Details that are stored in another form than the one that is written are somebody else's.
    fn shown(&self) -> Result<Shown<'_>, serde_json::Error> {
        let details: Value = serde_json::from_str(&self.details)?;
        if !details.is_object() || canonical_json(&details)? != self.details.as_bytes() {
            return Err(serde::de::Error::custom(
                "details are not a canonical object",
            ));
        }
        Ok(Shown {
            number: self.number,
            at: self.at,
            actor: ShownActor {
                kind: &self.actor,
                id: self.actor_id.as_deref(),
                issuer: self.actor_issuer.as_deref(),
                party: self.actor_party.as_deref(),
            },
            action: &self.action,
            object: ShownObject {
                kind: &self.object,
                id: self.object_id.as_deref(),
            },
            party: self.party.as_deref(),
            request: self.request.as_deref(),
            trace: self.trace.as_deref(),
            outcome: match self.refused {
                Some(_) => "refused",
                None => "done",
            },
            code: self.refused.as_deref(),
            details,
            previous: hex::encode(&self.previous),
        })
    }
}

fn bounded(details: &Details) -> Result<String, serde_json::Error> {
    let text = canonical_json(details)?;
    let text = match text.len() <= MAX_DETAILS_BYTES {
        true => text,
        false => canonical_json(&json!({ "omitted_bytes": text.len() }))?,
    };
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

/// A path may hold by mistake what belongs into a header.
fn claims_to_be_secret(text: &str) -> bool {
    let kinds = [SecretKind::ApiKey, SecretKind::Enrolment];
    kinds.into_iter().any(|kind| kind.claims(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Actor;

    fn new() -> New {
        let by = By::new(Actor::Operator, UnixTime::from_secs(1_800_000_000));
        New::done(by, Action::PolicyActivate, "default/1").with(details! { "sha256": "00" })
    }

    /// The form is what whoever checks an export goes by: it never changes.
    #[test]
    fn the_digest_is_over_the_canonical_form() {
        let entry = new().after(Link::BEGINNING).unwrap();
        let zeros = "0".repeat(64);
        let canonical = format!(
            r#"{{"action":"policy.activate","actor":{{"kind":"operator"}},"at":"2027-01-15T08:00:00Z","details":{{"sha256":"00"}},"number":1,"object":{{"id":"default/1","kind":"policy"}},"outcome":"done","previous":"{zeros}"}}"#
        );
        let expected = sha256(format!("pogw/1 audit entry\n{canonical}").as_bytes());
        assert_eq!(entry.digest, expected);
        let shown = entry.to_json().unwrap();
        assert_eq!(shown["digest"], hex::encode(expected));
    }

    #[test]
    fn details_are_bounded() {
        let large = details! { "x": "y".repeat(MAX_DETAILS_BYTES) };
        let entry = new().with(large).after(Link::BEGINNING).unwrap();
        assert_eq!(entry.details, r#"{"omitted_bytes":2056}"#);
        assert_eq!(entry.digest, entry.computed().unwrap());
    }

    #[test]
    fn what_claims_to_be_a_secret_is_no_object() {
        let by = || By::new(Actor::Nobody, UnixTime::from_secs(0));
        let refused = |object: &str| {
            New::refused(by(), Action::ApiKeyRevoke, Some(object.to_owned()), "x").object
        };
        assert_eq!(refused("abc"), Some("abc".to_owned()));
        let secret = crate::parties::Secret::random(SecretKind::ApiKey);
        assert_eq!(refused(secret.text()), None);
        let secret = crate::parties::Secret::random(SecretKind::Enrolment);
        assert_eq!(refused(secret.text()), None);
    }
}
