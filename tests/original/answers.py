"""What two answers have in common: placeholders for what is random or a time, and the comparison key by key."""

import datetime
import json
import re

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|[+-]\d\d:\d\d)?")
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN_ADDRESS = re.compile(r"unknown[a-z0-9-]*@example\.org")
ABSENT = "(absent)"


def masked(value, key=None):
    """The value with placeholders. What a placeholder says, such as how far off a time lies, still counts."""
    if key == "messages":
        texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
        return "<texts>" if texts else value
    if key == "problems" and isinstance(value, list) and all(isinstance(problem, dict) for problem in value):
        return {problem.get("param", number): problem for number, problem in enumerate(value)}
    if isinstance(value, dict):
        return {name: masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if TIMESTAMP.fullmatch(value):
        return time_placeholder(value)
    if TOKEN.fullmatch(value):
        return "<token>"
    if UUID.fullmatch(value):
        return "<uuid>"
    if UNKNOWN_ADDRESS.fullmatch(value):
        return "<unknown address>"
    if value.startswith("{"):
        try:
            return {"(text of)": masked(json.loads(value))}
        except ValueError:
            pass
    return value


def told_once(answer):
    """Verdict and reason stand in an answer twice, and once here, if both say the same."""
    response = answer.get("response")
    if isinstance(response, dict):
        for key in ("success", "failure_reason", "messages"):
            if key in response and key in answer and response[key] == answer[key]:
                del response[key]
    return answer


def time_placeholder(value):
    """How far from now, to ten minutes, in hours; and whether there is an offset in it."""
    at = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    offset = " with an offset" if at.tzinfo else ""
    at = at if at.tzinfo else at.replace(tzinfo=datetime.timezone.utc)
    seconds = (at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    hours = round(seconds / 600) / 6
    return f"<time {hours:+.1f}h{offset}>" if hours else f"<time now{offset}>"


def compared(there, here):
    """Where two answers differ, as `differences` says it. Where only one of them is an answer at all, its verdict says
    enough."""
    if there["http"] != here["http"]:
        kept = ("http", "success", "failure_reason")
        verdicts = [{key: answer[key] for key in kept if key in answer} for answer in (there, here)]
        return differences(*verdicts)
    return differences(there, here)


def differences(there, here, path=""):
    """Where two masked answers differ: {key: [there, here]}. True is not 1, and 1 is not 1.0."""
    if isinstance(there, dict) and isinstance(here, dict):
        found = {}
        for key in sorted(there.keys() | here.keys()):
            inner = f"{path}.{key}" if path else key
            found |= differences(there.get(key, ABSENT), here.get(key, ABSENT), inner)
        if path.endswith(".problems") and not found and list(there) != list(here):
            found[path] = [list(there), list(here)]
        return found
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        found = {}
        for index, (one, other) in enumerate(zip(there, here)):
            found |= differences(one, other, f"{path}[{index}]")
        return found
    if type(there) is type(here) and there == here:
        return {}
    return {path: [shortened(there), shortened(here)]}


def shortened(value):
    """An object that only one of the two has, as its keys; a list as what is in it."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(value)) + "}"
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    return value
