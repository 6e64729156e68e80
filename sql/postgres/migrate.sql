-- name: lock
-- Until the transaction ends: of two processes that start at a time, the second one finds what the first has made. It may take long
-- with many accounts.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '10min';
SELECT pg_advisory_xact_lock(1098152530, hashtext(current_schema()));
SET LOCAL lock_timeout = '5s';

-- name: in_use
-- Until the connection ends: nobody copies the database, or into it.
SELECT pg_try_advisory_lock_shared(1098152532, hashtext(current_schema()));

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
