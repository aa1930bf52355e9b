-- Whether a challenge was answered with a result that a check of it refuted: then it takes no other answer. It counts
-- among the open ones until it expires.
ALTER TABLE challenges ADD COLUMN refuted BIGINT NOT NULL DEFAULT 0 CHECK (refuted IN (0, 1));
