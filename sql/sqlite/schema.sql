-- name: schema
SELECT type, name, sql FROM sqlite_schema;
