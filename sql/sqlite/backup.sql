-- name: set_note
INSERT INTO server_state (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: note
SELECT value FROM server_state WHERE name = :name;

-- name: forget_notes
DELETE FROM server_state WHERE name IN ('backup_taken', 'backup_belongs_to');
