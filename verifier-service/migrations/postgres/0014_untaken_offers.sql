-- The changes of ../sqlite/0017 on PostgreSQL: offers that nobody took are forgotten with the openings of their job, and so is
-- who was told of them.

-- Finds the deliveries of an event.
CREATE INDEX deliveries_by_event ON deliveries (event);

-- Jobs whose openings are forgotten already still have such offers.
UPDATE jobs SET unswept_since = created_at
    WHERE unswept_since IS NULL AND status IN ('settled', 'failed', 'cancelled');
