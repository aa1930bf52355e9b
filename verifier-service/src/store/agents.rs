//! What the store remembers about agents: who enrolled them, when they were last heard of, whose their devices are.

use evidence::UnixTime;
use jobs::{AgentId, PartyId, Record, Workload};

use super::{Answer, Page};

/// A token that enrols one agent, by its digest.
#[derive(Clone, Debug)]
pub(crate) struct EnrolmentToken {
    /// SHA-256 of the token.
    pub(crate) sha256: [u8; 32],
    /// Whose agent it enrols.
    pub(crate) owner: PartyId,
    /// Since when.
    pub(crate) created_at: UnixTime,
    /// The first second in which it no longer counts.
    pub(crate) expires_at: UnixTime,
}

/// An agent about to be enrolled.
#[derive(Clone, Debug)]
pub(crate) struct Enrolment {
    /// SHA-256 of the token.
    pub(crate) token_sha256: [u8; 32],
    /// The agent's name, if it is enrolled.
    pub(crate) agent: AgentId,
    /// Its Ed25519 key.
    pub(crate) key: [u8; 32],
    /// Now.
    pub(crate) now: UnixTime,
}

/// What became of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolled {
    /// It is enrolled.
    New(StoredAgent),
    /// The same key was enrolled by the same token before.
    Before(StoredAgent),
    /// There is no such token, it is spent, or it has expired.
    TokenUnusable,
    /// The key is another agent's.
    KeyTaken,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredAgent {
    /// Its name.
    pub(crate) id: AgentId,
    /// Whose.
    pub(crate) owner: PartyId,
    /// Its Ed25519 key.
    pub(crate) key: [u8; 32],
    /// Since when.
    pub(crate) enrolled_at: UnixTime,
    /// Since when it takes part no longer.
    pub(crate) removed_at: Option<UnixTime>,
    /// When it was last heard of.
    pub(crate) seen_at: Option<UnixTime>,
    /// How many assignments it takes at one time.
    pub(crate) capacity: u32,
    /// What it last said of itself, JSON.
    pub(crate) report: Option<String>,
}

/// A sign of life.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    /// Now.
    pub(crate) now: UnixTime,
    /// How many assignments it takes at one time.
    pub(crate) capacity: u32,
    /// What it says of itself, JSON.
    pub(crate) report: String,
}

/// An agent that could be given work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PresentAgent {
    /// Which.
    pub(crate) id: AgentId,
    /// Whose.
    pub(crate) owner: PartyId,
    /// Its record with the workload asked about.
    pub(crate) record: Record,
    /// What it last said of itself, JSON.
    pub(crate) report: String,
}

/// What became of a device that evidence has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceOf {
    /// It is this owner's, since now or before.
    ThisOwner,
    /// It is another's.
    Another(PartyId),
}

/// See the [module documentation](self).
pub(crate) trait AgentStore: Send + Sync {
    /// Adds a token.
    fn add_enrolment_token(&self, token: EnrolmentToken) -> Answer<'_, ()>;

    /// Spends a token and enrols an agent, in one step.
    fn enrol(&self, enrolment: Enrolment) -> Answer<'_, Enrolled>;

    /// The agent of this name, also one that was removed.
    fn agent<'a>(&'a self, id: &'a AgentId) -> Answer<'a, Option<StoredAgent>>;

    /// The agents of an owner, latest first, without those that were removed.
    fn agents<'a>(&'a self, owner: &'a PartyId, page: Page) -> Answer<'a, Vec<StoredAgent>>;

    /// Removes an agent of an owner; `false` if it has none of this name that takes part.
    fn remove_agent<'a>(
        &'a self,
        owner: &'a PartyId,
        id: &'a AgentId,
        now: UnixTime,
    ) -> Answer<'a, bool>;

    /// Notes a sign of life; `false` if there is no such agent, or it was removed.
    fn heartbeat<'a>(&'a self, id: &'a AgentId, heartbeat: Heartbeat) -> Answer<'a, bool>;

    /// Agents heard of since a time that have room for an assignment, in no order: a sample, where there are more.
    fn present<'a>(
        &'a self,
        workload: &'a Workload,
        since: UnixTime,
        limit: u32,
    ) -> Answer<'a, Vec<PresentAgent>>;

    /// Notes whose a device is, unless that is known.
    fn claim_device<'a>(
        &'a self,
        ueid_sha256: [u8; 32],
        agent: &'a AgentId,
        now: UnixTime,
    ) -> Answer<'a, Option<DeviceOf>>;
}
