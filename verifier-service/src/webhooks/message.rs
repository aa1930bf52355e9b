//! What is sent: one event in a few words. The receiver asks for the rest with a credential, so a message that reaches
//! somebody else says little.

use std::fmt;
use std::str::FromStr;

use jobs::{AssignmentId, JobId};
use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::store::jobs::{EventNumber, NumberedEvent};
use crate::store::outbox::Delivery;

/// The id of a message, the same at each attempt: `msg_`, the webhook, the number of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageId {
    /// To whom.
    pub(crate) webhook: Id,
    /// Of which event.
    pub(crate) event: EventNumber,
}

/// The text is no id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected msg_, 32 hexadecimal digits, _ and a number")]
pub(crate) struct NotAMessageId;

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    number: EventNumber,
    job: JobId,
    kind: &'static str,
    at: evidence::UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<AssignmentId>,
}

/// What of an event is sent beside the columns.
#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    assignment: Option<AssignmentId>,
}

impl Message {
    /// Tells of an event.
    pub(crate) fn of(event: &NumberedEvent) -> Self {
        let subject = serde_json::from_str::<Subject>(&event.body).ok();
        Self {
            number: event.number,
            job: event.job.clone(),
            kind: event.kind.as_str(),
            at: event.at,
            assignment: subject.and_then(|subject| subject.assignment),
        }
    }

    /// The bytes that are signed and sent.
    pub(super) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

impl MessageId {
    /// That of a delivery.
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            webhook: delivery.webhook.id,
            event: delivery.event.number,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}_{}", self.webhook, self.event)
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        let parts = text
            .strip_prefix("msg_")
            .and_then(|rest| rest.split_once('_'));
        let read = || {
            let (webhook, event) = parts?;
            Some(Self {
                webhook: webhook.parse().ok()?,
                event: event.parse().ok()?,
            })
        };
        // One spelling: no sign, no leading zero.
        let read = read().filter(|id: &Self| id.to_string() == text);
        read.ok_or(NotAMessageId)
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use evidence::UnixTime;
    use jobs::EventKind;

    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let id = MessageId {
            webhook: Id::random(),
            event: 17,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(
            !id.to_string().contains('.'),
            "a dot separates what is signed"
        );
        let webhook = id.webhook;
        for wrong in [
            String::new(),
            format!("msg_{webhook}"),
            format!("msg_{webhook}_"),
            format!("msg_{webhook}_+17"),
            format!("msg_{webhook}_017"),
            format!("{webhook}_17"),
        ] {
            assert_eq!(wrong.parse::<MessageId>(), Err(NotAMessageId), "{wrong}");
        }
    }

    #[test]
    fn a_message_is_thin() {
        let event = NumberedEvent {
            number: 9,
            job: JobId::parse("j1").unwrap(),
            at: UnixTime::from_secs(1_800_000_000),
            kind: EventKind::AssignmentRefused,
            body: r#"{"at":"x","kind":"assignment_refused","assignment":"a1","provider":"p1","code":"late"}"#
                .to_owned(),
        };
        let sent: serde_json::Value = serde_json::from_str(&Message::of(&event).text()).unwrap();
        let expected = serde_json::json!({
            "number": 9,
            "job": "j1",
            "kind": "assignment_refused",
            "at": "2027-01-15T08:00:00Z",
            "assignment": "a1",
        });
        assert_eq!(sent, expected);
    }
}
