"""The keys that seal messages: Fernet tokens in base64. The age of a token does not matter, since each answer carries
the random ID of its request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

from cryptography.fernet import Fernet, InvalidToken

KEYS_MAX = 8


class KeyRing:
    """One key or, while it is being changed, several. Messages are sealed with the first."""

    def __init__(self, text: str | bytes):
        """Reads keys as they stand in the server's key file: with commas or white space between them, and behind a `#`
        in a line whatever an operator noted."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
        written = [word for line in lines for word in re.split(r"[,\s]+", line) if word.strip("\"'")]
        if not 1 <= len(written) <= KEYS_MAX:
            raise ValueError(f"there are {len(written)} keys; it takes 1 to {KEYS_MAX}")
        self._raw = [_decoded(word, place + 1) for place, word in enumerate(written)]
        self._boxes = [Fernet(base64.urlsafe_b64encode(raw)) for raw in self._raw]

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> KeyRing:
        """Reads a key file."""
        with open(path, encoding="utf-8") as file:
            return cls(file.read())

    def __len__(self) -> int:
        return len(self._boxes)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self)}>"

    def seal(self, plain: bytes, place: int = 0) -> bytes:
        """Seals with the key at this place."""
        return base64.b64encode(self._boxes[place].encrypt(plain))

    def open(self, sealed: bytes) -> bytes | None:
        """Opens with whichever key fits, or not at all."""
        try:
            token = base64.b64decode(sealed, validate=True)
        except binascii.Error:
            return None
        for box in self._boxes:
            try:
                return box.decrypt(token)
            except InvalidToken:
                continue
        return None

    def derived(self, purpose: str) -> list[bytes]:
        """For each key, another one for a purpose of the site's own."""
        return [hmac.new(raw, f"authnzerver site: {purpose}".encode(), hashlib.sha256).digest() for raw in self._raw]


def _decoded(word: str, place: int) -> bytes:
    letters = word.strip("\"'").rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        raw = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        raise ValueError(f"key {place} is not base64") from None
    if len(raw) != 32:
        raise ValueError(f"key {place} has {len(raw)} bytes instead of 32 (is it the name of a file?)")
    return raw
