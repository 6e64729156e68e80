-- name: list
SELECT name, "desc" FROM roles ORDER BY name;

-- name: insert
INSERT INTO roles (name, "desc") VALUES (:name, :description) ON CONFLICT (name) DO NOTHING;
