//! What is recorded: a closed list of words, each the kind of its object and a verb.

use std::str::FromStr;

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $object:literal . $verb:literal,)+) => {
        /// Something that is done to an object. Words are never renamed and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Action {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Action {
            /// Every action with its one-line meaning.
            pub(crate) const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$variant, concat!($($doc),+)),)+];

            /// The word in the log and on the wire.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($object, ".", $verb),)+
                }
            }

            /// The kind of what it is done to.
            pub(crate) const fn object(self) -> &'static str {
                match self {
                    $(Self::$variant => $object,)+
                }
            }
        }
    };
}

actions! {
    /// A text became a version of a policy.
    PolicyUpload = "policy"."upload",
    /// A version decides from now on.
    PolicyActivate = "policy"."activate",
    /// A version was asked what it says, or would have said.
    PolicySimulate = "policy"."simulate",
    /// A party was added.
    PartyCreate = "party"."create",
    /// The agents of a party are offered no more work.
    PartyBar = "party"."bar",
    /// The agents of a party are offered work again.
    PartyAdmit = "party"."admit",
    /// An API key was made.
    ApiKeyCreate = "api_key"."create",
    /// An API key was revoked.
    ApiKeyRevoke = "api_key"."revoke",
    /// A token to enrol with was made.
    EnrolmentTokenCreate = "enrolment_token"."create",
    /// A token to enrol with was ended before it was used.
    EnrolmentTokenDelete = "enrolment_token"."delete",
    /// An agent was let in.
    AgentEnrol = "agent"."enrol",
    /// An agent was removed.
    AgentRemove = "agent"."remove",
    /// A job was taken.
    JobCreate = "job"."create",
    /// A job was taken back.
    JobCancel = "job"."cancel",
    /// The results of a job are audited again.
    JobDispute = "job"."dispute",
    /// Money came in, by the word of a marketplace.
    TransferDeposit = "transfer"."deposit",
    /// Money went out, by the word of a marketplace.
    TransferWithdraw = "transfer"."withdraw",
    /// Money left the treasury for a party, by the word of the operator.
    TransferPayout = "transfer"."payout",
    /// A webhook was added.
    WebhookCreate = "webhook"."create",
    /// A webhook was removed.
    WebhookRemove = "webhook"."remove",
    /// A webhook got another secret.
    WebhookRotate = "webhook"."rotate",
    /// What could not be told is told again.
    WebhookRedeliver = "webhook"."redeliver",
    /// A signing key was added.
    SigningKeyAdd = "signing_key"."add",
    /// A signing key is published, and may sign from a time on.
    SigningKeyPublish = "signing_key"."publish",
    /// A signing key signs no more from a time on.
    SigningKeyRetire = "signing_key"."retire",
    /// A signing key is said to have leaked.
    SigningKeyDisown = "signing_key"."disown",
}

/// The text is no word of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the word of an action")]
pub(crate) struct NotAnAction;

impl FromStr for Action {
    type Err = NotAnAction;

    fn from_str(text: &str) -> Result<Self, NotAnAction> {
        let actions = Self::ALL.iter().map(|(action, _)| *action);
        let mut found = actions.filter(|action| action.as_str() == text);
        found.next().ok_or(NotAnAction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (action, meaning) in Action::ALL {
            let (word, object) = (action.as_str(), action.object());
            assert_eq!(word.parse(), Ok(*action));
            assert!(word.strip_prefix(object).unwrap().starts_with('.'));
            assert!(meaning.ends_with('.'), "{meaning}");
        }
        for wrong in [
            "",
            "policy",
            "policy.",
            "Policy.activate",
            "policy.activate ",
        ] {
            assert_eq!(wrong.parse::<Action>(), Err(NotAnAction));
        }
    }

    #[test]
    fn operations_lists_every_action() {
        let page = include_str!("../../../docs/operations.md");
        for (action, meaning) in Action::ALL {
            let row = format!("| `{}` | {} |", action.as_str(), meaning.trim());
            assert!(page.contains(&row), "expected {row}");
        }
    }
}
