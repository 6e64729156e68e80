-- What the step of this number is for stands in that for SQLite.
DROP INDEX sessions_by_user;
CREATE INDEX sessions_by_user ON sessions (user_id, created);
