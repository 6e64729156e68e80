"""A client of authnzerver. `Client` is for threads, `AsyncClient` for asyncio; `calls` are requests as values."""

from . import calls, types
from ._record import Answer, Call
from ._wire import Policy
from .aio import AsyncCaller, AsyncClient
from .batch import Batch
from .client import Caller, Client
from .errors import AuthError, BadAnswer, BadKey, Misconfigured, NotAllowed, OverLimit, Refused, Unavailable
from .keys import KeyRing

__all__ = [
    "Answer",
    "AsyncCaller",
    "AsyncClient",
    "AuthError",
    "BadAnswer",
    "BadKey",
    "Batch",
    "Call",
    "Caller",
    "Client",
    "KeyRing",
    "Misconfigured",
    "NotAllowed",
    "OverLimit",
    "Policy",
    "Refused",
    "Unavailable",
    "calls",
    "types",
]
