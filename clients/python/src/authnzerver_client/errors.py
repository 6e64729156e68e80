"""What can come instead of an answer. Catch `AuthError` for all of it.

No error shows a parameter, a key or an answer: they may hold passwords and tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AuthError(Exception):
    """The request has no answer that can be used."""


class Refused(AuthError):
    """The server says no."""

    def __init__(self, request: str, response: Mapping[str, Any], reason: str | None, messages: list[str]):
        super().__init__(f"{request} was refused: {reason or 'no reason given'}")
        self.request = request
        self.reason = reason
        """Why, for this program and not for the end user; None where there is nothing to tell."""
        self.messages = messages
        """What may be shown to the end user."""
        self.response = response
        """The answer's own keys."""
        seconds = response.get("retry_after")
        self.retry_after = seconds if isinstance(seconds, int) else None
        """Seconds until the next attempt at this password or code is looked at, where there were failed ones."""

    @property
    def is_invalid(self) -> bool:
        """Whether parameters are missing or of a wrong type: a mistake of this program."""
        return self.reason == "invalid request parameters"


class OverLimit(AuthError):
    """The end user asks too often. Nothing was done."""

    def __init__(self, retry_after: float):
        super().__init__(f"over a rate limit for {retry_after:g} seconds")
        self.retry_after = retry_after


class Unavailable(AuthError):
    """There is no answer for now, which is never a verdict: let nobody in, and tell nobody that they may not."""

    def __init__(self, why: str, *, maybe_done: bool, retry_after: float | None = None):
        super().__init__(why)
        self.maybe_done = maybe_done
        """Whether the request may have been carried out all the same."""
        self.retry_after = retry_after


class BadAnswer(Unavailable):
    """What came back is not the answer to this request, or was not made by who has the key."""

    def __init__(self, why: str):
        super().__init__(why, maybe_done=True)


class Misconfigured(AuthError):
    """This program and the server do not fit together; nothing was done. A person has to look at it."""


class BadKey(Misconfigured):
    """The server has none of our keys."""

    def __init__(self) -> None:
        super().__init__("the server has another key: compare this program's key with the server's")


class NotAllowed(Misconfigured):
    """The key may not ask this request."""

    def __init__(self, request: str):
        super().__init__(f"the key may not ask {request}: see `authnzerver secret list`")
