"""Turns the database of a stopped server into one of an earlier schema with the same accounts, as an older program leaves it.

    older.py DATABASE SCHEMA"""

import contextlib, os, pathlib, sqlite3, sys

MIGRATIONS = pathlib.Path(__file__).parents[2] / "sql/migrations"
APPLICATION_ID = 0x41747A52


def columns(database, schema, table):
    return [row[1] for row in database.execute(f"PRAGMA {schema}.table_info({table})")]


def age(path, version):
    older = path.with_name("older.sqlite")
    with contextlib.closing(sqlite3.connect(older, isolation_level=None)) as database:
        for step in sorted(MIGRATIONS.iterdir())[:version]:
            database.executescript(step.read_text())
        database.execute("ATTACH ? AS newer", (str(path),))
        tables = [name for name, in database.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        for table in tables:
            known = columns(database, "newer", table)
            common = ", ".join(f'"{column}"' for column in columns(database, "main", table) if column in known)
            if common:
                database.execute(f"INSERT OR REPLACE INTO main.{table} ({common}) SELECT {common} FROM newer.{table}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("PRAGMA main.journal_mode = WAL")
    about = path.stat()
    os.chown(older, about.st_uid, about.st_gid)
    older.chmod(0o600)
    for companion in ("-wal", "-shm"):
        pathlib.Path(f"{path}{companion}").unlink(missing_ok=True)
    older.replace(path)


age(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
