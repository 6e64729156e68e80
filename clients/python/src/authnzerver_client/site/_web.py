"""Requests and responses of a site, whatever it is built with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import normpath
from urllib.parse import parse_qs, quote, unquote

FORM_BYTES_MAX = 1 << 20
# All other methods may change something.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# A page shows nothing of others and is shown in nothing; what stands in its address stays here. (With `no-referrer`
# browsers would send `Origin: null` with a form of our own.)
SECURITY_HEADERS = (
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
HEADERS = (("Content-Type", "text/html; charset=utf-8"), *SECURITY_HEADERS)


@dataclass(frozen=True)
class Request:
    """What a browser asks."""

    method: str
    path: str
    query: Mapping[str, str]
    # With names in lower case.
    headers: Mapping[str, str]
    # The address at the other end of the connection.
    peer: str
    form: Mapping[str, str] = field(default_factory=dict)
    # Path and query as they were sent.
    target: str = "/"

    def cookie(self, name: str) -> str | None:
        """The cookie of this name. One that is there twice was not set by us."""
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        found = [value for key, _, value in pairs if key == name]
        return found[0] if len(found) == 1 and found[0] else None


@dataclass
class Response:
    """What the site answers."""

    status: int
    body: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def to(cls, path: str) -> Response:
        """Leads on to another page."""
        return cls(303, headers=[("Location", path)])


def fields(encoded: bytes | str) -> dict[str, str]:
    """A query or a form; of a name that is there more than once, the last value."""
    text = encoded.decode("utf-8", "replace") if isinstance(encoded, bytes) else encoded
    try:
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True, max_num_fields=200).items()}
    except ValueError:
        return {}


def has_form(headers: Mapping[str, str]) -> bool:
    """Whether a body is a form that is read here."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "")
    return kind == "application/x-www-form-urlencoded" and length.isdigit() and int(length) <= FORM_BYTES_MAX


def own_path(path: str) -> str:
    """A path of this site, for what a visitor brought along; the front page for anything else."""
    is_own = path.startswith("/") and not path.startswith("//")
    return path if is_own and "\\" not in path and path.isascii() and path.isprintable() else "/"


def target_of(path: bytes | str, query: bytes | str) -> str:
    """What was asked for, of a path that has been decoded, and a query that has not."""
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    return quote(path, safe="/:@!$&'()*+,;=-._~") + (f"?{text}" if text else "")


def readings(path: str) -> set[str]:
    """Each way in which what is behind us may read a path: frameworks differ in whether they look at letters' case,
    decode, join slashes and follow dots. A guard that covers one of them holds."""
    plain = _flat(path)
    decoded = _flat(unquote(plain))
    return {plain, decoded, _flat(normpath(decoded))}


def _flat(path: str) -> str:
    return re.sub("/{2,}", "/", path.replace("\\", "/")).lower()
