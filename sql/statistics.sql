-- name: users
SELECT user_role,
       CASE WHEN is_active = 1 THEN 'active' WHEN email_verified = 0 THEN 'unverified'
            WHEN user_role = 'locked' THEN 'locked' ELSE 'inactive' END AS state,
       count(*) AS rows
FROM users GROUP BY user_role, state ORDER BY user_role, state;

-- name: others
SELECT 'sessions' AS kind, CASE WHEN s.expires <= :now THEN 'expired' WHEN u.user_role = 'anonymous' THEN 'anonymous'
                                ELSE 'logged_in' END AS state, count(*) AS rows
FROM sessions AS s JOIN users AS u USING (user_id) GROUP BY state
UNION ALL SELECT 'api_keys', CASE WHEN expires <= :now THEN 'expired' ELSE 'with_session' END AS state, count(*)
FROM apikeys GROUP BY state
UNION ALL SELECT 'api_keys', CASE WHEN refresh_expires <= :now AND expires <= :now THEN 'expired'
                                  ELSE 'without_session' END AS state, count(*)
FROM apikeys_nosession GROUP BY state
UNION ALL SELECT 'api_keys', CASE WHEN expires <= :now THEN 'expired' ELSE 'scoped' END AS state, count(*)
FROM scoped_keys GROUP BY state
UNION ALL SELECT 'codes', CASE WHEN expires <= :now THEN 'expired' ELSE 'valid' END AS state, count(*)
FROM codes GROUP BY state
UNION ALL SELECT 'emails', state, count(*) FROM email_queue WHERE user_id IS NOT NULL GROUP BY state
UNION ALL SELECT 'locks', cause, count(*) FROM locks GROUP BY cause
UNION ALL SELECT 'events', 'kept', count(*) FROM events;

-- name: unsent_emails
SELECT count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state <> 'dead') AS waiting
FROM email_queue WHERE user_id IS NOT NULL AND state IN ('waiting', 'sending', 'dead');
