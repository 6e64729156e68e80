-- What has happened, in the order in which it was committed: audit trail and change feed. What stands here stays when a
-- user is deleted, so nothing here tells who somebody is: accounts go by number, and a number is never given twice.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,
    -- The account that it is about.
    user_id   INTEGER,
    -- Who did it, and by which account if they have one.
    actor     TEXT NOT NULL,
    actor_id  INTEGER,
    -- The session or API key that it is about.
    object    TEXT,
    -- What else there is to say, in words of the program's own.
    detail    TEXT,
    -- SHA-256 of all this and of the hash of the event before.
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX events_by_user ON events (user_id, seq);

-- What is personal about an event. It goes with the user whose it is, with the event, or both; no hash covers it.
CREATE TABLE event_origins (
    seq        INTEGER PRIMARY KEY REFERENCES events (seq) ON DELETE CASCADE,
    user_id    INTEGER REFERENCES users (user_id) ON DELETE CASCADE,
    network    TEXT,
    -- The ID of the request, as the calling server chose it.
    request_id TEXT,
    -- The login name of the operator who typed the command.
    operator   TEXT
) STRICT;
CREATE INDEX event_origins_by_user ON event_origins (user_id);

-- The last event that was removed because it was old: from its hash on, the chain can be checked.
CREATE TABLE events_removed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    seq      INTEGER NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO events_removed (only_row, seq, hash) VALUES (1, 0, zeroblob(32));
