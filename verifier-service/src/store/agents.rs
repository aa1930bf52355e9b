//! What the store remembers about agents: the tokens they enrol with, their keys, when they were heard of, and which
//! provider a device is with.

use evidence::UnixTime;

use super::parties::PageOf;
use super::{Answer, StoredReceipt};
use crate::audit::By;
use crate::id::Id;

/// A token that lets one agent in, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnrolmentToken {
    /// Its name here.
    pub(crate) id: Id,
    /// The provider whose agent it lets in.
    pub(crate) owner: Id,
    /// The part of its text that finds it.
    pub(crate) prefix: String,
    /// SHA-256 of its text.
    pub(crate) sha256: [u8; 32],
    /// What it is for, in the words of whoever made it.
    pub(crate) label: Option<String>,
    /// When it was made.
    pub(crate) created_at: UnixTime,
    /// The first second in which it no longer counts.
    pub(crate) expires_at: UnixTime,
    /// The agent it let in.
    pub(crate) used_by: Option<Id>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Its name here, the `keyid` of its signatures.
    pub(crate) id: Id,
    /// The provider it belongs to.
    pub(crate) owner: Id,
    /// Its Ed25519 key.
    pub(crate) key: [u8; 32],
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Since when it is known.
    pub(crate) enrolled_at: UnixTime,
    /// Since when it does not count any more.
    pub(crate) removed_at: Option<UnixTime>,
    /// When it was heard of last, give or take what a heartbeat is not written for.
    pub(crate) seen_at: Option<UnixTime>,
    /// What it said of itself then: JSON as [`Declared`](crate::agents::Declared) writes it. Nobody has verified it.
    pub(crate) report: Option<String>,
}

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// How many assignments it takes at one time.
    pub(crate) capacity: u32,
    /// Its devices in short, as [`Declared::shape`](crate::agents::Declared::shape).
    pub(crate) shape: String,
    /// All of it, as [`Agent::report`].
    pub(crate) report: String,
}

/// What became of a new enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedToken {
    /// It counts from now on.
    Stored,
    /// The provider has as many that wait as there may be.
    TooMany,
    /// Another has the prefix; the next draw has another.
    PrefixTaken,
}

/// What became of an agent that wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolled {
    /// It is in.
    New(Agent),
    /// It was before, by the same token: its answer was lost.
    Before(Agent),
    /// There is no such token, or it let another agent in.
    NoToken,
    /// The token has expired.
    Expired,
    /// There is or was an agent with this key.
    KeyTaken,
    /// The provider has as many agents as there may be.
    TooMany,
}

/// A device seen in evidence that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenDevice {
    /// SHA-256 of its `ueid`.
    pub(crate) ueid_sha256: [u8; 32],
    /// The provider whose agent showed it.
    pub(crate) owner: Id,
    /// The agent.
    pub(crate) agent: Id,
    /// When.
    pub(crate) at: UnixTime,
    /// Whoever showed it since then still has it.
    pub(crate) held_since: UnixTime,
}

/// Whose a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// The provider: the one that asked, or another.
    pub(crate) owner: Id,
    /// Since when, without a break.
    pub(crate) since: UnixTime,
}

/// See the [module documentation](self).
pub(crate) trait AgentStore: Send + Sync {
    /// Adds a token; a provider may have `most` that wait to be used.
    fn add_enrolment_token(
        &self,
        token: EnrolmentToken,
        most: u32,
        by: By,
    ) -> Answer<'_, AddedToken>;

    /// The token with this prefix.
    fn enrolment_token_of_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> Answer<'a, Option<EnrolmentToken>>;

    /// Ends a token that was not used; `false` if the provider has no such token.
    fn delete_enrolment_token(&self, owner: Id, token: Id, by: By) -> Answer<'_, bool>;

    /// Lets an agent in by a token, once; a provider may have `most` agents. The owner is that of the token, whatever
    /// `agent` says.
    fn enrol(&self, token: Id, agent: Agent, most: u32, by: By) -> Answer<'_, Enrolled>;

    /// The agent of this name, also if it was removed.
    fn agent(&self, id: Id) -> Answer<'_, Option<Agent>>;

    /// A page of a provider's agents, without those removed.
    fn agents(&self, owner: Id, page: PageOf) -> Answer<'_, Vec<Agent>>;

    /// Ends an agent; `false` if the provider has no such agent.
    fn remove_agent(&self, owner: Id, agent: Id, by: By) -> Answer<'_, bool>;

    /// Remembers that an agent was heard of, and what it says of itself.
    fn agent_seen(&self, agent: Id, said: Said, now: UnixTime) -> Answer<'_, ()>;

    /// The latest receipt about work of the agent with this key.
    fn latest_receipt_of(&self, agent_key: [u8; 32]) -> Answer<'_, Option<StoredReceipt>>;

    /// Remembers whose agent showed a device, unless another's did lately; whose it is now.
    fn claim_device(&self, seen: SeenDevice) -> Answer<'_, Claimed>;
}
