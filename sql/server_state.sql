-- name: set
INSERT INTO server_state (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: clear_probe
DELETE FROM server_state WHERE name = 'write_probe';

-- name: last_seen_time
SELECT coalesce((SELECT value FROM server_state WHERE name = 'last_seen_time'),
                (SELECT max(last_updated) FROM users)) AS last_seen;

-- name: last_backup
SELECT value AS last_backup FROM server_state WHERE name = 'last_backup';
