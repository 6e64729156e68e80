-- name: tables
-- Those that have pages of their own.
SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name;
