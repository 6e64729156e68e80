-- name: highest
-- The highest number that an event ever had.
SELECT seq FROM sqlite_sequence WHERE name = 'events';
