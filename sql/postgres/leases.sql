-- name: take
-- Unless another process has it. One that lies too far ahead was taken under a wrong clock.
INSERT INTO leases (account_hash, network, holder, ends) VALUES (:account_hash, :network, :holder, :ends)
ON CONFLICT (account_hash, network) DO UPDATE SET holder = excluded.holder, ends = excluded.ends
WHERE leases.holder = excluded.holder OR leases.ends <= :now OR leases.ends > :latest;

-- name: end
DELETE FROM leases WHERE account_hash = :account_hash AND network = :network AND holder = :holder;

-- name: count_elsewhere
SELECT count(*) AS count FROM leases WHERE account_hash = :account_hash AND holder <> :holder AND ends > :now;

-- name: delete_ended
DELETE FROM leases WHERE (account_hash, network) IN
    (SELECT account_hash, network FROM leases WHERE ends < :cutoff LIMIT :limit);
