-- How often everything that was issued to a user was revoked. What a request began to issue before the last time is
-- not issued after it.
ALTER TABLE users ADD COLUMN revocations INTEGER NOT NULL DEFAULT 0;
