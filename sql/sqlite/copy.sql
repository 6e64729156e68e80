-- name: columns
SELECT name, type FROM pragma_table_info(:table) ORDER BY cid;

-- name: given
-- The highest number that a row of a table ever had, as far as SQLite keeps it.
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :table;

-- name: forget_given
DELETE FROM sqlite_sequence WHERE name = :table;

-- name: set_given
INSERT INTO sqlite_sequence (name, seq)
SELECT name, :number FROM sqlite_schema WHERE name = :table AND sql LIKE '% AUTOINCREMENT%';
