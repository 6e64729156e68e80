-- name: set
INSERT INTO server_state (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: fill_probe
INSERT INTO server_state (name, value) VALUES ('write_probe', hex(zeroblob(:bytes / 2)))
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: clear_probe
DELETE FROM server_state WHERE name = 'write_probe';
