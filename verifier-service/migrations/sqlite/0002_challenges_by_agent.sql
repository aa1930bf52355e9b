-- Serves the count of an agent's open challenges.
CREATE INDEX challenges_by_agent ON challenges (agent_key, expires_at, receipt);
