-- name: list
SELECT fingerprint, name, requests, last_used FROM message_keys ORDER BY fingerprint;

-- name: set
INSERT INTO message_keys (fingerprint, name, requests) VALUES (:fingerprint, :name, :requests)
ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name, requests = excluded.requests;

-- name: delete
DELETE FROM message_keys WHERE fingerprint = :fingerprint;

-- name: set_last_used
UPDATE message_keys SET last_used = :last_used
WHERE fingerprint = :fingerprint AND (last_used IS NULL OR last_used < :last_used);
