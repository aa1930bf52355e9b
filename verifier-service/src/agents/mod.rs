//! Agents: how they enrol, how they show that they are there, and how their requests are authenticated.
//!
//! In scope:
//!
//! * enrolment: a provider asks for a token and hands it to a machine; the agent there sends it with a key of its own
//!   and the proof that it holds the key. A token enrols one agent;
//! * presence: what an agent states about itself, and when it was heard of last. Nobody has verified it. It decides
//!   which work the agent can be offered, and the evidence that it hands in later shows whether it was true;
//! * replays: [`Nonces`] knows the requests of the last minutes;
//! * devices: once evidence of a device was *verified*, [`SeenDevice`] says to which provider it belongs and for how
//!   long.
//!
//! Out of scope: which agent gets which work.

mod declared;
mod nonces;
mod presence;

use std::sync::Arc;

use evidence::UnixTime;
use evidence::crypto;
use evidence::work::{Base64Url, is_enrolment_proof};

use crate::audit::{Actor, Asked, By};
use crate::clock::Clock;
use crate::id::Id;
use crate::parties::{Secret, SecretKind};
use crate::problem::{Problem, ProblemCode};
use crate::store::agents::{
    AddedToken, Agent, AgentStore, Enrolled, EnrolmentToken, Said, SeenDevice,
};
use crate::store::{Answer, StoreError};

pub(crate) use declared::Declared;
pub(crate) use nonces::{Nonces, Seen};
use presence::Presence;
pub(crate) use presence::{HEARTBEAT_EVERY_S, PRESENT_FOR_S};

/// Most agents of one provider.
const MAX_AGENTS: u32 = 10_000;
/// Most enrolment tokens of one provider that wait to be used.
const MAX_WAITING_TOKENS: u32 = 1000;
/// How long a device stays with the provider whose agent showed it last, in seconds: 30 days. Machines are sold.
const DEVICE_HELD_S: i64 = 30 * 24 * 3600;
/// Draws of a prefix until it is no chance any more that each was taken: 40 bits are drawn.
const DRAWS: usize = 4;

/// Whoever hands out work.
pub(crate) trait Duties: Send + Sync {
    /// An agent came, or says something else of itself: it may do for what it did not do before.
    fn agent_has_news(&self);

    /// Gives everything the agent has not finished to others. The agent is gone already, and gets nothing new.
    fn release_all(&self, agent: Id) -> Answer<'_, ()>;
}

/// See the [module documentation](self). Copies share everything.
#[derive(Clone)]
pub(crate) struct Agents {
    store: Arc<dyn AgentStore>,
    duties: Arc<dyn Duties>,
    clock: Arc<dyn Clock>,
    presence: Arc<Presence>,
    nonces: Arc<Nonces>,
}

/// An agent that shows a token.
#[derive(Debug)]
pub(crate) struct Applicant {
    /// The token.
    pub(crate) token: String,
    /// The key it signs with from now on.
    pub(crate) key: [u8; 32],
    /// Its signature over token and key.
    pub(crate) proof: [u8; 64],
    /// What people call it.
    pub(crate) name: Option<String>,
}

/// A token with its secret, to be shown once.
pub(crate) struct FreshToken {
    /// What is remembered of it.
    pub(crate) token: EnrolmentToken,
    /// What opens the door.
    pub(crate) secret: Secret,
}

impl SeenDevice {
    /// A device that an agent showed now.
    pub(crate) fn new(ueid: &[u8], agent: &Agent, now: UnixTime) -> Self {
        Self {
            ueid_sha256: crypto::sha256(ueid),
            owner: agent.owner,
            agent: agent.id,
            at: now,
            held_since: UnixTime::from_secs(now.secs().saturating_sub(DEVICE_HELD_S)),
        }
    }
}

impl Agents {
    /// Agents of this store.
    pub(crate) fn new(
        store: Arc<dyn AgentStore>,
        duties: Arc<dyn Duties>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            duties,
            clock,
            presence: Arc::default(),
            nonces: Arc::default(),
        }
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn AgentStore> {
        &self.store
    }

    /// Which requests were seen.
    pub(crate) fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// The agent of this name, unless it was removed.
    pub(crate) async fn living(&self, id: Id) -> Result<Option<Agent>, StoreError> {
        let agent = self.store.agent(id).await?;
        Ok(agent.filter(|agent| agent.removed_at.is_none()))
    }

    /// A token that lets one agent of a provider in.
    ///
    /// # Errors
    /// 422 if too many wait to be used.
    pub(crate) async fn new_token(
        &self,
        owner: Id,
        label: Option<String>,
        expires_at: UnixTime,
        by: &By,
    ) -> Result<FreshToken, Problem> {
        for _ in 0..DRAWS {
            let secret = Secret::random(SecretKind::Enrolment);
            let token = EnrolmentToken {
                id: Id::random(),
                owner,
                prefix: secret.prefix().to_owned(),
                sha256: secret.sha256(),
                label: label.clone(),
                created_at: self.clock.now(),
                expires_at,
                used_by: None,
            };
            let added =
                self.store
                    .add_enrolment_token(token.clone(), MAX_WAITING_TOKENS, by.clone());
            match added.await? {
                AddedToken::Stored => return Ok(FreshToken { token, secret }),
                AddedToken::TooMany => return Err(Problem::new(ProblemCode::TooManyAgents)),
                AddedToken::PrefixTaken => {}
            }
        }
        Err(Problem::new(ProblemCode::Internal))
    }

    /// Lets an agent in; says whether it is new, or one whose answer was lost.
    ///
    /// # Errors
    /// 401 for the token, 422 for the proof and the number of agents, 409 for the key.
    pub(crate) async fn enrol(
        &self,
        applicant: Applicant,
        asked: Asked,
    ) -> Result<(Agent, bool), Problem> {
        let refused = |code| Err(Problem::new(code));
        let Some(token) = self.token(&applicant.token).await? else {
            return refused(ProblemCode::EnrolmentTokenUnknown);
        };
        if !is_enrolment_proof(
            &applicant.token,
            &Base64Url(applicant.key),
            &Base64Url(applicant.proof),
        ) {
            return refused(ProblemCode::AgentProofInvalid);
        }
        let agent = Agent {
            id: Id::random(),
            owner: token.owner,
            key: applicant.key,
            name: applicant.name,
            enrolled_at: self.clock.now(),
            removed_at: None,
            seen_at: None,
            report: None,
        };
        let actor = Actor::Agent {
            agent: agent.id,
            party: agent.owner,
        };
        let by = By::new(actor, agent.enrolled_at).in_request(asked);
        match self.store.enrol(token.id, agent, MAX_AGENTS, by).await? {
            Enrolled::New(agent) => Ok((agent, true)),
            Enrolled::Before(agent) if agent.removed_at.is_none() => Ok((agent, false)),
            Enrolled::Before(_) | Enrolled::NoToken => refused(ProblemCode::EnrolmentTokenUnknown),
            Enrolled::Expired => refused(ProblemCode::EnrolmentTokenExpired),
            Enrolled::KeyTaken => refused(ProblemCode::AgentKeyTaken),
            Enrolled::TooMany => refused(ProblemCode::TooManyAgents),
        }
    }

    async fn token(&self, text: &str) -> Result<Option<EnrolmentToken>, StoreError> {
        let Some(secret) = Secret::parse(SecretKind::Enrolment, text) else {
            return Ok(None);
        };
        let found = self
            .store
            .enrolment_token_of_prefix(secret.prefix())
            .await?;
        Ok(found.filter(|token| secret.is(&token.sha256)))
    }

    /// Ends an agent of a provider, and gives its unfinished work to others; `false` if the provider has no such agent.
    /// The agent goes first: if the process ends in between, whoever hands out work finds an agent that is gone, and the
    /// clerk of any verifier finds what it left.
    pub(crate) async fn remove(&self, owner: Id, agent: Id, by: By) -> Result<bool, StoreError> {
        let removed = self.store.remove_agent(owner, agent, by).await?;
        if removed {
            self.duties.release_all(agent).await?;
        }
        Ok(removed)
    }

    /// Remembers that an agent was heard of, in the store only where that is news.
    pub(crate) async fn heard(&self, agent: Id, declared: &Declared) -> Result<(), StoreError> {
        let now = self.clock.now();
        let text = declared.to_json();
        let sha256 = crypto::sha256(text.as_bytes());
        if self.presence.is_known(agent, &sha256, now) {
            return Ok(());
        }
        let said = Said {
            capacity: declared.capacity,
            shape: declared.shape(),
            report: text,
        };
        self.store.agent_seen(agent, said, now).await?;
        if self.presence.is_written(agent, sha256, now) {
            self.duties.agent_has_news();
        }
        Ok(())
    }
}
