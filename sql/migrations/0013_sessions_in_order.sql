-- Sessions in the order in which they begin, and not in that of their tokens' hashes. There, each new one came to lie on another
-- page among a few rows, was written with all of them, and every few sessions divided a page. Now it comes after the last one, and
-- elsewhere there is only an entry of an index, of which a page holds many. Those that are there already stay in their old order.

-- The table of the API keys that belong to sessions is made anew with them: a key goes with the session that its row refers to.
ALTER TABLE sessions RENAME TO former_sessions;
ALTER TABLE apikeys RENAME TO former_apikeys;
DROP INDEX sessions_by_user;
DROP INDEX sessions_by_expiry;
DROP INDEX apikeys_by_user;
DROP INDEX apikeys_by_session;
DROP INDEX apikeys_by_expiry;
CREATE TABLE sessions (
    token_hash      BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    ip_address      TEXT NOT NULL,
    user_agent      TEXT NOT NULL,
    user_id         INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created         TEXT NOT NULL,
    expires         TEXT NOT NULL,
    extra_info_json TEXT
) STRICT;

CREATE TABLE apikeys (
    token_hash       BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    issued           TEXT NOT NULL,
    expires          TEXT NOT NULL,
    not_valid_before TEXT NOT NULL,
    user_id          INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    user_role        TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    session_hash     BLOB NOT NULL REFERENCES sessions (token_hash) ON DELETE CASCADE,
    -- SHA-256 of the claims as they were issued. Keys from a Python-made file have none.
    claims_hash      BLOB CHECK (claims_hash IS NULL OR length(claims_hash) = 32)
) STRICT, WITHOUT ROWID;
INSERT INTO apikeys (token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash, claims_hash)
SELECT token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash, claims_hash FROM former_apikeys;
DROP TABLE former_apikeys;
CREATE INDEX apikeys_by_user ON apikeys (user_id);
CREATE INDEX apikeys_by_session ON apikeys (session_hash);
CREATE INDEX apikeys_by_expiry ON apikeys (expires);

-- They move a sixteenth at a time. SQLite keeps in memory what a statement has changed until it ends, and the next sixteenth takes
-- the room that one leaves.
CREATE VIEW moves AS SELECT NULL AS below;
CREATE TRIGGER move_those_below INSTEAD OF INSERT ON moves BEGIN
    INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json)
    SELECT token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json FROM former_sessions
    WHERE token_hash < new.below;
    DELETE FROM former_sessions WHERE token_hash < new.below;
END;
INSERT INTO moves VALUES (x'10');
INSERT INTO moves VALUES (x'20');
INSERT INTO moves VALUES (x'30');
INSERT INTO moves VALUES (x'40');
INSERT INTO moves VALUES (x'50');
INSERT INTO moves VALUES (x'60');
INSERT INTO moves VALUES (x'70');
INSERT INTO moves VALUES (x'80');
INSERT INTO moves VALUES (x'90');
INSERT INTO moves VALUES (x'A0');
INSERT INTO moves VALUES (x'B0');
INSERT INTO moves VALUES (x'C0');
INSERT INTO moves VALUES (x'D0');
INSERT INTO moves VALUES (x'E0');
INSERT INTO moves VALUES (x'F0');
INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json)
SELECT token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json FROM former_sessions;
DROP VIEW moves;
DROP TABLE former_sessions;
CREATE INDEX sessions_by_user ON sessions (user_id, created);
CREATE INDEX sessions_by_expiry ON sessions (expires);
