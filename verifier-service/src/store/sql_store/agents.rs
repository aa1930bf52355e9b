//! Agents, the tokens they enrol with, and whose devices are whose.

use evidence::UnixTime;
use evidence::work::Base64Url;

use super::parties::{before, hold_party, optional_time};
use super::receipts;
use super::{SqlStore, audit};
use crate::audit::{Action, By, New, details};
use crate::id::Id;
use crate::store::agents::{
    AddedToken, Agent, AgentStore, Claimed, Enrolled, EnrolmentToken, Said, SeenDevice,
};
use crate::store::parties::PageOf;
use crate::store::sql::{Lock, Row, Session, Transaction, values};
use crate::store::{Answer, StoreError, StoredReceipt};

impl SqlStore {
    async fn insert_token(
        &self,
        token: EnrolmentToken,
        most: u32,
        by: By,
    ) -> Result<AddedToken, StoreError> {
        let mut tx = self.database.write().await?;
        hold_party(&mut tx, token.owner).await?;
        let waiting = tx.fetch_int(
            "SELECT count(*) AS n FROM enrolment_tokens
             WHERE owner = $1 AND used_by IS NULL AND expires_at > $2",
            values![token.owner, token.created_at],
        );
        if waiting.await? >= most.into() {
            return Ok(AddedToken::TooMany);
        }
        let added = tx
            .execute(
                "INSERT INTO enrolment_tokens (id, owner, prefix, sha256, label, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (prefix) DO NOTHING",
                values![
                    token.id,
                    token.owner,
                    token.prefix,
                    token.sha256,
                    token.label,
                    token.created_at,
                    token.expires_at
                ],
            )
            .await?;
        if added == 0 {
            return Ok(AddedToken::PrefixTaken);
        }
        let entry = New::done(by, Action::EnrolmentTokenCreate, token.id).of(token.owner);
        let entry = entry.with(details! { "expires_at": token.expires_at });
        audit::commit(tx, entry).await?;
        Ok(AddedToken::Stored)
    }

    async fn drop_token(&self, owner: Id, token: Id, by: By) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let dropped = tx.execute(
            "DELETE FROM enrolment_tokens WHERE id = $1 AND owner = $2 AND used_by IS NULL",
            values![token, owner],
        );
        if dropped.await? == 0 {
            return Ok(false);
        }
        let entry = New::done(by, Action::EnrolmentTokenDelete, token).of(owner);
        audit::commit(tx, entry).await?;
        Ok(true)
    }

    async fn let_in(
        &self,
        token: Id,
        agent: Agent,
        most: u32,
        by: By,
    ) -> Result<Enrolled, StoreError> {
        let mut tx = self.database.write().await?;
        let Some(token) = locked_token(&mut tx, token).await? else {
            return Ok(Enrolled::NoToken);
        };
        if let Some(before) = token.used_by {
            let before = by_id(&mut tx, before).await?;
            let same = before.filter(|before| before.key == agent.key);
            return Ok(same.map_or(Enrolled::NoToken, Enrolled::Before));
        }
        if token.expires_at <= agent.enrolled_at {
            return Ok(Enrolled::Expired);
        }
        hold_party(&mut tx, token.owner).await?;
        let count = "SELECT count(*) AS n FROM agents WHERE owner = $1 AND removed_at IS NULL";
        if tx.fetch_int(count, values![token.owner]).await? >= most.into() {
            return Ok(Enrolled::TooMany);
        }
        let agent = Agent {
            owner: token.owner,
            ..agent
        };
        if !insert_agent(&mut tx, &agent).await? {
            return Ok(Enrolled::KeyTaken);
        }
        tx.execute(
            "UPDATE enrolment_tokens SET used_by = $2 WHERE id = $1",
            values![token.id, agent.id],
        )
        .await?;
        let entry = New::done(by, Action::AgentEnrol, agent.id).of(agent.owner);
        let details = details! { "agent_key": Base64Url(agent.key), "enrolment_token": token.id };
        audit::commit(tx, entry.with(details)).await?;
        Ok(Enrolled::New(agent))
    }

    async fn end_agent(&self, owner: Id, agent: Id, by: By) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let ended = tx.execute(
            "UPDATE agents SET removed_at = $3 WHERE id = $1 AND owner = $2 AND removed_at IS NULL",
            values![agent, owner, by.at],
        );
        if ended.await? == 0 {
            return Ok(false);
        }
        audit::commit(tx, New::done(by, Action::AgentRemove, agent).of(owner)).await?;
        Ok(true)
    }

    async fn note_agent(&self, agent: Id, said: Said, now: UnixTime) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.execute(
            "UPDATE agents SET seen_at = $4, capacity = $2, report = $3, shape = $5
             WHERE id = $1 AND removed_at IS NULL AND (seen_at IS NULL OR seen_at <= $4)",
            values![agent, said.capacity, said.report, now, said.shape],
        )
        .await?;
        tx.commit().await
    }

    /// One statement decides: of two providers that show one device at the same moment, one gets it.
    async fn note_device(&self, seen: SeenDevice) -> Result<Claimed, StoreError> {
        let mut tx = self.database.write().await?;
        tx.execute(
            "INSERT INTO devices (ueid_sha256, owner, agent, first_seen_at, seen_at)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (ueid_sha256) DO UPDATE
             SET owner = excluded.owner, agent = excluded.agent, seen_at = excluded.seen_at,
                 first_seen_at = CASE WHEN devices.seen_at < $5 THEN excluded.first_seen_at
                                      ELSE devices.first_seen_at END
             WHERE devices.owner = excluded.owner OR devices.seen_at < $5",
            values![
                seen.ueid_sha256,
                seen.owner,
                seen.agent,
                seen.at,
                seen.held_since
            ],
        )
        .await?;
        let owner = "SELECT owner, first_seen_at FROM devices WHERE ueid_sha256 = $1";
        let row = tx.fetch_optional(owner, values![seen.ueid_sha256]).await?;
        let row = row.ok_or(StoreError::Malformed { column: "owner" })?;
        let claimed = Claimed {
            owner: row.parsed("owner")?,
            since: row.time("first_seen_at")?,
        };
        tx.commit().await?;
        Ok(claimed)
    }
}

impl AgentStore for SqlStore {
    fn add_enrolment_token(
        &self,
        token: EnrolmentToken,
        most: u32,
        by: By,
    ) -> Answer<'_, AddedToken> {
        Box::pin(self.insert_token(token, most, by))
    }

    fn enrolment_token_of_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> Answer<'a, Option<EnrolmentToken>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session.fetch_optional(
                "SELECT id, owner, prefix, sha256, label, created_at, expires_at, used_by
                 FROM enrolment_tokens WHERE prefix = $1",
                values![prefix],
            );
            row.await?.as_ref().map(read_token).transpose()
        })
    }

    fn delete_enrolment_token(&self, owner: Id, token: Id, by: By) -> Answer<'_, bool> {
        Box::pin(self.drop_token(owner, token, by))
    }

    fn enrol(&self, token: Id, agent: Agent, most: u32, by: By) -> Answer<'_, Enrolled> {
        Box::pin(self.let_in(token, agent, most, by))
    }

    fn agent(&self, id: Id) -> Answer<'_, Option<Agent>> {
        Box::pin(async move { by_id(&mut self.database.read().await?, id).await })
    }

    fn agents(&self, owner: Id, page: PageOf) -> Answer<'_, Vec<Agent>> {
        Box::pin(async move {
            let (at, id) = before(page);
            let mut session = self.database.read().await?;
            let rows = session.fetch(
                "SELECT id, owner, key, name, enrolled_at, removed_at, seen_at, report FROM agents
                 WHERE owner = $1 AND removed_at IS NULL AND (enrolled_at, id) < ($2, $3)
                 ORDER BY enrolled_at DESC, id DESC LIMIT $4",
                values![owner, at, id, page.limit],
            );
            rows.await?.iter().map(read_agent).collect()
        })
    }

    fn latest_receipt_of(&self, agent_key: [u8; 32]) -> Answer<'_, Option<StoredReceipt>> {
        Box::pin(
            async move { receipts::latest_of(&mut self.database.read().await?, agent_key).await },
        )
    }

    fn remove_agent(&self, owner: Id, agent: Id, by: By) -> Answer<'_, bool> {
        Box::pin(self.end_agent(owner, agent, by))
    }

    fn agent_seen(&self, agent: Id, said: Said, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(self.note_agent(agent, said, now))
    }

    fn claim_device(&self, seen: SeenDevice) -> Answer<'_, Claimed> {
        Box::pin(self.note_device(seen))
    }
}

async fn locked_token(
    tx: &mut Transaction,
    token: Id,
) -> Result<Option<EnrolmentToken>, StoreError> {
    let rows = tx.fetch_locked(
        "SELECT id, owner, prefix, sha256, label, created_at, expires_at, used_by
         FROM enrolment_tokens WHERE id = $1",
        Lock::Wait,
        values![token],
    );
    rows.await?.first().map(read_token).transpose()
}

/// Whether it is there now; not if there was one with its key.
async fn insert_agent(tx: &mut Transaction, agent: &Agent) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO agents (id, owner, key, name, enrolled_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING",
        values![
            agent.id,
            agent.owner,
            agent.key,
            agent.name.clone(),
            agent.enrolled_at
        ],
    );
    Ok(added.await? > 0)
}

async fn by_id(session: &mut Session, id: Id) -> Result<Option<Agent>, StoreError> {
    let row = session.fetch_optional(
        "SELECT id, owner, key, name, enrolled_at, removed_at, seen_at, report FROM agents WHERE id = $1",
        values![id],
    );
    row.await?.as_ref().map(read_agent).transpose()
}

fn read_token(row: &Row) -> Result<EnrolmentToken, StoreError> {
    let column = "used_by";
    let used_by = row.optional_text(column)?.map(|id| id.parse());
    Ok(EnrolmentToken {
        id: row.parsed("id")?,
        owner: row.parsed("owner")?,
        prefix: row.text("prefix")?,
        sha256: row.array("sha256")?,
        label: row.optional_text("label")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_by: used_by
            .transpose()
            .map_err(|_| StoreError::Malformed { column })?,
    })
}

fn read_agent(row: &Row) -> Result<Agent, StoreError> {
    Ok(Agent {
        id: row.parsed("id")?,
        owner: row.parsed("owner")?,
        key: row.array("key")?,
        name: row.optional_text("name")?,
        enrolled_at: row.time("enrolled_at")?,
        removed_at: optional_time(row, "removed_at")?,
        seen_at: optional_time(row, "seen_at")?,
        report: row.optional_text("report")?,
    })
}
