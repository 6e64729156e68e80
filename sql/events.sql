-- name: newest
-- The last event, or the last one that was removed if there is none after it.
SELECT seq, hash FROM (
    SELECT seq, hash FROM (SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1) AS kept
    UNION ALL SELECT seq, hash FROM events_removed) AS ever
ORDER BY seq DESC LIMIT 1;

-- name: removed
SELECT seq, hash FROM events_removed;

-- name: set_removed
UPDATE events_removed SET seq = :seq, hash = :hash;

-- name: insert
INSERT INTO events (seq, at, kind, user_id, actor, actor_id, object, detail, origin_hash, hash)
VALUES (:seq, :at, :kind, :user_id, :actor, :actor_id, :object, :detail, :origin_hash, :hash);

-- name: insert_origin
INSERT INTO event_origins (seq, user_id, network, request_id, operator, nonce)
VALUES (:number, :user_id, :network, :request_id, :operator, :nonce);

-- name: was_deleted_after
SELECT EXISTS (SELECT 1 FROM events WHERE user_id = :user_id AND seq > :seq AND kind = :kind) AS was_deleted;

-- name: hash_of
SELECT hash FROM events WHERE seq = :seq;

-- name: list
SELECT e.seq, e.at, e.kind, e.user_id, e.actor, e.actor_id, e.object, e.detail, e.origin_hash, e.hash,
       o.seq AS origin_seq, o.user_id AS origin_user_id, o.network, o.request_id, o.operator, o.nonce
FROM events e LEFT JOIN event_origins o ON o.seq = e.seq
WHERE e.seq > :after ORDER BY e.seq LIMIT :limit;

-- name: list_of_user
SELECT e.seq, e.at, e.kind, e.user_id, e.actor, e.actor_id, e.object, e.detail, e.origin_hash, e.hash,
       o.seq AS origin_seq, o.user_id AS origin_user_id, o.network, o.request_id, o.operator, o.nonce
FROM events e LEFT JOIN event_origins o ON o.seq = e.seq
WHERE e.user_id = :user_id AND e.seq > :after ORDER BY e.seq LIMIT :limit;

-- name: logins_of_user
-- The newest first.
SELECT e.seq, e.at, e.kind, e.user_id, e.actor, e.actor_id, e.object, e.detail, e.origin_hash, e.hash,
       o.seq AS origin_seq, o.user_id AS origin_user_id, o.network, o.request_id, o.operator, o.nonce
FROM events e LEFT JOIN event_origins o ON o.seq = e.seq
WHERE e.user_id = :user_id AND e.seq < :before AND e.kind IN (
    'login.succeeded', 'login.failed', 'code.failed', 'password.changed', 'password.reset', 'password.removed',
    'account.suspended', 'account.unlocked')
ORDER BY e.seq DESC LIMIT :limit;

-- name: oldest
SELECT seq, at, hash FROM events ORDER BY seq LIMIT :limit;

-- name: delete_through
DELETE FROM events WHERE seq <= :seq;
