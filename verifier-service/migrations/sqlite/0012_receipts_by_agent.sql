-- Finds the latest receipt of an agent, for what its devices showed.
CREATE INDEX receipts_by_agent ON receipts (agent_key, issued_at);
