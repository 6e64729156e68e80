-- Whatever changes a row that may be kept in memory says so, on the connection that writes and only there. A row that is
-- added changes none that was read before.
CREATE TEMP TRIGGER session_changed AFTER UPDATE ON sessions BEGIN SELECT token_changed(old.token_hash); END;
CREATE TEMP TRIGGER session_gone AFTER DELETE ON sessions BEGIN SELECT token_changed(old.token_hash); END;
CREATE TEMP TRIGGER apikey_changed AFTER UPDATE ON apikeys_nosession BEGIN SELECT token_changed(old.token_hash); END;
CREATE TEMP TRIGGER apikey_gone AFTER DELETE ON apikeys_nosession BEGIN SELECT token_changed(old.token_hash); END;
CREATE TEMP TRIGGER user_changed AFTER UPDATE ON users BEGIN SELECT user_changed(old.user_id); END;
CREATE TEMP TRIGGER user_gone AFTER DELETE ON users BEGIN SELECT user_changed(old.user_id); END;
