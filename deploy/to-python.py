#!/usr/bin/env python3
"""Fills a database of the Python authnzerver with the accounts of this one, for going back.

    authnzerver user export users.jsonl --with-hashes
    to-python.py users.jsonl /var/lib/authnzerver/.authdb.sqlite

The database is one that the Python authnzerver has made, best a new one, and its server is stopped. Either all accounts
are written or none. Accounts keep their numbers; what had a number before is replaced. Sessions and API keys stay behind:
users log in again, and keys are issued anew. Needs Python 3.8 or newer, and nothing else.
"""

import html
import json
import re
import secrets
import sqlite3
import sys

# What the Python authnzerver can verify. Marks such as ",norm=nfkc" stand behind the parameters.
ARGON2 = re.compile(r"\$argon2(id|i|d)\$(v=\d+\$)?m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


def stored_time(text):
    """A time as SQLAlchemy keeps it in SQLite."""
    if text is None:
        return None
    day, time = text[:10], text[11:]
    whole, _, fraction = time.partition(".")
    return f"{day} {whole}.{(fraction or '0').ljust(6, '0')[:6]}"


def no_password():
    """A hash that no password has."""
    return f"$argon2id$v=19$m=65536,t=3,p=4${secrets.token_hex(8)}${'A' * 43}"


def row(user):
    notes = user["extra"] if isinstance(user["extra"], dict) else {}
    role = user["role"] or "locked"
    if user["lock"]:
        history = notes.get("previous_user_roles")
        if not isinstance(history, list) or history[-1:] != [role]:
            notes["previous_user_roles"] = ["locked", role]
        role = "locked"
    usable = ARGON2.fullmatch(user["password_hash"]) is not None
    values = {
        "user_id": user["user_id"],
        "system_id": user["system_id"],
        "full_name": None if user["full_name"] is None else html.escape(user["full_name"]),
        "password": user["password_hash"] if usable else no_password(),
        "email": user["email"],
        "email_verified": int(user["verified"]),
        "is_active": int(user["active"] and not user["lock"]),
        "last_login_success": stored_time(user["last_login"]),
        "failed_login_tries": 0,
        "extra_info": json.dumps(notes),
        "created_on": stored_time(user["created"]),
        "last_updated": stored_time(user["created"]),
        "user_role": role,
    }
    return values, usable


def main(export, database):
    with open(export, encoding="utf-8") as lines:
        users = [json.loads(line) for line in lines if line.strip()]
    if any("password_hash" not in user for user in users):
        sys.exit("The export has no hashes: make it with --with-hashes, as JSON Lines.")
    db = sqlite3.connect(f"file:{database}?mode=rw", uri=True, isolation_level=None)
    if db.execute("PRAGMA application_id").fetchone()[0]:
        sys.exit(f"{database} was not made by the Python authnzerver.")
    resets = []
    db.execute("BEGIN IMMEDIATE")
    # Where two accounts exchanged addresses, one would be in the other's way.
    db.executemany("DELETE FROM users WHERE user_id = ?", [(user["user_id"],) for user in users])
    for user in users:
        values, usable = row(user)
        if not usable:
            resets.append(values["user_id"])
        db.execute(
            "INSERT OR IGNORE INTO roles (name, desc) VALUES (?, ?)",
            (values["user_role"], f"Role with {values['user_role']} privileges"),
        )
        names = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        db.execute(f"INSERT INTO users ({names}) VALUES ({places})", values)
    db.execute("COMMIT")
    print(f"{len(users)} accounts written to {database}")
    if resets:
        print("Their hashes are none that Python reads, so these users have to reset their passwords:")
        print(" ".join(str(number) for number in resets))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
