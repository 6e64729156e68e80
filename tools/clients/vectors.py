#!/usr/bin/env python3
"""Writes clients/vectors.json, which every client has to pass. Needs the Python package cryptography.

The key, the time and what is otherwise random are fixed, so that it is the same file each time. Replies stand there as
they come over HTTP; what a client has to make of each stands beside it.
"""

import argparse
import base64
import json
import pathlib
import sys

from cryptography.fernet import Fernet

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
from authnzerver_client.site import pages  # noqa: E402

FILE = pathlib.Path(__file__).resolve().parents[2] / "clients" / "vectors.json"
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
NEW_KEY = base64.urlsafe_b64encode(bytes(range(32, 64))).decode()
STRANGER = base64.urlsafe_b64encode(bytes(range(64, 96))).decode()
TIME = 1_800_000_000
IV = bytes(range(16))
REQID = "reqid-of-the-vectors"
ANSWER_BYTES_MAX = 65536
SESSION = {"user_id": 4, "unknown_key": "of a newer server"}


def seal(text, key=KEY, time=TIME):
    token = Fernet(key)._encrypt_from_parts(text.encode(), time, IV)
    return base64.b64encode(token).decode()


def sealing():
    message = {
        "request": "session-exists",
        "body": {"session_token": "no-such-token"},
        "reqid": REQID,
        "client_ipaddr": "192.0.2.7",
    }
    plains = ["", "x", "fifteen letters", "sixteen letters.", "ünïcödé 🔒", json.dumps(message)]
    return [{"plain": plain, "key": KEY, "time": TIME, "iv": IV.hex(), "sealed": seal(plain)} for plain in plains]


def fernet():
    """The vectors of Fernet's specification, as far as they concern a client that does not ask how old a token is."""
    secret = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
    token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
    invalid = {
        "incorrect mac":
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        "too short":
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
        "invalid base64":
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        "payload size not multiple of block size":
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        "payload padding error":
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        "incorrect IV":
            "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
    }
    return {
        "key": secret,
        "valid": {"token": token, "time": 499162800, "iv": IV.hex(), "plain": "hello"},
        "invalid": [{"name": name, "token": token} for name, token in invalid.items()],
    }


def answer(success=True, response=None, messages=(), reqid=REQID, **more):
    return json.dumps(
        {"success": success, "response": response, "messages": list(messages), "reqid": reqid, **more}
    )


DONE = answer(response={"session_token": "t" * 43, "expires": "2027-01-31T12:00:00.500000"}, messages=["Started."])


def replies():
    """Each to the request session-new, which writes; a name, what comes, and what it means."""
    refused = answer(
        False, {"success": False}, ["Please wait."], failure_reason="too soon after a failed attempt"
    )
    held = answer(False, {"retry_after": 7}, ["Please wait."], failure_reason="too soon after a failed attempt")
    flipped = seal(DONE)[:-8] + ("AAAA" if seal(DONE)[-8:-4] != "AAAA" else "BBBB") + seal(DONE)[-4:]
    bad = {"error": "bad answer", "maybe_done": True}
    yield "an answer", reply(seal(DONE)), done()
    yield "an answer sealed with the second key", reply(seal(DONE, NEW_KEY)), done()
    yield "an answer that is years old and to this request", reply(seal(DONE, time=1)), done()
    yield "keys of a newer server", reply(seal(answer(response={**json.loads(DONE)["response"], **SESSION}))), {
        **done(), "messages": [],
    }
    yield "a refusal", reply(seal(refused)), refusal(None)
    yield "a refusal with a time", reply(seal(held)), refusal(7)
    yield "a refusal without a reason", reply(seal(answer(False, {}, ["No."]))), {
        "error": "refused", "reason": None, "messages": ["No."], "retry_after": None,
    }
    yield "not base64", reply("<html>not base64</html>"), bad
    yield "base64 of no token", reply(base64.b64encode(b"nothing sealed").decode()), bad
    yield "nothing", reply(""), bad
    yield "half an answer", reply(seal(DONE)[: len(seal(DONE)) // 2]), bad
    yield "an answer without its last block", reply(seal(DONE)[:-24]), bad
    yield "an answer with a changed signature", reply(flipped), bad
    yield "an answer sealed with a stranger's key", reply(seal(DONE, STRANGER)), bad
    yield "the answer to another request", reply(seal(answer(response=json.loads(DONE)["response"], reqid="another"))), bad
    yield "an answer without an ID", reply(
        seal(json.dumps({"success": True, "response": json.loads(DONE)["response"], "messages": []}))
    ), bad
    yield "no JSON", reply(seal("{")), bad
    yield "no object", reply(seal("[]")), bad
    yield "deep JSON", reply(seal("[" * 20000)), bad
    yield "a key is missing", reply(seal(answer(response={"expires": "2027-01-31T12:00:00"}))), bad
    yield "a key of another type", reply(
        seal(answer(response={"session_token": 5, "expires": "2027-01-31T12:00:00"}))
    ), bad
    yield "a time that is none", reply(seal(answer(response={"session_token": "t", "expires": "soon"}))), bad
    yield "a success that is no boolean", reply(seal(answer("yes", json.loads(DONE)["response"]))), bad
    yield "messages that are none", reply(
        seal(json.dumps({**json.loads(DONE), "messages": [{"html": "<b>"}]}))
    ), bad
    yield "a body that ends too soon", {**reply(seal(DONE)), "cut": 40}, {"error": "unavailable", "maybe_done": True}
    yield "a huge body", {**reply(""), "repeat": ["A", 4 * ANSWER_BYTES_MAX]}, bad
    # A client that waited for the rest would find the connection closed.
    yield "a body that is said to be huge", {**reply(seal(DONE)), "claimed": 2 * ANSWER_BYTES_MAX, "cut": 40}, bad
    yield "another key", reply("HTTP 401: …", 401), {"error": "bad key"}
    yield "a key that may not ask", reply("HTTP 403: …", 403), {"error": "not allowed"}
    yield "a host that is not allowed", reply("HTTP 404: …", 404), {"error": "misconfigured"}
    yield "a request that is not known", reply("HTTP 400: …", 400), {"error": "misconfigured"}
    yield "too long", reply("HTTP 413: …", 413), {"error": "misconfigured"}
    yield "over a limit", reply("HTTP 429: …", 429, {"Retry-After": "30"}), {"error": "over limit", "retry_after": 30}
    yield "over a limit for a long time", reply("HTTP 429: …", 429, {"Retry-After": "999999999999"}), {
        "error": "over limit", "retry_after": 3600,
    }
    yield "busy", reply("HTTP 503: …", 503, {"Retry-After": "30"}), {
        "error": "unavailable", "maybe_done": True, "retry_after": 30,
    }
    yield "a wait that is no number", reply("HTTP 503: …", 503, {"Retry-After": "-1"}), {
        "error": "unavailable", "maybe_done": True, "retry_after": None,
    }
    yield "a server error", reply("HTTP 500: …", 500), {"error": "unavailable", "maybe_done": True}
    yield "a redirect", reply("", 302, {"Location": "http://192.0.2.1/"}), {"error": "unavailable", "maybe_done": True}


def done():
    return {"answer": json.loads(DONE)["response"], "messages": ["Started."]}


def refusal(retry_after):
    return {
        "error": "refused",
        "reason": "too soon after a failed attempt",
        "messages": ["Please wait."],
        "retry_after": retry_after,
    }


def reply(body, status=200, headers=()):
    return {"status": status, "headers": dict(headers), "body": body}


def retries():
    """Whether a request is sent once more after what came first, where the server then answers."""
    busy = reply("", 503, {"Retry-After": "0"})
    return [
        {"name": "busy, for a read", "first": busy, "request": "read", "again": True},
        {"name": "busy, for a write", "first": busy, "request": "write", "again": False},
        {"name": "cut, for a read", "first": {**reply("AAAA"), "cut": 2}, "request": "read", "again": True},
        {"name": "cut, for a write", "first": {**reply("AAAA"), "cut": 2}, "request": "write", "again": False},
        {
            "name": "over a limit, for a write",
            "first": reply("", 429, {"Retry-After": "0"}),
            "request": "write",
            "again": True,
        },
        {
            "name": "over a limit for longer than a client waits",
            "first": reply("", 429, {"Retry-After": "60"}),
            "request": "read",
            "again": False,
        },
        {
            "name": "busy for longer than a client waits",
            "first": reply("", 503, {"Retry-After": "60"}),
            "request": "read",
            "again": False,
        },
        {"name": "a forged answer", "first": reply("AAAA"), "request": "read", "again": False},
        {"name": "another key, where there are two", "first": reply("", 401), "request": "write", "again": True},
        {"name": "a key that may not ask", "first": reply("", 403), "request": "read", "again": False},
    ]


def keys():
    plain = KEY.rstrip("=")
    return {
        "good": [
            {"text": KEY, "keys": 1},
            {"text": f'"{KEY}"\n', "keys": 1},
            {"text": plain, "keys": 1},
            {"text": KEY.replace("-", "+").replace("_", "/"), "keys": 1},
            {"text": f"{KEY},{NEW_KEY}", "keys": 2},
            {"text": f"{KEY}\n{NEW_KEY} # web2 requests=session-info,batch\n", "keys": 2},
            {"text": f"# made in spring\n{KEY}\n", "keys": 1},
        ],
        "bad": ["", "# nothing", KEY[:-4], KEY + "AAAA", "/etc/authnzerver/key", "!" * 44, ",".join([KEY] * 9)],
    }


def drawn():
    """Pages, and what Python's client draws, which is gone through with axe in a browser: others draw the same."""
    hidden = {"name": "code", "kind": "hidden", "value": "<'&\">"}
    typed = {"name": "email", "label": "E-mail & address", "kind": "email", "value": '"a+b"@example.org', "hint": "Yours <only>."}
    typed |= {"autocomplete": "username", "required": True}
    box = {"name": "remember", "label": "Remember me", "kind": "checkbox", "value": "1"}
    end = {"button": "End", "inputs": [{"name": "session_id", "kind": "hidden", "value": "x"}]}
    full = {"name": "full", "title": "Title <&>", "messages": ["What's wrong?", "<b>"], "isError": True, "csrf": "a.b"}
    full["forms"] = [{"button": "Log in", "inputs": [typed, {"name": "plain", "label": "Plain"}, hidden, box], "action": "/login"}]
    full["forms"].append({"button": "Send", "inputs": [typed]})
    full["rows"] = [{"title": 'Firefox "9"', "details": ["192.0.2.1", "<since>"], "form": end}, {"title": "only"}]
    full["links"] = [{"path": "/login?next=/email", "text": "Log in <here>"}, {"path": "/signup", "text": "Sign up"}]
    said = {"name": "message", "title": "A site", "messages": ["Done."], "secret": "azk_x", "csrf": "c.d"}
    return [{"page": page, "html": pages.content(python_page(page))} for page in (full, said, {"name": "bare", "title": "Bare"})]


def python_page(page):
    def form(one):
        return pages.Form(one["button"], [pages.Input(**about) for about in one["inputs"]], one.get("action", ""))

    rows = [
        pages.Row(row["title"], row.get("details", ()), form(row["form"]) if "form" in row else None)
        for row in page.get("rows", ())
    ]
    links = [(link["path"], link["text"]) for link in page.get("links", ())]
    plain = {name: page[name] for name in ("name", "title", "messages", "secret", "csrf") if name in page}
    forms = [form(one) for one in page.get("forms", ())]
    return pages.Page(**plain, is_error=page.get("isError", False), rows=rows, links=links, forms=forms)


def main():
    cases = [{"name": name, "reply": came, "expected": expected} for name, came, expected in replies()]
    vectors = {
        "keys": [KEY, NEW_KEY],
        "reqid": REQID,
        "answer_bytes_max": ANSWER_BYTES_MAX,
        "written_keys": keys(),
        "sealing": sealing(),
        "fernet": fernet(),
        "replies": cases,
        "retries": retries(),
        "pages": drawn(),
    }
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--to", type=pathlib.Path, default=FILE)
    options.parse_args().to.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
