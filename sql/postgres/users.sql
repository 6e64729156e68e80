-- name: restart_numbers
-- For a database without users, whose first ones have fixed numbers. A transaction that was undone has used some up.
SELECT setval(pg_get_serial_sequence('users', 'user_id'), 1, false);
