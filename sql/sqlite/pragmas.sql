-- What every connection is set to, with the reason for each.

-- Readers go on while the writer commits; one file to back up, two beside it while the server runs.
PRAGMA journal_mode = WAL;
-- A commit has reached the disk before its answer leaves.
PRAGMA synchronous = FULL;
-- Deleting a user takes the sessions and API keys along.
PRAGMA foreign_keys = ON;
-- Another process (a backup, a person with the sqlite3 shell) may hold the file for a moment.
PRAGMA busy_timeout = 5000;
-- When the log beside the database begins anew it shrinks to this many bytes. It is as long as that when there is much to
-- write, and a log that has its length already takes less of the disk's time at each commit.
PRAGMA journal_size_limit = 20971520;
-- Sorting and temporary tables stay in memory, so that nothing private is written elsewhere.
PRAGMA temp_store = MEMORY;
-- Deleted rows are overwritten: a removed hash is gone from the file.
PRAGMA secure_delete = ON;
-- A damaged or hostile file gets no chance to run functions or write through its schema.
PRAGMA trusted_schema = OFF;
-- Four MiB of pages per connection.
PRAGMA cache_size = -4096;
