-- name: highest
-- The highest number that an event ever had.
SELECT seq FROM events_highest;

-- name: set_highest
UPDATE events_highest SET seq = :seq;

-- name: queue
INSERT INTO event_queue (at, kind, user_id, actor, actor_id, object, detail, origin_hash)
VALUES (:at, :kind, :user_id, :actor, :actor_id, :object, :detail, :origin_hash)
RETURNING number;

-- name: queue_origin
INSERT INTO event_queue_origins (number, user_id, network, request_id, operator, nonce)
VALUES (:number, :user_id, :network, :request_id, :operator, :nonce);

-- name: last_queued
-- Nothing where none is.
SELECT max(number) AS number FROM event_queue;

-- name: any_queued
SELECT EXISTS (SELECT 1 FROM event_queue WHERE number <= :last);

-- name: lock
-- Until the transaction ends: one at a time gives numbers.
SELECT pg_advisory_xact_lock(1098152531, hashtext(current_schema()));

-- name: queued
-- Those that no transaction which still runs can come before.
SELECT number, at, kind, user_id, actor, actor_id, object, detail, origin_hash FROM event_queue
WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, number LIMIT :limit;

-- name: requeue
-- Those of a transaction that there has not been yet: they came here from another server, by a dump.
UPDATE event_queue SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());

-- name: take_origin
INSERT INTO event_origins (seq, user_id, network, request_id, operator, nonce)
SELECT :seq, user_id, network, request_id, operator, nonce FROM event_queue_origins WHERE number = :number;

-- name: unqueue
DELETE FROM event_queue WHERE number = :number;
