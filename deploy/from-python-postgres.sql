-- Writes the accounts of a Python authnzerver's PostgreSQL database as CSV, for `authnzerver user import`:
--
--   psql --quiet --file=from-python-postgres.sql DATABASE > users.csv
--
-- The accounts that the Python authnzerver made for itself (2 and 3) stay out of it. Names lose the HTML escapes that they
-- are stored with; the import puts them back. Whoever a person locked has a role from before that lock.
COPY (
    SELECT email,
           replace(replace(replace(replace(replace(coalesce(full_name, ''), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'),
                           '&#x27;', ''''), '&amp;', '&') AS full_name,
           password AS password_hash,
           CASE WHEN user_role = 'locked' AND NOT email_verified THEN ''
                WHEN user_role = 'locked' THEN coalesce(extra_info -> 'previous_user_roles' ->> -1, 'authenticated')
                ELSE user_role END AS role,
           CASE WHEN email_verified THEN 'yes' ELSE 'no' END AS verified,
           CASE WHEN is_active OR user_role = 'locked' AND email_verified THEN 'yes' ELSE 'no' END AS active,
           CASE WHEN user_role = 'locked' AND email_verified THEN 'yes' ELSE 'no' END AS lock,
           to_char(created_on, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created,
           system_id,
           (extra_info::jsonb - 'previous_user_roles')::text AS extra
    FROM users
    WHERE user_id NOT IN (2, 3)
    ORDER BY user_id
) TO STDOUT (FORMAT csv, HEADER);
