"""How a conversation is written down, and what its words stand for.

A conversation is a list of steps; both servers are asked the same. In a body, "$name" stands for what a step before has
kept, `changed` for a kept object with other values in it, and `after` for a time. They differ between the two servers,
as tokens do.
"""

import copy
import dataclasses
import datetime
import json

from servers import ADMIN_EMAIL, ADMIN_PASSWORD

PASSWORD = "quiet-lanterns-over-9-hills"
OTHER_PASSWORD = "seven-harbours-and-1-bridge"
NOBODYS_TOKEN = "no-such-token-0123456789-abcdefghijklmnopqr"
ADDRESS = "192.0.2.7"
BROWSER = "Firefox/128"

# Who there is before a conversation begins; `cast` of conversations.py signs them up. 2 stands for visitors, 3 for those
# who are locked.
ROOT, VISITORS, LOCKED, ALICE, BOB, SAM, TINA, LOU, IVY = range(1, 10)
NOBODY = 999


def email(name):
    return f"{name}@example.org"


@dataclasses.dataclass
class Step:
    name: str
    request: str
    body: object
    keep: dict
    # What stands around the body, other than usually; and for raw exchanges, method, path and bytes.
    envelope: dict = dataclasses.field(default_factory=dict)
    raw: tuple = None


def ask(name, request, body, **keep):
    """A request. `keep` says what of the answer is remembered, and under which name."""
    return Step(name, request, body, keep)


def raw(name, method, path, data=None, host=None):
    """Bytes as they are."""
    return Step(name, f"{method} {path}", None, {}, raw=(method, path, data, host))


def envelope(name, **parts):
    """A sealed message whose parts are other than usually; None leaves a part out."""
    return Step(name, parts.get("request", "session-exists"), {"session_token": NOBODYS_TOKEN}, {}, envelope=parts)


def changed(kept, **values):
    return {"$changed": kept, "values": values}


def after(days=0, seconds=0, form="%Y-%m-%dT%H:%M:%S.%f"):
    return {"$after": datetime.timedelta(days=days, seconds=seconds), "form": form}


def filled(body, kept):
    """The body with its words replaced by what they stand for."""
    if isinstance(body, str) and body.startswith("$"):
        return copy.deepcopy(kept.get(body[1:], NOBODYS_TOKEN))
    if isinstance(body, list):
        return [filled(inner, kept) for inner in body]
    if not isinstance(body, dict):
        return body
    if "$changed" in body:
        found = filled(body["$changed"], kept)
        return {**(found if isinstance(found, dict) else {}), **filled(body["values"], kept)}
    if "$after" in body:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (now + body["$after"]).strftime(body["form"])
    return {key: filled(inner, kept) for key, inner in body.items()}


def remember(keep, answer, kept):
    """Keeps parts of an answer; the text of an API key as the object that it is."""
    for name, key in keep.items():
        value = (answer.get("response") or {}).get(key)
        if isinstance(value, str) and value.startswith("{"):
            value = json.loads(value)
        if value is not None:
            kept[name] = value


def session(user_id, **keep):
    """A session of a user, or of a visitor for None."""
    body = {
        "ip_address": ADDRESS,
        "user_agent": BROWSER,
        "user_id": user_id,
        "expires": after(days=7),
        "extra_info_json": None,
    }
    return ask(f"a session of user {user_id} for {'/'.join(keep)}", "session-new", body, **keep)


def exists(name, token):
    return ask(name, "session-exists", {"session_token": token})


def sign_up(name, **body):
    asked = {"full_name": f"{name.capitalize()} Example", "email": email(name), "password": PASSWORD} | body
    return ask(f"{name} signs up", "user-new", asked)


def verified(name):
    return ask(f"{name} is verified", "user-set-emailverified", {"email": email(name)})


def role(user_id, name):
    body = {"target_userid": user_id, "update_dict": {"user_role": name}}
    return ask(f"user {user_id} becomes {name}", "internal-user-edit", body)


def login(name, who, password=PASSWORD, token="$visitor"):
    address = ADMIN_EMAIL if who == "root" else email(who)
    return ask(name, "user-login", {"session_token": token, "email": address, "password": password})


def passcheck(name, who, password=PASSWORD):
    return ask(name, "user-passcheck-nosession", {"email": email(who), "password": password})


def user(name, user_id):
    return ask(name, "user-list", {"user_id": user_id})
