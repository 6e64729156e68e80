-- name: lock
-- Until the transaction ends: of two processes that start at a time, the second one finds what the first has made.
SELECT pg_advisory_xact_lock(1098152530, hashtext(current_schema()));

-- name: has_version
SELECT to_regclass('authnzerver_schema') IS NOT NULL;

-- name: has_tables
SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f'));

-- name: version
SELECT version FROM authnzerver_schema;

-- name: seconds
-- Since 1970, by the server's clock.
SELECT CAST(extract(epoch FROM clock_timestamp()) AS BIGINT) AS seconds;

-- name: make_version
CREATE TABLE authnzerver_schema (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    version  BIGINT NOT NULL
);
INSERT INTO authnzerver_schema (only_row, version) VALUES (1, 0);
