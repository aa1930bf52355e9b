//! Agents: enrolled by one conditional write, heard of, removed; and whose their devices are.

use evidence::UnixTime;
use jobs::{AgentId, PartyId, Record, Workload};

use super::{SqlStore, after, id};
use crate::store::agents::{
    AgentStore, DeviceOf, Enrolled, Enrolment, EnrolmentToken, Heartbeat, PresentAgent, StoredAgent,
};
use crate::store::sql::{Row, Session, values};
use crate::store::{Answer, Page, StoreError};

impl SqlStore {
    async fn try_enrol(&self, new: &Enrolment) -> Result<Enrolled, StoreError> {
        let mut tx = self.database.write().await?;
        // Of two at once the second waits for the first and then finds the token spent.
        let taken = tx
            .execute_returning(
                "UPDATE enrolment_tokens SET agent = $1
                 WHERE sha256 = $2 AND agent IS NULL AND expires_at > $3 RETURNING owner",
                values![&new.agent, new.token_sha256, new.now],
            )
            .await?;
        let Some(row) = taken.first() else {
            return enrolled_before(&mut tx, new).await;
        };
        let owner = id(row, "owner", PartyId::parse)?;
        let inserted = tx
            .execute(
                "INSERT INTO agents (id, owner, key, enrolled_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                values![&new.agent, &owner, new.key, new.now],
            )
            .await?;
        if inserted == 0 {
            return Ok(Enrolled::KeyTaken);
        }
        tx.commit().await?;
        Ok(Enrolled::New(StoredAgent {
            id: new.agent.clone(),
            owner,
            key: new.key,
            enrolled_at: new.now,
            removed_at: None,
            seen_at: None,
            capacity: 0,
            report: None,
        }))
    }

    async fn try_claim(
        &self,
        ueid_sha256: [u8; 32],
        agent: &AgentId,
        now: UnixTime,
    ) -> Result<Option<DeviceOf>, StoreError> {
        let mut tx = self.database.write().await?;
        let Some(of) = find(&mut tx, agent).await? else {
            return Ok(None);
        };
        tx.execute(
            "INSERT INTO devices (ueid_sha256, owner, agent, seen_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            values![ueid_sha256, &of.owner, agent, now],
        )
        .await?;
        let owner = "SELECT owner FROM devices WHERE ueid_sha256 = $1";
        let row = tx.fetch_optional(owner, values![ueid_sha256]).await?;
        let row = row.ok_or(StoreError::Malformed { column: "owner" })?;
        let owner = id(&row, "owner", PartyId::parse)?;
        tx.commit().await?;
        Ok(Some(match owner == of.owner {
            true => DeviceOf::ThisOwner,
            false => DeviceOf::Another(owner),
        }))
    }
}

impl AgentStore for SqlStore {
    fn add_enrolment_token(&self, token: EnrolmentToken) -> Answer<'_, ()> {
        Box::pin(async move {
            self.changes(
                "INSERT INTO enrolment_tokens (sha256, owner, created_at, expires_at)
                 VALUES ($1, $2, $3, $4)",
                values![
                    token.sha256,
                    &token.owner,
                    token.created_at,
                    token.expires_at
                ],
            )
            .await
            .map(drop)
        })
    }

    fn enrol(&self, enrolment: Enrolment) -> Answer<'_, Enrolled> {
        Box::pin(async move { self.again(|| self.try_enrol(&enrolment)).await })
    }

    fn agent<'a>(&'a self, id: &'a AgentId) -> Answer<'a, Option<StoredAgent>> {
        Box::pin(async move { find(&mut self.database.read().await?, id).await })
    }

    fn agents<'a>(&'a self, owner: &'a PartyId, page: Page) -> Answer<'a, Vec<StoredAgent>> {
        Box::pin(async move {
            let (at, name) = after(&page);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id, owner, key, enrolled_at, removed_at, seen_at, capacity, report FROM agents
                     WHERE owner = $1 AND removed_at IS NULL AND (enrolled_at, id) < ($2, $3)
                     ORDER BY enrolled_at DESC, id DESC LIMIT $4",
                    values![owner, at, name, page.limit],
                )
                .await?;
            rows.iter().map(agent).collect()
        })
    }

    fn remove_agent<'a>(
        &'a self,
        owner: &'a PartyId,
        id: &'a AgentId,
        now: UnixTime,
    ) -> Answer<'a, bool> {
        Box::pin(self.changes(
            "UPDATE agents SET removed_at = $1 WHERE id = $2 AND owner = $3 AND removed_at IS NULL",
            values![now, id, owner],
        ))
    }

    fn heartbeat<'a>(&'a self, id: &'a AgentId, heartbeat: Heartbeat) -> Answer<'a, bool> {
        Box::pin(self.changes(
            "UPDATE agents SET seen_at = $1, capacity = $2, report = $3
             WHERE id = $4 AND removed_at IS NULL",
            values![heartbeat.now, heartbeat.capacity, heartbeat.report, id],
        ))
    }

    fn present<'a>(
        &'a self,
        workload: &'a Workload,
        since: UnixTime,
        limit: u32,
    ) -> Answer<'a, Vec<PresentAgent>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            // The sample need not be unguessable: who of it is chosen is drawn elsewhere.
            let rows = session
                .fetch(
                    "SELECT id, owner, report, coalesce(good, 0) AS good FROM agents
                     LEFT JOIN records ON records.agent = agents.id AND workload = $1
                     WHERE seen_at >= $2 AND removed_at IS NULL AND report IS NOT NULL
                       AND capacity > (SELECT count(*) FROM assignments
                                       WHERE assignments.agent = agents.id AND is_open = 1
                                         AND status IN ('offered', 'leased'))
                     ORDER BY random() LIMIT $3",
                    values![workload.as_str(), since, limit],
                )
                .await?;
            rows.iter().map(present).collect()
        })
    }

    fn claim_device<'a>(
        &'a self,
        ueid_sha256: [u8; 32],
        agent: &'a AgentId,
        now: UnixTime,
    ) -> Answer<'a, Option<DeviceOf>> {
        Box::pin(async move { self.again(|| self.try_claim(ueid_sha256, agent, now)).await })
    }
}

async fn enrolled_before(session: &mut Session, new: &Enrolment) -> Result<Enrolled, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT agents.id, agents.owner, key, enrolled_at, removed_at, seen_at, capacity, report
             FROM enrolment_tokens JOIN agents ON agents.id = enrolment_tokens.agent
             WHERE sha256 = $1 AND key = $2 AND removed_at IS NULL",
            values![new.token_sha256, new.key],
        )
        .await?;
    match row {
        Some(row) => Ok(Enrolled::Before(agent(&row)?)),
        None => Ok(Enrolled::TokenUnusable),
    }
}

async fn find(session: &mut Session, id: &AgentId) -> Result<Option<StoredAgent>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, owner, key, enrolled_at, removed_at, seen_at, capacity, report FROM agents
             WHERE id = $1",
            values![id],
        )
        .await?;
    row.as_ref().map(agent).transpose()
}

fn agent(row: &Row) -> Result<StoredAgent, StoreError> {
    Ok(StoredAgent {
        id: id(row, "id", AgentId::parse)?,
        owner: id(row, "owner", PartyId::parse)?,
        key: row.array("key")?,
        enrolled_at: row.time("enrolled_at")?,
        removed_at: row.optional_time("removed_at")?,
        seen_at: row.optional_time("seen_at")?,
        capacity: row.u32("capacity")?,
        report: row.optional_text("report")?,
    })
}

fn present(row: &Row) -> Result<PresentAgent, StoreError> {
    Ok(PresentAgent {
        id: id(row, "id", AgentId::parse)?,
        owner: id(row, "owner", PartyId::parse)?,
        record: Record(row.u32("good")?),
        report: row.text("report")?,
    })
}
