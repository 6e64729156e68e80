-- What the step of this number is for stands in that for SQLite. PostgreSQL's rows never lay in the order of a key, so there is
-- nothing to do.
DO 'BEGIN END';
