-- name: read
-- All tables as they are at one time.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = '10min';
SET LOCAL enable_seqscan = on;

-- name: write
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = '10min';
SET LOCAL enable_seqscan = on;

-- name: alone
-- Until the connection ends, and only while nobody else is connected: each connection has the same lock beside the others.
SELECT pg_try_advisory_lock(1098152532, hashtext(current_schema()));

-- name: queued
SELECT EXISTS (SELECT 1 FROM event_queue);
