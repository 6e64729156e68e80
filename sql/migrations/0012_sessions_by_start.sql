-- The sessions of one user by their start: a new one comes after the others, on a page that is being written anyway, and a list
-- has the newest first. Before, the hash of the token decided, so that nearly each session of a busy user was on a page of its own.
DROP INDEX sessions_by_user;
CREATE INDEX sessions_by_user ON sessions (user_id, created);
