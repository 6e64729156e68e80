-- name: by_account
SELECT failures, last_try, locked_until, last_success FROM attempts
WHERE account_hash = :account_hash AND network = :network;

-- name: total_failures
-- Over all networks. Times that lie ahead were written under a wrong clock.
SELECT CAST(coalesce(sum(failures), 0) AS BIGINT) AS total FROM
    (SELECT failures FROM attempts WHERE account_hash = :account_hash AND last_try <= :latest LIMIT :rows) AS counted;

-- name: list_locked
SELECT account_hash, network, last_try, locked_until FROM attempts
WHERE locked_until > :now AND locked_until <= :latest ORDER BY account_hash, network LIMIT :rows;

-- name: upsert
INSERT INTO attempts (account_hash, network, failures, last_try, locked_until)
VALUES (:account_hash, :network, :failures, :now, :locked_until)
ON CONFLICT (account_hash, network)
DO UPDATE SET failures = excluded.failures, last_try = excluded.last_try, locked_until = excluded.locked_until;

-- name: upsert_success
INSERT INTO attempts (account_hash, network, failures, last_try, last_success)
VALUES (:account_hash, :network, 0, :now, :now)
ON CONFLICT (account_hash, network)
DO UPDATE SET failures = 0, last_try = :now, locked_until = NULL, last_success = :now;

-- name: delete
DELETE FROM attempts WHERE account_hash = :account_hash AND network = :network;

-- name: delete_by_account
DELETE FROM attempts WHERE account_hash = :account_hash RETURNING locked_until;

-- name: delete_older_than
DELETE FROM attempts WHERE (account_hash, network) IN
    (SELECT account_hash, network FROM attempts
     WHERE last_try < :cutoff AND (locked_until IS NULL OR locked_until < :now) LIMIT :limit);

-- name: delete_surplus
-- What lies ahead was written under a wrong clock, and goes first.
DELETE FROM attempts WHERE (account_hash, network) IN
    (SELECT account_hash, network FROM attempts WHERE (SELECT count(*) FROM attempts) > :kept
     ORDER BY last_try > :latest, last_try DESC LIMIT :limit OFFSET :kept);
