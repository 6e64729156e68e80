-- From here on an event's hash covers its origin, too: by a hash that stays when the origin itself goes with its user. Empty
-- where there is no origin; null for events from before, whose origins nothing covers.
ALTER TABLE events ADD COLUMN origin_hash BLOB CHECK (length(origin_hash) IN (0, 32));

-- Random, so that nobody can find out by trying what an origin was that is gone.
ALTER TABLE event_origins ADD COLUMN nonce BLOB CHECK (length(nonce) = 16);
