"""A message to the server and what its answer means. It neither sends nor waits, so both clients share it."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ._record import Answer, Call, Unfit
from .errors import AuthError, BadAnswer, BadKey, Misconfigured, NotAllowed, OverLimit, Refused, Unavailable
from .keys import KeyRing

T = TypeVar("T", bound=Answer)

# What a server says at most about when to try again.
RETRY_AFTER_MAX = 3600.0


@dataclass(frozen=True)
class Reply:
    """What came over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """One request on its way: sealed with the first key, and with the next where the server does not know that one."""

    def __init__(self, call: Call[Any], keys: KeyRing, client: str, caller: Mapping[str, str], reqid: str | None = None):
        self.call = call
        self.only_reads = call.only_reads
        self._keys = keys
        self._reqid = reqid or secrets.token_urlsafe(16)
        self._place = 0
        message = {"request": call.request, "body": call.body(caller), "reqid": self._reqid, "client_ipaddr": client}
        self._plain = json.dumps(message, allow_nan=False).encode()

    def sealed(self) -> bytes:
        """What to send."""
        return self._keys.seal(self._plain, self._place)

    def next_key(self, reply: Reply) -> bool:
        """Whether to send it once more, sealed with another key. A message that the server cannot open does nothing."""
        if reply.status != 401 or self._place + 1 == len(self._keys):
            return False
        self._place += 1
        return True

    def answer(self, reply: Reply) -> dict[str, Any]:
        """The opened answer to this very request; raises what came instead."""
        if reply.status != 200:
            raise of_status(self.call.request, reply.status, retry_after(reply.headers))
        plain = self._keys.open(reply.body)
        if plain is None:
            raise BadAnswer("the answer is not sealed with our key")
        try:
            answer = json.loads(plain)
        except (ValueError, RecursionError):
            raise BadAnswer("the answer is not JSON") from None
        if not isinstance(answer, dict) or answer.get("reqid") != self._reqid:
            raise BadAnswer("this is the answer to another request")
        return answer


def read(call: Call[T], answer: Mapping[str, Any]) -> T:
    """What a request came to; raises why it was not done."""
    response, messages = answer.get("response"), answer.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, str) for message in messages):
        raise BadAnswer("the answer's messages are not texts")
    if answer.get("success") is True:
        try:
            return call.answer.read(response, messages=messages)
        except Unfit as unfit:
            raise BadAnswer(str(unfit)) from None
    if answer.get("success") is not False:
        raise BadAnswer("the answer does not say whether it was done")
    reason = answer.get("failure_reason")
    reason = reason if isinstance(reason, str) else None
    raise Refused(call.request, response if isinstance(response, dict) else {}, reason, messages)


def of_status(request: str, status: int, wait: float | None) -> AuthError:
    """What a status other than 200 means."""
    if status == 401:
        return BadKey()
    if status == 403:
        return NotAllowed(request)
    if status == 429:
        return OverLimit(wait if wait is not None else 1.0)
    if status in (404, 405):
        return Misconfigured("no authnzerver is at this address, or it does not allow this host name")
    if status in (400, 411, 413):
        return Misconfigured(f"the server does not take {request} as it was sent (HTTP {status})")
    return Unavailable(f"the server answers HTTP {status}", maybe_done=True, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` names."""
    text = headers.get("retry-after", "").strip()
    if not text.isascii() or not text.isdigit():
        return None
    return min(float(text[:9]), RETRY_AFTER_MAX)


@dataclass(frozen=True)
class Policy:
    """How patient a client is."""

    connect_seconds: float = 3.0
    """For a connection, TLS included."""
    send_seconds: float = 10.0
    """For sending a request."""
    answer_seconds: float = 75.0
    """For each part of an answer. After failed logins, answers come up to 40 seconds later."""
    total_seconds: float = 120.0
    """For a whole answer, however many parts it comes in."""
    tries: int = 3
    """How often a request is sent at most. Only one that cannot have been done yet, or only reads, is sent again."""
    wait_seconds_max: float = 2.0
    """The longest pause before the next try, whatever `Retry-After` says; beyond that the error is raised at once."""
    answer_bytes_max: int = 32 << 20
    """The longest answer that is read."""
    idle_seconds_max: float = 60.0
    """For how long an idle connection is kept. The server closes them after 75 seconds."""
    connections_max: int = 16
    """How many idle connections are kept."""

    def pause(self, error: AuthError, only_reads: bool, tried: int) -> float | None:
        """How long to wait before another try; None if there is to be none."""
        if tried >= self.tries:
            return None
        if isinstance(error, OverLimit):
            return error.retry_after if error.retry_after <= self.wait_seconds_max else None
        # A wrong answer does not get better, and whoever forges them would like us to ask again.
        if not isinstance(error, Unavailable) or isinstance(error, BadAnswer):
            return None
        if error.maybe_done and not only_reads:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.wait_seconds_max else None
        return min(0.05 * math.pow(4, tried - 1), self.wait_seconds_max)
